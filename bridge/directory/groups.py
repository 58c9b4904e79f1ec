"""The groups of all accounts in memory, for lookups at RCPT and in submits.

Changes of other nodes are found by the store's versions (:mod:`bridge.store.directory.versions`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from bridge.model.contact import Group
from bridge.model.failure import Failure, Reason
from bridge.store import Store
from bridge.store.directory.groups import list_groups
from bridge.store.directory.versions import GROUPS, versions

_NUMBER: Final = re.compile(r"[gG](\d{1,15})", re.ASCII)

_BLANKS: Final = str.maketrans("._", "  ")


def names_group(address: str) -> bool:
    """Whether an address can name a group: ``g<number>``, or a name with a letter."""
    # Most addresses are a number: quick to see.
    return not address.lstrip("+").isdigit() and any(map(str.isalpha, address))


def group_meant(groups: Iterable[Group], written: str) -> Group:
    """The group given by its name, ``g<number>`` or its id.

    Raises Failure (nothing found).
    """
    found = _NUMBER.fullmatch(written)
    name = written.casefold()
    for group in groups:
        if found:
            meant = group.number == int(found[1])
        else:
            meant = group.name.casefold() == name or str(group.id) == written
        if meant:
            return group
    raise Failure(Reason.NOT_FOUND, f"no group {written[:40]}")


class Groups:
    """The groups of all accounts, without their sizes. Belongs to one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._versions: dict[str, int] = {}
        self._by_number: dict[tuple[str, int], Group] = {}
        self._by_name: dict[tuple[str, str], Group] = {}
        #: By the name with spaces for dots and underscores.
        self._by_words: dict[tuple[str, str], Group] = {}

    def find(self, account: str, address: str) -> Group:
        """The group with this address. Raises Failure (nothing found)."""
        if number := _NUMBER.fullmatch(address):
            group = self._by_number.get((account, int(number[1])))
        else:
            name = address.casefold()
            group = self._by_name.get((account, name))
            if group is None:
                # Not every mail program can write a local part with spaces.
                words = (account, name.translate(_BLANKS))
                group = self._by_name.get(words) or self._by_words.get(words)
        if group is None:
            raise Failure(Reason.NOT_FOUND, f"no group {address[:40]}")
        return group

    async def refresh(self) -> None:
        """Updates the memory from the store. Raises StoreError."""
        for account, version in (await self._store.look_up(versions, GROUPS)).items():
            if self._versions.get(account) != version:
                groups = await self._store.look_up(list_groups, account)
                self._forget(account)
                for group in groups:
                    name = group.name.casefold()
                    self._by_name[account, name] = group
                    self._by_words.setdefault((account, name.translate(_BLANKS)), group)
                    if group.number is not None:
                        self._by_number[account, group.number] = group
                self._versions[account] = version

    def _forget(self, account: str) -> None:
        for index in (self._by_number, self._by_name, self._by_words):
            for key in [key for key in index if key[0] == account]:
                del index[key]  # type: ignore[arg-type]  # a key of this very index
