"""A bridge from the listener to the API, its receivers, and the posted statuses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bridge.model.message import State, Stored
from bridge.model.notice import Incoming, receivers_of
from bridge.relay.concatenation import Gathering
from bridge.sandbox import Sandbox
from bridge.smpp.inbound.listener import SmppListener
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.pdu import (
    MessageIdResp,
    Pdu,
)
from bridge.store import Status as ApiStatus
from tests.relaying import Relaying, relaying
from tests.smpp.peer import Peer, a_submit

QUEUE = receivers_of("crm")


#: The time in which all parts of a message must come (seconds).
PARTS_TIMEOUT = 300


class PartsClock:
    ahead = 0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Served:
    """A bridge from the listener to the API; tests post the statuses."""

    def __init__(
        self, running: Relaying, port: int, listener: SmppListener, clock: PartsClock
    ) -> None:
        self.running = running
        self.port = port
        self.listener = listener
        self._clock = clock
        self.peers: list[Peer] = []

    async def bound(
        self, command: str = "bind_transceiver", name: bytes = b"crm", version: int = 0x34
    ) -> Peer:
        peer = Peer(*await asyncio.open_connection("127.0.0.1", self.port))
        self.peers.append(peer)
        resp = await peer.bind(command, name, interface_version=version)
        assert resp.command_status == CommandStatus.ESME_ROK
        return peer

    def end_of_parts(self) -> None:
        """Lets the time pass in which further parts may come."""
        self._clock.ahead += PARTS_TIMEOUT + 1

    async def submit(self, peer: Peer, registered_delivery: int = 1, **fields: Any) -> bytes:
        """The id in the answer."""
        submit = a_submit(registered_delivery=registered_delivery, **fields)
        resp = await peer.ask("submit_sm", submit)
        assert resp.command_status == CommandStatus.ESME_ROK
        assert isinstance(resp.body, MessageIdResp)
        return resp.body.message_id

    async def ended(self, *ids: bytes, state: State = State.DELIVERED, err: int = 0) -> None:
        """Posts the final states of these (ids of messages or of parts)."""
        for id in ids:
            stored = await self._sent(int(id, 16 if len(id) == 8 else 10))
            said = ApiStatus(stored.upstream_id, state.value, state, int(time.time()), err=err)
            await self.running.store.note_statuses([said])

    async def _sent(self, id: int) -> Stored:
        """The message with this id, once the API has accepted it."""
        async with asyncio.timeout(30):
            while True:
                stored = await self.running.store.message(id)
                if stored is not None and stored.upstream_id:
                    return stored
                await asyncio.sleep(0.01)

    async def nothing_left(self) -> None:
        """Waits until no notice is owed."""
        async with asyncio.timeout(30):
            while await self._left():  # noqa: ASYNC110 - of another thread's database
                await asyncio.sleep(0.02)

    async def _left(self) -> int:
        store: Any = self.running.store
        rows = await store._rows("SELECT count(*) FROM notice WHERE ended_at = 0")
        return int(rows[0][0])


@asynccontextmanager
async def served(
    folder: Path, *, smpp: dict[str, Any] | None = None, **account: Any
) -> AsyncIterator[Served]:
    accounts = {"crm": {"schedule": "bridge", **account}, "other": {"sender": "Other"}}
    async with Sandbox() as sandbox, relaying(folder, sandbox, accounts=accounts) as running:
        relay = running.relay
        clock = PartsClock()
        gathering = Gathering(running.store, relay, relay.next_id, PARTS_TIMEOUT, clock)
        update = {"listen": [("127.0.0.1", 0)], **(smpp or {})}
        settings = running.settings.smpp.model_copy(update=update)
        outbox = running.outbox
        listener = SmppListener(settings, running.accounts, relay, gathering, outbox)
        sweeping = asyncio.create_task(gathering.run())
        [endpoint] = await listener.start()
        serving = Served(running, endpoint.port, listener, clock)
        try:
            yield serving
        finally:
            for peer in serving.peers:
                await peer.close()
            await listener.close()
            sweeping.cancel()
            await asyncio.wait({sweeping})


async def told(peer: Peer, *, answer: int | None = 0) -> Pdu:
    """The bridge's next request, which is answered."""
    while (pdu := await peer.read()).command == "enquire_link":
        peer.write(Pdu("enquire_link_resp", pdu.sequence_number))
    assert pdu.command in ("deliver_sm", "data_sm"), pdu
    if answer is not None:
        body = MessageIdResp() if not answer else None
        peer.write(Pdu(f"{pdu.command}_resp", pdu.sequence_number, body, command_status=answer))
    return pdu


async def quiet(peer: Peer) -> None:
    """Checks that nothing comes but the answer to our request."""
    assert (await peer.ask("enquire_link", number=99)).command == "enquire_link_resp"


async def until(met: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not met():  # noqa: ASYNC110 - what happens in between is what is tested
            await asyncio.sleep(0.01)


async def incoming(serving: Served, text: str) -> None:
    id = serving.running.relay.next_id()
    now = int(time.time())
    sent = Incoming(id, str(id), "crm", "+380501234567", "Shop", text, now, now)
    await serving.running.store.take_incoming([(sent, [QUEUE])])
