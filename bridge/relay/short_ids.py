"""Short ids: aliases below 2**32 under which SMPP 3.3 clients know their messages.

The id of a part, and the eight hexadecimal digits of SMPP 3.3, are aliases of a message. Receipts
requested under an alias are stored with the alias; the message itself only has a flag for them.
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

#: The bits of a short id that tell the node, and the number of ids that this leaves to each node.
#: After so many they repeat; the earlier message is most likely deleted by then.
_NODE_BITS: Final = 6
_SHORT_IDS: Final = 1 << 32 - _NODE_BITS
#: Short ids skipped at the start: the last ones given may be unknown to the store, or stored with
#: the same time.
_LEFT_OUT: Final = 4096


class ShortIdSequence:
    """Gives a node's ids below 2**32; ``last`` is the last one given before the start."""

    def __init__(self, node: int, last: int) -> None:
        self._node = node
        self._last = last >> _NODE_BITS
        if self._last:
            self._last = (self._last + _LEFT_OUT) % _SHORT_IDS

    def next(self) -> int:
        self._last = (self._last + 1) % _SHORT_IDS or 1
        return self._last << _NODE_BITS | self._node


class PartSubmitter(Protocol):
    """The part of :class:`bridge.relay.relay.Relay` that is used here."""

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
    """Passes the outcome on to ``answer``; if accepted, under ``id``."""
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
