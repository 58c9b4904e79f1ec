"""Third-party receivers that reconnect, and a bridge that restarts: no receipt is lost."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import NamedTuple

import pytest

from bridge.sandbox import Sandbox
from bridge.sandbox.hooks import StatusHooks
from tests.serving.daemon import serving
from tests.smpp.reachable import hook_url, reachable, until
from tests.smpp.receiving import PROGRAMS, Client, client
from tests.support import free_port

#: Last digits of the phone, which decide the final state in the sandbox API → ``message_state``,
#: stat and err of the receipt.
ENDS = {
    "0001": (2, "DELIVRD", "000"),
    "0002": (5, "UNDELIV", "006"),
    "0003": (5, "UNDELIV", "255"),
}


#: How long the API processes a message (seconds).
PROCESSING_FOR = 1.0


class ApiClock:
    """The API's clock, which stands still until the test starts it."""

    def __init__(self) -> None:
        self.now = time.time()


class Scene(NamedTuple):
    """A client, the bridge's API, and the bridge's configuration."""

    client: Client
    sandbox: Sandbox
    clock: ApiClock
    config: Path
    folder: Path

    @property
    def hooks(self) -> StatusHooks:
        """The statuses that the API has posted."""
        hooks = self.sandbox.hooks
        assert hooks is not None
        return hooks

    async def submit(self, count: int) -> set[str]:
        """Submits this number of messages with all final states; returns their ids."""
        first = len(self.client.ids)
        numbers = range(first, first + count)
        endings = list(ENDS)
        return await self.client.submit(
            [f"38050{number:03}{endings[number % len(endings)]}" for number in numbers]
        )

    async def all_said(self) -> None:
        """Waits until the API has posted the final state of every message, even without a
        listener."""
        self.clock.now += PROCESSING_FOR
        words = 2 * len(self.client.ids)
        await until(lambda: self.hooks.posted + self.hooks.failed == words)

    async def half_told(self, count: int) -> set[str]:
        """Submits this number of messages; returns their ids when the receipts of the first half
        are being told. The API has not posted the others' final states."""
        first = await self.submit(count // 2)
        await self.all_said()
        await until(lambda: first & self.notices(ended=True))
        return first | await self.submit(count - count // 2)

    def notices(self, ended: bool) -> set[str]:
        """The ids of receipts that the store has as taken, or as owed."""
        with closing(sqlite3.connect(self.folder / "bridge.db")) as connection:
            sql = "SELECT known_as FROM notice WHERE (ended_at > 0) = ?"
            return {str(id) for (id,) in connection.execute(sql, (ended,))}

    def assert_told_right(self) -> None:
        """Checks that each receipt is about a known message, with the right state."""
        for receipt in self.client.receipts:
            phone = self.client.ids[receipt["id"]]
            assert (receipt["phone"], receipt["sender"]) == (phone, "Shop")
            state, stat, err = ENDS[phone[-4:]]
            assert (receipt["esm_class"], receipt["state"]) == (4, state)
            assert receipt["text"].startswith(f"id:{receipt['id']} ")
            assert f" stat:{stat} err:{err} " in receipt["text"]


@asynccontextmanager
async def scene(program: str, folder: Path) -> AsyncIterator[Scene]:
    """The API posts a final state once; the bridge polls for states posted while it was away."""
    smpp, hooks = free_port(), free_port()
    clock = ApiClock()
    api = Sandbox(
        hook_url=hook_url(hooks),
        scheduled_for=0,
        processing_for=PROCESSING_FOR,
        clock=lambda: clock.now,
    )
    async with api as sandbox, client(PROGRAMS[program], smpp) as running:
        config = reachable(folder, sandbox.url, smpp, hooks, account="receive_window = 10")
        early = config.read_text().replace("[store]", 'poll_after = "1s"\n[store]', 1)
        config.write_text(early)
        yield Scene(running, sandbox, clock, config, folder)


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_client_that_was_away_hears_it_all_when_it_comes_back(
    program: str, tmp_path: Path
) -> None:
    unanswered: set[str] = set()  # told, but the client disconnected before its answer
    async with scene(program, tmp_path) as at, serving(at.config) as bridge:
        await bridge.ready()
        for goes in ("unbind", "drop"):
            await at.client.bound()
            ids = await at.half_told(40)
            at.client.do(goes)
            await at.client.unbound()
            await at.all_said()
            waiting = at.notices(ended=False)
            assert len(waiting) >= 20
            assert ids <= waiting | at.client.heard().keys()
            unanswered |= waiting & at.client.heard().keys()
            at.client.do("bind")
            await at.client.hears(ids)
        assert await bridge.terminate() == 0
    at.assert_told_right()
    assert at.client.heard_twice() <= unanswered
    assert not at.notices(ended=False)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("how", ["terminate", "kill"])
async def test_receipts_outlive_the_bridge_and_come_twice_only_without_an_answer(
    how: str, program: str, tmp_path: Path
) -> None:
    taken: dict[str, bool] = {}  # receipt → whether the bridge had stored its answer at its end
    async with scene(program, tmp_path) as at:
        # First the bridge ends before the API posts the final states; then while receipts are in
        # flight.
        for submit, count in ((at.submit, 40), (at.half_told, 100)):
            async with serving(at.config) as bridge:
                await bridge.ready()
                await at.client.bound()
                ids = await submit(count)
                if how == "kill":
                    await bridge.kill()
                else:
                    assert await bridge.terminate() == 0
            ended = at.notices(ended=True)
            assert len(ids - ended) >= count // 2
            assert bool(ids & ended) == (submit == at.half_told)
            taken |= {id: id in ended for id in ids}
            await at.client.unbound()
            await at.all_said()
            assert at.hooks.failed
        async with serving(at.config) as bridge:
            await bridge.ready()
            await at.client.hears(set(at.client.ids))
            assert await bridge.terminate() == 0
    at.assert_told_right()
    assert not at.notices(ended=False)
    twice = at.client.heard_twice()
    print(f"{how}: {sum(taken.values())} of {len(taken)} taken at the end, {len(twice)} told twice")
    assert not [id for id in twice if taken[id]]
    assert how == "kill" or not twice
