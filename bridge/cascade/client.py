"""The HTTP client: posts batches and asks for statuses; returns the answer or the error."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from urllib.parse import quote

import httpx

from bridge import __version__
from bridge.cascade.answers import HttpAnswer
from bridge.cascade.wire import ITEMS_PATH, PATHS, STATUS_PATH
from bridge.config.settings import Cascade, Upstream
from bridge.model.message import Route
from bridge.net.http11_transport import Http11Transport
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
        self._timeout = settings.timeout
        base = settings.base_url.rstrip("/")
        self._urls = {route: httpx.URL(base + path) for route, path in PATHS.items()}
        self._status_url = base + STATUS_PATH
        self._items_url = httpx.URL(base + ITEMS_PATH)
        context = client_context()
        self._transport = _transport(settings.max_in_flight, context)
        self._questions = _transport(MAX_QUESTIONS, context)
        timeout = httpx.Timeout(settings.timeout, connect=min(5.0, settings.timeout), pool=None)
        self._extensions = {"timeout": timeout.as_dict()}
        self._credentials: Mapping[str, str] = {}
        self._headers = self._headers_with({})

    async def close(self) -> None:
        await self._transport.aclose()
        await self._questions.aclose()

    async def post(self, route: Route, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """Posts a request body; errors are returned as an answer too."""
        request = self._request("POST", self._urls[route], headers, body)
        return await self._send(self._transport, request)

    async def ask(self, headers: Mapping[str, str], upstream_id: str) -> HttpAnswer:
        """Asks for the status of a message; errors are returned as by :meth:`post`."""
        url = httpx.URL(self._status_url + quote(upstream_id, safe=""))
        return await self._send(self._questions, self._request("GET", url, headers, b""))

    async def upload(self, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """Uploads values of template variables; errors are returned as by :meth:`post`."""
        request = self._request("POST", self._items_url, headers, body)
        return await self._send(self._questions, request)

    def _request(
        self, method: str, url: httpx.URL, credentials: Mapping[str, str], body: bytes
    ) -> httpx.Request:
        # Given a stream, httpx leaves the headers as they are, in a tenth of the time.
        if credentials is not self._credentials:
            self._credentials = credentials
            self._headers = self._headers_with(credentials)
        headers = self._headers
        if body:
            headers = httpx.Headers(headers)
            headers["Content-Length"] = str(len(body))
        stream = httpx.ByteStream(body)
        return httpx.Request(
            method, url, headers=headers, stream=stream, extensions=self._extensions
        )

    def _headers_with(self, credentials: Mapping[str, str]) -> httpx.Headers:
        host = self._urls[Route.ASYNC].netloc.decode("ascii")
        return httpx.Headers({"Host": host, **_HEADERS, **credentials})

    async def _send(
        self, transport: httpx.AsyncBaseTransport, request: httpx.Request
    ) -> HttpAnswer:
        try:
            # httpx's time limits start again with every byte; this one does not.
            async with asyncio.timeout(self._timeout + 5.0):
                return await _exchange(transport, request)
        except _BEFORE_SENDING as error:
            return HttpAnswer(0, sent=False, trouble=_describe(error, request.url))
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, TimeoutError) as error:
            return HttpAnswer(0, sent=True, trouble=_describe(error, request.url))


async def _exchange(transport: httpx.AsyncBaseTransport, request: httpx.Request) -> HttpAnswer:
    response = await transport.handle_async_request(request)
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)
    content = bytearray()
    try:
        async for chunk in stream:
            content += chunk
            if len(content) > MAX_ANSWER:
                return HttpAnswer(0, sent=True, trouble="an answer without end")
    finally:
        await stream.aclose()
    retry_after = "" if response.is_success else response.headers.get("Retry-After", "")
    return HttpAnswer(response.status_code, bytes(content), retry_after)


def _transport(connections: int, context: ssl.SSLContext) -> Http11Transport:
    return Http11Transport(context, connections=connections, keep_for=KEEP_FOR)


def _describe(error: Exception, url: httpx.URL) -> str:
    """The error, with host and port: names and firewalls are often the cause."""
    port = url.port or {"http": 80, "https": 443}.get(url.scheme, 0)
    said = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")[:200]
    return f"{said} ({url.host}:{port})"
