"""Whether the client of a message has the answer to its submission, which says the message's id.

Nobody is told anything about a message before that: a receipt with an id that means nothing yet is
lost on most clients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from bridge.accounts.accounts import Accounts
from bridge.model.ids import node_of
from bridge.model.message import Message
from bridge.model.notice import Owed
from bridge.relay.relay import ANSWER_WITHIN

#: An answer that has just been decided on is on its way for less than this (seconds); clocks of
#: nodes differ by less than this too.
MARGIN: Final = 1.0
#: How soon to ask again while a client of this node still waits (seconds).
AGAIN: Final = 0.1


class Clients(Protocol):
    """What is asked of :class:`bridge.relay.pending_answers.WaitingClients`."""

    def awaits(self, message: Message) -> bool: ...


class Answered:
    """Knows of this node's clients what they wait for, and of others how long they can.

    ``node`` is this daemon's number, ``clock`` gives Unix time.
    """

    def __init__(
        self, node: int, accounts: Accounts, clients: Clients, clock: Callable[[], float]
    ) -> None:
        self._node = node
        self._accounts = accounts
        self._clients = clients
        self._clock = clock

    def not_before(self, owed: Owed) -> float:
        """The Unix time from which on the notice may be told, or is to be asked about again."""
        stored = owed.stored
        if stored is None:
            return 0.0
        message = stored.message
        if node_of(message.id) == self._node:
            return self._clock() + AGAIN if self._clients.awaits(message) else 0.0
        account = self._accounts.get(message.account)
        if account is None:
            return 0.0
        settings = account.settings
        within = 0.0
        if settings.answer == "result":
            within = settings.answer_within or ANSWER_WITHIN[message.protocol]
        latest = message.accepted_at + within
        if message.submission_id == message.id:
            # One message alone is answered as soon as anything is known of it.
            latest = min(latest, stored.sent_at or stored.changed_at)
        return latest + MARGIN
