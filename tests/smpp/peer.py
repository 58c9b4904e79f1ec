"""A raw SMPP client, and stand-ins for the relay and for the store of parts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence, Set
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from bridge.accounts.accounts import Account, Accounts
from bridge.config.settings import settings_from
from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, MessageType, Outcome, Route, State, Stored, Submission
from bridge.model.notice import Notice, UnjoinedPart
from bridge.notices.subscribers import Taker
from bridge.relay import rules
from bridge.relay.concatenation import Gathering
from bridge.smpp.inbound.listener import SmppListener
from bridge.smpp.protocol.codec import decode as decode_pdu
from bridge.smpp.protocol.codec import encode
from bridge.smpp.protocol.framing import Framer
from bridge.smpp.protocol.pdu import Bind, Body, Empty, Pdu, SubmitSm, Tlv
from bridge.smpp.protocol.tlvs import ADDITIONAL_STATUS_INFO_TEXT
from bridge.store import Alias, Gathered, Part, PartGroup
from tests.samples import NOW, message

FIRST_ID = 4_503_599_627_370_497
FIRST_SHORT_ID = 0x0BAD_CAFE
#: The first id of a part.
FIRST_PART_ID = 7_000_000_000_000_000


class StandInRelay:
    """Records its calls; ``answer`` gives the outcome, None leaves the future open.

    ``known`` are the messages for queries, by id.
    """

    def __init__(self) -> None:
        self.submissions: list[Submission] = []
        self.futures: list[asyncio.Future[Outcome]] = []
        self.arrived = asyncio.Event()
        self.answer: Callable[[Submission], Outcome | None] = self.accept
        self.aliases: list[Sequence[Alias]] = []
        self.known: dict[int, list[Stored]] = {}
        self.alone: dict[int, UnjoinedPart] = {}
        self.asked: list[tuple[Any, ...]] = []
        self.refuses: Failure | None = None
        self.matching = 0
        self.congested = 0
        self._short_id = FIRST_SHORT_ID

    def accept(self, _: Submission) -> Outcome:
        return Accepted(FIRST_ID + len(self.submissions) - 1, 1)

    def submit(
        self,
        account: Account,
        submission: Submission,
        *,
        aliases: Sequence[Alias] = (),
        parts: PartGroup | None = None,
        known_as: int = 0,
    ) -> asyncio.Future[Outcome]:
        self.submissions.append(submission)
        self.aliases.append(aliases)
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.futures.append(future)
        outcome = self.answer(submission)
        if outcome is not None:
            future.set_result(outcome)
        self.arrived.set()
        return future

    def take_part(self, account: Account, waiting: int) -> None:
        pass

    def check(self, account: Account, submission: Submission) -> None:
        rules.prepare(account, submission, route=Route.ASYNC, now=time.time(), next_id=lambda: 1)
        if self.refuses is not None:
            raise self.refuses

    def next_short_id(self) -> int:
        self._short_id += 1
        return self._short_id - 1

    def congestion(self) -> int:
        return self.congested

    async def query(self, account: Account, id: int) -> list[Stored]:
        self.asked.append(("query", account.name, id))
        if self.refuses is not None:
            raise self.refuses
        if id not in self.known:
            raise Failure(Reason.NOT_FOUND)
        return self.known[id]

    async def unjoined(self, account: Account, id: int) -> UnjoinedPart:
        if id not in self.alone:
            raise Failure(Reason.NOT_FOUND)
        return self.alone[id]

    async def cancel(self, account: Account, id: int) -> None:
        self.asked.append(("cancel", account.name, id))
        if id not in self.known:
            raise Failure(Reason.NOT_FOUND)

    async def cancel_matching(
        self, account: Account, sender: str, address: str, message_type: MessageType | None
    ) -> int:
        self.asked.append(("cancel_matching", account.name, sender, address, message_type))
        if not self.matching:
            raise Failure(Reason.NOT_FOUND)
        return self.matching

    async def replace(self, account: Account, id: int, **fields: Any) -> None:
        self.asked.append(("replace", account.name, id, fields))
        if self.refuses is not None:
            raise self.refuses

    async def until(self, submissions: int) -> None:
        """Waits until there are this many submissions."""
        while len(self.submissions) < submissions:
            self.arrived.clear()
            await asyncio.wait_for(self.arrived.wait(), 30)


class StandInParts:
    """A store of parts in memory; nothing expires and no finished group is remembered."""

    def __init__(self) -> None:
        self._groups: dict[PartGroup, dict[int, Part]] = {}

    def add_part(self, part: Part, since: int) -> asyncio.Future[Gathered]:
        group = self._groups.setdefault(part.group, {})
        same = group.setdefault(part.number, part)
        parts: tuple[Part, ...] = ()
        if len(group) == part.group.total:
            parts = tuple(group[number] for number in sorted(group))
        future: asyncio.Future[Gathered] = asyncio.get_running_loop().create_future()
        future.set_result(Gathered(same.id, parts))
        return future

    async def expired_parts(self, before: int, limit: int) -> list[Part]:
        return []

    async def message(self, message_id: int) -> Stored | None:
        return None

    def owe(self, notices: Sequence[Notice]) -> asyncio.Future[None]:
        raise AssertionError("nothing is refused here")


class StandInOutbox:
    """Records takers; tests tell them notices."""

    def __init__(self) -> None:
        self.takers: dict[str, list[Taker]] = {}
        self.woken = 0

    def join(self, queue: str, taker: Taker, *, account: str = "") -> None:
        self.takers.setdefault(queue, []).append(taker)

    def leave(self, queue: str, taker: Taker) -> None:
        self.takers[queue].remove(taker)

    def wake(self, queues: Set[str] | None) -> None:
        self.woken += 1


class Peer:
    """A raw connection with PDUs."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._framer = Framer()

    def write(self, *pdus: Pdu) -> None:
        self.writer.write(b"".join(map(encode, pdus)))

    async def read(self, within: float = 30) -> Pdu:
        """The next PDU; raises EOFError at the end."""
        while (frame := self._framer.next()) is None:
            data = await asyncio.wait_for(self.reader.read(65_536), within)
            if not data:
                raise EOFError
            self._framer.feed(data)
        return decode_pdu(frame)

    async def hear(self, command: str) -> Pdu:
        """The next PDU, which must be this one; a client that was silent for long is asked whether
        it is there before."""
        while (pdu := await self.read()).command == "enquire_link":
            self.write(Pdu("enquire_link_resp", pdu.sequence_number))
        assert pdu.command == command
        return pdu

    async def ask(self, command: str, body: Body | None = None, *tlvs: Tlv, number: int = 1) -> Pdu:
        """Sends a request and returns the next PDU."""
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
        """Whether the connection is closed without another PDU."""
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


def stored(state: State = State.SENT, failure: str = "", **fields: Any) -> Stored:
    """A message that the relay finds."""
    return Stored(message(1, **fields), state, "up-1", NOW, failure, "")


def failure_text(pdu: Pdu) -> str:
    """The text of a failure in a response."""
    value = pdu.tlv(ADDITIONAL_STATUS_INFO_TEXT)
    assert value is not None
    assert value.endswith(b"\0")
    return value[:-1].decode()


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
        ids = count(FIRST_PART_ID)
        self.gathering = Gathering(StandInParts(), self.relay, lambda: next(ids), 300)
        self.outbox = StandInOutbox()
        self.listener = SmppListener(
            settings.smpp, self.accounts, self.relay, self.gathering, self.outbox
        )
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
    """A running bridge; closes all its connections at the end."""
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
