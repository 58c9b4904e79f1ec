"""The bridge's own requests on a session: notices to a bound receiver, and the unbind.

:mod:`bridge.smpp.inbound.requests` has the client's. The outbox decides which notices are due;
:mod:`bridge.smpp.outbound.receiver` sends them and reads the answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from bridge.accounts.accounts import Account
from bridge.model.notice import receivers_of
from bridge.smpp.inbound.services import Services
from bridge.smpp.outbound.deliver_pdu import Style
from bridge.smpp.outbound.receiver import Receiver
from bridge.smpp.protocol.pdu import Pdu
from bridge.smpp.protocol.session import Action, SmppSession

#: On stop: time for the client to answer the bridge's requests, and again for the unbind (seconds).
ANSWERS_ON_STOP: Final = 2.0


class OwnRequests:
    """``send`` writes octets, ``act`` carries out an action of the session, ``congested`` tells
    whether the client does not read."""

    def __init__(
        self,
        services: Services,
        session: SmppSession,
        *,
        send: Callable[[bytes], None],
        act: Callable[[Action | None], None],
        congested: Callable[[], bool],
    ) -> None:
        self._services = services
        self._session = session
        self._send = send
        self._act = act
        self._congested = congested
        self._loop = asyncio.get_running_loop()
        self._receiver: Receiver | None = None
        self._queue = ""
        self._answered = 0
        self._unbind_at: asyncio.TimerHandle | None = None  # ends the wait for answers
        self._lost = False

    @property
    def answered(self) -> int:
        """How many receipts and messages from phones the client has answered."""
        return self._answered if self._receiver is None else self._receiver.answered

    @property
    def in_flight(self) -> int:
        """How many of them wait for an answer."""
        return 0 if self._receiver is None else self._receiver.in_flight

    # --- notices ---------------------------------------------------------------------------

    def begin(self, account: Account, peer: str, style: Style) -> None:
        """From now on the session gets its account's receipts and messages from phones."""
        session = self._session
        self._receiver = Receiver(
            peer,
            style,
            account.settings.receive_window,
            self._services.settings.response_timeout,
            send=self._send,
            ready=lambda: session.receiving and not self._congested(),
            next_sequence_number=session.next_sequence_number,
            monotonic=self._services.monotonic,
        )
        self._queue = receivers_of(account.name)
        self._services.outbox.join(self._queue, self._receiver, account=account.name)

    def wake(self) -> None:
        """The client reads again: notices may go."""
        if self._receiver is not None:
            self._services.outbox.wake({self._queue})

    def take(self, response: Pdu) -> None:
        """Takes the client's response."""
        receiver = self._receiver
        if receiver is not None:
            receiver.take(response)
            if self._unbind_at is not None and not receiver.in_flight:
                self._unbind_at.cancel()
                self._unbind()

    def tick(self, now: float) -> None:
        """Gives up requests that are not answered in time."""
        if self._receiver is not None:
            self._receiver.tick(now)

    def end(self) -> None:
        """No more notices go to this session; unanswered ones count as not taken."""
        if self._receiver is not None:
            receiver, self._receiver = self._receiver, None
            self._answered = receiver.answered
            self._services.outbox.leave(self._queue, receiver)
            receiver.lose()

    def lose(self) -> None:
        """The connection is gone: as :meth:`end`, and no unbind goes out any more."""
        self._lost = True
        self.end()

    # --- the unbind ------------------------------------------------------------------------

    def drain(self) -> None:
        """Unbinds when the client has answered what is in flight, or after a short time."""
        self._session.draining = True
        if self.in_flight:
            self._unbind_at = self._loop.call_later(ANSWERS_ON_STOP, self._unbind)
        else:
            self._unbind()

    def _unbind(self) -> None:
        self._unbind_at = None
        if not self._lost:
            self._act(self._session.drain())
            self._loop.call_later(ANSWERS_ON_STOP, self._end_unanswered)

    def _end_unanswered(self) -> None:
        """Some clients never answer an unbind (smpplib)."""
        if not self._lost:
            self._act(self._session.end("no answer to unbind"))
