"""SMPP clients: they submit, also in parts, repeat, query, cancel and replace."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

from bridge.smpp.protocol.pdu import (
    CancelSm,
    MessageIdResp,
    Pdu,
    QuerySm,
    ReplaceSm,
    SmeAddress,
    SubmitMulti,
    SubmitMultiResp,
    SubmitSm,
    Tlv,
)
from bridge.smpp.protocol.tlvs import SAR_MSG_REF_NUM, SAR_SEGMENT_SEQNUM, SAR_TOTAL_SEGMENTS
from tests.chaos.node import Node, Reached, one_ready
from tests.chaos.record import Record, Said, Text, Try
from tests.chaos.smpp_session import ANY_CERTIFICATE, ROK, Session

#: registered_delivery: final states, and intermediate ones too (SMPP 3.4 §5.2.17).
FINAL, EVERYTHING = 0x01, 0x11
#: query_sm_resp: nothing found; any: the operation failed.
RQUERYFAIL: Final = 0x67
RSYSERR: Final = 0x08
#: The window of a client.
WINDOW: Final = 20
#: How long parts are retried after the first (seconds); below parts_timeout.
PARTS_WITHIN: Final = 12.0
_CONCATENATED_8, _UDHI = bytes((5, 0, 3)), 0x40


#: The actions of a client; see below.
Habit = Callable[["SmppClient", Session], Awaitable[object]]


class SmppClient:
    """One client of an account: always bound, and active while ``busy``.

    ``sessions`` are those of all clients of the account, for requests on another one.
    """

    def __init__(
        self,
        account: str,
        nodes: list[Node],
        record: Record,
        sessions: list[Session],
        chance: random.Random,
        busy: Callable[[], bool],
        pause: float,
    ) -> None:
        self._account = account
        self._nodes = nodes
        self._record = record
        self._sessions = sessions
        self._chance = chance
        self._busy = busy
        self._pause = pause
        self._does = _HABITS[account]
        self._references = chance.randrange(256)

    async def run(self) -> None:
        """Runs until it is cancelled, with a new session after each end."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                node, at = await one_ready(self._nodes, self._chance)
                await self._session(node, at, tasks)

    async def _session(self, node: Node, at: Reached, tasks: asyncio.TaskGroup) -> None:
        session = Session(self._account, node.run, self._record, self._chance)
        with_tls = self._chance.random() < 0.3
        to = (at.smpps, ANY_CERTIFICATE) if with_tls else (at.smpp, None)
        if not await session.open(*to):
            session.close()
            await asyncio.sleep(0.1)
            return
        reading = tasks.create_task(session.read())
        self._sessions.append(session)
        try:
            ends_at = time.monotonic() + self._chance.uniform(5, 40)
            while not session.ended.is_set():
                session.well_behaved = not self._busy()
                if self._busy() and session.unanswered < WINDOW:
                    tasks.create_task(self._one(session))
                await asyncio.sleep(self._chance.expovariate(1 / self._pause))
                if self._busy() and time.monotonic() > ends_at:
                    await (session.unbind() if self._chance.random() < 0.7 else _vanish(session))
        finally:
            self._sessions.remove(session)
            session.close()
            reading.cancel()

    def _alive(self) -> list[Session]:
        return [session for session in self._sessions if not session.ended.is_set()]

    async def _one(self, session: Session) -> None:
        does = self._chance.choices([*self._does], [*self._does.values()])[0]
        await does(self, session)

    # --- one text --------------------------------------------------------------------------

    async def submit(self, session: Session) -> Text:
        text = self._new("plain", ttl=self._chance.choice((0, 0, 0, 0, 3)))
        await self._hand_over(session, text, _body(text, ttl=text.ttl))
        return text

    def _new(self, kind: str, *, parts: int = 1, length: int = 0, ttl: int = 0) -> Text:
        text = self._record.text(self._account, kind, parts=parts, length=length)
        text.intermediate = self._chance.random() < 0.3
        text.final = text.intermediate or self._chance.random() < 0.8
        text.ttl = ttl
        return text

    async def _hand_over(
        self, session: Session, text: Text, body: SubmitSm | SubmitMulti, *tlvs: Tlv, part: int = 0
    ) -> Try:
        one = Try(session.run, time.monotonic())
        text.parts[part].append(one)
        command = "submit_sm" if isinstance(body, SubmitSm) else "submit_multi"
        try:
            answer = await session.ask(command, body, *tlvs)
        except (EOFError, TimeoutError):
            return one
        one.status = f"0x{answer.command_status:02X}"
        if answer.command == f"{command}_resp" and answer.command_status == ROK:
            assert isinstance(answer.body, MessageIdResp | SubmitMultiResp)
            if isinstance(answer.body, SubmitMultiResp) and answer.body.unsuccess_sme:
                self._record.violations.append(f"refused in part: {answer.body}, {text}")
            one.said, one.id = Said.YES, int(answer.body.message_id)
        else:
            one.said = Said.NO
        self._record.answered(text, one)
        return one

    async def long(self, session: Session) -> None:
        """A text in parts, on any of the account's sessions, each retried until it is accepted."""
        count = self._chance.choice((2, 2, 3, 4))
        text = self._new("parts", parts=count, length=50 * count)
        self._references = (self._references + 1) % 256
        reference, sar = self._references, self._chance.random() < 0.3
        order = list(range(count))
        self._chance.shuffle(order)
        if self._chance.random() < 0.1:
            order.pop()  # one never comes
        until = time.monotonic() + PARTS_WITHIN
        while order and time.monotonic() < until:
            number = order.pop(0)
            piece = text.text[50 * number : 50 * number + 50].encode()
            tlvs: tuple[Tlv, ...] = ()
            body = _body(text)
            if sar:
                body = body._replace(short_message=piece)
                tlvs = (
                    Tlv(SAR_MSG_REF_NUM, reference.to_bytes(2, "big")),
                    Tlv(SAR_TOTAL_SEGMENTS, bytes((count,))),
                    Tlv(SAR_SEGMENT_SEQNUM, bytes((number + 1,))),
                )
            else:
                header = _CONCATENATED_8 + bytes((reference, count, number + 1))
                body = body._replace(short_message=header + piece, esm_class=_UDHI)
            by = self._chance.choice(self._alive() or [session])
            one = await self._hand_over(by, text, body, *tlvs, part=number)
            if one.said is not Said.YES:
                order.append(number)
                await asyncio.sleep(0.5)

    async def multi(self, session: Session) -> None:
        """One text to several phones by submit_multi."""
        text = self._new("multi")
        more = self._chance.choice((1, 2, 4))
        text.phones = (text.phone, *(self._record.phone() for _ in range(more)))
        body = _body(text)
        addresses = tuple(SmeAddress(1, 1, phone[1:].encode()) for phone in text.phones)
        many = SubmitMulti(
            dest_address=addresses,
            registered_delivery=body.registered_delivery,
            short_message=body.short_message,
        )
        await self._hand_over(session, text, many)

    async def again(self, session: Session) -> None:
        """The same text twice, as after a lost answer, and a third time if its answer is
        unknown."""
        text = self._new("once")
        for _ in range(self._chance.choice((2, 3))):
            by = self._chance.choice(self._alive() or [session])
            await self._hand_over(by, text, _body(text))

    # --- what has been told already --------------------------------------------------------

    async def query(self, session: Session) -> None:
        known = [id for id, text in self._record.told_ids.items() if text.account == self._account]
        if known:
            await self.known(session, self._chance.choice(known[-200:]))

    async def known(self, session: Session, id: int) -> int | None:
        """Queries the state of a message; None without an answer."""
        try:
            answer = await session.ask("query_sm", QuerySm(b"%d" % id))
        except (EOFError, TimeoutError):
            return None
        self._record.queries += 1
        if answer.command_status == RQUERYFAIL:
            text = self._record.told_ids[id]
            words = f"query_sm at node {session.run} does not know the id {id}, which was told: "
            self._record.violations.append(f"{words}{text}")
        return getattr(answer.body, "message_state", None)

    async def change(self, session: Session) -> None:
        """A scheduled text that is cancelled or replaced."""
        text = self._new("timed")
        wait = self._chance.choice((2, 3, 5))
        body = _body(text)._replace(schedule_delivery_time=b"0000000000%02d000R" % wait)
        one = await self._hand_over(session, text, body)
        if one.said is not Said.YES:
            return
        await asyncio.sleep(self._chance.uniform(0, wait + 0.5))
        for _ in range(self._chance.choice((0, 1, 1, 2))):
            by = self._chance.choice(self._alive() or [session])
            if self._chance.random() < 0.5:
                text.cancelled = await self._ask(by, "cancel_sm", CancelSm(b"", b"%d" % one.id))
                if text.cancelled is not Said.NO:
                    return
            else:
                new = f"{text.text} replaced {len(text.replaced) + 1}"
                replace = ReplaceSm(
                    b"%d" % one.id, registered_delivery=body.registered_delivery
                )._replace(short_message=new.encode())
                text.replaced.append((new, await self._ask(by, "replace_sm", replace)))

    async def _ask(self, session: Session, command: str, body: CancelSm | ReplaceSm) -> Said:
        try:
            answer: Pdu = await session.ask(command, body)
        except (EOFError, TimeoutError):
            return Said.LOST
        if answer.command_status == RSYSERR:
            return Said.LOST  # it failed at some time
        return Said.YES if answer.command_status == ROK else Said.NO


#: Account → its clients' actions with their frequencies.
_HABITS: Final[dict[str, dict[Habit, int]]] = {
    "crm": {
        SmppClient.submit: 6,
        SmppClient.multi: 1,
        SmppClient.long: 2,
        SmppClient.query: 1,
    },
    "quick": {SmppClient.submit: 7, SmppClient.multi: 1, SmppClient.query: 1},
    "timed": {SmppClient.change: 1},
    "once": {SmppClient.again: 4, SmppClient.submit: 1},
}
ACCOUNTS: Final = tuple(_HABITS)


def _body(text: Text, *, ttl: int = 0) -> SubmitSm:
    registered = EVERYTHING if text.intermediate else FINAL if text.final else 0
    validity = b"0000000000%02d000R" % ttl if ttl else b""
    return SubmitSm(
        dest_addr_ton=1,
        dest_addr_npi=1,
        destination_addr=text.phone[1:].encode(),
        registered_delivery=registered,
        validity_period=validity,
        short_message=text.text.encode(),
    )


async def _vanish(session: Session) -> None:
    session.close()
    await session.ended.wait()
