"""Templates, and the formats of times, ages and numbers. Files of the package are read once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from bridge import __version__
from bridge.admin.console.security import HEADERS

_KINDS: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
#: State → its CSS class: good, waiting, bad, or quiet.
TONES: Final = {
    **dict.fromkeys(("delivered", "ok", "sent", "released", "report", "receipt"), "good"),
    **dict.fromkeys(("accepted", "sending", "slowed down", "attempt", "warning"), "waiting"),
    **dict.fromkeys(("held", "refused", "broken", "rejected", "error"), "bad"),
    **dict.fromkeys(("undeliverable", "expired", "unknown outcomes"), "bad"),
}
_UTC: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)", re.ASCII)
_AGES: Final = ((86400, "d"), (3600, "h"), (60, "min"))


def moment(at: datetime | str | None) -> Markup:
    """A time in this machine's zone."""
    if at is None or at == "":
        return Markup("–")
    given = datetime.fromisoformat(at) if isinstance(at, str) else at
    local = given.astimezone()
    return Markup('<time datetime="{}">{}</time>').format(
        given.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), local.strftime("%Y-%m-%d %H:%M:%S")
    )


def sentence(text: str) -> Markup:
    """A sentence with its RFC 3339 times replaced by readable ones."""
    parts = _UTC.split(text)
    return Markup("").join(moment(part) if place % 2 else part for place, part in enumerate(parts))


def age(seconds: float | None) -> str:
    """``90`` → ``1.5 min``."""
    if seconds is None:
        return "–"
    for unit, name in _AGES:
        if seconds >= unit:
            return f"{seconds / unit:.1f} {name}".replace(".0 ", " ")
    return f"{seconds:.0f} s"


def number(value: float) -> str:
    """``12345.6`` → ``12 345.6``, with thin no-break spaces."""
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.1f}".removesuffix(".0")
    return text.replace(",", "\N{NARROW NO-BREAK SPACE}")


def milliseconds(seconds: float | None) -> str:
    """``0.0123`` → ``12 ms``."""
    return "–" if seconds is None else f"{seconds * 1000:.3g} ms"


_ENVIRONMENT: Final = Environment(
    loader=PackageLoader("bridge.admin.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {
    "moment": moment,
    "age": age,
    "sentence": sentence,
    "number": number,
    "ms": milliseconds,
    "tone": lambda state: TONES.get(str(state), "quiet"),
    "segment": lambda text: quote(str(text), safe=""),
}
_ENVIRONMENT.globals |= {"version": __version__}


def page(name: str, context: Mapping[str, Any], status: int = 200) -> Response:
    """A template as an answer."""
    text = _ENVIRONMENT.get_template(name).render(context)
    return HTMLResponse(text, status, HEADERS)


def asset(name: str) -> Response | None:
    """A file of the console, if there is one of this name."""
    found = _ASSETS.get(name)
    if found is None:
        return None
    body, kind = found
    return Response(body, 200, {**HEADERS, "Content-Type": kind})


_ASSETS: Final = {
    file.name: (file.read_bytes(), kind)
    for file in (files("bridge.admin.console") / "static").iterdir()
    if (kind := _KINDS.get("." + file.name.rpartition(".")[2]))
}
