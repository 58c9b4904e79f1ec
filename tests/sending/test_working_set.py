"""Waiting messages in memory: limits, lanes that make room, messages left in the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.config.settings import settings_from
from bridge.model.message import Message, Route, State
from bridge.sending.upstream import UpstreamLine, upstream_lines
from bridge.sending.working_set import WorkingSet
from bridge.store import Acceptance, Change, Store, StoreError
from bridge.store.sqlite.engine import SqliteStore
from tests.samples import NOW, message

LANE, ALL = 20, 60


@pytest.fixture(autouse=True)
def _little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.sending.working_set.LANE_IN_MEMORY", LANE)
    monkeypatch.setattr("bridge.sending.working_set.ALL_IN_MEMORY", ALL)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = SqliteStore(tmp_path / "bridge.db", clock=lambda: NOW)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def lines() -> AsyncIterator[dict[str, UpstreamLine]]:
    """The common upstream, and one of the account "shop"."""
    base = {"password": "secret12", "sender": "Shop"}
    lines = upstream_lines(
        settings_from(
            {
                "cascade": {"authorization_key": "key"},
                "accounts": {"crm": base, "shop": base | {"cascade": {"authorization_key": "own"}}},
            }
        )
    )
    yield lines
    for line in lines.values():
        await line.client.close()


class Waiting:
    """A working set, and helpers to add messages."""

    def __init__(self, store: Store, lines: dict[str, UpstreamLine]) -> None:
        self.store = store
        self.lines = lines
        self.strangers: set[str] = set()
        self.set = WorkingSet(store, lines, lambda: NOW, lambda name: name not in self.strangers)
        self._id = 0

    async def come(self, account: str, count: int, level: int = 4) -> list[Message]:
        """Accepts messages like the relay; returns those in memory."""
        loaded = []
        for _ in range(count):
            self._id += 1
            one = message(self._id, account=account, level=level)
            claimed = self.set.has_room(one)
            await self.store.accept(Acceptance((one,), claimed=claimed))
            if self.set.add(one, claimed=claimed):
                loaded.append(one)
        return loaded

    @property
    def last(self) -> int:
        """The id of the last message."""
        return self._id

    async def load(self) -> set[str]:
        return {account async for account in self.set.load()}

    def size(self, account: str, level: int = 4) -> int:
        line = self.lines.get(account) or self.lines[""]
        return line.queues[Route.ASYNC].size(level, account)

    def post(self, account: str, count: int) -> list[int]:
        """Takes messages from the queue like the dispatcher, and forgets them."""
        line = self.lines.get(account) or self.lines[""]
        ids = [one.id for one in line.queues[Route.ASYNC].fill(count)]
        self.set.leave(ids)
        return ids


@pytest.fixture
def waiting(store: Store, lines: dict[str, UpstreamLine]) -> Waiting:
    return Waiting(store, lines)


async def test_a_lane_holds_no_more_than_its_bound_and_loads_the_rest_in_order(
    waiting: Waiting,
) -> None:
    assert len(await waiting.come("crm", 50)) == LANE
    sent: list[int] = []
    while ids := waiting.post("crm", 15):
        changes = [Change(id, State.SENT, f"upstream {id}") for id in ids]
        await waiting.store.finish(0, changes)
        sent += ids
        await waiting.load()
    assert sent == list(range(1, 51))


async def test_messages_accepted_while_the_store_is_read_stay_with_this_node(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    await waiting.come("crm", 3)
    read, came = waiting.store.waiting, []

    async def slow(*lane: Any) -> list[Message]:
        # Reading a lane that is completely in memory changes no owner.
        came.extend(await waiting.come("crm", 3))
        return await read(*lane)

    waiting.set.wake()
    monkeypatch.setattr(waiting.store, "waiting", slow)
    await waiting.load()
    assert len(came) == 3
    assert waiting.size("crm") == 6


async def test_what_is_not_claimed_is_read_from_the_store(waiting: Waiting) -> None:
    one = message(1)
    await waiting.store.accept(Acceptance((one,), claimed=False))
    assert not waiting.set.add(one, claimed=False)
    assert await waiting.load() == {"crm"}
    assert waiting.size("crm") == 1


async def test_a_held_upstreams_backlog_leaves_room_for_others(waiting: Waiting) -> None:
    waiting.lines["shop"].pace.held = "HTTP 401"
    for level in range(4):
        await waiting.come("shop", 30, level)
    assert sum(waiting.size("shop", level) for level in range(4)) == ALL
    assert len(await waiting.come("crm", LANE)) == LANE
    assert sum(waiting.size("shop", level) for level in range(4)) > 0, "something to probe with"
    # Removed messages are loaded again when there is room.
    waiting.lines["shop"].pace.held = ""
    waiting.post("crm", LANE)
    while await waiting.load() - {"crm"}:
        pass
    assert sum(waiting.size("shop", level) for level in range(4)) > ALL // 2


async def test_a_held_account_gives_way_too(waiting: Waiting) -> None:
    for queue in waiting.lines[""].queues.values():
        queue.held.by_operator = {"bulk"}
    for level in range(4):
        await waiting.come("bulk", 30, level)
    assert len(await waiting.come("crm", 5)) == 5


async def test_a_large_lane_gives_way_to_a_small_one(waiting: Waiting) -> None:
    for level in range(4):
        await waiting.come("bulk", 30, level)
    assert len(await waiting.come("bank", 5)) == 5


async def test_no_lane_gives_way_to_one_that_cannot_be_sent(waiting: Waiting) -> None:
    for level in range(3):
        await waiting.come("crm", LANE, level)
    waiting.lines["shop"].held = True
    assert await waiting.come("shop", 5) == []
    assert sum(waiting.size("crm", level) for level in range(3)) == ALL


async def test_messages_of_an_account_that_is_not_known_stay_in_the_store(
    waiting: Waiting,
) -> None:
    await waiting.store.accept(Acceptance((message(1, account="gone"),), claimed=False))
    waiting.strangers = {"gone"}
    await waiting.set.begin()
    assert await waiting.load() == set()
    waiting.strangers = set()
    waiting.set.wake()
    assert await waiting.load() == {"gone"}


async def test_a_clock_that_is_set_forward_makes_no_scheduled_message_late(
    store: Store, lines: dict[str, UpstreamLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.sending.working_set.LOOK_EVERY", 0.05)
    now = float(NOW)
    working_set = WorkingSet(store, lines, lambda: now, lambda name: True)
    one = message(1, due_at=NOW + 3600)
    await store.accept(Acceptance((one,), claimed=False))
    working_set.add(one, claimed=False)
    await working_set.wanted()
    # It waits for the time at which the message is due when the clock is set.
    waits = asyncio.create_task(working_set.wanted())
    await asyncio.sleep(0)
    now += 3600
    async with asyncio.timeout(30):
        await waits
        while not [account async for account in working_set.load()]:
            await working_set.wanted()


async def test_a_failed_read_of_the_store_is_repeated_even_if_nothing_is_due(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    await waiting.store.accept(Acceptance((message(1, due_at=NOW - 1),), claimed=False))
    waiting.set.wake()
    with monkeypatch.context() as broken:
        broken.setattr(waiting.store, "next_due", _fail)
        with pytest.raises(StoreError):
            await waiting.load()
    assert await waiting.load() == {"crm"}


async def _fail(now: int) -> int:
    raise StoreError("the store is away")


async def test_a_lane_of_which_nothing_may_go_is_not_read_on(
    store: Store, lines: dict[str, UpstreamLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = Waiting(store, lines)
    await waiting.come("crm", 3 * LANE)

    def all_of_crm(message: Message) -> bool:
        return message.account == "crm" and message.level == 4

    waiting.set.bar(all_of_crm)
    reads = 0
    read = store.waiting

    async def counted(*args: Any, **kwargs: Any) -> list[Message]:
        nonlocal reads
        reads += 1
        return await read(*args, **kwargs)

    monkeypatch.setattr(store, "waiting", counted)

    async def load() -> list[str]:
        return [account async for account in waiting.set.load()]

    for _ in range(20):
        assert await load() == []
    assert reads == 0
    # A lane that was not in memory is read once.
    await waiting.come("crm", 1)
    for _ in range(20):
        assert await load() == []
    assert reads <= 1
    # Once that is over they are loaded again.
    waiting.set.unbar(all_of_crm)
    waiting.set.wake()
    assert await load() == ["crm"]


async def test_new_messages_do_not_wait_behind_a_lane_that_is_being_changed(
    waiting: Waiting,
) -> None:
    await waiting.come("crm", 3 * LANE)
    until = waiting.last

    def earlier(message: Message) -> bool:
        return message.id <= until

    waiting.set.bar(earlier)
    [new] = await waiting.come("crm", 1)
    assert waiting.post("crm", 9) == [new.id]
    # Those of the selection, and as many as memory takes.
    assert len(await waiting.come("crm", 2 * LANE)) == LANE
    waiting.set.unbar(earlier)
    waiting.post("crm", 2 * LANE)
    waiting.set.wake()
    assert await waiting.load() == {"crm"}
    assert waiting.post("crm", 1) == [1]
