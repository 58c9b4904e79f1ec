"""The listener that SMSBAT calls: statuses and messages from phones (design sections 6 and 9).

Everything about HTTP is decided here: who may call, where, how much, and what they hear; what is
in a body, by :mod:`bridge.statuses` and :mod:`bridge.incoming`. 200 means that it is stored; what
could not be stored gets 503, so that it comes again. The secret in the path is all that proves who
calls: a wrong one is answered like any wrong path, in the same time, and no path is ever logged.
"""

from __future__ import annotations

import hmac
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import orjson
import structlog

from bridge import config
from bridge.config import Endpoint
from bridge.failure import Failure, Reason
from bridge.network import NetworkMap
from bridge.web import (
    BodyTooLarge,
    Headers,
    Limits,
    Receive,
    Scope,
    Send,
    WebServer,
    read_body,
    respond,
)

log = structlog.get_logger()

#: What a caller may cost. A status has about 150 bytes, and a request of them comes at once.
LIMITS: Final = Limits(
    max_body=1024 * 1024, keep_alive=75, request_within=10.0, max_connections=1000
)
#: When a caller is asked to come again after 503 (seconds).
RETRY_AFTER: Final = 30
#: The HTTP status for what a body met; what is not here is a fault of ours.
_STATUSES: Final = {
    Reason.BAD_PARAMETER: 400,
    Reason.NOT_FOUND: 422,
    Reason.BRIDGE_FULL: 503,
    Reason.OPERATION_FAILED: 503,
}
#: The same trouble with the same caller is logged once in so many seconds.
_TELL_EVERY: Final = 60.0
_TELL_MOST: Final = 1000

_JSON: Final = (b"content-type", b"application/json")
_HEADERS: Final[dict[int, Headers]] = {
    405: ((b"allow", b"POST"),),
    413: ((b"connection", b"close"),),
    503: ((b"retry-after", b"%d" % RETRY_AFTER),),
}

#: Keeps a body, durably; tells how many of its elements it could not. Raises Failure.
Take = Callable[[bytes], Awaitable[int]]


class HooksListener:
    """Listens where ``[hooks]`` says, if there is a secret. Belongs to the loop it starts in."""

    def __init__(
        self,
        settings: config.Hooks,
        statuses: Take,
        incoming: Take,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._takes = {"status": statuses, "incoming": incoming}
        self._monotonic = monotonic
        self._told: dict[tuple[str, int], float] = {}
        self._context = _tls_context(settings)
        self._server = WebServer(self._application, LIMITS, self._context)
        self._apply(settings)

    def _apply(self, settings: config.Hooks) -> None:
        self._networks = NetworkMap((network, True) for network in settings.networks)
        secret = settings.secret.get_secret_value() if settings.secret else ""
        self._paths = [
            (f"/hooks/cascade/{secret}/{name}".encode(), take)
            for name, take in self._takes.items()
            if secret
        ]

    async def start(self) -> list[Endpoint]:
        """Binds every address, or none; tells them as bound. Without a secret there is none."""
        if self._settings.secret is None:
            return []
        bound: list[Endpoint] = []
        try:
            for host, port in self._settings.listen:
                bound.append(Endpoint(host, await self._server.start(host, port)))
        except BaseException:
            await self.close()
            raise
        return bound

    def reload(self, settings: config.Hooks) -> None:
        """Takes the certificate, the networks and the secret anew.

        The addresses, and whether it listens at all, stay. Raises OSError or ValueError, and
        changes nothing, where a certificate cannot be used.
        """
        context = _tls_context(settings)
        before = self._settings
        if self._context is not None and context is not None and settings.certificate is not None:
            # The listener holds the context itself: what was just seen to work goes into it.
            self._context.load_cert_chain(settings.certificate, settings.private_key)
        changed = {
            "listen": settings.listen != before.listen,
            "secret": (settings.secret is None) != (before.secret is None),
            "certificate": (context is None) != (self._context is None),
        }
        for key in (key for key, differs in changed.items() if differs):
            log.warning("reload_incomplete", key=f"hooks.{key}", cause="needs a new start")
        self._settings = settings
        self._apply(settings)

    async def close(self) -> None:
        """Answers what is being stored, and hangs up."""
        await self._server.close()

    # --- one request -----------------------------------------------------------------------

    async def _application(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope["client"]
        peer: str = client[0] if client else ""
        if self._networks and not self._networks.find(peer):
            await self._refuse(send, peer, 403, "network not allowed")
            return
        take = self._take_at(scope["raw_path"])
        if take is None:
            await self._refuse(send, peer, 404, "wrong path or secret")
            return
        if scope["method"] != "POST":
            await self._refuse(send, peer, 405, "wrong method")
            return
        try:
            bad = await take(await read_body(scope, receive, LIMITS.max_body))
        except BodyTooLarge:
            await self._refuse(send, peer, 413, f"more than {LIMITS.max_body} bytes")
        except ConnectionResetError:
            return
        except Failure as failure:
            status = _STATUSES.get(failure.reason, 500)
            await self._refuse(send, peer, status, failure.detail or failure.reason.codes.text)
        except Exception:  # the edge: the caller gets an answer whatever happens
            log.exception("hook_failed", peer=peer)
            await self._refuse(send, peer, 500, "operation failed")
        else:
            # Nothing to say is said in one write.
            if bad:
                await respond(send, 200, (_JSON,), orjson.dumps({"refused": bad}))
            else:
                await respond(send, 200)

    def _take_at(self, path: bytes) -> Take | None:
        """What belongs to this path; looks as long for a wrong secret as for the right one."""
        found = None
        for known, take in self._paths:
            if hmac.compare_digest(known, path):
                found = take
        return found

    async def _refuse(self, send: Send, peer: str, status: int, why: str) -> None:
        self._tell(peer, status, why)
        body = b"" if status in (403, 404, 405) else orjson.dumps({"error": why})
        await respond(send, status, (_JSON, *_HEADERS.get(status, ())), body)

    def _tell(self, peer: str, status: int, why: str) -> None:
        now = self._monotonic()
        if now - self._told.get((peer, status), -_TELL_EVERY) < _TELL_EVERY:
            return
        if len(self._told) >= _TELL_MOST:
            self._told.clear()
        self._told[peer, status] = now
        log.warning("hook_refused", peer=peer, status=status, cause=why)


def _tls_context(settings: config.Hooks) -> ssl.SSLContext | None:
    if settings.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(
        settings.certificate, Path(settings.private_key or settings.certificate)
    )
    return context
