"""The sandbox as one object: built from settings, started and closed in the caller's loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Self

from bridge.sandbox.api import Api
from bridge.sandbox.control import PREFIX, SandboxControl
from bridge.sandbox.exchange import Answer, ApiRequest
from bridge.sandbox.faults import Fault, Faults, make_fault
from bridge.sandbox.ledger import Batch, Ledger, Received, Seen
from bridge.sandbox.statuses import StatusPace

if TYPE_CHECKING:
    from bridge.sandbox.hooks import StatusHooks
    from bridge.sandbox.server import Server


class Sandbox:
    """A stand-in for the Cascade API on a local port.

    ``keys``: the accepted keys, in any key header; empty: every key but ``wrong``. ``faults``:
    switched on from the start. ``scheduled_for``, ``processing_for``: seconds in these statuses.
    ``delay``: seconds before each good answer to sending. ``keep``: number of messages that are
    kept in full; with 0 only counts and repeats are known, and no status. ``hook_url``: for status
    webhooks; empty: none. ``limits``: enforce the documented rate of requests. ``clock``: gives
    Unix time. ``on_request``: called with every request to the API.

    Also an asynchronous context manager::

        async with Sandbox() as sandbox:
            client.base_url = sandbox.url
            ...
            assert [message.text for message in sandbox.messages] == ["hello"]
    """

    def __init__(
        self,
        *,
        keys: Iterable[str] = (),
        faults: Iterable[Fault] = (),
        scheduled_for: float = 1.0,
        processing_for: float = 2.0,
        delay: float = 0.0,
        keep: int = 100_000,
        hook_url: str = "",
        hook_batch: int = 1,
        limits: bool = False,
        clock: Callable[[], float] = time.time,
        on_request: Callable[[Seen], None] | None = None,
    ) -> None:
        self.url = ""
        self._clock = clock
        self._pace = StatusPace(scheduled_for, processing_for)
        self._hook_url = hook_url
        self._hook_batch = hook_batch
        #: The webhooks with their counts, if there is a URL for them.
        self.hooks: StatusHooks | None = None
        self._server: Server | None = None
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._ledger = Ledger(keep)
        self._faults = Faults(tuple(faults))
        self._api = Api(
            self._ledger,
            self._faults,
            clock=clock,
            keys=frozenset(keys),
            pace=self._pace,
            delay=delay,
            limits=limits,
            on_accepted=self._accepted,
            on_seen=on_request,
        )
        self._control = SandboxControl(self._ledger, self._faults, self.clear)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listens and returns the base URL; port 0 takes a free one. Raises :class:`OSError`."""
        from bridge.sandbox.server import Server

        server = Server(self.answer)
        bound = await server.start(host, port)
        self._server = server
        if self._hook_url:
            await self.post_statuses(self._hook_url)
        self.url = f"http://[{host}]:{bound}" if ":" in host else f"http://{host}:{bound}"
        return self.url

    async def post_statuses(self, url: str) -> None:
        """Sends status webhooks there from now on; call it once at most."""
        from bridge.sandbox.hooks import StatusHooks

        self.hooks = StatusHooks(
            url,
            id_prefix=self._ledger.id_prefix,
            pace=self._pace,
            clock=self._clock,
            batch=self._hook_batch,
        )
        await self.hooks.start()

    async def close(self) -> None:
        """Stops at once; clients that wait because of a fault lose their connection."""
        if self.hooks is not None:
            await self.hooks.close()
        if self._server is not None:
            await self._server.close()
            self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def answer(self, request: ApiRequest) -> Answer:
        """The answer to a request, without HTTP."""
        if request.path.startswith(PREFIX):
            return self._control.answer(request)
        return self._api.answer(request)

    @property
    def messages(self) -> list[Received]:
        """The kept accepted messages, in order."""
        return list(self._ledger.messages())

    @property
    def requests(self) -> list[Seen]:
        """The latest requests to the API, refused ones included, in order."""
        return self._ledger.requests

    @property
    def message_count(self) -> int:
        """The number of messages accepted since the start or :meth:`clear`."""
        return self._ledger.messages_count

    @property
    def duplicates(self) -> dict[str, int]:
        """Repeated tracking ids, with the number of repeats."""
        return dict(self._ledger.duplicates)

    @property
    def variables(self) -> dict[int, dict[str, Any]]:
        """The uploaded variables by id."""
        return dict(self._api.variables)

    @property
    def faults(self) -> list[Fault]:
        """The faults that are switched on."""
        return list(self._faults)

    def fault(self, name: str, /, **options: Any) -> None:
        """Switches a fault on, after the others; raises ``FaultError`` (a ValueError).

        Names and options: :mod:`bridge.sandbox.faults`.
        """
        self._faults.add(make_fault(name, **options))

    def clear_faults(self) -> None:
        """Switches every fault off."""
        self._faults.replace([])

    def clear(self) -> None:
        """Forgets messages, requests and repeats; faults stay."""
        self._ledger.clear()

    async def wait_for(self, count: int, timeout: float = 30.0) -> list[Received]:
        """Waits until ``count`` messages were accepted in total; raises :class:`TimeoutError`."""
        if self.message_count < count:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((count, waiter))
            async with asyncio.timeout(timeout):
                await waiter
        return self.messages

    def _accepted(self, batch: Batch) -> None:
        if self.hooks is not None:
            self.hooks.accepted(batch)
        if self._waiters:
            self._waiters = [entry for entry in self._waiters if not self._wake(*entry)]

    def _wake(self, count: int, waiter: asyncio.Future[None]) -> bool:
        if waiter.done():
            return True
        if self.message_count < count:
            return False
        waiter.set_result(None)
        return True
