"""The black lists of all accounts in memory, copies of the store's.

Every recipient of every submission is checked: a lookup takes well under a microsecond, an entry
about 70 octets. A number is an ``int`` in one of three sets. Changes of other nodes are found by
the store's versions (:mod:`bridge.store.directory.black_list`) once a second.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bridge.model.contact import Blocks
from bridge.store import Store
from bridge.store.directory.black_list import (
    BlackListChange,
    black_list_changes,
    list_black_list,
)
from bridge.store.directory.versions import BLACK_LIST, versions

#: Entries that are read at once.
_PAGE: Final = 10_000


class Entries:
    """The black list of one account: a set for each kind of block."""

    __slots__ = ("_sets", "version")

    def __init__(self, version: int = 0) -> None:
        self.version = version
        self._sets: tuple[set[int], set[int], set[int]] = (set(), set(), set())

    def __len__(self) -> int:
        return sum(map(len, self._sets))

    def put(self, phone: str, blocks: Blocks | None) -> None:
        """Sets the block of a phone, ``None`` for none."""
        number = int(phone)
        for entries in self._sets:
            entries.discard(number)
        if blocks is not None:
            self._sets[blocks].add(number)

    @property
    def always(self) -> Entries:
        """Only the entries that block all messages."""
        found = Entries(self.version)
        found._sets = (self._sets[0], set(), set())
        return found

    def block(self, phone: str, *, bulk: bool) -> bool:
        """Whether a message to this phone (E.164) is blocked; ``bulk``: the submission has several
        recipients."""
        number = int(phone)
        everything, many, single = self._sets
        return number in everything or number in (many if bulk else single)


class BlackLists:
    """The black lists of all accounts. Belongs to one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._entries: dict[str, Entries] = {}

    def of(self, account: str) -> Entries | None:
        """The entries of an account; None if there are none."""
        return self._entries.get(account)

    async def refresh(self) -> None:
        """Updates the memory from the store. Raises StoreError."""
        for account, version in (await self._store.look_up(versions, BLACK_LIST)).items():
            known = self._entries.get(account)
            if known is None or known.version < version:
                await self._update(account, known, version)

    async def _update(self, account: str, known: Entries | None, version: int) -> None:
        if known is not None:
            changes = await self._store.look_up(black_list_changes, account, known.version)
            if _complete(known.version, [number for number, _ in changes]):
                self._apply(known, changes)
                return
        fresh, after = Entries(version), 0
        # Changes made during the reading have a later version, and are read next time.
        while page := await self._store.look_up(list_black_list, account, after=after, limit=_PAGE):
            for entry in page:
                fresh.put(entry.phone, entry.blocks)
            after = page[-1].id
        self._entries[account] = fresh

    def _apply(self, known: Entries, changes: Iterable[tuple[int, BlackListChange]]) -> None:
        for version, change in changes:
            known.put(change.phone, change.blocks)
            known.version = version


def _complete(version: int, numbers: list[int]) -> bool:
    """Whether no change is missing; an import is a version without a change."""
    return bool(numbers) and numbers == list(range(version + 1, version + 1 + len(numbers)))
