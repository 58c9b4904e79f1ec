"""A group of requests: written in one order and one transaction, and announced to other nodes."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from bridge.model.ids import first_id
from bridge.store import Acceptance, postgres
from bridge.store.ended import Ended
from bridge.store.postgres import connection as pg
from bridge.store.postgres.accept import ACCEPT
from bridge.store.postgres.attempts import BEGIN
from bridge.store.postgres.group import ORDER, Request, announce, write
from bridge.store.postgres.lease import CHANNEL, OWED, SETTLED, Fence
from bridge.store.postgres.verb import PostgresTurn, PostgresVerb
from tests.samples import NOW, message
from tests.store.postgres.nodes import Nodes


@pytest.fixture
async def turn(nodes: Nodes) -> AsyncIterator[PostgresTurn]:
    await nodes.open()
    connection = await pg.connect(nodes.url)
    [row] = await nodes.execute("SELECT number, holder, epoch FROM node")
    yield PostgresTurn(connection, Fence(*row), NOW, Ended())
    await connection.close()


def request(verb: PostgresVerb[Any, Any], payload: object) -> Request:
    return Request(verb, payload, asyncio.get_running_loop().create_future())


def test_every_verb_has_its_place_in_the_order() -> None:
    verbs = set()
    for found in pkgutil.iter_modules(postgres.__path__, f"{postgres.__name__}."):
        module = importlib.import_module(found.name)
        verbs |= {one for one in vars(module).values() if isinstance(one, PostgresVerb)}
    # A request whose verb is missing would wait for ever.
    assert verbs == set(ORDER)
    assert len(ORDER) == len(verbs)


async def test_a_group_is_written_in_the_order_of_its_verbs(turn: PostgresTurn) -> None:
    asked = [
        request(BEGIN, (9, [1, 2])),
        request(ACCEPT, Acceptance((message(1),))),
        request(BEGIN, (10, [3])),
        request(ACCEPT, Acceptance((message(3),))),
    ]
    await write(turn, asked)
    assert [one.answer for one in asked] == [{2}, {}, frozenset(), {}]


async def test_nothing_of_a_group_is_stored_if_one_request_fails(turn: PostgresTurn) -> None:
    asked = [
        request(ACCEPT, Acceptance((message(1),))),
        request(BEGIN, (9, [1])),
        request(BEGIN, (9, [1])),  # an attempt begins once
    ]
    with pytest.raises(asyncpg.UniqueViolationError):
        await write(turn, asked)
    assert await turn.connection.fetchval("SELECT count(*) FROM message") == 0


async def test_other_nodes_are_told_of_work_notices_and_their_settled_messages(
    turn: PostgresTurn, nodes: Nodes
) -> None:
    heard: list[tuple[str, str]] = []
    last = asyncio.Event()

    def hear(connection: object, pid: int, channel: str, payload: str) -> None:
        heard.append((channel, payload))
        if payload == "third":
            last.set()

    listening = await asyncpg.connect(nodes.url)
    for channel in (CHANNEL, OWED, SETTLED, "after"):
        await listening.add_listener(channel, hear)
    far = first_id(NOW + 100 * 365 * 86400)
    ids = list(range(far, far + 1000))
    for name, turn.is_work, turn.is_owed, turn.settled in (
        ("first", False, False, {}),
        ("second", True, False, {}),
        ("third", False, True, {7: ids}),
    ):
        await announce(turn)
        await turn.connection.execute("SELECT pg_notify('after', $1)", name)
    async with asyncio.timeout(30):
        await last.wait()
    await listening.close()
    settled = [payload.split() for channel, payload in heard if channel == SETTLED]
    assert [line for line in heard if line[0] != SETTLED] == [
        ("after", "first"),
        (CHANNEL, "0"),
        ("after", "second"),
        (OWED, "0"),
        ("after", "third"),
    ]
    assert {node for node, *_ in settled} == {"7"}
    assert [int(id) for _, *some in settled for id in some] == ids
