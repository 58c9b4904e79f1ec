"""The HTTP client: posts batches and asks for statuses; returns the answer or the error."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from urllib.parse import quote

import httpx

from bridge import __version__
from bridge.cascade.answers import HttpAnswer
from bridge.cascade.wire import ITEMS_PATH, PATHS, STATUS_PATH
from bridge.config.settings import Cascade, Upstream
from bridge.model.message import Route
from bridge.net.http11_connection import TimeLimits
from bridge.net.http11_transport import Http11Transport, head_of, origin_of
from bridge.net.tls import client_context

#: Errors before the whole request is sent: the API cannot have taken it.
_BEFORE_SENDING = (
    httpx.WriteError,
    httpx.WriteTimeout,
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)
_PORTS = {"http": 80, "https": 443}
_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": f"cascade-bridge/{__version__}",
}
#: Most bytes of an answer; one to a thousand messages has about 100 KB.
MAX_ANSWER = 4 * 1024 * 1024
#: How long a connection is kept for the next request (seconds).
KEEP_FOR = 60.0
#: Status requests at the same time, in a pool of their own, so that they do not delay messages.
MAX_QUESTIONS = 8


def credentials(upstream: Upstream) -> dict[str, str]:
    """The credentials of an upstream as headers; only those that are set."""
    headers = {
        "X-Authorization-Key": upstream.authorization_key,
        "X-Viber-Auth-Token": upstream.viber_auth_token,
        "X-Tg-Bot-Key": upstream.telegram_bot_key,
    }
    return {name: key.get_secret_value() for name, key in headers.items() if key is not None}


class CascadeClient:
    """Two transports, each with its own connections: for messages and for status requests.

    httpx's client would check cookies, redirects and environment variables at every request; a
    transport is enough. It never retries: only the caller knows whether that is safe.
    """

    def __init__(self, settings: Cascade) -> None:
        base = httpx.URL(settings.base_url.rstrip("/"))
        self._origin = origin_of(base)
        self._host = base.netloc
        self._peer = f"{base.host}:{base.port or _PORTS.get(base.scheme, 0)}"
        self._base = base.raw_path.rstrip(b"/")
        self._paths = {route: self._path(path) for route, path in PATHS.items()}
        context = client_context()
        self._transport = _transport(settings.max_in_flight, context)
        self._questions = _transport(MAX_QUESTIONS, context)
        timeout = settings.timeout
        # A time limit for reading starts again with every octet; that of the whole does not.
        self._within = timeout + 5.0
        self._limits = TimeLimits(min(5.0, timeout), timeout, timeout, pool=self._within)
        self._credentials: Mapping[str, str] | None = None
        self._fields = b""

    async def close(self) -> None:
        await self._transport.aclose()
        await self._questions.aclose()

    async def post(self, route: Route, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """Posts a request body; errors are returned as an answer too."""
        return await self._send(self._transport, b"POST", self._paths[route], headers, body)

    async def ask(self, headers: Mapping[str, str], upstream_id: str) -> HttpAnswer:
        """Asks for the status of a message; errors are returned as by :meth:`post`."""
        path = self._path(STATUS_PATH + quote(upstream_id, safe=""))
        return await self._send(self._questions, b"GET", path, headers, b"")

    async def upload(self, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """Uploads values of template variables; errors are returned as by :meth:`post`."""
        return await self._send(self._questions, b"POST", self._path(ITEMS_PATH), headers, body)

    def _path(self, path: str) -> bytes:
        return self._base + path.encode("ascii")

    def _request(
        self, method: bytes, path: bytes, credentials: Mapping[str, str], body: bytes
    ) -> bytes:
        """The octets of a request. Raises httpx.LocalProtocolError for credentials that are no
        header."""
        if credentials is not self._credentials:
            lines = {**_HEADERS, **credentials}.items()
            self._fields = head_of(
                [b"Host: " + self._host, *[f"{name}: {value}".encode() for name, value in lines]]
            )
            self._credentials = credentials
        length = b"Content-Length: %d\r\n" % len(body) if body else b""
        return b"%b %b HTTP/1.1\r\n%b%b\r\n%b" % (method, path, self._fields, length, body)

    async def _send(
        self,
        transport: Http11Transport,
        method: bytes,
        path: bytes,
        credentials: Mapping[str, str],
        body: bytes,
    ) -> HttpAnswer:
        try:
            request = self._request(method, path, credentials, body)
            status, headers, content = await transport.exchange(
                self._origin,
                request,
                self._limits,
                within=self._within,
                most=MAX_ANSWER,
            )
        except _BEFORE_SENDING as error:
            return HttpAnswer(0, sent=False, trouble=self._describe(error))
        except httpx.HTTPError as error:
            return HttpAnswer(0, sent=True, trouble=self._describe(error))
        retry_after = "" if status // 100 == 2 else _retry_after(headers)
        return HttpAnswer(status, content, retry_after)

    def _describe(self, error: Exception) -> str:
        """The error, with host and port: names and firewalls are often the cause."""
        said = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")[:200]
        return f"{said} ({self._peer})"


def _retry_after(headers: Iterable[tuple[bytes, bytes]]) -> str:
    values = [value.decode("latin-1") for name, value in headers if name.lower() == b"retry-after"]
    return ", ".join(values)


def _transport(connections: int, context: ssl.SSLContext) -> Http11Transport:
    return Http11Transport(context, connections=connections, keep_for=KEEP_FOR)
