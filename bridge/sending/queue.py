"""Decides which messages go into the next request: lanes, turns, pieces of refused batches.

Pure data structures. Within a lane the message that is due first goes first. The accounts of one
level take turns. Higher levels go before lower ones, but promos get a tenth of every batch.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from bridge.model.message import Message, MessageType, Route
from bridge.sending.held_accounts import HeldAccounts

#: The share of each batch that promos get while they wait.
PROMO_SHARE = 0.1
#: Levels from here on are transactions; below are promos (:func:`level_of`).
TRANSACTION_LEVEL = 4
_LEVELS = 8


def level_of(message_type: MessageType, priority: int) -> int:
    """The queue's order: transactions before promos, ``priority_flag`` (0–3) within each."""
    base = 0 if message_type is MessageType.PROMO else TRANSACTION_LEVEL
    return base + (min(max(priority, 0), 3) if priority else 0)


#: Refused messages, without APART_UNTIL taken ones between them, that set an account apart.
APART_AFTER = 3
#: Taken messages in a row that bring it back.
APART_UNTIL = 100


class Conduct:
    """Finds accounts whose messages are often refused: they are batched on their own."""

    def __init__(self) -> None:
        self._refused: dict[str, int] = {}
        self._good: dict[str, int] = {}
        self.apart: set[str] = set()

    def refused(self, account: str) -> bool:
        """Notes a refused message; returns whether this sets the account apart."""
        self._good[account] = 0
        self._refused[account] = self._refused.get(account, 0) + 1
        if self._refused[account] < APART_AFTER or account in self.apart:
            return False
        self.apart.add(account)
        return True

    def taken(self, messages: Iterable[Message]) -> list[str]:
        """Notes taken messages; returns the accounts that are no longer set apart."""
        if not self._refused:
            return []
        back: list[str] = []
        for account, count in Counter(m.account for m in messages).items():
            if account not in self._refused:
                continue
            self._good[account] += count
            if self._good[account] >= APART_UNTIL:
                del self._refused[account], self._good[account]
                if account in self.apart:
                    self.apart.discard(account)
                    back.append(account)
        return back


class SendQueue:
    """Messages in memory that may be posted now, of one upstream and one route."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.conduct = Conduct()
        #: Accounts whose messages stay in the queue.
        self.held = HeldAccounts()
        self._levels: dict[int, dict[str, deque[Message]]] = {}
        self._pieces: deque[list[Message]] = deque()
        self._count = 0

    def __len__(self) -> int:
        """Number of waiting messages, without the pieces of refused batches."""
        return self._count

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
        """Puts messages back to the front, in their order."""
        for message in reversed(list(messages)):
            lanes = self._levels.setdefault(message.level, {})
            lanes.setdefault(message.account, deque()).appendleft(message)
            self._count += 1

    def remove(self, id: int, level: int, account: str) -> bool:
        """Removes a message, wherever it waits; returns whether it was there."""
        lane = self._levels.get(level, {}).get(account, deque())
        for waiting in (lane, *self._pieces):
            for message in waiting:
                if message.id == id:
                    waiting.remove(message)
                    self._count -= waiting is lane
                    return True
        return False

    def take_matching(self, matches: Callable[[Message], bool]) -> list[Message]:
        """Removes and returns all messages for which ``matches`` is true."""
        taken: list[Message] = []
        for lanes in self._levels.values():
            for account, lane in list(lanes.items()):
                kept: deque[Message] = deque()
                before = len(taken)
                for message in lane:
                    (taken if matches(message) else kept).append(message)
                if (found := len(taken) - before) > 0:
                    self._count -= found
                    if kept:
                        lanes[account] = kept
                    else:
                        del lanes[account]
        for piece in self._pieces:
            taken += [message for message in piece if matches(message)]
            piece[:] = [message for message in piece if not matches(message)]
        self._pieces = deque(piece for piece in self._pieces if piece)
        return taken

    def size(self, level: int, account: str) -> int:
        return len(self._levels.get(level, {}).get(account, ()))

    def sizes(self) -> Iterator[tuple[int, str, int]]:
        """Each lane with its size: level, account, messages."""
        for level, lanes in self._levels.items():
            for account, lane in lanes.items():
                yield level, account, len(lane)

    def take_last(self, count: int, level: int, account: str) -> list[Message]:
        """Removes and returns the messages of a lane that would go last."""
        lane = self._levels[level][account]
        taken = [lane.pop() for _ in range(min(count, len(lane)))]
        self._count -= len(taken)
        return taken

    def oldest(self, account: str = "") -> int | None:
        """Unix time at which the longest waiting message (of an account) became due."""
        oldest: int | None = None
        for lanes in self._levels.values():
            if account:
                lane = lanes.get(account)
                heads: Iterable[deque[Message]] = () if lane is None else (lane,)
            else:
                heads = lanes.values()
            for lane in heads:
                if lane and (oldest is None or lane[0].due_at < oldest):
                    oldest = lane[0].due_at
        return oldest

    @property
    def has_split(self) -> bool:
        """Whether :meth:`fill_split` may find messages."""
        return bool(self._pieces or (self._count and self.conduct.apart))

    def fill_split(self, limit: int) -> list[Message]:
        """Takes up to ``limit`` messages for a batch of their own: the next piece of a refused
        batch, else messages of one account that is set apart; these accounts take turns."""
        while self._pieces:
            piece = self._pieces.popleft()
            going = [message for message in piece if message.account not in self.held]
            self.push_back(message for message in piece if message.account in self.held)
            if going:
                # The limit may have shrunk since the batch was cut.
                self.push_back(going[limit:])
                return going[:limit]
        batch: list[Message] = []
        due = {
            account: at
            for account in self.conduct.apart
            if account not in self.held and (at := self.oldest(account)) is not None
        }
        if due:
            self._take(batch, limit, range(_LEVELS), min(due, key=due.__getitem__))
        return batch

    def fill(self, limit: int) -> list[Message]:
        """Takes up to ``limit`` messages of all accounts that are not set apart."""
        if not self._count:
            return []
        batch: list[Message] = []
        if limit > 1:
            promos = sum(
                len(lane)
                for level in range(TRANSACTION_LEVEL)
                for account, lane in self._levels.get(level, {}).items()
                if self._takes(account, None)
            )
            reserved = min(promos, int(limit * PROMO_SHARE) or 1)
            self._take(batch, limit - reserved, range(TRANSACTION_LEVEL, _LEVELS), None)
            self._take(batch, limit, range(TRANSACTION_LEVEL), None)
        self._take(batch, limit, range(_LEVELS), None)
        return batch

    def may_take(self, account: str) -> bool:
        """Whether messages of an account go with those of others."""
        return self._takes(account, None)

    def _takes(self, account: str, only: str | None) -> bool:
        if only is not None:
            return account == only
        return account not in self.held and account not in self.conduct.apart

    def _take(self, batch: list[Message], limit: int, levels: range, only: str | None) -> None:
        """Fills ``batch`` up to ``limit``, highest level first, accounts of a level in turns."""
        for level in reversed(levels):
            lanes = self._levels.get(level)
            if not lanes:
                continue
            turns = [account for account in lanes if self._takes(account, only)]
            while turns and len(batch) < limit:
                share = max(1, (limit - len(batch)) // len(turns))
                for account in turns:
                    lane = lanes.pop(account)
                    some = min(share, len(lane), limit - len(batch))
                    batch += [lane.popleft() for _ in range(some)]
                    self._count -= some
                    if lane:
                        lanes[account] = lane  # behind the others: it has had its turn
                    if len(batch) >= limit:
                        break
                turns = [account for account in turns if account in lanes]

    def split(self, batch: Sequence[Message]) -> None:
        """Queues the pieces of a refused batch: first one for each account, then halves."""
        accounts: dict[str, list[Message]] = {}
        for message in batch:
            accounts.setdefault(message.account, []).append(message)
        if len(accounts) > 1:
            self._pieces.extend(accounts.values())
        else:
            half = (len(batch) + 1) // 2
            self._pieces.extend(list(piece) for piece in (batch[:half], batch[half:]) if piece)
