"""Which messages go into the next request: lanes in memory, turns, and pieces of refused batches.

Pure data structures, told what waits and asked for batches. Within a lane the message that is due
first goes first; between lanes of one level accounts take turns; higher levels go before lower
ones, but the lowest gets its tenth of every batch (design section 9).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from bridge.message import Message, MessageType, Route

#: The share of each batch that promos get while they wait.
PROMO_SHARE = 0.1
#: Levels from here on are transactions; below are promos (:func:`level_of`).
TRANSACTION_LEVEL = 4
_LEVELS = 8


def level_of(message_type: MessageType, priority: int) -> int:
    """The queue's order: transactions before promos, ``priority_flag`` (0–3) within each."""
    base = 0 if message_type is MessageType.PROMO else TRANSACTION_LEVEL
    return base + min(max(priority, 0), 3)


class Queue:
    """Messages in memory that may be posted now, of one upstream and one route."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self._levels: dict[int, dict[str, deque[Message]]] = {}
        self._pieces: deque[list[Message]] = deque()
        self._count = 0

    def __len__(self) -> int:
        """Messages that wait, without those in pieces."""
        return self._count

    @property
    def pieces(self) -> int:
        """Parts of refused batches that wait for their own request."""
        return len(self._pieces)

    def push(self, message: Message) -> None:
        lanes = self._levels.get(message.level)
        if lanes is None:
            lanes = self._levels[message.level] = {}
        lane = lanes.get(message.account)
        if lane is None:
            lane = lanes[message.account] = deque()
        lane.append(message)
        self._count += 1

    def push_back(self, messages: Iterable[Message]) -> None:
        """Puts messages that were taken to the front again, in their order."""
        for message in reversed(list(messages)):
            lanes = self._levels.setdefault(message.level, {})
            lanes.setdefault(message.account, deque()).appendleft(message)
            self._count += 1

    def size(self, level: int, account: str) -> int:
        return len(self._levels.get(level, {}).get(account, ()))

    def oldest(self) -> int | None:
        """When the longest waiting message became due (Unix time)."""
        heads = (lane[0].due_at for lanes in self._levels.values() for lane in lanes.values())
        return min(heads, default=None)

    def fill(self, limit: int) -> list[Message]:
        """Takes up to ``limit`` messages for one request."""
        if not self._count:
            return []
        promos = sum(
            len(lane)
            for level, lanes in self._levels.items()
            if level < TRANSACTION_LEVEL
            for lane in lanes.values()
        )
        batch: list[Message] = []
        reserved = min(promos, int(limit * PROMO_SHARE) or 1) if limit > 1 else 0
        self._take(batch, limit - reserved, range(TRANSACTION_LEVEL, _LEVELS))
        self._take(batch, limit, range(TRANSACTION_LEVEL))
        return batch

    def _take(self, batch: list[Message], limit: int, levels: range) -> None:
        """Fills ``batch`` up to ``limit``, highest level first, accounts of a level in turns."""
        for level in reversed(levels):
            lanes = self._levels.get(level)
            while lanes and len(batch) < limit:
                share = max(1, (limit - len(batch)) // len(lanes))
                for account in list(lanes):
                    lane = lanes.pop(account)
                    some = min(share, len(lane), limit - len(batch))
                    batch.extend(lane.popleft() for _ in range(some))
                    self._count -= some
                    if lane:
                        lanes[account] = lane  # behind the others: it has had its turn
                    if len(batch) >= limit:
                        break

    def split(self, batch: Sequence[Message]) -> None:
        """Queues the parts of a refused batch: by account first, then halves."""
        accounts: dict[str, list[Message]] = {}
        for message in batch:
            accounts.setdefault(message.account, []).append(message)
        if len(accounts) > 1:
            self._pieces.extend(accounts.values())
        else:
            half = (len(batch) + 1) // 2
            self._pieces.append(list(batch[:half]))
            self._pieces.append(list(batch[half:]))

    def piece(self) -> list[Message]:
        """Takes the next part of a refused batch."""
        return self._pieces.popleft()
