"""Messages that replace waiting ones, at several nodes at once.

Each node cancels what it has seen waiting. Here the database decides between two that saw neither
of each other's messages: the later one has to look again.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from bridge.model.ids import MAX_NODE
from bridge.model.message import Message
from bridge.store.postgres.reading import WAITING_FOR
from bridge.store.postgres.verb import PostgresTurn
from bridge.store.types import Acceptance, SeenWaiting

_LOCK = "SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS keys (key)"
_WAITING = WAITING_FOR.format(columns="id, sender, message_type")


async def with_more_waiting(turn: PostgresTurn, acceptances: Sequence[Acceptance]) -> set[int]:
    """The positions of acceptances that would leave a message waiting which they have not seen.

    Locks the phones of all that replace until the transaction ends.
    """
    await turn.hold()
    replacing = [(n, one, one.seen) for n, one in enumerate(acceptances) if one.seen is not None]
    locks = {_lock_key(message) for _, one, _ in replacing for message in one.messages}
    # In the same order on every node, to avoid deadlocks.
    await turn.connection.execute(_LOCK, sorted(locks))
    more: set[int] = set()
    for n, acceptance, seen in replacing:
        for message in acceptance.messages:
            if n not in more and await _more_wait(turn, message, seen):
                more.add(n)
    return more


async def _more_wait(turn: PostgresTurn, message: Message, seen: SeenWaiting) -> bool:
    nodes = list(range(MAX_NODE + 1))
    rows = await turn.connection.fetch(_WAITING, message.phone, message.account, nodes)
    wanted = None if seen.message_type is None else seen.message_type.value
    return any(
        sender == message.sender and wanted in (None, message_type) and id not in seen.ids
        for id, sender, message_type in rows
    )


def _lock_key(message: Message) -> int:
    key = f"{message.account}\0{message.phone}".encode()
    return int.from_bytes(blake2b(key, digest_size=8, person=b"replace").digest(), signed=True)
