"""The clock is set while messages wait."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.model.message import State
from bridge.sandbox import Sandbox
from bridge.store import StoreFull
from tests.relaying import id_of, relaying
from tests.samples import submission

QUEUED: dict[str, dict[str, Any]] = {"crm": {"answer": "queued"}}
HOUR = 3600


class WallClock:
    """The clock of the machine, wrong by ``wrong`` seconds."""

    wrong: float = 0

    def __call__(self) -> float:
        return time.time() + self.wrong


@pytest.fixture
def clock() -> WallClock:
    return WallClock()


async def test_a_retry_does_not_wait_until_the_clock_has_caught_up(
    tmp_path: Path, sandbox: Sandbox, clock: WallClock
) -> None:
    sandbox.fault("503", count=1)
    async with relaying(tmp_path, sandbox, accounts=QUEUED, clock=clock) as bridge:
        id_of(await bridge.submit(submission()))
        async with asyncio.timeout(30):
            while not sandbox.requests:  # noqa: ASYNC110 - a number, not an event
                await asyncio.sleep(0.01)
            while not await bridge.store.next_due(int(clock())):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        clock.wrong = -HOUR
        with capture_logs() as logs:
            await bridge.dispatcher.follow_clock()
        assert [(e["event"], e["seconds"]) for e in logs] == [("clock_stepped", -HOUR)]
        await bridge.drained()
        assert len(sandbox.messages) == 1
        assert not sandbox.duplicates


async def test_messages_go_on_if_the_clock_was_set_back_while_the_bridge_was_down(
    tmp_path: Path, sandbox: Sandbox, clock: WallClock
) -> None:
    async with relaying(tmp_path, sandbox, accounts=QUEUED, clock=clock) as bridge:
        await bridge.dispatcher.set_hold("upstream", "cascade", True)
        for n in range(3):
            await bridge.submit(submission(text=str(n)))
    clock.wrong = -HOUR
    async with relaying(tmp_path, sandbox, accounts=QUEUED, clock=clock) as bridge:
        await bridge.dispatcher.set_hold("upstream", "cascade", False)
        await bridge.drained()
    assert sorted(one.text for one in sandbox.messages) == ["0", "1", "2"]
    assert not sandbox.duplicates


async def test_a_schedule_keeps_its_time(
    tmp_path: Path, sandbox: Sandbox, clock: WallClock
) -> None:
    accounts = {"crm": {"answer": "queued", "schedule": "bridge"}}
    async with relaying(tmp_path, sandbox, accounts=accounts, clock=clock) as bridge:
        at = int(clock()) + HOUR
        id = id_of(await bridge.submit(submission(scheduled_at=at)))
        clock.wrong = -HOUR
        await bridge.dispatcher.follow_clock()
        [stored] = await bridge.store.messages([id])
        assert stored.message.due_at == at
        clock.wrong = HOUR + 1
        await bridge.dispatcher.follow_clock()
        await bridge.drained()
        assert len(sandbox.messages) == 1


async def test_nothing_expires_by_a_step_forward(
    tmp_path: Path, sandbox: Sandbox, clock: WallClock
) -> None:
    async with relaying(tmp_path, sandbox, accounts=QUEUED, clock=clock) as bridge:
        await bridge.dispatcher.set_hold("upstream", "cascade", True)
        id = id_of(await bridge.submit(submission(ttl=600)))
        clock.wrong = HOUR
        await bridge.dispatcher.expire()
        assert await bridge.store.backlog() == 1
        [stored] = await bridge.store.messages([id])
        assert abs(stored.message.expires_at - clock() - 600) < 60
        await bridge.dispatcher.set_hold("upstream", "cascade", False)
        await bridge.drained()
    [sent] = sandbox.messages
    assert 540 < sent.item["ttl"] <= 601


async def test_a_message_that_is_taken_for_a_request_right_after_the_step_does_not_expire(
    tmp_path: Path, sandbox: Sandbox, clock: WallClock
) -> None:
    async with relaying(tmp_path, sandbox, accounts=QUEUED, clock=clock) as bridge:
        await bridge.dispatcher.set_hold("upstream", "cascade", True)
        outcome = await bridge.submit(submission(ttl=600))
        clock.wrong = HOUR
        await bridge.dispatcher.set_hold("upstream", "cascade", False)
        await bridge.drained()
        assert await bridge.states(outcome) == [State.SENT]


async def test_a_step_that_the_store_cannot_follow_is_followed_later_and_once(
    tmp_path: Path, sandbox: Sandbox, clock: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object, **__: object) -> Any:
        raise StoreFull("the disk is full")

    async with relaying(tmp_path, sandbox, accounts=QUEUED, clock=clock) as bridge:
        await bridge.dispatcher.set_hold("upstream", "cascade", True)
        id = id_of(await bridge.submit(submission(ttl=600)))
        clock.wrong = HOUR
        with capture_logs() as logs:
            with monkeypatch.context() as broken:
                broken.setattr(bridge.store, "change", full)
                for _ in range(2):
                    with pytest.raises(StoreFull):
                        await bridge.dispatcher.expire()
            for _ in range(2):
                await bridge.dispatcher.expire()
        assert [entry["event"] for entry in logs].count("clock_stepped") == 1
        [stored] = await bridge.store.messages([id])
        assert stored.state is State.ACCEPTED
        assert abs(stored.message.expires_at - clock() - 600) < 60


async def test_a_clock_that_runs_a_little_fast_or_slow_is_not_set(
    tmp_path: Path, sandbox: Sandbox, clock: WallClock
) -> None:
    async with relaying(tmp_path, sandbox, clock=clock) as bridge:
        with capture_logs() as logs:
            for _ in range(5):
                clock.wrong += 1
                await bridge.dispatcher.follow_clock()
        assert not logs
