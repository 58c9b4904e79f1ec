"""Sends receipts and messages from phones to one bound receiver: the window and the answers.

No I/O: octets go out by a given function; responses and the time come in.
:mod:`bridge.notices.outbox` decides when to send, :mod:`bridge.smpp.outbound.receipt` and
:mod:`bridge.smpp.outbound.mobile_originated` write the PDUs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from bridge.model.notice import Kind, Owed
from bridge.notices.subscribers import TakerAnswer
from bridge.smpp.outbound.deliver_pdu import Outgoing, Style
from bridge.smpp.outbound.mobile_originated import incoming_pdus
from bridge.smpp.outbound.receipt import receipt
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.pdu import Pdu

#: The responses to requests of the bridge.
ANSWERS: Final = frozenset({"deliver_sm_resp", "data_sm_resp", "generic_nack"})

#: Statuses that end a notice: taken, or refused for good (SMPP 3.4 §5.1.3: permanent
#: error and rejection of the receiver; the temporary error is 0x64).
ENDING: Final = frozenset(
    {CommandStatus.ESME_ROK, CommandStatus.ESME_RX_P_APPN, CommandStatus.ESME_RX_R_APPN}
)

_NAMES: Final[dict[int, str]] = {status.value: status.name for status in CommandStatus}


class _Asked(NamedTuple):
    """A request without a response yet: its notice's answer, and the requests that follow."""

    answer: asyncio.Future[TakerAnswer]
    deadline: float
    rest: Iterator[Outgoing]


class Receiver:
    """A session that takes its account's notices (:class:`bridge.notices.subscribers.Taker`).

    ``name`` is the session's peer, ``window`` the most unanswered requests, ``response_timeout``
    the time for an answer (seconds). ``send`` writes octets, ``ready`` tells whether the session
    takes requests now. Times are seconds of one monotonic clock.
    """

    def __init__(
        self,
        name: str,
        style: Style,
        window: int,
        response_timeout: float,
        *,
        send: Callable[[bytes], None],
        ready: Callable[[], bool],
        next_sequence_number: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self._name = name
        self._style = style
        self._window = window
        self._response_timeout = response_timeout
        self._send = send
        self._ready = ready
        self._next_sequence_number = next_sequence_number
        self._monotonic = monotonic
        self._loop = asyncio.get_running_loop()
        self._asked: dict[int, _Asked] = {}  # by sequence numbers, the oldest first
        self._lost = False
        self.answered = 0

    @property
    def name(self) -> str:
        return self._name

    @property
    def in_flight(self) -> int:
        """The number of requests that wait for their responses."""
        return len(self._asked)

    def room(self) -> int:
        return self._window - len(self._asked) if self._ready() and not self._lost else 0

    def tell(self, owed: Owed) -> asyncio.Future[TakerAnswer]:
        """Sends a receipt or a message from a phone; each part after the answer to the last."""
        answer: asyncio.Future[TakerAnswer] = self._loop.create_future()
        if self._lost:
            answer.set_result(self._gone())
            return answer
        try:
            if owed.notice.kind is Kind.INCOMING:
                if owed.incoming is None:
                    raise ValueError("the message from the phone was deleted")
                pdus = incoming_pdus(owed.incoming, self._style)
                self._ask(pdus[0], answer, iter(pdus[1:]))
            else:
                self._ask(receipt(owed, self._style), answer, iter(()))
        except (ValueError, TypeError) as error:
            # A retry would fail in the same way.
            answer.set_result(TakerAnswer(True, f"cannot be written: {error}"))
        return answer

    def _ask(
        self, pdu: Outgoing, answer: asyncio.Future[TakerAnswer], rest: Iterator[Outgoing]
    ) -> None:
        sequence_number = self._next_sequence_number()
        deadline = self._monotonic() + self._response_timeout
        self._asked[sequence_number] = _Asked(answer, deadline, rest)
        self._send(pdu.frame(sequence_number))

    def take(self, response: Pdu) -> None:
        """Takes a response; ignored if no request has its number."""
        if response.command not in ANSWERS:
            return
        asked = self._asked.pop(response.sequence_number, None)
        if asked is None:
            return
        self.answered += 1
        status = response.command_status
        nacked = response.command == "generic_nack"
        if status == CommandStatus.ESME_ROK and not nacked:
            following = next(asked.rest, None)
            if following is not None:
                self._ask(following, asked.answer, asked.rest)
                return
            self._end(asked, TakerAnswer(True, f"taken by {self._name}"))
            return
        name = _NAMES.get(status, f"0x{status:08X}")
        if nacked:
            name = f"generic_nack {name}"
        ended = status in ENDING and not nacked
        words = f"refused by {self._name} with {name}" if ended else f"{name} from {self._name}"
        self._end(asked, TakerAnswer(ended, words))

    def tick(self, now: float) -> None:
        """Gives up requests that are not answered in time; their notices are retried."""
        overdue = []
        for sequence_number, asked in self._asked.items():
            if asked.deadline > now:
                break
            overdue.append(sequence_number)
        for sequence_number in overdue:
            words = f"no answer from {self._name} within {self._response_timeout:g} s"
            self._end(self._asked.pop(sequence_number), TakerAnswer(False, words))

    def lose(self) -> None:
        """The session is over: no more answers will come."""
        self._lost = True
        asked = list(self._asked.values())
        self._asked.clear()
        for one in asked:
            self._end(one, self._gone())

    def _gone(self) -> TakerAnswer:
        return TakerAnswer(False, f"{self._name} went away without an answer", lost=True)

    def _end(self, asked: _Asked, answer: TakerAnswer) -> None:
        if not asked.answer.done():
            asked.answer.set_result(answer)
