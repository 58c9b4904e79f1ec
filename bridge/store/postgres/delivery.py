"""What a group's requests about what comes back, and what is owed, become: a few statements.

Each verb within the transaction of its caller, which has made sure that this node may write.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from bridge.model.notice import Notice
from bridge.store.ended import Ended
from bridge.store.postgres import notices as pg_notices
from bridge.store.postgres import statuses as pg_statuses


class Request(Protocol):
    """Whoever asked: ``payload`` is what the verb was called with."""

    verb: str
    payload: Any
    answer: Any


class Turn(NamedTuple):
    """The transaction of ``node`` at the time ``now``; what ended at this node is in ``ended``."""

    connection: Any
    node: int
    now: int
    ended: Ended


async def write(turn: Turn, requests: Sequence[Request]) -> list[Notice]:
    """Writes the requests of :data:`VERBS`, each verb at once; tells which notices were stored."""
    notices: list[Notice] = []
    for verb, written in VERBS.items():
        if some := [request for request in requests if request.verb == verb]:
            notices += await written(turn, some)
    return notices


async def _statuses(turn: Turn, requests: Sequence[Request]) -> list[Notice]:
    noted, notices = await pg_statuses.note(turn.connection, _together(requests), turn.ended)
    start = 0
    for request in requests:
        end = start + len(request.payload)
        request.answer = noted[start:end]
        start = end
    return notices


async def _incoming(turn: Turn, requests: Sequence[Request]) -> list[Notice]:
    new, notices = await pg_notices.take(turn.connection, _together(requests))
    for request in requests:
        request.answer = [one.id in new for one, _ in request.payload]
    return notices


async def _owe(turn: Turn, requests: Sequence[Request]) -> list[Notice]:
    notices = _together(requests)
    await pg_notices.owe(turn.connection, notices)
    return notices


async def _told(turn: Turn, requests: Sequence[Request]) -> list[Notice]:
    await pg_notices.tell(turn.connection, turn.node, _together(requests), turn.now)
    return []


async def _give_back(turn: Turn, requests: Sequence[Request]) -> list[Notice]:
    await pg_notices.give_back(turn.connection, turn.node, _together(requests))
    return []


async def _claim(turn: Turn, requests: Sequence[Request]) -> list[Notice]:
    alive = await pg_notices.living(turn.connection)
    for request in requests:
        request.answer = await pg_notices.claim(turn.connection, turn.node, alive, *request.payload)
    return []


def _together(requests: Sequence[Request]) -> list[Any]:
    return [one for request in requests for one in request.payload]


#: In the order in which they are written: what is told or given back can be claimed again.
VERBS: Final[Mapping[str, Callable[[Turn, Sequence[Request]], Awaitable[list[Notice]]]]] = {
    "statuses": _statuses,
    "incoming": _incoming,
    "owe": _owe,
    "told": _told,
    "give_back": _give_back,
    "claim": _claim,
}
