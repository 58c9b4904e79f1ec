"""The answer to a submission comes before any notice of its messages.

The answer tells the client the message's id; most clients drop a receipt whose id they do not know
yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bridge.accounts.accounts import Accounts
from bridge.model.ids import node_of
from bridge.model.notice import Owed
from bridge.relay.pending_answers import ANSWER_WITHIN, PendingAnswers

#: An answer that has just been decided on is on its way for less than this (seconds); clocks of
#: nodes differ by less than this too.
MARGIN: Final = 1.0
#: How soon to ask again while a client of this node still waits (seconds).
AGAIN: Final = 0.1


class AnswerFirst:
    """Knows which clients of this node still wait, and how long those of other nodes may.

    ``node`` is this daemon's number, ``clock`` gives Unix time.
    """

    def __init__(
        self, node: int, accounts: Accounts, pending: PendingAnswers, clock: Callable[[], float]
    ) -> None:
        self._node = node
        self._accounts = accounts
        self._pending = pending
        self._clock = clock

    def not_before(self, owed: Owed) -> float:
        """The Unix time from which on the notice may be told, or is to be asked about again."""
        stored = owed.stored
        if stored is None:
            return 0.0
        message = stored.message
        if node_of(message.id) == self._node:
            return self._clock() + AGAIN if self._pending.awaits(message) else 0.0
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
