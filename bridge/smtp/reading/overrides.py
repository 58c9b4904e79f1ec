"""The X-Cascade header fields.

One table: the field, the submission's field, the parser of the value. A wrong value is refused with
the field's name; the relay decides whether the account may use it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypedDict

from bridge.config.settings import parse_duration
from bridge.dialect.variables import read_variable
from bridge.model.failure import Failure, Reason
from bridge.model.message import MessageType, Route
from bridge.smtp.reading.encoded_words import text_of
from bridge.smtp.reading.header import Fields
from bridge.smtp.reading.text import clean

#: The names of types, here and in tags of recipients.
MESSAGE_TYPES = {
    "transaction": MessageType.TRANSACTION,
    "promo": MessageType.PROMO,
    "survey": MessageType.VIBER_SURVEY,
    "viber_survey": MessageType.VIBER_SURVEY,
    "flash": MessageType.FLASHCALL,
    "flashcall": MessageType.FLASHCALL,
}
#: The names of routes, here and in tags of recipients.
ROUTES = {"async": Route.ASYNC, "tgviber": Route.TG_VIBER, "tg-viber": Route.TG_VIBER}

MAX_VALUE = 255


class Wishes(TypedDict, total=False):
    """Fields of :class:`bridge.model.message.Submission` that a mail's envelope sets too."""

    ttl: int
    scheduled_at: int


class Overrides(Wishes, total=False):
    """Fields of :class:`bridge.model.message.Submission` that a mail's header sets."""

    message_type: MessageType
    sender: str
    options: tuple[str, ...]
    route: Route
    reference: str
    priority: int
    name: str
    spread: int
    template: str
    variables: tuple[tuple[str, str], ...]


def _seconds(text: str) -> int:
    seconds = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else int(parse_duration(text))
    if seconds < 1:
        raise ValueError("at least one second")
    return seconds


def _moment(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp())


def _priority(text: str) -> int:
    if text not in ("0", "1", "2", "3"):
        raise ValueError
    return int(text)


class _Row(NamedTuple):
    name: str
    sets: str
    read: Callable[[str], Any]
    allowed: str
    reason: Reason = Reason.BAD_PARAMETER


_ROWS = (
    _Row("X-Cascade-Type", "message_type", lambda v: MESSAGE_TYPES[v.lower()], "unknown type"),
    _Row("X-Cascade-Sender", "sender", str, "a name"),
    _Row("X-Cascade-TTL", "ttl", _seconds, 'not seconds or "24h"', Reason.BAD_VALIDITY),
    _Row(
        "X-Cascade-Schedule", "scheduled_at", _moment, "not an ISO 8601 time", Reason.BAD_SCHEDULE
    ),
    _Row("X-Cascade-Route", "route", lambda v: ROUTES[v.lower()], "not async or tg-viber"),
    _Row("X-Cascade-Reference", "reference", str, "a text"),
    _Row("X-Cascade-Priority", "priority", _priority, "not 0 to 3"),
    _Row("X-Cascade-Name", "name", str, "a name"),
    _Row("X-Cascade-Over", "spread", _seconds, 'not seconds or "2h"'),
    _Row("X-Cascade-Template", "template", str, "a name"),
)
#: By the name in the form of :mod:`bridge.smtp.reading.header`.
FIELDS = {row.name.lower().encode(): row for row in _ROWS}
_PREFIX = b"x-cascade-"


def read_overrides(fields: Fields, fallback: str) -> Overrides:
    """The fields that the header sets; raises a Failure with the first wrong field."""
    overrides: Overrides = {}
    for name, values in fields.items():
        if not name.startswith(_PREFIX):
            continue
        texts = [text_of(value, fallback) for value in values]
        if name == b"x-cascade-option":
            overrides["options"] = tuple(_bounded("X-Cascade-Option", text) for text in texts)
            continue
        if name == b"x-cascade-var":
            overrides["variables"] = tuple(
                read_variable(_bounded("X-Cascade-Var", text)) for text in texts
            )
            continue
        row = FIELDS.get(name)
        if row is None:
            shown = name[:40].decode("ascii", "replace")
            raise Failure(Reason.BAD_PARAMETER, f"{shown}: unknown header")
        text = _bounded(row.name, texts[0])
        if not text:
            continue
        try:
            overrides[row.sets] = row.read(text)  # type: ignore[literal-required]  # the table's
        except (ValueError, KeyError, OverflowError):
            raise Failure(row.reason, f"{row.name}: {row.allowed}") from None
    return overrides


def _bounded(name: str, text: str) -> str:
    if len(text) > MAX_VALUE:
        raise Failure(Reason.BAD_PARAMETER, f"{name}: longer than {MAX_VALUE} characters")
    return clean(text)
