"""The Cascade API's wire format: encodes request bodies, decodes response bodies.

Only the documented fields are sent. Responses are read tolerantly: elements are matched by
``trackinId`` (also spelt ``trackingId``), never by their position, and all three documented forms
of an error body are accepted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from bridge.model.message import Message, MessageType, Route

PATHS = {
    Route.ASYNC: "/api/CascadeMessage/send_message/async",
    Route.TG_VIBER: "/api/CascadeMessage/send_message/tg-viber/async",
}
#: The API's ``messageId`` follows.
STATUS_PATH = "/bat/message/"
#: The path for uploads of template variables.
ITEMS_PATH = "/api/items"


class ErrorBody(NamedTuple):
    """An error body: the API's code, its text and the field concerned; each may be empty."""

    code: str = ""
    text: str = ""
    field: str = ""


def encode(messages: Iterable[Message], now: float, schedule_field: str = "scheduledSent") -> bytes:
    """The request body: a JSON array. ``ttl`` is the rest of the validity, in whole seconds."""
    array = []
    for m in messages:
        start = now if m.scheduled_at is None else max(now, m.scheduled_at)
        item: dict[str, Any] = {
            "id": str(m.id),
            "fromName": m.sender,
            "toPhone": m.phone,
            "messageType": m.message_type._value_,
        }
        if m.message_type is not MessageType.FLASHCALL:
            item["text"] = m.text
        elif m.fallback:
            item["fallback"] = {
                "messageType": MessageType.TRANSACTION._value_,
                "text": m.fallback,
            }
        item["ttl"] = max(1, math.ceil(m.expires_at - start))
        if m.scheduled_at is not None and m.scheduled_at > now:
            item[schedule_field] = (
                f"{datetime.fromtimestamp(m.scheduled_at, UTC):%Y-%m-%dT%H:%M:%SZ}"
            )
        if m.options:
            item["surveyOptions"] = m.options
        array.append(item)
    return orjson.dumps(array)


def decode_ids(body: bytes) -> dict[str, str] | None:
    """Tracking id → ``messageId`` from a 200 response; ``None`` if it is no such array.

    Elements without both ids are skipped: their outcome is unknown. Of two answers for one id the
    first counts.
    """
    try:
        array = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(array, list):
        return None
    ids: dict[str, str] = {}
    for element in array:
        if isinstance(element, dict):
            tracking = element.get("trackinId", element.get("trackingId"))
            upstream = element.get("messageId")
            if isinstance(tracking, str | int) and isinstance(upstream, str) and upstream:
                ids.setdefault(str(tracking), upstream)
    return ids


def decode_error(body: bytes) -> ErrorBody | None:
    """The content of an error body in any documented form; ``None`` if it is no JSON object.

    ``{"error": {"code", "message", "field"}}`` · ``{"status", "error", "message", "code"}`` ·
    ``{"error": "Too Many Requests", "message", "status"}``.
    """
    try:
        body = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(body, dict):
        return None
    error = body.get("error")
    source = error if isinstance(error, dict) else body
    code, text, field = (_text(source.get(key)) for key in ("code", "message", "field"))
    return ErrorBody(code, text or (_text(error) if source is body else ""), field)


def _text(value: object) -> str:
    if value is None or isinstance(value, dict | list):
        return ""
    return " ".join(str(value).split())[:200]
