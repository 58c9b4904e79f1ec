"""Holds notices back until the answer to their submission is out.

The answer tells the client the message id; most clients drop a receipt with an id that they do not
know yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bridge.accounts.accounts import Accounts
from bridge.model.ids import node_of
from bridge.model.notice import Owed
from bridge.relay.pending_answers import ANSWER_WITHIN, PendingAnswers

#: Longest time from the decision on an answer to its sending, and largest difference between the
#: clocks of nodes (seconds).
MARGIN: Final = 1.0
#: Interval for checking again while a client of this node still waits (seconds).
AGAIN: Final = 0.1


class AnswerFirst:
    """Knows which clients of this node still wait, and how long clients of other nodes may wait.

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
        """The Unix time from which the notice may be told, or at which to call this again."""
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
        if message.accepted_at > self._clock() + MARGIN:
            return 0.0  # the clock was set back
        latest = message.accepted_at + within
        if message.submission_id == message.id:
            # A single message is answered as soon as its outcome is known.
            latest = min(latest, stored.sent_at or stored.changed_at)
        return latest + MARGIN
