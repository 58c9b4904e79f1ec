"""The engine as a whole: opening and closing, its node, its clock."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bridge.model.message import State
from bridge.store import Acceptance, Change, Store, StoreError
from tests.samples import NOW, message
from tests.store.conftest import Clock, Engine


async def test_requests_before_the_close_are_stored(engine: Engine) -> None:
    store = await engine.open()
    accepted = [store.accept(Acceptance((message(id),))) for id in range(1, 40)]
    sent = store.finish(0, [Change(1, State.SENT, "up-1")])
    await store.close()
    assert await asyncio.gather(*accepted, sent) == [*[{}] * 39, None]
    store = await engine.open()
    assert await store.backlog() == 38


async def test_a_closed_store_takes_nothing(engine: Engine) -> None:
    store = await engine.open()
    await store.close()
    with pytest.raises(StoreError, match="not open"):
        store.accept(Acceptance((message(1),)))
    for verb in (
        store.move([1], State.HELD),
        store.message(1),
        store.set_hold("account", "x", True),
    ):
        with pytest.raises(StoreError, match="not open"):
            await verb
    await store.close()


async def test_ids_go_on_behind_the_greatest_of_every_table(engine: Engine) -> None:
    last = 0
    for id in (70, 80, 90):
        store = await engine.open()
        assert store.last_id == last
        if id == 70:
            await store.accept(Acceptance((message(id),)))
        elif id == 80:
            await store.accept(Acceptance(tuple(message(n, submission_id=id) for n in (71, 72))))
        else:
            await store.accept(Acceptance((message(73),), attempt=id))
        await store.close()
        last = id
    assert (await engine.open()).last_id == last


async def test_a_node_that_is_alone_is_the_only_one(store: Store) -> None:
    heard: list[str] = []
    store.signals.told.listen(heard.append)
    assert store.node == 0
    assert (await store.nodes(), await store.node_numbers()) == (1, [0])
    assert store.may_tell()
    await store.tell_nodes("to the others")
    assert heard == []


async def test_the_time_is_that_of_the_clock(store: Store, clock: Clock) -> None:
    assert store.time() == NOW
    clock.now += 7
    assert store.time() == NOW + 7


async def test_a_store_that_takes_writes_has_no_trouble(store: Store) -> None:
    assert store.trouble == ""
    await store.accept(Acceptance((message(1),)))
    assert store.trouble == ""
    assert store.step_rows > 0


async def test_a_backup_overwrites_no_file(store: Store, tmp_path: Path) -> None:
    there = tmp_path / "there.db"
    there.write_text("mine")
    with pytest.raises(StoreError):
        await store.backup(there)
    assert there.read_text() == "mine"
