"""The HTTP client: posts batches and asks for statuses; tells what came back or how far it got."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from urllib.parse import quote

import httpx

from bridge import __version__
from bridge.cascade.answers import HttpAnswer
from bridge.cascade.wire import PATHS, STATUS_PATH
from bridge.config.settings import Cascade, Upstream
from bridge.model.message import Route

#: Errors that come before the whole request is on its way: the API cannot have taken anything.
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
#: An answer to a thousand messages is about 100 KB; more than this is none.
MAX_ANSWER = 4 * 1024 * 1024
#: Questions for statuses at once; a pool of their own keeps them from being in the way of messages.
MAX_QUESTIONS = 8


def credentials(upstream: Upstream) -> dict[str, str]:
    """The documented header credentials of an upstream; those that are set."""
    headers = {
        "X-Authorization-Key": upstream.authorization_key,
        "X-Viber-Auth-Token": upstream.viber_auth_token,
        "X-Tg-Bot-Key": upstream.telegram_bot_key,
    }
    return {name: key.get_secret_value() for name, key in headers.items() if key is not None}


class CascadeClient:
    """A transport, with one pool of connections, for messages and one for questions, for the life
    of the daemon.

    httpx's client would look for cookies, redirects and environment variables at every request,
    for a quarter of its time; its transport does all that is needed. It grows slower with every
    connection in its pool, so there are only as many as requests may be in flight. It never tries
    again by itself: whether that is safe is known elsewhere.
    """

    def __init__(self, settings: Cascade) -> None:
        self._timeout = settings.timeout
        base = settings.base_url.rstrip("/")
        self._urls = {route: httpx.URL(base + path) for route, path in PATHS.items()}
        self._status_url = base + STATUS_PATH
        context = httpx.create_ssl_context(trust_env=False)
        self._transport = _transport(settings.max_in_flight, context)
        self._questions = _transport(MAX_QUESTIONS, context)
        timeout = httpx.Timeout(settings.timeout, connect=min(5.0, settings.timeout), pool=None)
        self._extensions = {"timeout": timeout.as_dict()}

    async def close(self) -> None:
        await self._transport.aclose()
        await self._questions.aclose()

    async def post(self, route: Route, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """Posts a request body; an answer always comes back, also of what went wrong."""
        request = httpx.Request(
            "POST",
            self._urls[route],
            headers={**_HEADERS, **headers},
            content=body,
            extensions=self._extensions,
        )
        return await self._send(self._transport, request)

    async def ask(self, headers: Mapping[str, str], upstream_id: str) -> HttpAnswer:
        """Asks for the status of a message; an answer always comes back, as from :meth:`post`."""
        request = httpx.Request(
            "GET",
            self._status_url + quote(upstream_id, safe=""),
            headers={**_HEADERS, **headers},
            extensions=self._extensions,
        )
        return await self._send(self._questions, request)

    async def _send(
        self, transport: httpx.AsyncHTTPTransport, request: httpx.Request
    ) -> HttpAnswer:
        try:
            # The parts of httpx's time limit start anew with every byte; this one does not.
            async with asyncio.timeout(self._timeout + 5.0):
                return await _exchange(transport, request)
        except _BEFORE_SENDING as error:
            return HttpAnswer(0, sent=False, trouble=_describe(error, request.url))
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, TimeoutError) as error:
            return HttpAnswer(0, sent=True, trouble=_describe(error, request.url))


async def _exchange(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> HttpAnswer:
    response = await transport.handle_async_request(request)
    try:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        content = bytearray()
        async for chunk in response.stream:
            content += chunk
            if len(content) > MAX_ANSWER:
                return HttpAnswer(0, sent=True, trouble="an answer without end")
    finally:
        await response.aclose()
    retry_after = response.headers.get("Retry-After", "")
    return HttpAnswer(response.status_code, bytes(content), retry_after)


def _transport(connections: int, context: ssl.SSLContext) -> httpx.AsyncHTTPTransport:
    return httpx.AsyncHTTPTransport(
        verify=context,
        limits=httpx.Limits(
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=60,
        ),
        trust_env=False,
        retries=0,
    )


def _describe(error: Exception, url: httpx.URL) -> str:
    """What went wrong, and with which host and port: names and firewalls are often to blame."""
    port = url.port or {"http": 80, "https": 443}.get(url.scheme, 0)
    said = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")[:200]
    return f"{said} ({url.host}:{port})"
