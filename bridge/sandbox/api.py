"""The provider's endpoints: sending, statuses, variables. No I/O: a request in, an answer out.

Checks a request in the provider's order: key, media type, rules, faults. The rules themselves are
in :mod:`bridge.sandbox.rules`, the sandbox's own endpoints in :mod:`bridge.sandbox.control`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import orjson

from bridge.net.token_bucket import TokenBucket
from bridge.sandbox import statuses
from bridge.sandbox.errors import ApiError
from bridge.sandbox.exchange import Answer, ApiRequest
from bridge.sandbox.faults import Fault, Faults, Pair, answer_body
from bridge.sandbox.ledger import Batch, Ledger, Seen
from bridge.sandbox.rules import Item, check_batch, check_variables

#: Path → the route's name in the record.
SEND_PATHS = {
    "/api/CascadeMessage/send_message/async": "async",
    "/api/CascadeMessage/send_message/tg-viber/async": "tg-viber",
}
STATUS_PATH = "/bat/message/"
ITEMS_PATH = "/api/items"

KEY_HEADERS = {
    b"x-authorization-key": "X-Authorization-Key",
    b"x-viber-auth-token": "X-Viber-Auth-Token",
    b"x-tg-bot-key": "X-Tg-Bot-Key",
}
#: The key that is refused if no accepted keys are configured.
WRONG_KEY = "wrong"

#: The documented limits: requests a second and burst.
SEND_LIMIT = (100, 150)
OTHER_LIMIT = (50, 75)

KEEP_VARIABLES = 10_000

_is_json = re.compile(rb"application/json\s*(;\s*charset=\"?utf-8\"?\s*)?", re.I).fullmatch
_is_uuid = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I).fullmatch

Handler = Callable[[ApiRequest], Answer]


class Api:
    """Answers requests to the provider's paths.

    ``keys`` are the accepted keys (empty: every key but :data:`WRONG_KEY`), ``delay`` is the pause
    before a good answer to sending (seconds), ``clock`` gives Unix time. ``on_accepted`` is called
    with every batch, ``on_seen`` with every request.
    """

    def __init__(
        self,
        ledger: Ledger,
        faults: Faults,
        *,
        clock: Callable[[], float],
        keys: frozenset[str] = frozenset(),
        pace: statuses.StatusPace = statuses.PACE,
        delay: float = 0.0,
        limits: bool = False,
        on_accepted: Callable[[Batch], None] | None = None,
        on_seen: Callable[[Seen], None] | None = None,
    ) -> None:
        self.ledger = ledger
        self.faults = faults
        self.variables: dict[int, Item] = {}
        self.delay = delay
        self._clock = clock
        self._keys = keys
        self._pace = pace
        self._on_accepted = on_accepted
        self._on_seen = on_seen
        now = clock()
        self._send_bucket = TokenBucket(*(SEND_LIMIT if limits else (0, 0)), now)
        self._other_bucket = TokenBucket(*(OTHER_LIMIT if limits else (0, 0)), now)
        self._paths: dict[str, dict[str, Handler]] = {
            **{path: {"POST": self._send} for path in SEND_PATHS},
            ITEMS_PATH: {"POST": self._items},
        }
        self._status_path: dict[str, Handler] = {"GET": self._status}

    def answer(self, request: ApiRequest) -> Answer:
        """The provider's answer; every request is recorded."""
        now = self._clock()
        try:
            answer = self._handler(request)(request)
        except ApiError as error:
            answer = error_answer(error)
        seen = self.ledger.seen(
            now,
            request.method,
            request.path,
            0 if answer.is_silent else answer.status,
            answer.size,
            answer.fault,
            answer.error,
        )
        if self._on_seen is not None:
            self._on_seen(seen)
        return answer

    def _handler(self, request: ApiRequest) -> Handler:
        handlers = self._paths.get(request.path)
        if handlers is None:
            if not request.path.startswith(STATUS_PATH):
                raise ApiError(404)
            handlers = self._status_path
        handler = handlers.get(request.method)
        if handler is None:
            raise ApiError(405, headers=((b"allow", ", ".join(handlers).encode()),))
        return handler

    def _send(self, request: ApiRequest) -> Answer:
        fault = self.faults.find("send")
        if fault is not None and not fault.behaviour.accepts:
            return self._refuse(fault)
        now = self._clock()
        keys = self._check_key(request)
        if not self._send_bucket.take(now):
            raise ApiError(429)
        items = check_batch(_json_body(request), now)
        if self.faults.about_phones:
            phones = frozenset(item["toPhone"] for item in items)
            about_phones = self.faults.find("send", phones)
            if about_phones is not None:
                fault = about_phones
                if not fault.behaviour.accepts:
                    return self._refuse(fault, len(items))
        batch = self.ledger.add(now, SEND_PATHS[request.path], keys, items)
        if self._on_accepted is not None:
            self._on_accepted(batch)
        if fault is None:
            return Answer(body=self._answer_body(batch), seconds=self.delay, size=len(items))
        return self._spoil(fault, batch)

    def _answer_body(self, batch: Batch) -> bytes:
        # Neither id needs escaping in JSON. Three times as fast as orjson with a list of
        # dictionaries.
        head = f'{{"messageId":"{self.ledger.id_prefix}'
        elements = [
            f'{head}{number:012x}","trackinId":"{item["id"]}"}}'
            for number, item in enumerate(batch.items, batch.first)
        ]
        return f"[{','.join(elements)}]".encode()

    def _refuse(self, fault: Fault, size: int = 0) -> Answer:
        """The fault is the answer; no message is accepted."""
        self.faults.use(fault)
        error = fault.error()
        if error is None:
            return Answer(manner=fault.behaviour.manner, size=size, fault=fault.name)
        return error_answer(error)._replace(size=size, fault=fault.name)

    def _spoil(self, fault: Fault, batch: Batch) -> Answer:
        """The messages are accepted; the fault changes the answer."""
        self.faults.use(fault)
        behaviour = fault.behaviour
        prefix = self.ledger.id_prefix
        pairs: list[Pair] = [
            (f"{prefix}{number:012x}", item["id"])
            for number, item in enumerate(batch.items, batch.first)
        ]
        return Answer(
            body=(behaviour.spoil or answer_body)(pairs),
            content_type=behaviour.content_type,
            manner=behaviour.manner,
            seconds=self.delay + (fault.seconds if "seconds" in behaviour.options else 0.0),
            size=len(pairs),
            fault=fault.name,
        )

    def _status(self, request: ApiRequest) -> Answer:
        fault = self.faults.find("status")
        if fault is not None and not fault.behaviour.accepts:
            return self._refuse(fault)
        now = self._clock()
        self._check_key(request)
        if not self._other_bucket.take(now):
            raise ApiError(429)
        message_id = request.path.removeprefix(STATUS_PATH).lower()
        if not _is_uuid(message_id):
            raise ApiError(400, "1001", "messageId must be a UUID", "messageId")
        found = self.ledger.find(message_id)
        if found is None:
            raise ApiError(404, "", "No such message")
        status = statuses.status_at(found.item, found.at, now, self._pace)
        document = {
            "messagelistId": f"{found.request:08x}-0000-4000-8000-{found.request:012x}",
            "messageId": found.message_id,
            "deliverystatus": status,
            "partscount": statuses.parts_count(found.item),
            "cost": statuses.cost(found.item),
        }
        answer = _json(document)
        if fault is None:
            return answer
        self.faults.use(fault)
        return answer._replace(
            manner=fault.behaviour.manner, seconds=fault.seconds, fault=fault.name
        )

    def _items(self, request: ApiRequest) -> Answer:
        self._check_key(request)
        if not self._other_bucket.take(self._clock()):
            raise ApiError(429)
        variables = check_variables(_json_body(request))
        if len(self.variables) + len(variables) > KEEP_VARIABLES:
            raise ApiError(413, message=f"more than {KEEP_VARIABLES} variables")
        self.variables.update({variable["id"]: variable for variable in variables})
        return _json({"variables": variables})

    def _check_key(self, request: ApiRequest) -> tuple[str, ...]:
        """The names of the request's key headers, each with an accepted key."""
        headers = request.headers
        names = []
        for header, name in KEY_HEADERS.items():
            value = headers.get(header)
            if not value:
                continue
            key = value.decode("latin-1")
            if key not in self._keys if self._keys else key == WRONG_KEY:
                raise ApiError(401)
            names.append(name)
        if not names:
            raise ApiError(401)
        return tuple(names)


def _json_body(request: ApiRequest) -> bytes:
    if not _is_json(request.headers.get(b"content-type", b"")):
        raise ApiError(415)
    if request.body is None:
        raise ApiError(413)
    return request.body


def _json(document: Any) -> Answer:
    return Answer(body=orjson.dumps(document))


def error_answer(error: ApiError) -> Answer:
    told = " ".join(part for part in (error.code, error.field, error.message) if part)
    return Answer(error.status, error.body(), error.content_type, error.headers, error=told)
