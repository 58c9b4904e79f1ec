"""Results of notices on their way to the store: together, in order, before anyone is woken."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence, Set

import pytest
from structlog.testing import capture_logs

from bridge.model.notice import Told
from bridge.notices import results
from bridge.notices.results import Results
from bridge.store import StoreError, StoreFull

ENDED = [Told(id, True, "taken") for id in range(1, 6)]


class Written:
    """A store that writes when the test says so."""

    def __init__(self) -> None:
        self.writes: list[list[Told]] = []
        self.futures: list[asyncio.Future[None]] = []
        self.closed = False
        self.woken: list[Set[str]] = []
        self._asked = asyncio.Condition()
        self.results = Results(self, self.woken.append)

    def told(self, told: Sequence[Told]) -> asyncio.Future[None]:
        if self.closed:
            raise StoreError("closed")
        self.writes.append(list(told))
        self.futures.append(asyncio.get_running_loop().create_future())
        return self.futures[-1]

    async def until(self, writes: int) -> None:
        async with asyncio.timeout(30):
            while len(self.writes) < writes:  # noqa: ASYNC110 - the timer is what is tested
                await asyncio.sleep(0.005)

    async def written(self) -> None:
        self.futures[-1].set_result(None)
        await asyncio.sleep(0)


async def test_a_result_alone_is_written_at_once() -> None:
    at = Written()
    at.results.note(ENDED[0])
    assert at.writes == [ENDED[:1]]


async def test_results_that_come_meanwhile_are_written_together_in_their_order() -> None:
    at = Written()
    for told in ENDED:
        at.results.note(told)
    assert at.writes == [ENDED[:1]]
    await at.written()
    await at.until(2)
    assert at.writes == [ENDED[:1], ENDED[1:]]
    await at.written()
    await at.results.flush()
    assert len(at.writes) == 2


async def test_results_right_after_a_write_wait_for_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(results, "_WRITE_EVERY", 60.0)
    at = Written()
    at.results.note(ENDED[0])
    await at.written()
    at.results.note(ENDED[1])
    at.results.note(ENDED[2])
    assert at.writes == [ENDED[:1]]
    flushed = asyncio.create_task(at.results.flush())
    await asyncio.sleep(0)
    assert at.writes == [ENDED[:1], ENDED[1:3]]
    await at.written()
    await asyncio.wait_for(flushed, 30)


async def test_queues_are_woken_when_their_results_are_durable() -> None:
    at = Written()
    at.results.note(ENDED[0], "smpp crm")
    at.results.note(ENDED[1], "mail")
    at.results.note(ENDED[2])
    await asyncio.sleep(0)
    assert at.woken == []
    await at.written()
    assert at.woken == [{"smpp crm"}]
    await at.until(2)
    await at.written()
    assert at.woken == [{"smpp crm"}, {"mail"}]


async def test_a_flush_waits_until_everything_is_durable_and_writes_without_a_pause() -> None:
    at = Written()
    at.results.note(ENDED[0])
    at.results.note(ENDED[1])
    flushed = asyncio.create_task(at.results.flush())
    await at.written()
    assert len(at.writes) == 2
    assert not flushed.done()
    at.results.note(ENDED[2])
    await at.written()
    assert at.writes[2:] == [ENDED[2:3]]
    assert not flushed.done()
    await at.written()
    await asyncio.wait_for(flushed, 30)


async def test_a_failed_write_is_logged_and_the_next_one_goes_on() -> None:
    at = Written()
    with capture_logs() as logs:
        at.results.note(ENDED[0], "smpp crm")
        at.results.note(ENDED[1])
        at.futures[0].set_exception(StoreFull("no space"))
        await at.until(2)
    [event] = logs
    assert (event["event"], event["notices"]) == ("notices_not_kept", 1)
    # They are told again later, and so must be claimed again.
    assert at.woken == [{"smpp crm"}]


async def test_a_closed_store_keeps_no_result_and_holds_up_no_flush() -> None:
    at = Written()
    at.closed = True
    with capture_logs() as logs:
        at.results.note(ENDED[0])
        await asyncio.wait_for(at.results.flush(), 30)
    assert [event["event"] for event in logs] == ["notices_not_kept"]


@pytest.mark.parametrize("cancelled", [True, False])
async def test_a_write_that_was_cancelled_counts_as_over(cancelled: bool) -> None:
    at = Written()
    at.results.note(ENDED[0])
    if cancelled:
        at.futures[0].cancel()
    else:
        at.futures[0].set_result(None)
    await asyncio.wait_for(at.results.flush(), 30)
