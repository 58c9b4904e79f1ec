"""Decodes the API's JSON about messages: statuses and messages from phones.

Three documents are read: the status webhook, the answer to ``GET /bat/message/{id}``, and the
incoming-message webhook. All are read tolerantly: field names without regard to case and
underscores, numbers as strings and the other way round, one object or an array. A byte order mark,
invalid UTF-8, unpaired surrogates, bare control characters and NaN are skipped or replaced; the
rest of the document is read. :mod:`bridge.feedback.status_updates` decides what a word means.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeVar

import orjson

T = TypeVar("T")

#: The longest ids and words that are taken; the documented ones have 36 characters and 14.
MAX_ID: Final = 128
MAX_WORD: Final = 64
_PHONE: Final = re.compile(r"(?:\+|00)?([1-9]\d{4,14})", re.ASCII)
#: Numbers from here on are milliseconds since 1970, not seconds.
_MILLISECONDS: Final = 100_000_000_000
#: 2000-01-01. Earlier times are invalid: .NET writes the year 1 for none.
_EARLIEST: Final = 946_684_800
#: The escapes of a JSON string; the second group is an unpaired surrogate (RFC 8259 §8.2).
_ESCAPE: Final = re.compile(
    r"(\\u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|\\."
)


class NotDocumented(ValueError):  # noqa: N818 - says what is the matter
    """A document without the documented form; the text says why.

    ``id`` is its ``messageId`` or ``idUuid``, empty if it has none.
    """

    def __init__(self, why: str, id: str = "") -> None:
        super().__init__(why)
        self.id = id


class ApiStatus(NamedTuple):
    """The API's status of one message. ``cost`` is its number as written, empty if there is none;
    ``counted_parts`` is 0 if not given."""

    upstream_id: str
    word: str
    cost: str = ""
    counted_parts: int = 0


class Phoned(NamedTuple):
    """A message from a phone: ``uid`` is the provider's id (may be empty), ``to`` the sender name
    that was answered, ``phone`` E.164 with ``+``, ``at`` a Unix time, ``None`` if it is not given.
    """

    uid: str
    to: str
    phone: str
    text: str
    at: int | None = None


def decode_statuses(body: bytes) -> tuple[list[ApiStatus], list[NotDocumented]]:
    """The statuses in a status webhook, and the errors of invalid elements (perhaps all).

    Raises :class:`NotDocumented` if it is not JSON.
    """
    return _decode(body, _said)


def decode_incoming(body: bytes) -> tuple[list[Phoned], list[NotDocumented]]:
    """The messages in an incoming-message webhook; for the rest as :func:`decode_statuses`."""
    return _decode(body, _phoned)


def decode_status(body: bytes, upstream_id: str) -> ApiStatus | None:
    """The status of a message in the answer to a status request; ``None`` if it has none."""
    try:
        document = _loads(body)
        if isinstance(document, list) and len(document) == 1:
            document = document[0]
        if not isinstance(document, dict):
            return None
        said = _said({"messageId": upstream_id} | document)
    except NotDocumented:
        return None
    same = said.upstream_id.lower() == upstream_id.lower()
    return said._replace(upstream_id=upstream_id) if same else None


def _decode(body: bytes, read: Callable[[object], T]) -> tuple[list[T], list[NotDocumented]]:
    document = _loads(body)
    good: list[T] = []
    bad: list[NotDocumented] = []
    for element in document if isinstance(document, list) else [document]:
        try:
            good.append(read(element))
        except NotDocumented as error:
            bad.append(error)
    return good, bad


def _loads(body: bytes) -> object:
    """Reads JSON tolerantly; raises :class:`NotDocumented` if even that fails."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    text = _ESCAPE.sub(_whole, body.decode("utf-8-sig", errors="replace"))
    try:
        # Accepts line ends in strings, NaN and any number.
        return json.loads(text, strict=False)
    except (ValueError, RecursionError) as error:
        raise NotDocumented("not JSON") from error


def _whole(escape: re.Match[str]) -> str:
    return "\N{REPLACEMENT CHARACTER}" if escape[2] else escape[0]


def _fields(element: object) -> dict[str, Any]:
    """The fields by normalised names."""
    if not isinstance(element, dict):
        raise NotDocumented("no object")
    return {name.lower().replace("_", ""): value for name, value in element.items()}


def _said(element: object) -> ApiStatus:
    fields = _fields(element)
    upstream_id, word = fields.get("messageid"), fields.get("deliverystatus")
    if not (isinstance(upstream_id, str) and 0 < len(upstream_id) <= MAX_ID):
        raise NotDocumented("no messageId")
    if not upstream_id.isprintable():
        raise NotDocumented("control characters")
    if not (isinstance(word, str) and 0 < len(word) <= MAX_WORD):
        raise NotDocumented("no deliverystatus", upstream_id)
    if not word.isprintable():
        raise NotDocumented("control characters", upstream_id)
    return ApiStatus(upstream_id, word, _cost(fields.get("cost")), _count(fields.get("partscount")))


def _cost(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return ""
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    text = str(value).strip()
    return text if len(text) <= 32 and text.isprintable() else ""


def _count(value: object) -> int:
    if value is None:
        return 0
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return int(text) if re.fullmatch(r"\d{1,4}", text, re.ASCII) else 0


def _phoned(element: object) -> Phoned:
    fields = _fields(element)
    uid, to, phone, text = (
        _text(fields.get(name)) for name in ("iduuid", "alphaname", "phonenumber", "text")
    )
    uid, to = _name(uid)[:MAX_ID], _name(to).strip()[:MAX_WORD]
    number = _PHONE.fullmatch(phone.replace(" ", ""))
    if number is None:
        raise NotDocumented("no phoneNumber", uid)
    if "text" not in fields:
        raise NotDocumented("no text", uid)
    return Phoned(uid, to, f"+{number[1]}", text, _time(fields.get("dt")))


def _name(text: str) -> str:
    """A name for a line of the log or the terminal, without other characters."""
    return text if text.isprintable() else "".join(filter(str.isprintable, text))


def _text(value: object) -> str:
    """A string, also from a number; without NUL, which databases refuse."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).replace("\0", "")


def _time(value: object) -> int | None:
    """A Unix time from seconds, milliseconds or ISO 8601 (UTC if it has no zone: the documentation
    does not say); ``None`` if it is before 2000 or invalid."""
    text = _text(value).strip()
    if re.fullmatch(r"\d{9,14}", text, re.ASCII):
        number = int(text)
        at = number // 1000 if number >= _MILLISECONDS else number
    else:
        try:
            written = datetime.fromisoformat(text)
        except ValueError:
            return None
        at = int((written if written.tzinfo else written.replace(tzinfo=UTC)).timestamp())
    return at if at >= _EARLIEST else None
