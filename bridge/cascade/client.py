"""The HTTP client: posts a batch, and tells what came back or how far it got."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx

from bridge.cascade.answers import Answer
from bridge.cascade.wire import PATHS
from bridge.config import Cascade, Upstream
from bridge.message import Route

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
#: An answer to a thousand messages is about 100 KB; more than this is none.
MAX_ANSWER = 4 * 1024 * 1024


def credentials(upstream: Upstream) -> dict[str, str]:
    """The documented header credentials of an upstream; those that are set."""
    headers = {
        "X-Authorization-Key": upstream.authorization_key,
        "X-Viber-Auth-Token": upstream.viber_auth_token,
        "X-Tg-Bot-Key": upstream.telegram_bot_key,
    }
    return {name: key.get_secret_value() for name, key in headers.items() if key is not None}


class CascadeClient:
    """One client, and one pool of connections, for the life of the daemon.

    httpx grows slower with every connection in its pool, so there are only as many as requests
    may be in flight. It never tries again by itself: whether that is safe is known elsewhere.
    """

    def __init__(self, settings: Cascade) -> None:
        self._timeout = settings.timeout
        self._client = httpx.AsyncClient(
            base_url=settings.base_url.rstrip("/"),
            limits=httpx.Limits(
                max_connections=settings.max_in_flight,
                max_keepalive_connections=settings.max_in_flight,
                keepalive_expiry=60,
            ),
            timeout=httpx.Timeout(settings.timeout, connect=min(5.0, settings.timeout), pool=None),
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            trust_env=False,
            follow_redirects=False,
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def post(self, route: Route, headers: Mapping[str, str], body: bytes) -> Answer:
        """Posts a request body; an answer always comes back, also of what went wrong."""
        try:
            # The parts of httpx's time limit start anew with every byte; this one does not.
            async with asyncio.timeout(self._timeout + 5.0):
                return await self._post(PATHS[route], headers, body)
        except _BEFORE_SENDING as error:
            return Answer(0, sent=False, trouble=_describe(error))
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, TimeoutError) as error:
            return Answer(0, sent=True, trouble=_describe(error))

    async def _post(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        async with self._client.stream("POST", path, content=body, headers=headers) as response:
            content = bytearray()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > MAX_ANSWER:
                    return Answer(0, sent=True, trouble="an answer without end")
            return Answer(
                response.status_code, bytes(content), response.headers.get("Retry-After", "")
            )


def _describe(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")[:200]
