"""Records the sandbox's messages and requests, up to a limit, and repeated tracking ids.

The last messages are kept in full, by request. Of older ones a 64-bit hash of the tracking id is
kept, to recognise a repeat.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterator
from typing import NamedTuple

from bridge.sandbox.rules import Item

#: Most requests that are kept; the totals count all.
KEEP_REQUESTS = 10_000
#: Most repeated ids that are listed; their total counts all.
KEEP_DUPLICATES = 10_000


class Batch(NamedTuple):
    """The messages of one accepted request; ``first`` is the number of the first of them."""

    request: int
    at: float
    route: str
    keys: tuple[str, ...]
    first: int
    items: list[Item]


class Received(NamedTuple):
    """One accepted message. ``number`` counts from 1, ``at`` is a Unix time."""

    number: int
    message_id: str
    request: int
    at: float
    route: str
    keys: tuple[str, ...]
    item: Item

    @property
    def id(self) -> str:
        tracking_id: str = self.item["id"]
        return tracking_id

    @property
    def phone(self) -> str:
        phone: str = self.item["toPhone"]
        return phone

    @property
    def text(self) -> str:
        text: str = self.item.get("text", "")
        return text


class Seen(NamedTuple):
    """One request to the API. ``status`` is 0 without an answer; ``size`` is the number of
    messages."""

    number: int
    at: float
    method: str
    path: str
    status: int
    size: int
    fault: str = ""
    error: str = ""


class Ledger:
    """Keeps about the last ``keep`` messages: whole requests, so up to one batch more."""

    def __init__(self, keep: int) -> None:
        self.keep = keep
        # A UUID of version 4 whose last 48 bits count the messages, so that finding one needs no
        # table. The rest is random, so that ids of different runs differ.
        random = os.urandom(9).hex()
        self.id_prefix = f"{random[:8]}-{random[8:12]}-4{random[12:15]}-8{random[15:18]}-"
        self.total = 0
        self.total_requests = 0
        self.clear()

    def clear(self) -> None:
        """Forgets all records. Numbers continue, so that no ``messageId`` is given twice."""
        self._batches: deque[Batch] = deque()
        self._kept = 0
        self._ids: set[int] = set()
        self._requests: deque[Seen] = deque(maxlen=KEEP_REQUESTS)
        self.messages_count = 0
        self.requests_count = 0
        self.duplicates_count = 0
        self.duplicates: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.sizes: Counter[int] = Counter()

    def add(self, at: float, route: str, keys: tuple[str, ...], items: list[Item]) -> Batch:
        """Records the messages of the request that :meth:`seen` records next."""
        batch = Batch(self.total_requests + 1, at, route, keys, self.total + 1, items)
        self.total += len(items)
        self.messages_count += len(items)
        self._remember_ids(items)
        if self.keep:
            self._batches.append(batch)
            self._kept += len(items)
            while self._kept - len(self._batches[0].items) >= self.keep:
                self._kept -= len(self._batches.popleft().items)
        return batch

    def _remember_ids(self, items: list[Item]) -> None:
        hashes = [hash(item["id"]) for item in items]
        new = set(hashes)
        if len(new) == len(hashes) and self._ids.isdisjoint(new):
            self._ids |= new
            return
        for item, hashed in zip(items, hashes, strict=True):
            if hashed in self._ids:
                self.duplicates_count += 1
                tracking_id = item["id"]
                if tracking_id in self.duplicates or len(self.duplicates) < KEEP_DUPLICATES:
                    self.duplicates[tracking_id] += 1
            self._ids.add(hashed)

    def seen(
        self,
        at: float,
        method: str,
        path: str,
        status: int,
        size: int,
        fault: str = "",
        error: str = "",
    ) -> Seen:
        self.total_requests += 1
        self.requests_count += 1
        seen = Seen(self.total_requests, at, method, path, status, size, fault, error)
        self.statuses[status] += 1
        if size:
            self.sizes[size] += 1
        self._requests.append(seen)
        return seen

    @property
    def requests(self) -> list[Seen]:
        return list(self._requests)

    def messages(self, since: int = 0) -> Iterator[Received]:
        """The kept messages after number ``since``."""
        for index in range(self._index(since + 1), len(self._batches)):
            batch = self._batches[index]
            start = max(0, since + 1 - batch.first)
            for offset in range(start, len(batch.items)):
                yield self._received(batch, offset)

    def find(self, message_id: str) -> Received | None:
        """The message with this ``messageId``, if it is kept."""
        if not message_id.startswith(self.id_prefix):
            return None
        try:
            number = int(message_id[len(self.id_prefix) :], 16)
        except ValueError:
            return None
        index = self._index(number)
        if index == len(self._batches):
            return None
        batch = self._batches[index]
        offset = number - batch.first
        return self._received(batch, offset) if 0 <= offset < len(batch.items) else None

    def _index(self, number: int) -> int:
        """The index of the kept batch with message ``number``, or with the next one that is
        kept."""
        index = bisect_right(self._batches, number, key=lambda batch: batch.first)
        if index and number < self._batches[index - 1].first + len(self._batches[index - 1].items):
            return index - 1
        return index

    def _received(self, batch: Batch, offset: int) -> Received:
        number = batch.first + offset
        return Received(
            number,
            f"{self.id_prefix}{number:012x}",
            batch.request,
            batch.at,
            batch.route,
            batch.keys,
            batch.items[offset],
        )
