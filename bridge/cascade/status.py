"""What the API says of messages by itself or when it is asked: its JSON → words of ours.

Three documents are read: the status webhook's, the answer to ``GET /bat/message/{id}``, and the
incoming-message webhook's. All are read tolerantly: names of fields without regard to case and
underscores, numbers as strings and the other way round, one object or an array; a byte order mark,
octets that are no UTF-8, halves of surrogate pairs, bare control characters and NaN cost no more
than themselves. What a word means is decided by :mod:`bridge.feedback.status_updates`.
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
#: No number of seconds since 1970 in our time, so that it counts milliseconds.
_MILLISECONDS: Final = 100_000_000_000
#: 2000-01-01. What lies before is no time that a message was sent: .NET says year 1 for none.
_EARLIEST: Final = 946_684_800
#: The escapes of a JSON string; the second group is an unpaired surrogate (RFC 8259 §8.2).
_ESCAPE: Final = re.compile(
    r"(\\u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|\\."
)


class NotDocumented(ValueError):  # noqa: N818 - says what is the matter
    """A document that has not the documented shape; the text says why.

    ``id`` is what it calls itself (``messageId``, ``idUuid``), empty where it does not.
    """

    def __init__(self, why: str, id: str = "") -> None:
        super().__init__(why)
        self.id = id


class ApiStatus(NamedTuple):
    """The API's word on one message. ``cost`` is its own number as written, empty where there is
    none; ``counted_parts`` is 0 where it does not say."""

    upstream_id: str
    word: str
    cost: str = ""
    counted_parts: int = 0


class Phoned(NamedTuple):
    """A message from a phone: ``uid`` is the provider's id (may be empty), ``to`` the sender name
    that was answered, ``phone`` E.164 with ``+``, ``at`` a Unix time, ``None`` if it is not told.
    """

    uid: str
    to: str
    phone: str
    text: str
    at: int | None = None


def decode_statuses(body: bytes) -> tuple[list[ApiStatus], list[NotDocumented]]:
    """What a status webhook says, and why elements of its array are none (it may be all of them).

    Raises :class:`NotDocumented` where it is no JSON.
    """
    return _decode(body, _said)


def decode_incoming(body: bytes) -> tuple[list[Phoned], list[NotDocumented]]:
    """What an incoming-message webhook brings; otherwise as :func:`decode_statuses`."""
    return _decode(body, _phoned)


def decode_status(body: bytes, upstream_id: str) -> ApiStatus | None:
    """What the answer to a question says of that message; ``None`` if it is no such answer."""
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
    """Raises :class:`NotDocumented` where it is no JSON, however generously it is read."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    text = _ESCAPE.sub(_whole, body.decode("utf-8-sig", errors="replace"))
    try:
        # Takes line ends in strings, NaN and any number too.
        return json.loads(text, strict=False)
    except (ValueError, RecursionError) as error:
        raise NotDocumented("not JSON") from error


def _whole(escape: re.Match[str]) -> str:
    return "\N{REPLACEMENT CHARACTER}" if escape[2] else escape[0]


def _fields(element: object) -> dict[str, Any]:
    """The fields by names that are alike however they are spelt."""
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
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return ""
    if isinstance(value, float) and not math.isfinite(value):
        return ""
    text = str(value).strip()
    return text if len(text) <= 32 and text.isprintable() else ""


def _count(value: object) -> int:
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
    """What of a name can stand in a line of a log and on a terminal."""
    return text if text.isprintable() else "".join(filter(str.isprintable, text))


def _text(value: object) -> str:
    """A string, also out of a number; no database takes a NUL in a text."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).replace("\0", "")


def _time(value: object) -> int | None:
    """A Unix time out of one, in seconds or milliseconds, or out of ISO 8601 (UTC if it has no
    zone: the documentation does not say); ``None`` where it is none of our time."""
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
