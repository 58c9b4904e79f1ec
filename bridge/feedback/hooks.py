"""The listener for SMSBAT's webhooks: statuses and messages from phones.

Decides about HTTP: callers, paths, limits, answers. :mod:`bridge.feedback.status_updates` and
:mod:`bridge.feedback.incoming` read the bodies. 200 means stored; 503 means not stored, so that the
caller tries again. Only the secret in the path authenticates a caller: a wrong one is answered like
any wrong path, in the same time, and no path is ever logged.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, NamedTuple

import orjson
import structlog

from bridge.config import settings as config
from bridge.config.settings import Endpoint
from bridge.model.failure import Failure, Reason
from bridge.model.measures import HOOKS, HOOKS_TAKEN_AT
from bridge.net.asgi import (
    BodyTooLarge,
    Headers,
    Receive,
    Scope,
    Send,
    TooManyBodies,
    read_body,
    respond,
    skip_body,
)
from bridge.net.http_server import Limits, WebServer
from bridge.net.networks import network_set
from bridge.net.passed_sockets import NONE_PASSED, PassedSockets
from bridge.net.tls import renewed, server_context

log = structlog.get_logger()

#: Limits for a caller. A status has about 150 bytes, and a request arrives in one piece.
LIMITS: Final = Limits(
    max_body=1024 * 1024, keep_alive=75, request_within=10.0, max_connections=1000
)
#: Retry-After of a 503 (seconds).
RETRY_AFTER: Final = 30
#: The HTTP status by reason; other reasons are internal errors.
_STATUSES: Final = {
    Reason.BAD_PARAMETER: 400,
    Reason.NOT_FOUND: 422,
    Reason.BRIDGE_FULL: 503,
    Reason.OPERATION_FAILED: 503,
}
#: Interval in which the same problem of a caller is logged once (seconds).
_TELL_EVERY: Final = 60.0
_TELL_MOST: Final = 1000

_JSON: Final = (b"content-type", b"application/json")
_CLOSE: Final = (b"connection", b"close")
_HEADERS: Final[dict[int, Headers]] = {
    405: ((b"allow", b"POST"),),
    413: (_CLOSE,),
    503: ((b"retry-after", b"%d" % RETRY_AFTER),),
}

#: Statuses for callers that are not SMSBAT: the body was not read, and no reason is given.
_UNREAD: Final = frozenset({403, 404, 405})


class HookRefusal(NamedTuple):
    """The HTTP status of the answer, and the reason."""

    status: int
    why: str


#: Stores a body; returns the number of invalid elements. Raises Failure.
Take = Callable[[bytes], Awaitable[int]]


class HooksListener:
    """Listens on the addresses of ``[hooks]``, if there is a secret. Belongs to one event loop."""

    def __init__(
        self,
        settings: config.Hooks,
        statuses: Take,
        incoming: Take,
        *,
        limits: Limits = LIMITS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._takes = {"status": statuses, "incoming": incoming}
        self._limits = limits
        self._monotonic = monotonic
        self._told: dict[tuple[str, str, int, str], float] = {}
        self._context = server_context(settings.certificate, settings.private_key)
        self._server = WebServer(self._application, limits, self._context, partial(self._tell, ""))
        self._apply(settings)

    def _apply(self, settings: config.Hooks) -> None:
        self._networks = network_set(settings.networks)
        secret = settings.secret.get_secret_value() if settings.secret else ""
        self._paths = [
            (f"/hooks/cascade/{secret}/{hook}".encode(), hook) for hook in self._takes if secret
        ]

    async def start(self, passed: PassedSockets = NONE_PASSED) -> list[Endpoint]:
        """Binds all addresses, or none; returns the bound ones. Without a secret there are none."""
        if self._settings.secret is None:
            return []
        try:
            places = passed.instead_of("hooks.listen", self._settings.listen)
            return [await self._server.listen(where) for where in places]
        except BaseException:
            await self.close()
            raise

    def reload(self, settings: config.Hooks) -> None:
        """Takes over a new certificate, networks and secret.

        :mod:`bridge.config.reloading` lists the keys that need a restart. Raises OSError or
        ValueError for an unusable certificate; then nothing changes.
        """
        renewed(self._context, settings.certificate, settings.private_key)
        self._settings = settings
        self._apply(settings)

    async def close(self) -> None:
        """Answers requests that are being stored, and closes all connections."""
        await self._server.close()

    # --- one request -----------------------------------------------------------------------

    async def _application(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = _peer(scope)
        hook = self._hook_at(scope["raw_path"])
        refused: HookRefusal | None
        if self._networks and not self._networks.find(peer):
            hook, refused = "", HookRefusal(403, "network not allowed")
        elif not hook:
            refused = HookRefusal(404, "wrong path or secret")
        elif scope["method"] != "POST":
            refused = HookRefusal(405, "wrong method")
        else:
            refused = await self._take(self._takes[hook], scope, receive, send)
        HOOKS.add(hook or "none", "taken" if refused is None else str(refused.status))
        if refused is None:
            HOOKS_TAKEN_AT[hook] = time.time()
        else:
            self._tell(hook, peer, *refused)
            await self._refuse(refused, scope, receive, send)

    async def _take(
        self, take: Take, scope: Scope, receive: Receive, send: Send
    ) -> HookRefusal | None:
        """Stores the body, and answers with the result."""
        try:
            body = await read_body(scope, receive, self._limits.max_body)
        except BodyTooLarge:
            return HookRefusal(413, f"more than {self._limits.max_body} bytes")
        except TooManyBodies:
            return HookRefusal(503, "too many large requests at once")
        except ConnectionResetError:
            return None
        try:
            bad = await take(body)
        except Failure as failure:
            status = _STATUSES.get(failure.reason, 500)
            if not body and _asks_upgrade(scope):
                return HookRefusal(status, "asks for another protocol (Upgrade)")
            return HookRefusal(status, failure.detail or failure.reason.codes.text)
        except Exception:  # the caller must get an answer
            log.exception("hook_failed", peer=_peer(scope))
            return HookRefusal(500, "operation failed")
        # Header and empty body in one write.
        if bad:
            await respond(send, 200, (_JSON,), orjson.dumps({"refused": bad}))
        else:
            await respond(send, 200)
        return None

    async def _refuse(
        self, refused: HookRefusal, scope: Scope, receive: Receive, send: Send
    ) -> None:
        status, why = refused
        headers = [*_HEADERS.get(status, ())]
        body = b""
        if status in _UNREAD:
            if not await skip_body(scope, receive, self._limits.max_body):
                headers.append(_CLOSE)
        else:
            headers.append(_JSON)
            body = orjson.dumps({"error": why})
        if _asks_upgrade(scope):
            # uvicorn would treat the following data as another protocol.
            headers.append(_CLOSE)
        await respond(send, status, headers, body)

    def _hook_at(self, path: bytes) -> str:
        """The hook with this path, or an empty string; takes the same time for a wrong secret as
        for the right one."""
        found = ""
        for known, hook in self._paths:
            if hmac.compare_digest(known, path):
                found = hook
        return found

    def _tell(self, hook: str, peer: str, status: int, why: str) -> None:
        now, trouble = self._monotonic(), (hook, peer, status, why)
        if now - self._told.get(trouble, -_TELL_EVERY) < _TELL_EVERY:
            return
        if len(self._told) >= _TELL_MOST:
            self._told.clear()
        self._told[trouble] = now
        log.warning("hook_refused", peer=peer, hook=hook, status=status, cause=why)


def _peer(scope: Scope) -> str:
    client: tuple[str, int] | None = scope["client"]
    return client[0] if client else ""


def _asks_upgrade(scope: Scope) -> bool:
    return any(name == b"upgrade" for name, _ in scope["headers"])
