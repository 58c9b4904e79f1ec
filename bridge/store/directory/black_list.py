"""The black list: numbers to which no messages, or none of a kind, are sent.

Every node has the whole list in memory. Each change increases the account's version, by which other
nodes notice it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from bridge.model.contact import BlackListEntry, Blocks
from bridge.model.failure import AlreadyThere, Failure, Reason
from bridge.store.directory.verb import Statement, Verb
from bridge.store.directory.versions import BLACK_LIST, next_version

#: Changes kept; a node that is further behind reads the whole list.
_CHANGES_KEPT: Final = 1000


class BlackListChange(NamedTuple):
    """A change of one entry: added, changed, or (``blocks`` is None) deleted."""

    phone: str
    blocks: Blocks | None


def add_to_black_list(account: str, phone: str, blocks: Blocks, comment: str = "") -> Verb[int]:
    """Stores an entry and returns its new id."""
    version = yield from _next_version(account)
    rows = yield Statement(
        "INSERT INTO black_list (account, phone, blocks, comment) VALUES (?, ?, ?, ?) "
        "ON CONFLICT DO NOTHING RETURNING id",
        (account, phone, int(blocks), comment),
    )
    if not rows:
        raise AlreadyThere("the number")
    yield from _note_change(account, version, phone, blocks)
    return int(rows[0][0])


def stop_bulk(account: str, phone: str, comment: str) -> Verb[None]:
    """Blocks bulk messages to a phone, beside those that an entry blocks already."""
    version = yield from _next_version(account)
    [[blocks]] = yield Statement(
        "INSERT INTO black_list (account, phone, blocks, comment) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (account, phone) DO UPDATE SET blocks = "
        "CASE black_list.blocks WHEN ? THEN ? ELSE black_list.blocks END RETURNING blocks",
        (account, phone, int(Blocks.BULK), comment, int(Blocks.SINGLE), int(Blocks.ALL)),
    )
    yield from _note_change(account, version, phone, Blocks(blocks))


def start_bulk(account: str, phone: str) -> Verb[None]:
    """Deletes the entry of a phone if it blocks bulk messages only: others are not the phone's."""
    rows = yield Statement(
        "DELETE FROM black_list WHERE account = ? AND phone = ? AND blocks = ? RETURNING id",
        (account, phone, int(Blocks.BULK)),
    )
    if rows:
        version = yield from _next_version(account)
        yield from _note_change(account, version, phone, None)


def delete_from_black_list(account: str, phones: Sequence[str]) -> Verb[int]:
    """Deletes the entries of these phones; returns their number."""
    deleted = 0
    for phone in phones:
        rows = yield Statement(
            "DELETE FROM black_list WHERE account = ? AND phone = ? RETURNING id", (account, phone)
        )
        if rows:
            version = yield from _next_version(account)
            yield from _note_change(account, version, phone, None)
        deleted += len(rows)
    if not deleted:
        raise Failure(Reason.NOT_FOUND, "not in the black list")
    return deleted


def _note_change(account: str, version: int, phone: str, blocks: Blocks | None) -> Verb[None]:
    yield Statement(
        "INSERT INTO black_list_change (account, version, phone, blocks) VALUES (?, ?, ?, ?)",
        (account, version, phone, None if blocks is None else int(blocks)),
    )


def list_black_list(
    account: str, *, phone: str = "", after: int = 0, limit: int = 1000
) -> Verb[list[BlackListEntry]]:
    """Entries with an id greater than ``after``, in the order of their ids."""
    rows = yield Statement(
        "SELECT id, phone, blocks, comment FROM black_list "
        "WHERE account = ? AND id > ? AND (phone = ? OR ? = '') ORDER BY id LIMIT ?",
        (account, after, phone, phone, limit),
    )
    return [BlackListEntry(id, found, Blocks(b), comment) for id, found, b, comment in rows]


def black_list_changes(account: str, after: int) -> Verb[list[tuple[int, BlackListChange]]]:
    """The changes after a version, in order; incomplete after an import."""
    rows = yield Statement(
        "SELECT version, phone, blocks FROM black_list_change WHERE account = ? AND version > ? "
        "ORDER BY version",
        (account, after),
    )
    return [
        (version, BlackListChange(phone, None if blocks is None else Blocks(blocks)))
        for version, phone, blocks in rows
    ]


def _next_version(account: str) -> Verb[int]:
    version = yield from next_version(account, BLACK_LIST)
    yield Statement(
        "DELETE FROM black_list_change WHERE account = ? AND version <= ?",
        (account, version - _CHANGES_KEPT),
    )
    return version
