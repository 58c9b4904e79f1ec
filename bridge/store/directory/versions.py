"""Versions of data that nodes keep in memory: each change increases the version.

A node that finds a later version than its own reads the changes.
"""

from __future__ import annotations

from typing import Final

from bridge.store.directory.verb import Statement, Verb

#: The topic with versions by account.
BLACK_LIST: Final = "black_list"
GROUPS: Final = "groups"
#: No node keeps calls in memory; they only come one after the other.
CALLS: Final = "calls"


def next_version(account: str, topic: str) -> Verb[int]:
    """Increases the version. The lock on this row orders the changes of all nodes by version."""
    [[version]] = yield Statement(
        "INSERT INTO directory_version (account, topic, version) VALUES (?, ?, 1) "
        "ON CONFLICT (account, topic) DO UPDATE SET version = directory_version.version + 1 "
        "RETURNING version",
        (account, topic),
    )
    return int(version)


def versions(topic: str) -> Verb[dict[str, int]]:
    """The versions of a topic by account."""
    rows = yield Statement(
        "SELECT account, version FROM directory_version WHERE topic = ?", (topic,)
    )
    return {account: int(version) for account, version in rows}
