"""The API's listener: a Unix socket, protected by its file mode, and TCP with tokens.

Reads each request completely, finds the caller, and limits connections. :mod:`bridge.admin.api`
answers.
"""

from __future__ import annotations

import asyncio
import errno
import grp
import os
import pwd
import socket
import struct
from base64 import b64decode
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

import structlog
from starlette.applications import Starlette

from bridge.accounts.accounts import Account, Accounts
from bridge.admin.api import CALLER, Caller, problem
from bridge.admin.tokens import Role, Tokens
from bridge.config import settings as config
from bridge.config.settings import Endpoint
from bridge.model.failure import Failure, Reason
from bridge.model.message import Protocol
from bridge.net.asgi import BodyTooLarge, Receive, Scope, Send, TooManyBodies, read_body
from bridge.net.http_server import Limits, WebServer
from bridge.net.passed_sockets import NONE_PASSED, PassedSockets, Where
from bridge.net.tls import renewed, server_context

log = structlog.get_logger()

LIMITS: Final = Limits(
    max_body=4 * 1024 * 1024,
    keep_alive=75,
    request_within=10.0,
    max_connections=200,
    max_held=256 * 1024 * 1024,
)
#: Operators import files: a million lines in base64.
MAX_FILE: Final = 64 * 1024 * 1024
#: Forms of the console, and its login: the caller is not known yet.
MAX_LOGIN: Final = 64 * 1024
#: The group whose members may use the socket, if it exists.
GROUP: Final = "cascade-bridge"
_MODE: Final = 0o660
#: On stop: how long requests in progress may take to be answered (seconds). The store may be slow
#: to accept a message.
_ANSWER_WITHIN: Final = 5.0
#: struct ucred of SO_PEERCRED (unix(7)): pid, uid, gid.
_UCRED: Final = struct.Struct("iII")


class AdminListener:
    """Listens on the addresses of ``[admin]``. Belongs to one event loop.

    Configured addresses must be available. Default ones that are not (another bridge may have them)
    are left out with a warning.
    """

    def __init__(
        self,
        settings: config.Admin,
        application: Starlette,
        tokens: Tokens,
        accounts: Accounts,
    ) -> None:
        self._settings = settings
        self._accounts = accounts
        self._application = application
        self._tokens = tokens
        self._context = server_context(settings.certificate, settings.private_key)
        self._local = WebServer(self._from_socket, LIMITS)
        self._remote = WebServer(self._from_network, LIMITS, self._context)
        self._path: Path | None = None

    async def start(self, passed: PassedSockets = NONE_PASSED) -> list[Endpoint]:
        """Binds the socket and the addresses; returns the bound ones. Raises OSError."""
        chosen = self._settings.model_fields_set
        bound: list[Endpoint] = []
        try:
            await self._optional(self._listen_unix, "socket" in chosen)
            for where in passed.instead_of("admin.listen", self._settings.listen):

                async def listen(where: Where = where) -> None:
                    bound.append(await self._remote.listen(where))

                await self._optional(listen, "listen" in chosen)
        except BaseException:
            await self.close()
            raise
        return bound

    async def _optional(self, listen: Callable[[], Awaitable[None]], needed: bool) -> None:
        try:
            await listen()
        except OSError as error:
            if needed:
                raise
            log.warning("admin_unavailable", cause=str(error))

    async def _listen_unix(self) -> None:
        path = self._settings.socket
        await self._local.start_unix(bind_unix(path))
        self._path = path

    def reload(self, settings: config.Admin) -> None:
        """Takes over new tokens and a new certificate. Raises OSError or ValueError for an unusable
        certificate; then nothing changes."""
        renewed(self._context, settings.certificate, settings.private_key)
        self._settings = settings
        self._tokens.apply(settings)

    async def close(self) -> None:
        """Answers requests in progress, and closes all connections."""
        await asyncio.gather(self._remote.close(_ANSWER_WITHIN), self._local.close(_ANSWER_WITHIN))
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None

    # --- one request -----------------------------------------------------------------------

    async def _from_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(Caller(Role.OPERATE, _user(scope)), scope, receive, send)

    async def _from_network(self, scope: Scope, receive: Receive, send: Send) -> None:
        client: tuple[str, int] | None = scope["client"]
        address = client[0] if client else ""
        await self._answer(await self._caller(scope, address), scope, receive, send)

    async def _caller(self, scope: Scope, address: str) -> Caller:
        scheme, credentials = _authorization(scope)
        try:
            if scheme == "basic":
                account = await self._log_in(credentials, address)
                own = Failure(Reason.NOT_ALLOWED, "an account may ask only about its own messages")
                return Caller(Role.NOBODY, address, own, account)
            token = credentials if scheme == "bearer" else ""
            role = await self._tokens.role_of(token, address)
        except Failure as failure:
            return Caller(Role.NOBODY, address, failure)
        return Caller(role, f"{role.name.lower()} token from {address}")

    async def _log_in(self, credentials: str, address: str) -> Account:
        """The account of a Basic login (RFC 7617)."""
        try:
            name, _, password = b64decode(credentials, validate=True).decode().partition(":")
        except ValueError:
            raise Failure(Reason.BAD_PARAMETER, "a Basic login that cannot be read") from None
        return await self._accounts.authenticate(
            name, password, protocol=Protocol.HTTP, address=address
        )

    async def _answer(self, caller: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        connection = scope["state"]["connection"]
        most = LIMITS.max_body
        if caller.role >= Role.OPERATE:
            most = MAX_FILE
        elif caller.role is Role.NOBODY and caller.account is None:
            most = MAX_LOGIN
        try:
            body = await read_body(scope, receive, most)
        except BodyTooLarge:
            detail = f"more than {most} bytes"
            too_large = problem(Failure(Reason.BAD_PARAMETER, detail), status=413)
            too_large.headers["Connection"] = "close"
            await too_large(scope, receive, cast(Any, send))
            return
        except TooManyBodies:
            full = problem(Failure(Reason.BRIDGE_FULL, "too many large requests at once"))
            await full(scope, receive, cast(Any, send))
            return
        except ConnectionResetError:
            return
        connection.came()
        given = False

        async def again() -> dict[str, Any]:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        scope[CALLER] = caller
        await self._application(scope, again, cast(Any, send))


def bind_unix(path: Path) -> socket.socket:
    """A socket at ``path`` for its owner and group only; replaces a socket without a listener.

    Raises OSError, also if another process listens on it.
    """
    if path.is_socket():
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
            else:
                raise OSError(errno.EADDRINUSE, f"{path} is served by another process")
    listening = socket.socket(socket.AF_UNIX)
    try:
        # No other user may open it before its group is set.
        mask = os.umask(0o777)
        try:
            listening.bind(str(path))
        except OSError as error:
            raise OSError(error.errno, f"{path}: {error.strerror}") from None
        finally:
            os.umask(mask)
        # Without such a group, or if we are not in it, our own group may use it.
        with suppress(KeyError, PermissionError):
            os.chown(path, -1, grp.getgrnam(GROUP).gr_gid)
        path.chmod(_MODE)
    except BaseException:
        listening.close()
        raise
    listening.setblocking(False)
    return listening


def _user(scope: Scope) -> str:
    """The user at the other end of the Unix socket, for the log."""
    transport = scope["state"]["connection"].transport
    found = transport.get_extra_info("socket") if transport is not None else None
    if found is None:
        return "socket"
    try:
        with socket.socket(fileno=os.dup(found.fileno())) as peer:
            option = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    except OSError:
        return "socket"
    _, uid, _ = _UCRED.unpack(option)
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _authorization(scope: Scope) -> tuple[str, str]:
    """The scheme in small letters, and its parameters."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, credentials = value.decode("latin-1").partition(" ")
            return scheme.lower(), credentials.strip()
    return "", ""
