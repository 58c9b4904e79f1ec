"""One session of an SMPP client: a transceiver with requests, receipts and messages from phones."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
import time
from typing import Final

from bridge.smpp.protocol.codec import decode, encode
from bridge.smpp.protocol.framing import Framer
from bridge.smpp.protocol.pdu import Bind, Body, Empty, MessageIdResp, Pdu, SubmitSm, Tlv
from bridge.smpp.protocol.tlvs import MESSAGE_STATE, RECEIPTED_MESSAGE_ID
from tests.chaos.record import Receipt, Record

#: Time limit of an answer, after which the client closes the connection (seconds).
PATIENCE: Final = 20.0
ROK, RX_T_APPN, RX_P_APPN = 0x00, 0x64, 0x65
#: The client's answers to receipts, with their frequencies; None: no answer.
_MANNERS: Final = {ROK: 93, RX_T_APPN: 3, RX_P_APPN: 1, None: 3}
_UDHI: Final = 0x40
_RECEIPT, _INTERMEDIATE = 0x04, 0x20
#: For connections to listeners with TLS.
ANY_CERTIFICATE: Final = ssl.create_default_context()
ANY_CERTIFICATE.check_hostname = False
ANY_CERTIFICATE.verify_mode = ssl.CERT_NONE
_numbers = iter(range(1, 1 << 62))


class Session:
    """A bound session. ``run`` is the daemon's process."""

    def __init__(self, account: str, run: str, record: Record, chance: random.Random) -> None:
        self.account = account
        self.run = run
        self.number = next(_numbers)
        self.well_behaved = False
        self.ended = asyncio.Event()
        self._record = record
        self._chance = chance
        self._framer = Framer()
        self._asked: dict[int, asyncio.Future[Pdu]] = {}
        self._sequence = 0
        #: (phone, reference) → the received parts.
        self._parts: dict[tuple[bytes, int], list[bytes]] = {}

    @property
    def unanswered(self) -> int:
        return len(self._asked)

    async def open(self, port: int, context: ssl.SSLContext | None = None) -> bool:
        """Connects and binds; returns whether it succeeded."""
        try:
            async with asyncio.timeout(PATIENCE):
                self._reader, self._writer = await asyncio.open_connection(
                    "127.0.0.1", port, ssl=context
                )
                bind = Bind(self.account.encode(), b"secret12")
                self._write(Pdu("bind_transceiver", self._next(), bind))
                while (frame := self._framer.next()) is None:
                    data = await self._reader.read(65_536)
                    if not data:
                        raise EOFError
                    self._framer.feed(data)
        except (OSError, EOFError, TimeoutError):
            return False
        return decode(frame).command_status == ROK

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def _write(self, pdu: Pdu) -> None:
        self._writer.write(encode(pdu))

    async def read(self) -> None:
        """Reads until the connection ends; open requests then get no answer."""
        try:
            while True:
                while (frame := self._framer.next()) is not None:
                    self._take(decode(frame))
                data = await self._reader.read(65_536)
                if not data:
                    return
                self._framer.feed(data)
        except OSError:
            return
        finally:
            self.close()
            self.ended.set()
            for asked in self._asked.values():
                if not asked.done():
                    asked.set_exception(EOFError())
                    asked.exception()  # perhaps no caller waits any more
            self._asked.clear()

    def close(self) -> None:
        """Closes without unbind."""
        writer = getattr(self, "_writer", None)
        if writer is not None:
            writer.transport.abort()

    async def unbind(self) -> None:
        with contextlib.suppress(EOFError, TimeoutError):
            await self.ask("unbind", Empty())
        self.close()

    async def ask(self, command: str, body: Body, *tlvs: Tlv) -> Pdu:
        """Sends a request; returns the answer. Raises EOFError without one, and TimeoutError after
        the time limit."""
        if self.ended.is_set():
            raise EOFError
        number = self._next()
        answer: asyncio.Future[Pdu] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        self._write(Pdu(command, number, body, tlvs))
        try:
            async with asyncio.timeout(PATIENCE):
                return await answer
        except TimeoutError:
            self.close()
            raise

    async def idle(self) -> None:
        """Waits until all requests are answered or given up."""
        if self._asked:
            await asyncio.wait([*self._asked.values()])

    # --- what comes ------------------------------------------------------------------------

    def _take(self, pdu: Pdu) -> None:
        if pdu.command in ("enquire_link", "unbind"):
            self._write(Pdu(f"{pdu.command}_resp", pdu.sequence_number, Empty()))
        elif pdu.command == "deliver_sm":
            self._told(pdu)
        else:
            asked = self._asked.pop(pdu.sequence_number, None)
            if asked is not None and not asked.done():
                asked.set_result(pdu)

    def _told(self, pdu: Pdu) -> None:
        assert isinstance(pdu.body, SubmitSm)
        answer: int | None = ROK
        if not self.well_behaved:
            [answer] = self._chance.choices([*_MANNERS], [*_MANNERS.values()])
        taken = answer in (ROK, RX_P_APPN)
        if pdu.body.esm_class & (_RECEIPT | _INTERMEDIATE):
            id = int((pdu.tlv(RECEIPTED_MESSAGE_ID) or b"0").rstrip(b"\0"))
            [state] = pdu.tlv(MESSAGE_STATE) or b"\0"
            phone = "+" + pdu.body.source_addr.decode().lstrip("+")
            receipt = Receipt(time.monotonic(), state, self.run, self.number, taken, phone)
            self._record.receipt(id, receipt)
        else:
            if answer == RX_P_APPN:
                answer = ROK  # a permanently refused message is not complete
            self._phoned(pdu.body, answer == ROK)
        if answer is not None:
            number = pdu.sequence_number
            self._write(Pdu("deliver_sm_resp", number, MessageIdResp(), (), answer))

    def _phoned(self, body: SubmitSm, taken: bool) -> None:
        """Records a message from a phone, or a part, which must follow the previous one."""
        text, number, total, reference = body.short_message, 1, 1, -1
        if body.esm_class & _UDHI:
            reference, total, number = text[3:6]
            text = text[6:]
        key = (body.source_addr, reference)
        before = self._parts.get(key, [])
        if number == 1:
            before = []
        elif len(before) != number - 1:
            words = f"part {number} of {total} from {body.source_addr!r} came after {len(before)}"
            self._record.violations.append(f"{words} (node {self.run})")
        if taken:
            self._parts[key] = [*before, text]
            if number == total:
                whole = b"".join(self._parts.pop(key))
                words = whole.decode("utf-16-be" if body.data_coding == 8 else "ascii")
                self._record.incoming[body.source_addr.decode()].append(words)
