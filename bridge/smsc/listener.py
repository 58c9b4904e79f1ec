"""The listener of the SMSC dialect: HTTP in, answers of the dialect out.

Decides about callers, limits, and the operation of a path. Every call gets an answer in the dialect
with HTTP status 200, also for errors: clients treat any other status, and an empty body, as a lost
connection, and repeat the call.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from ssl import SSLContext
from typing import Final, Protocol
from urllib.parse import unquote_to_bytes

import structlog

from bridge.accounts.accounts import Account
from bridge.config import settings as config
from bridge.config.settings import Endpoint
from bridge.dialect.answers import Format, refused
from bridge.directory.directory import Directory
from bridge.directory.verbs import count_call
from bridge.model import message as vocabulary
from bridge.model.failure import Failure, Reason
from bridge.net.asgi import BodyTooLarge, Receive, Scope, Send, TooManyBodies, read_body, respond
from bridge.net.http_server import CLOSE_WITHIN, Limits, WebServer
from bridge.net.networks import network_set
from bridge.net.passed_sockets import NONE_PASSED, PassedSockets, Where
from bridge.net.tls import renewed, server_context
from bridge.smsc import soap
from bridge.smsc.call import AnsweredRefusal, Call, Operation
from bridge.smsc.long_lists import encoded_long
from bridge.smsc.parameters import Parameters, read_parameters

log = structlog.get_logger()

#: Limits for a client. A list of 10,000 rows has about a megabyte.
LIMITS: Final = Limits(
    max_body=4 * 1024 * 1024,
    keep_alive=75,
    request_within=15.0,
    max_connections=2000,
    max_held=32 * 1024 * 1024,
)
#: Larger calls are read in a thread (octets): four megabytes take up to 0.3 s.
_LARGE: Final = 64 * 1024
SOAP: Final = "soap.php"
METHODS: Final = ("GET", "POST")
REST: Final = "/rest/send"
_CONTENT_TYPES: Final = {
    Format.TEXT: "text/html",
    Format.NUMBERS: "text/html",
    Format.XML: "text/xml",
    Format.JSON: "application/json",
}
#: The format in a query or a form, in a multipart body, and in JSON.
_FMT: Final = re.compile(
    rb"""(?:^|&)fmt=([0-3])(?:&|$)|name="?fmt"?\r\n\r\n([0-3])\r\n|"fmt"\s?:\s?"?([0-3])[",}\s]"""
)
#: A host that was set with a slash at its end gives two.
_SLASHES: Final = re.compile("//+")
#: Python's names of charsets → the dialect's.
_CHARSET_NAMES: Final = {"cp1251": "windows-1251", "koi8-u": "koi8-r"}
_WSDL: Final = (b"content-type", b"text/xml; charset=utf-8")
_SECRETS: Final = frozenset({"psw", "apikey"})
#: Interval in which the same refusal of a client is logged once (seconds), and most refusals logged
#: in it.
_TELL_EVERY: Final = 60.0
_TELL_MOST: Final = 1000


class SmscAuthenticator(Protocol):
    """The part of :class:`bridge.accounts.accounts.Accounts` that the listener uses."""

    def check_address(self, address: str) -> None: ...

    async def authenticate_smsc(self, name: str, password: str, *, address: str) -> Account: ...

    async def authenticate_key(
        self, key: str, *, protocol: vocabulary.Protocol, address: str
    ) -> Account: ...


class SmscListener:
    """Listens on the addresses of ``[smsc]``. Belongs to one event loop.

    ``operations`` are those of ``/sys/<name>``; of those in ``limited``, identical calls are
    counted.
    """

    def __init__(
        self,
        settings: config.Smsc,
        accounts: SmscAuthenticator,
        directory: Directory,
        operations: Mapping[str, Operation],
        limited: frozenset[str],
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self._accounts = accounts
        self._directory = directory
        self._operations = operations
        self._limited = limited
        self._clock = clock
        self._monotonic = monotonic
        self._told: set[tuple[str, str, str]] = set()
        self._told_since = monotonic()
        self._context: SSLContext | None = None
        self._webs: list[WebServer] = []
        self._apply(settings)

    def _apply(self, settings: config.Smsc) -> None:
        self._networks = network_set(settings.networks)
        self._proxies = network_set(settings.proxies)

    async def start(self, passed: PassedSockets = NONE_PASSED) -> list[Endpoint]:
        """Binds all addresses, or none; returns the bound ones. Raises OSError and ssl.SSLError."""
        settings = self.settings
        bound: list[Endpoint] = []
        try:
            bound += await self._listen(passed.instead_of("smsc.listen", settings.listen), None)
            secure = passed.instead_of("smsc.tls_listen", settings.tls_listen)
            if secure:
                self._context = server_context(settings.certificate, settings.private_key)
                bound += await self._listen(secure, self._context)
        except BaseException:
            await self.close()
            raise
        return bound

    async def _listen(self, places: Sequence[Where], context: SSLContext | None) -> list[Endpoint]:
        if not places:
            return []
        web = WebServer(self._application, LIMITS, context, self._tell_http, lambda: self._proxies)
        self._webs.append(web)
        return [await web.listen(where) for where in places]

    def reload(self, settings: config.Smsc) -> None:
        """Takes over a new certificate, networks and proxies. Raises OSError or ValueError for an
        unusable certificate; then nothing changes."""
        if self._context is not None:
            renewed(self._context, settings.certificate, settings.private_key)
        self.settings = settings
        self._apply(settings)

    async def close(self, within: float = CLOSE_WITHIN) -> None:
        """Takes no more connections, answers calls in progress within this time (seconds), and
        closes all connections."""
        await asyncio.gather(*(web.close(within) for web in self._webs))
        self._webs.clear()

    # --- one call ------------------------------------------------------------------------------

    async def _application(self, scope: Scope, receive: Receive, send: Send) -> None:
        client: tuple[str, int] | None = scope["client"]
        peer = client[0] if client else ""
        path = _SLASHES.sub("/", unquote_to_bytes(scope["raw_path"]).decode("latin-1"))
        query = scope["query_string"]
        try:
            body = await read_body(scope, receive, LIMITS.max_body)
        except BodyTooLarge:
            failure = Failure(Reason.BAD_PARAMETER, f"more than {LIMITS.max_body} octets")
            await self._refuse(send, query, failure, peer, path, 413)
            return
        except TooManyBodies:
            failure = Failure(Reason.BRIDGE_FULL, "too many large calls at once")
            await self._refuse(send, query, failure, peer, path, 503)
            return
        except ConnectionResetError:
            return
        name = path.removeprefix("/sys/") if path.startswith("/sys/") else ""
        method = scope["method"]
        if method not in METHODS and not (method == "HEAD" and name == SOAP):
            # A HEAD, of which a client expects that it does nothing, must not send.
            failure = Failure(Reason.BAD_PARAMETER, f"method {method[:20]}")
            await self._refuse(send, query + b"&" + body, failure, peer, path, 405, always=True)
            return
        if name == SOAP:
            await self._soap(scope, body, peer, send)
            return
        try:
            if encoding := _header(scope, b"content-encoding").replace("identity", ""):
                raise Failure(Reason.BAD_PARAMETER, f"Content-Encoding {encoding[:20]}")
            content_type = _header(scope, b"content-type")
            if len(query) + len(body) > _LARGE:
                # Its sender has not logged in, and others are served meanwhile.
                parameters = await asyncio.to_thread(read_parameters, query, content_type, body)
            else:
                parameters = read_parameters(query, content_type, body)
        except Failure as failure:
            await self._refuse(send, query + b"&" + body, failure, peer, path)
            return
        if path.rstrip("/") == REST:
            name = "send.php"
            if not parameters.given("fmt"):
                parameters = parameters.having(fmt="3")
        answer, fmt, failed = await self.answer(name, parameters, peer, path)
        octets = await encoded_long(answer, fmt, parameters.charset)
        await _respond(send, octets, fmt, parameters.charset, failed)

    async def answer(
        self, name: str, parameters: Parameters, peer: str, path: str
    ) -> tuple[str, Format, Failure | None]:
        """The answer to a call of ``/sys/<name>``, its format, and the refusal if any."""
        fmt = _format(parameters)
        account: Account | None = None
        try:
            operation = self._operations.get(name)
            if operation is None:
                raise Failure(Reason.BAD_PARAMETER, "no such call")
            account = await self._log_in(parameters, peer)
            call = Call(account, parameters, fmt, peer, self._clock())
            await self._directory.take_place(account.name)
            try:
                await self._count(name, call)
                return await operation(call), fmt, None
            finally:
                await self._directory.give_back_place(account.name)
        except Failure as failed:
            answer, failure = refused(failed, fmt), failed
        except AnsweredRefusal as refusal:
            answer, failure = refusal.answer, refusal.failure
        except Exception:  # the client must get an answer
            log.exception("smsc_call_failed", peer=peer, call=name)
            failure = Failure(Reason.OPERATION_FAILED)
            answer = refused(failure, fmt)
        number = parameters["phones"] or parameters["phone"]
        self._tell(peer, path, failure, account.name if account else "", number[:40])
        return answer, fmt, failure

    async def _log_in(self, parameters: Parameters, peer: str) -> Account:
        if self._networks and not self._networks.find(peer):
            raise Failure(Reason.NOT_ALLOWED, "network not allowed")
        self._accounts.check_address(peer)
        login, password = parameters["login"].strip(), parameters["psw"]
        key = parameters["apikey"].strip() or ("" if login else password)
        if key and not (login and password):
            return await self._accounts.authenticate_key(
                key, protocol=vocabulary.Protocol.HTTP, address=peer
            )
        if not (login and password):
            raise Failure(Reason.BAD_PARAMETER, "login and psw")
        return await self._accounts.authenticate_smsc(login, password, address=peer)

    async def _count(self, name: str, call: Call) -> None:
        """Refuses the fourth identical call in a minute."""
        if name in self._limited:
            digest = _digest(name, call.parameters)
            await self._directory.note(count_call, call.account.name, digest, int(call.now))

    async def _soap(self, scope: Scope, body: bytes, peer: str, send: Send) -> None:
        host = _header(scope, b"host") or "localhost"
        address = f"{scope['scheme']}://{host}/sys/{SOAP}"
        if scope["method"] != "POST":
            await respond(send, 200, (_WSDL,), soap.wsdl(address))
            return

        async def call(name: str, parameters: Parameters) -> str:
            answer, _, _ = await self.answer(name, parameters, peer, f"/sys/{SOAP}")
            return answer

        content_type, octets = await soap.answer(body, call)
        await respond(send, 200, ((b"content-type", content_type),), octets)

    async def _refuse(
        self,
        send: Send,
        octets: bytes,
        failure: Failure,
        peer: str,
        path: str,
        status: int = 200,
        *,
        always: bool = False,
    ) -> None:
        """Refuses a call whose parameters cannot be read; ``octets`` may have the format.

        ``status`` is the HTTP status if the format may be in a body that was not read, or
        ``always``: clients that expect JSON take any other text for success.
        """
        self._tell(peer, path, failure)
        fmt = _format_of_unread(octets, path)
        if fmt is not None and not always:
            status = 200
        fmt = fmt or Format.TEXT
        await _respond(send, refused(failure, fmt).encode(), fmt, "utf-8", failure, status)

    def _tell(
        self, peer: str, path: str, failure: Failure, account: str = "", number: str = ""
    ) -> None:
        """Logs a refusal, once a minute for each client, reason and number, and with a limit in
        total, so that a repeating client does not fill the disk."""
        now = self._monotonic()
        if now - self._told_since >= _TELL_EVERY:
            self._told_since = now
            self._told.clear()
        # A client without a login may write any number.
        trouble = (peer, str(failure), account and number)
        if trouble in self._told or len(self._told) >= _TELL_MOST:
            return
        self._told.add(trouble)
        log.warning(
            "call_refused",
            account=account,
            peer=peer,
            path=path[:60],
            recipient=number if account else "",
            reason=str(failure),
        )

    def _tell_http(self, peer: str, status: int, why: str) -> None:
        self._tell(peer, "", Failure(Reason.BAD_PARAMETER, f"HTTP {status}: {why}"))


async def _respond(
    send: Send,
    octets: bytes,
    fmt: Format,
    charset: str,
    failure: Failure | None,
    status: int = 200,
) -> None:
    name = _CHARSET_NAMES.get(charset, charset)
    headers = [(b"content-type", f"{_CONTENT_TYPES[fmt]}; charset={name}".encode())]
    if status == 405:
        headers.append((b"allow", ", ".join(METHODS).encode()))
    if failure is not None:
        # The dialect's text of an error is fixed; the detail is a field of its own.
        headers.append((b"x-reason", failure.description.encode("ascii", "replace")))
    await respond(send, status, headers, octets)


def _header(scope: Scope, name: bytes) -> str:
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return ""


def _format(parameters: Parameters) -> Format:
    fmt = parameters["fmt"].strip()
    return Format(int(fmt)) if fmt in ("0", "1", "2", "3") else Format.TEXT


def _format_of_unread(octets: bytes, path: str) -> Format | None:
    """The format in parameters that cannot be read as a whole; None if it is not there."""
    if found := _FMT.search(octets):
        return Format(int(found[found.lastindex or 0]))
    return Format.JSON if path.rstrip("/") == REST else None


def _digest(name: str, parameters: Parameters) -> bytes:
    """The digest by which identical calls are found; without the password."""
    pairs = sorted((key, value) for key, value in parameters.items() if key not in _SECRETS)
    return hashlib.blake2b(repr((name, pairs)).encode(), digest_size=16).digest()
