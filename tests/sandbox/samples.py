"""Messages and requests for tests of the sandbox."""

from __future__ import annotations

from typing import Any

import orjson

from bridge.sandbox.exchange import ApiRequest

SEND = "/api/CascadeMessage/send_message/async"
SEND_TG_VIBER = "/api/CascadeMessage/send_message/tg-viber/async"
HEADERS = {"Content-Type": "application/json", "X-Authorization-Key": "k"}


def message(**changes: Any) -> dict[str, Any]:
    """A valid transaction message; a change of ``None`` omits the field."""
    item: dict[str, Any] = {
        "id": "order-12345",
        "fromName": "YourStore",
        "toPhone": "+380501234567",
        "messageType": "transaction",
        "text": "Your order has been confirmed",
        **changes,
    }
    return {name: value for name, value in item.items() if value is not None}


def survey(**changes: Any) -> dict[str, Any]:
    return message(
        **{
            "messageType": "viber_survey",
            "text": "How are we?",
            "surveyOptions": ["Good", "Bad"],
            **changes,
        }
    )


def flashcall(**changes: Any) -> dict[str, Any]:
    return message(**{"messageType": "flashcall", "text": None, **changes})


def batch(size: int) -> list[dict[str, Any]]:
    return [message(id=f"bulk-{n}", toPhone=f"+38050{n:07d}") for n in range(size)]


def request(
    body: Any = None,
    *,
    method: str = "POST",
    path: str = SEND,
    query: bytes = b"",
    headers: dict[str, str] = HEADERS,
) -> ApiRequest:
    """A request in the server's form; a body other than bytes is encoded as JSON."""
    raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
    lowered = {name.lower().encode(): value.encode() for name, value in headers.items()}
    return ApiRequest(method, path, query, lowered, raw)
