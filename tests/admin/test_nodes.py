"""Verbs that run at every node: two stores on one database, through which the nodes talk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import orjson
import pytest

from bridge.admin.answers import Changed
from bridge.admin.joining import sum_of
from bridge.admin.nodes import NodeAnswers, Nodes, everywhere
from bridge.config.settings import ConfigError, Mistake
from bridge.model.failure import Failure, Reason
from bridge.store import Store, StoreError
from bridge.store.engines import engine_of
from tests.store.conftest import database, postgres  # noqa: F401 - fixtures

JOINED: list[NodeAnswers[Changed]] = []


def joined(answers: NodeAnswers[Changed]) -> Changed:
    JOINED.append(answers)
    return sum_of(answers)


class Counter:
    """Has one verb, which counts ``number``, or fails."""

    def __init__(self, store: Store, number: int) -> None:
        self.store = store
        self.nodes = Nodes(store, self)
        self.act: Callable[[], Awaitable[int]] = self._number
        self._count = number
        self.by: list[str] = []

    async def _number(self) -> int:
        return self._count

    @everywhere(joined)
    async def count_all_nodes(self, *, by: str) -> Changed:
        self.by.append(by)
        return Changed(await self.act())


def failing(error: Exception) -> Callable[[], Awaitable[int]]:
    async def fail() -> int:
        raise error

    return fail


@asynccontextmanager
async def counters(database: str, *numbers: int) -> AsyncIterator[list[Counter]]:  # noqa: F811
    JOINED.clear()
    async with AsyncExitStack() as stack:
        found = []
        for number in numbers:
            store = engine_of(database, 60)
            await store.open()
            stack.push_async_callback(store.close)
            found.append(Counter(store, number))
        yield found


async def test_the_results_of_all_nodes_are_joined(database: str) -> None:  # noqa: F811
    async with counters(database, 1, 20) as (first, second):
        assert await first.count_all_nodes(by="anna") == Changed(21)
        assert (first.by, second.by) == (["anna"], ["anna"])
        [answers] = JOINED
        assert answers.own == first.store.node
        assert list(answers.results) == sorted([first.store.node, second.store.node])
        assert answers.several
        assert await second.count_all_nodes(by="borys") == Changed(21)


async def test_one_node_asks_nobody(database: str) -> None:  # noqa: F811
    async with counters(database, 7) as [alone]:
        assert await alone.count_all_nodes(by="anna") == Changed(7)
        [answers] = JOINED
        assert not answers.several


@pytest.mark.parametrize(
    ("error", "reason", "detail"),
    [
        (Failure(Reason.PROHIBITED, "not here"), Reason.PROHIBITED, "not here"),
        (ConfigError([Mistake("b.toml", "x", "1", "2")]), Reason.BAD_PARAMETER, "b.toml: x"),
        (StoreError("the disk is full"), Reason.OPERATION_FAILED, "the disk is full"),
        (OSError("no file"), Reason.OPERATION_FAILED, "no file"),
    ],
)
async def test_a_failure_of_another_node_is_known_by_its_reason(
    database: str,  # noqa: F811
    error: Exception,
    reason: Reason,
    detail: str,
) -> None:
    async with counters(database, 1, 20) as (first, second):
        second.act = failing(error)
        assert await first.count_all_nodes(by="anna") == Changed(1)
        failure = JOINED[0].failures[second.store.node]
        assert failure.reason is reason
        assert failure.detail.startswith(detail)


async def test_if_all_fail_the_failure_that_says_most_is_raised(
    database: str,  # noqa: F811
) -> None:
    nothing, prohibited = Failure(Reason.NOT_FOUND, "no such"), Failure(Reason.PROHIBITED, "no")
    async with counters(database, 1, 20) as (first, second):
        first.act, second.act = failing(nothing), failing(prohibited)
        with pytest.raises(Failure, match="no") as caught:
            await first.count_all_nodes(by="anna")
        assert caught.value.reason is Reason.PROHIBITED
        second.act = failing(nothing)
        with pytest.raises(Failure) as caught:
            await first.count_all_nodes(by="anna")
        assert (caught.value.reason, caught.value.detail) == (Reason.NOT_FOUND, "no such")


async def test_a_node_that_does_not_answer_in_time_is_named(
    database: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bridge.admin.nodes.WITHIN", 0.2)
    async with counters(database, 1) as [first]:
        silent = engine_of(database, 60)
        await silent.open()
        try:
            assert await first.count_all_nodes(by="anna") == Changed(1)
        finally:
            await silent.close()
        assert JOINED[0].silent == [silent.node]


async def test_words_that_ask_for_no_such_verb_are_ignored(database: str) -> None:  # noqa: F811
    async with counters(database, 1, 20) as (first, second):
        for verb in ("stop_everything", "__init__"):
            words: dict[str, object] = {
                "ask": "x",
                "verb": verb,
                "arguments": {},
                "node": second.store.node,
            }
            await second.store.tell_nodes(orjson.dumps(words).decode())
        assert await first.count_all_nodes(by="anna") == Changed(21)
        assert first.by == ["anna"]
