"""The sandbox's own endpoints: received messages and requests, faults. No I/O.

GET    /sandbox/messages?since=N&limit=L   accepted messages after number N
DELETE /sandbox/messages                   forgets messages, requests and repeats
GET    /sandbox/requests                   counts by status and batch size, the latest ones
GET    /sandbox/stats                      how many, and which ids came again
GET    /sandbox/faults                     the faults that are on, and all there are
PUT    /sandbox/faults                     one fault or an array of them instead of those
DELETE /sandbox/faults                     none
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any
from urllib.parse import parse_qs

import orjson

from bridge.sandbox.api import error_answer
from bridge.sandbox.errors import ApiError
from bridge.sandbox.exchange import Answer, ApiRequest
from bridge.sandbox.faults import FAULTS, FaultError, Faults, fault_from_json
from bridge.sandbox.ledger import Ledger
from bridge.sandbox.rules import parse

PREFIX = "/sandbox/"
DEFAULT_LIMIT = 1000
MAX_LIMIT = 100_000
LATEST_REQUESTS = 100

Handler = Callable[[ApiRequest], Answer]


class SandboxControl:
    """Answers requests to ``/sandbox/…``."""

    def __init__(self, ledger: Ledger, faults: Faults, clear: Callable[[], None]) -> None:
        self._ledger = ledger
        self._faults = faults
        self._clear = clear
        self._paths: dict[str, dict[str, Handler]] = {
            "/sandbox/messages": {"GET": self._messages, "DELETE": self._forget},
            "/sandbox/requests": {"GET": self._requests},
            "/sandbox/stats": {"GET": self._stats},
            "/sandbox/faults": {
                "GET": self._show_faults,
                "PUT": self._set_faults,
                "DELETE": self._no_faults,
            },
        }

    def answer(self, request: ApiRequest) -> Answer:
        try:
            handlers = self._paths.get(request.path)
            if handlers is None:
                raise ApiError(404, message=f"known are {', '.join(self._paths)}")
            handler = handlers.get(request.method)
            if handler is None:
                raise ApiError(405, headers=((b"allow", ", ".join(handlers).encode()),))
            return handler(request)
        except ApiError as error:
            return error_answer(error)

    def _messages(self, request: ApiRequest) -> Answer:
        query = parse_qs(request.query.decode("latin-1"))
        since = _number(query, "since", 0)
        limit = min(_number(query, "limit", DEFAULT_LIMIT), MAX_LIMIT)
        messages = [
            {
                "number": got.number,
                "messageId": got.message_id,
                "request": got.request,
                "at": got.at,
                "route": got.route,
                "keys": got.keys,
                "message": got.item,
            }
            for got in islice(self._ledger.messages(since), limit)
        ]
        return _json({"messages": messages, "last": self._ledger.total})

    def _forget(self, request: ApiRequest) -> Answer:
        self._clear()
        return Answer(204)

    def _requests(self, request: ApiRequest) -> Answer:
        ledger = self._ledger
        return _json(
            {
                "count": ledger.requests_count,
                "statuses": {str(status): n for status, n in sorted(ledger.statuses.items())},
                "batches": {str(size): n for size, n in sorted(ledger.sizes.items())},
                "latest": [seen._asdict() for seen in ledger.requests[-LATEST_REQUESTS:]],
            }
        )

    def _stats(self, request: ApiRequest) -> Answer:
        ledger = self._ledger
        return _json(
            {
                "messages": ledger.messages_count,
                "requests": ledger.requests_count,
                "duplicates": ledger.duplicates_count,
                "duplicate_ids": dict(ledger.duplicates),
            }
        )

    def _show_faults(self, request: ApiRequest) -> Answer:
        known = {name: behaviour.says for name, behaviour in FAULTS.items()}
        return _json({"active": self._faults.listed(), "known": known})

    def _set_faults(self, request: ApiRequest) -> Answer:
        document = parse(request.body or b"")
        try:
            listed = document if isinstance(document, list) else [document]
            self._faults.replace([fault_from_json(fault) for fault in listed])
        except FaultError as error:
            raise ApiError(400, "1001", str(error), "fault") from None
        return _json({"active": self._faults.listed()})

    def _no_faults(self, request: ApiRequest) -> Answer:
        self._faults.replace([])
        return Answer(204)


def _number(query: dict[str, list[str]], name: str, default: int) -> int:
    value = query.get(name, [str(default)])[-1]
    if not value.isdecimal() or len(value) > 18:
        raise ApiError(400, "1001", f"{name} must be a whole number", name)
    return int(value)


def _json(document: Any) -> Answer:
    return Answer(body=orjson.dumps(document))
