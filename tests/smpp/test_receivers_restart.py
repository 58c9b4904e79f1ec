"""Other people's receivers that go and come back, and a bridge that does: no receipt is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import NamedTuple

import pytest

from bridge.sandbox import Sandbox
from tests.serving import serving
from tests.smpp.reachable import hook_url, reachable, until
from tests.smpp.receiving import PROGRAMS, Client, client
from tests.support import free_port

#: By the last digits of the phone, as the sandbox API ends its messages: ``message_state``, stat
#: and err of the receipt.
ENDS = {
    "0001": (2, "DELIVRD", "000"),
    "0002": (5, "UNDELIV", "006"),
    "0003": (5, "UNDELIV", "255"),
}


class Scene(NamedTuple):
    """A client that has bound, the API behind the bridge, and how the bridge is started."""

    client: Client
    sandbox: Sandbox
    config: Path
    folder: Path

    def says(self) -> tuple[int, int]:
        """How many statuses the API has said, and how many nobody took."""
        hooks = self.sandbox.hooks
        assert hooks is not None
        return hooks.posted + hooks.failed, hooks.failed

    async def submit(self, count: int) -> set[str]:
        """The ids of so many messages, which end in all ways."""
        first = len(self.client.ids)
        numbers = range(first, first + count)
        endings = list(ENDS)
        return await self.client.submit(
            [f"38050{number:03}{endings[number % len(endings)]}" for number in numbers]
        )

    async def all_said(self) -> None:
        """Until the API has said its two words of each message, whether anybody heard them."""
        await until(lambda: self.says()[0] == 2 * len(self.client.ids))

    def notices(self, ended: bool) -> set[str]:
        """The ids of the receipts that the store knows as taken, or still has to bring."""
        with closing(sqlite3.connect(self.folder / "bridge.db")) as connection:
            sql = "SELECT known_as FROM notice WHERE (ended_at > 0) = ?"
            return {str(id) for (id,) in connection.execute(sql, (ended,))}

    def assert_told_right(self) -> None:
        """Each receipt is of a message that the client knows, and says what became of it."""
        for receipt in self.client.receipts:
            phone = self.client.ids[receipt["id"]]
            assert (receipt["phone"], receipt["sender"]) == (phone, "Shop")
            state, stat, err = ENDS[phone[-4:]]
            assert (receipt["esm_class"], receipt["state"]) == (4, state)
            assert receipt["text"].startswith(f"id:{receipt['id']} ")
            assert f" stat:{stat} err:{err} " in receipt["text"]


@asynccontextmanager
async def scene(program: str, folder: Path) -> AsyncIterator[Scene]:
    """The API says how a message ended a second after it took it, once, by webhook; of what it
    said while the bridge was away it is asked."""
    smpp, hooks = free_port(), free_port()
    api = Sandbox(hook_url=hook_url(hooks), scheduled_for=0, processing_for=1)
    async with api as sandbox, client(PROGRAMS[program], smpp) as running:
        config = reachable(folder, sandbox.url, smpp, hooks, account="receive_window = 10")
        early = config.read_text().replace("[store]", 'poll_after = "1s"\n[store]', 1)
        config.write_text(early)
        yield Scene(running, sandbox, config, folder)


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_client_that_was_away_hears_it_all_when_it_comes_back(
    program: str, tmp_path: Path
) -> None:
    async with scene(program, tmp_path) as at, serving(at.config) as bridge:
        await bridge.ready()
        for goes in ("unbind", "drop"):
            await at.client.bound()
            ids = await at.submit(40)
            at.client.do(goes)
            await at.client.unbound()
            await at.all_said()
            assert at.notices(ended=False) | at.client.heard().keys() >= ids
            assert at.notices(ended=False)
            at.client.do("bind")
            await at.client.hears(ids)
        assert await bridge.terminate() == 0
        at.assert_told_right()
        assert set(at.client.heard().values()) == {1}
        assert not at.notices(ended=False)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("how", ["terminate", "kill"])
async def test_receipts_outlive_the_bridge_and_come_twice_only_without_an_answer(
    how: str, program: str, tmp_path: Path
) -> None:
    async with scene(program, tmp_path) as at:
        rounds: list[tuple[set[str], set[str]]] = []
        for count, heard_before in ((40, 0), (100, 20)):
            async with serving(at.config) as bridge:
                await at.client.bound()
                ids = await at.submit(count)
                # Stopped before the API has said a word of the last ones, or when some are heard.
                await at.client.hears_some(ids, heard_before)
                if how == "kill":
                    await bridge.kill()
                else:
                    assert await bridge.terminate() == 0
            rounds.append((ids, at.notices(ended=True) & ids))
            await at.client.unbound()
            await at.all_said()
            assert at.says()[1]  # which the bridge could not hear
        async with serving(at.config) as bridge:
            await at.client.hears(set(at.client.ids))
            assert await bridge.terminate() == 0
    at.assert_told_right()
    assert not at.notices(ended=False)
    heard = at.client.heard()
    for ids, ended in rounds:
        twice = {id for id in ids if heard[id] > 1}
        print(f"{len(ids)} owed, {len(ended)} taken before the end, {len(twice)} heard twice")
        assert len(ended) < len(ids)
        assert not twice & ended
        assert max(heard[id] for id in ids) <= 2
        if how == "terminate":
            assert not twice
