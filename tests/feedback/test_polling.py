"""Polling the sandbox API for statuses, and messages that end without one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.cascade.answers import HttpAnswer, Meaning
from bridge.cascade.status import ApiStatus
from bridge.feedback import polling as module
from bridge.feedback.polling import LAST_CHANCE, Poller, read
from bridge.feedback.status_updates import Statuses
from bridge.model.message import Accepted, Receipts, State, Stored
from bridge.sandbox import Sandbox
from bridge.sandbox.ledger import Seen
from bridge.sending.decisions import END_AFTER
from tests.relaying import Relaying, relaying
from tests.samples import submission

GOOD, BAD, NEVER = "+380501230001", "+380501230002", "+380501230004"
DAY = 86400


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK_EVERY", 0.02)


class Polling:
    """The relay with a poller whose clock can be put forward."""

    def __init__(self, bridge: Relaying) -> None:
        self.bridge = bridge
        self.ahead = 0.0
        statuses = Statuses(bridge.store, clock=self.clock)
        settings = bridge.settings.cascade
        self.poller = Poller(bridge.store, statuses, settings, bridge.lines, clock=self.clock)

    def clock(self) -> float:
        return time.time() + self.ahead

    async def send(self, *phones: str, name: str = "crm", **fields: Any) -> list[int]:
        """Submits a message to each phone; returns the ids when the API has accepted them."""
        ids = []
        for phone in phones:
            outcome = await self.bridge.submit(submission(phone, **fields), name)
            assert isinstance(outcome, Accepted)
            ids.append(outcome.id)
        return ids

    async def stored(self, id: int) -> Stored:
        stored = await self.bridge.store.message(id)
        assert stored is not None
        return stored

    async def final(self, id: int) -> Stored:
        async with asyncio.timeout(30):
            while (stored := await self.stored(id)).state is State.SENT:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return stored

    @property
    def questions(self) -> list[Seen]:
        return [seen for seen in self.bridge.sandbox.requests if seen.method == "GET"]

    async def asked(self, count: int) -> list[Seen]:
        async with asyncio.timeout(30):
            while len(self.questions) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return self.questions


@asynccontextmanager
async def polling(folder: Path, sandbox: Sandbox, **options: Any) -> AsyncIterator[Polling]:
    async with relaying(folder, sandbox, **options) as bridge:
        polling = Polling(bridge)
        running = asyncio.create_task(polling.poller.run())
        try:
            yield polling
        finally:
            running.cancel()
            await asyncio.wait({running})
            assert running.cancelled(), running.exception()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(scheduled_for=0, processing_for=0) as sandbox:
        yield sandbox


async def test_statuses_without_a_webhook_are_polled(tmp_path: Path, sandbox: Sandbox) -> None:
    async with polling(tmp_path, sandbox, poll_after="1s") as bridge:
        good, bad = await bridge.send(GOOD, BAD, text="x" * 200)
        one = await bridge.final(good)
        assert (one.state, one.status, one.cost, one.counted_parts) == (
            State.DELIVERED, "delivered", "0.7", 2,
        )  # fmt: skip
        assert ((await bridge.final(bad)).state, one.err) == (State.UNDELIVERABLE, 0)
        assert (await bridge.stored(bad)).err == 6


async def test_no_status_is_requested_before_its_time(tmp_path: Path, sandbox: Sandbox) -> None:
    async with polling(tmp_path, sandbox, poll_after="30s") as bridge:
        [id] = await bridge.send(GOOD)
        bridge.ahead = 25
        await asyncio.sleep(0.2)  # ten looks
        assert bridge.questions == []
        bridge.ahead = 31
        assert (await bridge.final(id)).state is State.DELIVERED


async def test_it_is_asked_again_at_growing_intervals(tmp_path: Path, sandbox: Sandbox) -> None:
    async with polling(tmp_path, sandbox, poll_after="30s") as bridge:
        await bridge.send(NEVER)
        for ahead, count in ((35, 1), (60, 1), (75, 2), (140, 2), (155, 3), (300, 3), (315, 4)):
            bridge.ahead = ahead
            await bridge.asked(count)
            await asyncio.sleep(0.1)  # five looks
            assert len(bridge.questions) == count, ahead


async def test_an_account_asks_with_its_own_key(tmp_path: Path) -> None:
    own = {"cascade": {"authorization_key": "own"}}
    async with (
        Sandbox(keys=["own"], scheduled_for=0, processing_for=0) as sandbox,
        polling(tmp_path, sandbox, accounts={"crm": {}, "erp": own}) as bridge,
    ):
        [id] = await bridge.send(GOOD, name="erp")
        bridge.ahead = 60
        assert (await bridge.final(id)).state is State.DELIVERED


async def test_the_rate_is_kept(tmp_path: Path, sandbox: Sandbox) -> None:
    async with polling(tmp_path, sandbox, status_requests_per_second=20) as bridge:
        await asyncio.gather(*(bridge.send(f"+38050{n:03}0004") for n in range(70)))
        bridge.ahead = 60
        times = [seen.at for seen in await bridge.asked(70)]
        # 30 at once, 20 a second from then on.
        assert times[69] - times[0] >= 40 / 20 * 0.9


async def test_nodes_share_the_rate(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with relaying(tmp_path, sandbox, status_requests_per_second=20) as bridge:

        async def nodes() -> int:
            return 4

        monkeypatch.setattr(bridge.store, "nodes", nodes)
        polling = Polling(bridge)
        await asyncio.gather(*(polling.send(f"+38050{n:03}0004") for n in range(40)))
        polling.ahead = 60
        running = asyncio.create_task(polling.poller.run())
        times = [seen.at for seen in await polling.asked(40)]
        running.cancel()
        assert times[39] - times[0] >= 10 / 5 * 0.9


@pytest.mark.parametrize("fault", ["500", "503", "404", "400", "hang-up", "reset", "cut"])
async def test_what_the_api_answers_instead_changes_no_message(
    tmp_path: Path, sandbox: Sandbox, fault: str
) -> None:
    sandbox.fault(fault, on="status", count=3)
    async with polling(tmp_path, sandbox, poll_after="1s") as bridge:
        [id] = await bridge.send(GOOD)
        for n in range(1, 4):
            await bridge.asked(n)
            assert (await bridge.stored(id)).state is State.SENT
            bridge.ahead += 60 * n
        assert (await bridge.final(id)).state is State.DELIVERED


async def test_429_slows_down(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.fault("429", on="status", count=3, retry_after=1)
    with capture_logs() as logs:
        async with polling(tmp_path, sandbox) as bridge:
            ids = await bridge.send(GOOD, "+380501230011", "+380501230012")
            bridge.ahead = 60
            last = (await bridge.asked(3))[2]
            # The messages become due again while no request is allowed.
            for _ in range(20):
                bridge.ahead += 60
                await asyncio.sleep(0.05)
            for id in ids:
                bridge.ahead += 600
                assert (await bridge.final(id)).state is State.DELIVERED
            later = [seen.at - last.at for seen in bridge.questions if seen.status == 200]
            assert min(later) >= 0.99
    assert {"polling_slowed", "polling_resumed"} <= {log["event"] for log in logs}


async def test_a_refused_key_stops_all_but_probes(tmp_path: Path, sandbox: Sandbox) -> None:
    async with polling(tmp_path, sandbox) as bridge:
        ids = await bridge.send(*(f"+3805012300{n}" for n in range(10, 40)))
        sandbox.fault("401", on="status")
        bridge.ahead = 60
        await bridge.asked(1)
        for _ in range(10):
            bridge.ahead += 60
            await asyncio.sleep(0.05)
        # Requests in flight at the first answer, and one or two probes.
        assert len(bridge.questions) <= 10
        sandbox.clear_faults()
        async with asyncio.timeout(30):
            while (await bridge.stored(ids[-1])).state is State.SENT:
                bridge.ahead += 60
                await asyncio.sleep(0.02)


async def test_no_status_is_requested_long_after_the_validity(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with polling(tmp_path, sandbox, poll_after="30d") as bridge:
        never, good = await bridge.send(NEVER, GOOD, ttl=60, receipts=Receipts.FAILURE)
        bridge.ahead = 60 + END_AFTER - 10
        await asyncio.sleep(0.1)  # five looks
        assert bridge.questions == []
        bridge.ahead = 31 * DAY
        one = await bridge.final(never)
        assert (one.state, one.err, one.cause) == (
            State.UNDELIVERABLE, 245, "no status was received",
        )  # fmt: skip
        assert (await bridge.final(good)).err == 245
        assert bridge.questions == []


async def test_an_hour_after_its_validity_it_is_asked_a_last_time(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with polling(tmp_path, sandbox) as bridge:
        good, never = await bridge.send(GOOD, NEVER, ttl=60)
        bridge.ahead = 60 + END_AFTER + 5
        assert (await bridge.final(good)).state is State.DELIVERED
        assert (await bridge.final(never)).err == 245
        assert len(bridge.questions) == 2


async def test_a_message_that_the_api_does_not_know_ends_too(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    sandbox.fault("404", on="status")
    async with polling(tmp_path, sandbox) as bridge:
        [id] = await bridge.send(GOOD, ttl=60)
        bridge.ahead = 60
        await bridge.asked(1)
        assert (await bridge.stored(id)).state is State.SENT
        bridge.ahead = 60 + END_AFTER + 5
        assert (await bridge.final(id)).err == 245


async def test_while_the_api_is_away_the_end_waits_an_hour(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    sandbox.fault("503", on="status")
    async with polling(tmp_path, sandbox) as bridge:
        [id] = await bridge.send(GOOD, ttl=60)
        bridge.ahead = 60 + END_AFTER + 5
        await bridge.asked(1)
        await asyncio.sleep(0.1)
        assert (await bridge.stored(id)).state is State.SENT
        bridge.ahead = 60 + END_AFTER + LAST_CHANCE + 5
        assert (await bridge.final(id)).err == 245


async def test_without_polling_a_message_ends_after_its_time(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with polling(tmp_path, sandbox, poll=False) as bridge:
        [id] = await bridge.send(GOOD, ttl=60)
        bridge.ahead = 60 + END_AFTER - 10
        await asyncio.sleep(0.1)  # five looks
        assert (await bridge.stored(id)).state is State.SENT
        bridge.ahead = 60 + END_AFTER + 5
        assert (await bridge.final(id)).err == 245
        assert bridge.questions == []


ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"


@pytest.mark.parametrize(
    ("answer", "said", "meaning"),
    [
        (HttpAnswer(200, b'{"deliverystatus": "read"}'), ApiStatus(ID, "read"), Meaning.TAKEN),
        (HttpAnswer(200, b"<html>"), None, Meaning.TAKEN),
        (HttpAnswer(204), None, Meaning.BAD),
        (HttpAnswer(302), None, Meaning.HOLD),
        (HttpAnswer(400), None, Meaning.BAD),
        (HttpAnswer(401), None, Meaning.HOLD),
        (HttpAnswer(403), None, Meaning.HOLD),
        (HttpAnswer(404), None, Meaning.BAD),
        (HttpAnswer(405), None, Meaning.HOLD),
        (HttpAnswer(429), None, Meaning.SLOW_DOWN),
        (HttpAnswer(500), None, Meaning.BROKEN),
        (HttpAnswer(0, sent=True), None, Meaning.BROKEN),
        (HttpAnswer(0, sent=False), None, Meaning.BROKEN),
    ],
)
def test_what_an_answer_means(answer: HttpAnswer, said: ApiStatus | None, meaning: Meaning) -> None:
    found, verdict = read(answer, ID)
    assert (found, verdict.meaning) == (said, meaning)
