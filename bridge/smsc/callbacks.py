"""Calls to an account's ``callback_url``: statuses and messages from phones, as SMSC posts them.

They are notices like receipts: stored, told in order, and retried until the client answers 2xx. The
body is a form in UTF-8, with an HMAC in a header.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Final, Protocol
from urllib.parse import urlencode

import httpx
import structlog
from pydantic import SecretStr

from bridge.config.settings import AccountSettings
from bridge.dialect.times import MOSCOW
from bridge.model.notice import Kind, Owed, callbacks_of
from bridge.model.state_names import err_of, smsc_status
from bridge.net.http11_transport import Http11Transport
from bridge.net.tls import client_context
from bridge.notices.subscribers import Taker, TakerAnswer

log = structlog.get_logger()

#: Most calls in flight, and the time limit of each (seconds).
WINDOW: Final = 8
WITHIN: Final = 10.0
#: How long a connection is kept for the next one (seconds).
KEEP_FOR: Final = 5.0
#: HMAC-SHA256 of the body with the account's ``callback_secret``, in hexadecimal.
SIGNATURE: Final = "X-Signature"
_ZONE: Final = timezone(MOSCOW)


class Callback:
    """The taker of one account's queue (:class:`bridge.notices.subscribers.Taker`).

    Belongs to one event loop; :meth:`close` it.
    """

    def __init__(self, account: str, url: str, secret: SecretStr | None) -> None:
        self.account = account
        self.url = url
        self.secret = secret
        transport = Http11Transport(client_context(), connections=WINDOW, keep_for=KEEP_FOR)
        self._client = httpx.AsyncClient(
            transport=transport, timeout=WITHIN, follow_redirects=False, trust_env=False
        )
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        return self.url

    def room(self) -> int:
        return WINDOW - len(self._tasks)

    def tell(self, owed: Owed) -> asyncio.Future[TakerAnswer]:
        """Calls the URL. The future gets the result, never an exception."""
        answer: asyncio.Future[TakerAnswer] = asyncio.get_running_loop().create_future()
        task = asyncio.get_running_loop().create_task(self._tell(owed, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return answer

    async def _tell(self, owed: Owed, answer: asyncio.Future[TakerAnswer]) -> None:
        try:
            said = await self._call(owed)
        except httpx.HTTPError as error:
            said = TakerAnswer(False, f"{type(error).__name__}: {error}"[:200])
        except Exception:  # any error: the notice is retried
            log.exception("callback_failed", account=self.account, notice=owed.notice.id)
            said = TakerAnswer(False, "operation failed")
        if not answer.done():
            answer.set_result(said)

    async def _call(self, owed: Owed) -> TakerAnswer:
        form = form_of(owed)
        if form is None:
            return TakerAnswer(True, "its message was deleted")
        body = urlencode(form).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        if self.secret is not None:
            key = self.secret.get_secret_value().encode()
            headers[SIGNATURE] = hmac.digest(key, body, "sha256").hex()
        async with self._client.stream("POST", self.url, content=body, headers=headers) as response:
            # Only the status of the client's answer counts.
            if response.is_success:
                return TakerAnswer(True, f"taken by {self.url}")
            return TakerAnswer(False, f"HTTP {response.status_code} from {self.url}")

    async def close(self) -> None:
        """Drops what is under way: it is owed, and comes again."""
        for task in list(self._tasks):
            task.cancel()
        await self._client.aclose()


class CallbackOutbox(Protocol):
    """The part of :class:`bridge.notices.outbox.Outbox` that callbacks use."""

    def join(self, queue: str, taker: Taker) -> None: ...

    def leave(self, queue: str, taker: Taker) -> None: ...


class Callbacks:
    """The callbacks of all accounts with a ``callback_url``; :meth:`close` it."""

    def __init__(self, outbox: CallbackOutbox) -> None:
        self._outbox = outbox
        self._takers: dict[str, Callback] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def follow(self, accounts: Mapping[str, AccountSettings]) -> None:
        """Takes over the accounts' URLs."""
        for name, taker in list(self._takers.items()):
            own = accounts.get(name)
            if own is None or (own.callback_url, own.callback_secret) != (taker.url, taker.secret):
                self._outbox.leave(callbacks_of(name), self._takers.pop(name))
                closing = asyncio.get_running_loop().create_task(taker.close())
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
        for name, own in accounts.items():
            if own.callback_url and name not in self._takers:
                taker = self._takers[name] = Callback(name, own.callback_url, own.callback_secret)
                self._outbox.join(callbacks_of(name), taker)

    async def close(self) -> None:
        """Drops what is under way: it is owed, and comes again."""
        await asyncio.gather(*(taker.close() for taker in self._takers.values()), *self._closing)


def form_of(owed: Owed) -> dict[str, str] | None:
    """The fields of a call; None if the subject of the notice is gone."""
    if owed.notice.kind is Kind.INCOMING and owed.incoming is not None:
        incoming = owed.incoming
        return {
            "phone": incoming.phone.lstrip("+"),
            "to": incoming.to,
            "mes": incoming.text,
            "id": str(incoming.id),
            "date": _date(incoming.at),
            "get_timestamp": str(incoming.received_at),
        }
    if owed.stored is None:
        return None
    code, since = smsc_status(owed.stored)
    message = owed.stored.message
    return {
        "phone": message.phone.lstrip("+"),
        "status": str(code),
        "time": _date(since),
        "ts": str(since),
        "id": message.reference or str(message.id),
        "err": str(err_of(owed.stored)),
        "cost": owed.stored.cost,
        "cnt": str(owed.stored.counted_parts or message.parts),
    }


def _date(at: int) -> str:
    return datetime.fromtimestamp(at, _ZONE).strftime("%d.%m.%Y %H:%M:%S")
