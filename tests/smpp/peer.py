"""A client with its bare hands, and a relay that answers as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from bridge.accounts import Account, Accounts
from bridge.config import settings_from
from bridge.message import Accepted, Outcome, Submission
from bridge.smpp.codec import Framer, encode
from bridge.smpp.codec import decode as decode_pdu
from bridge.smpp.pdu import Bind, Body, Empty, Pdu, SubmitSm, Tlv
from bridge.smpp.server import SmppListener

FIRST_ID = 4_503_599_627_370_497


class StandInRelay:
    """Keeps what was submitted; ``answer`` gives the outcome, None leaves the future open."""

    def __init__(self) -> None:
        self.submissions: list[Submission] = []
        self.futures: list[asyncio.Future[Outcome]] = []
        self.arrived = asyncio.Event()
        self.answer: Callable[[Submission], Outcome | None] = self.accept

    def accept(self, _: Submission) -> Outcome:
        return Accepted(FIRST_ID + len(self.submissions) - 1, 1)

    def submit(self, account: Account, submission: Submission) -> asyncio.Future[Outcome]:
        self.submissions.append(submission)
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.futures.append(future)
        outcome = self.answer(submission)
        if outcome is not None:
            future.set_result(outcome)
        self.arrived.set()
        return future

    async def until(self, submissions: int) -> None:
        """Waits until so many submissions have come."""
        while len(self.submissions) < submissions:
            self.arrived.clear()
            await asyncio.wait_for(self.arrived.wait(), 5)


class Peer:
    """A raw connection that speaks PDUs."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._framer = Framer()

    def write(self, *pdus: Pdu) -> None:
        self.writer.write(b"".join(map(encode, pdus)))

    async def read(self) -> Pdu:
        """The next PDU; raises EOFError when there is none any more."""
        while (frame := self._framer.next()) is None:
            data = await asyncio.wait_for(self.reader.read(65_536), 5)
            if not data:
                raise EOFError
            self._framer.feed(data)
        return decode_pdu(frame)

    async def ask(self, command: str, body: Body | None = None, *tlvs: Tlv, number: int = 1) -> Pdu:
        """Sends one request and gives the next PDU that comes."""
        self.write(Pdu(command, number, Empty() if body is None else body, tlvs))
        return await self.read()

    async def bind(
        self,
        command: str = "bind_transceiver",
        name: bytes = b"crm",
        password: bytes = b"secret",
        **fields: Any,
    ) -> Pdu:
        return await self.ask(command, Bind(name, password, **fields))

    async def ends(self) -> bool:
        """Whether the other side closes without another PDU."""
        try:
            await self.read()
        except (EOFError, ConnectionError):
            return True
        return False

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except (ConnectionError, OSError):
            return


def a_submit(text: bytes = b"hi", to: bytes = b"380501234567", **fields: Any) -> SubmitSm:
    return SubmitSm(dest_addr_ton=1, destination_addr=to, short_message=text, **fields)


class Bridge:
    """A listener on a free port, with real accounts and the stand-in relay."""

    def __init__(self, smpp: dict[str, Any], account: dict[str, Any]) -> None:
        settings = settings_from(
            {
                "smpp": {"listen": ["127.0.0.1:0"], **smpp},
                "accounts": {
                    "crm": {"password": "secret", "sender": "Shop", **account},
                    "other": {"password": "secret"},
                },
            }
        )
        self.accounts = Accounts(settings)
        self.relay = StandInRelay()
        self.listener = SmppListener(settings.smpp, self.accounts, self.relay)
        self.peers: list[Peer] = []
        self.port = 0

    async def connect(self, **arguments: Any) -> Peer:
        port = arguments.pop("port", self.port)
        peer = Peer(*await asyncio.open_connection("127.0.0.1", port, **arguments))
        self.peers.append(peer)
        return peer

    async def bound(self, command: str = "bind_transceiver", **fields: Any) -> Peer:
        peer = await self.connect()
        assert (await peer.bind(command, **fields)).command_status == 0
        return peer


@asynccontextmanager
async def bridge(
    smpp: dict[str, Any] | None = None, account: dict[str, Any] | None = None
) -> AsyncIterator[Bridge]:
    """A running bridge; everything that was connected to it is closed afterwards."""
    running = Bridge(smpp or {}, account or {})
    endpoints = await running.listener.start()
    running.port = endpoints[0].port
    try:
        yield running
    finally:
        await running.listener.close()
        for peer in running.peers:
            await peer.close()
        running.accounts.close()
