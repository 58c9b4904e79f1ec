"""Submissions whose client knows them by another id than the bridge does.

The id of a part, and the eight hexadecimal digits of SMPP 3.3, are aliases of a message. Receipts
that were asked for under such an id are the alias's: the message itself then only says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final, Protocol

from bridge.accounts.accounts import Account
from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, Outcome, Receipts, Submission
from bridge.store import Alias, PartGroup

#: The bits of a short id that tell the node, and how many ids that leaves to each. They come again
#: after so many; by then the message of the earlier one is hardly stored any more.
_NODE_BITS: Final = 6
_SHORT_IDS: Final = 1 << 32 - _NODE_BITS
#: So many short ids are left out at the start: of those that were given last some may be known to
#: clients alone, or stand in the store with the same time.
_LEFT_OUT: Final = 4096


class ShortIdSequence:
    """Gives a node's ids below 2**32; ``last`` is the one that was given last before the start."""

    def __init__(self, node: int, last: int) -> None:
        self._node = node
        self._last = last >> _NODE_BITS
        if self._last:
            self._last = (self._last + _LEFT_OUT) % _SHORT_IDS

    def next(self) -> int:
        self._last = (self._last + 1) % _SHORT_IDS or 1
        return self._last << _NODE_BITS | self._node


class PartSubmitter(Protocol):
    """What is asked of :class:`bridge.relay.relay.Relay`."""

    def check(self, account: Account, submission: Submission) -> None: ...

    def take_part(self, account: Account, waiting: int) -> None: ...

    def submit(
        self,
        account: Account,
        submission: Submission,
        *,
        aliases: Sequence[Alias] = (),
        parts: PartGroup | None = None,
        known_as: int = 0,
    ) -> asyncio.Future[Outcome]: ...

    def next_short_id(self) -> int: ...


def submit_short(
    relay: PartSubmitter, account: Account, submission: Submission
) -> asyncio.Future[Outcome]:
    """Submits; the future gets the outcome under an id below 2**32 that leads to the message."""
    answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    alias = Alias(relay.next_short_id(), 0, int(submission.receipts))
    wishes = Receipts.ALIASES if submission.receipts else Receipts.NONE
    submission = submission._replace(receipts=wishes)
    outcome = relay.submit(account, submission, aliases=(alias,), known_as=alias.id)
    outcome.add_done_callback(partial(pass_on, alias.id, answer))
    return answer


def pass_on(id: int, answer: asyncio.Future[Outcome], outcome: asyncio.Future[Outcome]) -> None:
    """Gives ``answer`` the outcome, under ``id`` where it is good."""
    if answer.done():
        return
    if outcome.cancelled():
        answer.set_result(Failure(Reason.OPERATION_FAILED, cause="cancelled"))
        return
    error = outcome.exception()
    if error is not None:
        answer.set_exception(error)
        return
    result = outcome.result()
    answer.set_result(result._replace(id=id) if isinstance(result, Accepted) else result)
