"""Writes a group of requests: a few statements of many rows, in one transaction.

Each statement is fenced (:mod:`bridge.store.postgres.lease`): a group of one statement, as in an
idle bridge, is a single round trip.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from bridge.store.postgres.accept import ACCEPT
from bridge.store.postgres.aliases import ALSO_KNOWN_AS
from bridge.store.postgres.attempts import BEGIN, FINISH
from bridge.store.postgres.lease import CHANNEL, OWED, SETTLED
from bridge.store.postgres.notices import CLAIM, GIVE_BACK, OWE, TAKE_INCOMING, TOLD
from bridge.store.postgres.parts import ADD_PART
from bridge.store.postgres.statuses import NOTE_STATUSES
from bridge.store.postgres.verb import PostgresTurn, PostgresVerb
from bridge.store.requests import WriteRequest

Request = WriteRequest[PostgresVerb[Any, Any], Any, Any]

#: In the same order on every node, to avoid deadlocks. Notices are freed before others are claimed.
ORDER: Final[tuple[PostgresVerb[Any, Any], ...]] = (
    ACCEPT,
    ALSO_KNOWN_AS,
    BEGIN,
    FINISH,
    ADD_PART,
    NOTE_STATUSES,
    TAKE_INCOMING,
    OWE,
    TOLD,
    GIVE_BACK,
    CLAIM,
)
#: A payload of NOTIFY has less than 8000 octets.
_IDS_TOLD: Final = 400
_NOTIFY = "SELECT pg_notify($1, $2)"


async def write(turn: PostgresTurn, requests: Sequence[Request]) -> None:
    """Writes the requests and sets their answers.

    Raises :class:`bridge.store.errors.LeaseLost`, or asyncpg's errors; then nothing is stored,
    unless the connection was lost.
    """
    by_verb: dict[PostgresVerb[Any, Any], list[Request]] = {}
    for request in requests:
        by_verb.setdefault(request.verb, []).append(request)
    if len(by_verb) == 1:
        [(verb, some)] = by_verb.items()
        if verb.is_one_statement([request.payload for request in some], turn):
            await _write(turn, verb, some)
            return
    async with turn.connection.transaction():
        for verb in ORDER:
            if verb in by_verb:
                await _write(turn, verb, by_verb[verb])
        await announce(turn)


async def announce(turn: PostgresTurn) -> None:
    """Signals new work to the other nodes, when the transaction is committed."""
    for channel, is_something in ((CHANNEL, turn.is_work), (OWED, turn.is_owed)):
        if is_something:
            await turn.connection.execute(_NOTIFY, channel, str(turn.fence.number))
    for node, ids in turn.settled.items():
        for start in range(0, len(ids), _IDS_TOLD):
            words = " ".join(map(str, (node, *ids[start : start + _IDS_TOLD])))
            await turn.connection.execute(_NOTIFY, SETTLED, words)


async def _write(
    turn: PostgresTurn, verb: PostgresVerb[Any, Any], requests: Sequence[Request]
) -> None:
    answers = await verb.write(turn, [request.payload for request in requests])
    for request, answer in zip(requests, answers, strict=True):
        request.answer = answer
