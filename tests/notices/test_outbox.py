"""Notices, their order and their retries, with a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.model.message import Protocol, Receipts, State
from bridge.model.notice import Kind, Notice, Owed, receivers_of
from bridge.notices.outbox import FIRST_BACK_OFF, LONGEST_BACK_OFF, Outbox
from bridge.notices.subscribers import TakerAnswer
from bridge.store import Acceptance, Change, Status
from bridge.store.sqlite.engine import SqliteStore
from tests.samples import NOW, message
from tests.store.conftest import Clock

QUEUE = receivers_of("crm")
TAKEN = TakerAnswer(True, "taken")
REFUSED = TakerAnswer(False, "ESME_RX_T_APPN")
LOST = TakerAnswer(False, "went away", lost=True)


class Taker:
    """Takes up to ``window`` notices at once; ``answer`` gives the answer to each, None: none
    yet."""

    def __init__(
        self,
        name: str = "10.0.0.1:1",
        window: int = 10,
        answer: Callable[[Owed], TakerAnswer | None] = lambda owed: TAKEN,
    ) -> None:
        self.name = name
        self.window = window
        self.answer = answer
        self.told: list[Owed] = []
        self.open: dict[int, asyncio.Future[TakerAnswer]] = {}
        self._grown = asyncio.Condition()

    def room(self) -> int:
        return self.window - len(self.open)

    def tell(self, owed: Owed) -> asyncio.Future[TakerAnswer]:
        assert self.room() > 0
        future: asyncio.Future[TakerAnswer] = asyncio.get_running_loop().create_future()
        self.told.append(owed)
        said = self.answer(owed)
        if said is None:
            self.open[owed.notice.about] = future
        else:
            future.set_result(said)
        return future

    def say(self, about: int, answer: TakerAnswer) -> None:
        self.open.pop(about).set_result(answer)

    def has(self, count: int) -> bool:
        return len(self.told) == count

    @property
    def abouts(self) -> list[int]:
        return [owed.notice.about for owed in self.told]


async def until(met: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not met():  # noqa: ASYNC110 - what happens in between is what is tested
            await asyncio.sleep(0.005)


class Telling:
    """A running outbox, and its store."""

    def __init__(self, store: SqliteStore, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.early: dict[int, float] = {}
        self.outbox = Outbox(store, 3600, 3600, self.not_before, clock=clock)
        store.signals.owed.listen(self.outbox.wake)

    def not_before(self, owed: Owed) -> float:
        return self.early.get(owed.notice.about, 0.0)

    async def owe(self, *abouts: int, queue: str = QUEUE, state: State = State.DELIVERED) -> None:
        await self.store.owe(
            [Notice(queue, "crm", Kind.STATE, a, a, NOW, NOW, state) for a in abouts]
        )

    async def delivered(self, *ids: int, **fields: object) -> None:
        """Sent messages with the API's status "delivered"."""
        asking = {"receipts": Receipts.SUCCESS, "protocol": Protocol.SMPP} | fields
        messages = [message(id, **asking) for id in ids]
        for one in messages:
            await self.store.accept(Acceptance((one,)))
        await self.store.finish(0, [Change(id, State.SENT, f"up-{id}") for id in ids])
        await self.store.note_statuses(
            [Status(f"up-{id}", "delivered", State.DELIVERED, NOW) for id in ids]
        )

    async def outcome(self, about: int) -> Notice:
        """The first stored notice about this message."""
        story = await self.store.story(about)
        assert story is not None
        return story.notices[0]

    async def tried(self, about: int, tries: int) -> Notice:
        """The first notice about this message, after this number of tries."""
        async with asyncio.timeout(30):
            while (notice := await self.outcome(about)).tries < tries:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        return notice

    async def bound(self, expected: bool) -> None:
        """Waits until the store has noted receivers of the account as bound, or not."""
        async with asyncio.timeout(30):
            while [r.bound for r in await self.store.receivers("crm")] != [expected]:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def left(self) -> list[Notice]:
        """Claims the notices that have not ended and are not claimed."""
        await self.outbox.close()
        claimed = await self.store.claim_notices(QUEUE, 2**40, 1000)
        return [owed.notice for owed in claimed]


@pytest.fixture
async def telling(tmp_path: Path) -> AsyncIterator[Telling]:
    clock = Clock()
    store = SqliteStore(tmp_path / "bridge.db", clock=clock)
    await store.open()
    telling = Telling(store, clock)
    running = asyncio.create_task(telling.outbox.run())
    try:
        yield telling
    finally:
        running.cancel()
        await asyncio.wait({running})
        await telling.outbox.close()
        await store.close()


# --- who ---------------------------------------------------------------------------------------


async def test_owed_notices_go_to_a_new_taker_and_new_ones_at_once(telling: Telling) -> None:
    await telling.owe(1, 2)
    taker = Taker()
    telling.outbox.join(QUEUE, taker)
    await until(lambda: taker.abouts == [1, 2])
    await telling.owe(3)
    await until(lambda: taker.abouts == [1, 2, 3])
    assert await telling.left() == []


async def test_nothing_is_told_while_others_may_have_taken_it_over(
    telling: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    certain = asyncio.Event()
    looked: list[bool] = []

    def may_tell(store: SqliteStore) -> bool:
        looked.append(certain.is_set())
        return looked[-1]

    monkeypatch.setattr(SqliteStore, "may_tell", may_tell)
    await telling.owe(1)
    taker = Taker()
    telling.outbox.join(QUEUE, taker)
    await until(lambda: bool(looked))
    assert taker.abouts == []
    certain.set()
    await until(lambda: taker.abouts == [1])


async def test_only_takers_of_the_queue_are_told(telling: Telling) -> None:
    crm, other = Taker(), Taker("10.0.0.2:1")
    telling.outbox.join(QUEUE, crm)
    telling.outbox.join(receivers_of("other"), other)
    await telling.owe(1)
    await telling.owe(2, queue=receivers_of("other"))
    await until(lambda: crm.told and other.told)
    assert (crm.abouts, other.abouts) == ([1], [2])


async def test_the_submitting_session_comes_first(telling: Telling) -> None:
    takers = [Taker(f"10.0.0.{n}:1") for n in range(3)]
    for taker in takers:
        telling.outbox.join(QUEUE, taker)
    await telling.delivered(*range(1, 7), peer="10.0.0.1:1")
    await until(lambda: len(takers[1].told) == 6)
    assert not takers[0].told
    assert not takers[2].told


async def test_without_the_submitting_session_the_others_take_turns(telling: Telling) -> None:
    full = Taker("10.0.0.1:1", window=2, answer=lambda owed: None)
    others = [Taker(f"10.0.0.{n}:1") for n in (2, 3)]
    for taker in (full, *others):
        telling.outbox.join(QUEUE, taker)
    await telling.delivered(*range(1, 11), peer="10.0.0.1:1")
    await until(lambda: sum(len(taker.told) for taker in (full, *others)) == 10)
    assert len(full.told) == 2
    assert [len(taker.told) for taker in others] == [4, 4]


async def test_no_more_is_claimed_than_takers_have_room_for(telling: Telling) -> None:
    taker = Taker(window=3, answer=lambda owed: None)
    await telling.owe(*range(1, 101))
    telling.outbox.join(QUEUE, taker)
    await until(lambda: len(taker.told) == 3)
    free = await telling.store.claim_notices(QUEUE, NOW, 1000)
    assert [owed.notice.about for owed in free] == list(range(4, 101))


async def test_a_taker_that_answers_has_as_many_notices_claimed_ahead(
    telling: Telling,
) -> None:
    taker = Taker(window=3, answer=lambda owed: None)
    await telling.owe(*range(1, 11))
    telling.outbox.join(QUEUE, taker)
    await until(lambda: len(taker.told) == 3)
    taker.say(1, TAKEN)
    await until(lambda: len(taker.told) == 4)
    # These had been claimed for it, and are free again.
    found: list[Notice] = []
    async with asyncio.timeout(30):
        while len(found) < 6:
            claimed = await telling.store.claim_notices(QUEUE, NOW, 10)
            found += [owed.notice for owed in claimed]
    assert {one.about for one in found} == set(range(5, 11))
    assert {(one.tries, one.due_at, one.outcome) for one in found} == {(0, NOW, "")}


async def test_many_are_all_told_in_order(telling: Telling) -> None:
    await telling.owe(*range(1, 2001))
    taker = Taker(window=100)
    telling.outbox.join(QUEUE, taker)
    await until(lambda: len(taker.told) == 2000)
    assert taker.abouts == list(range(1, 2001))
    assert await telling.left() == []


# --- in order ----------------------------------------------------------------------------------


async def test_notices_of_one_message_come_one_after_the_other(telling: Telling) -> None:
    taker = Taker(answer=lambda owed: None)
    telling.outbox.join(QUEUE, taker)
    await telling.owe(1, state=State.SENT)
    await telling.owe(1, 2)
    await until(lambda: len(taker.told) == 2)
    assert [(o.notice.about, o.notice.state) for o in taker.told] == [
        (1, State.SENT),
        (2, State.DELIVERED),
    ]
    taker.say(1, TAKEN)
    await until(lambda: len(taker.told) == 3)
    assert taker.told[2].notice.state is State.DELIVERED
    assert taker.abouts[2] == 1


async def test_the_answer_to_the_submission_comes_first(telling: Telling) -> None:
    telling.early[1] = NOW + 0.05
    taker = Taker()
    telling.outbox.join(QUEUE, taker)
    await telling.owe(1, 2)
    await until(lambda: taker.abouts == [2])
    await asyncio.sleep(0.1)  # claimed again, but not told yet
    assert taker.abouts == [2]
    telling.clock.now = NOW + 1
    await until(lambda: taker.abouts == [2, 1])


async def test_a_notice_that_waits_for_the_answer_does_not_wait_for_a_clock_that_was_set_back(
    telling: Telling,
) -> None:
    telling.early[1] = NOW + 0.05
    taker = Taker()
    telling.outbox.join(QUEUE, taker)
    await telling.owe(1, 2)
    await until(lambda: taker.abouts == [2])
    telling.clock.now = NOW - 3600
    telling.early.clear()  # the answer is out
    await until(lambda: taker.abouts == [2, 1])


# --- again -------------------------------------------------------------------------------------


async def test_a_refused_notice_is_retried_with_back_off(telling: Telling) -> None:
    taker = Taker(answer=lambda owed: REFUSED)
    telling.outbox.join(QUEUE, taker)
    await telling.delivered(1)
    waited = []
    for tries in range(1, 9):
        await until(partial(taker.has, tries))
        assert taker.told[-1].notice.tries == tries - 1
        notice = await telling.tried(1, tries)
        assert (notice.ended_at, notice.outcome) == (0, "ESME_RX_T_APPN")
        waited.append(notice.due_at - telling.clock.now)
        telling.clock.now = notice.due_at
    doubling = [FIRST_BACK_OFF * 2**n for n in range(8)]
    assert waited == [min(LONGEST_BACK_OFF, seconds) for seconds in doubling]


async def test_a_refused_notice_holds_up_no_other(telling: Telling) -> None:
    taker = Taker(answer=lambda owed: REFUSED if owed.notice.about % 2 else TAKEN)
    telling.outbox.join(QUEUE, taker)
    await telling.owe(*range(1, 21))
    await until(lambda: set(taker.abouts) == set(range(1, 21)))
    assert {notice.about for notice in await telling.left()} == set(range(1, 21, 2))


async def test_a_taker_that_never_answers_holds_up_nobody(telling: Telling) -> None:
    silent = Taker("10.0.0.1:1", window=5, answer=lambda owed: None)
    good = Taker("10.0.0.2:1")
    telling.outbox.join(QUEUE, silent)
    telling.outbox.join(QUEUE, good)
    await telling.owe(*range(1, 101))
    await until(lambda: len(good.told) == 95)
    assert len(silent.told) == 5


async def test_one_that_refuses_is_told_one_thing_at_a_time(telling: Telling) -> None:
    taker = Taker(window=50, answer=lambda owed: REFUSED)
    telling.outbox.join(QUEUE, taker)
    await telling.owe(*range(1, 101))
    await until(lambda: taker.told)
    taker.answer = lambda owed: None
    await until(lambda: taker.open)
    await asyncio.sleep(0.2)  # time for further notices
    assert len(taker.open) == 1
    taker.answer = lambda owed: TAKEN
    taker.say(taker.abouts[-1], TAKEN)
    await until(lambda: set(taker.abouts) == set(range(1, 101)))


async def test_notices_of_a_lost_taker_go_to_another_at_once(telling: Telling) -> None:
    lost, other = Taker("10.0.0.1:1", answer=lambda owed: None), Taker("10.0.0.2:1")
    telling.outbox.join(QUEUE, lost)
    await telling.owe(1, 2)
    await until(lambda: len(lost.told) == 2)
    telling.outbox.join(QUEUE, other)
    telling.outbox.leave(QUEUE, lost)
    for about in (1, 2):
        lost.say(about, LOST)
    await until(lambda: other.abouts == [1, 2])
    assert await telling.left() == []


async def test_notices_wait_for_the_next_receiver(telling: Telling) -> None:
    lost = Taker(answer=lambda owed: None)
    telling.outbox.join(QUEUE, lost)
    await telling.owe(*range(1, 6))
    await until(lambda: len(lost.told) == 5)
    telling.outbox.leave(QUEUE, lost)
    for about in range(1, 6):
        lost.say(about, LOST)
    back = Taker("10.0.0.9:1")
    telling.outbox.join(QUEUE, back)
    await until(lambda: back.abouts == [1, 2, 3, 4, 5])


async def test_a_notice_that_costs_one_session_after_another_is_tried_with_back_off(
    telling: Telling,
) -> None:
    for tries in range(2):
        taker = Taker(f"10.0.0.{tries}:1", answer=lambda owed: None)
        telling.outbox.join(QUEUE, taker)
        if not tries:
            await telling.delivered(1)
        await until(partial(taker.has, 1))
        telling.outbox.leave(QUEUE, taker)
        taker.say(1, LOST)
    notice = await telling.tried(1, 2)
    assert notice.due_at == NOW + 2 * FIRST_BACK_OFF


async def test_a_notice_that_cannot_be_told_is_a_failed_try(telling: Telling) -> None:
    class Broken(Taker):
        def tell(self, owed: Owed) -> asyncio.Future[TakerAnswer]:
            if owed.notice.about == 1:
                raise KeyError("a mistake of ours")
            return super().tell(owed)

    taker = Broken()
    telling.outbox.join(QUEUE, taker)
    with capture_logs() as logs:
        await telling.owe(1, 2)
        await until(lambda: taker.abouts == [2])
    assert [event["event"] for event in logs if event["log_level"] == "error"] == ["notice_failed"]


# --- the end -----------------------------------------------------------------------------------


async def test_nothing_new_is_told_on_stop_and_answers_still_count(telling: Telling) -> None:
    taker = Taker(answer=lambda owed: None)
    telling.outbox.join(QUEUE, taker)
    await telling.owe(1, 2, 3)
    await until(lambda: len(taker.told) == 3)
    telling.outbox.stop()
    await telling.owe(4)
    taker.say(1, TAKEN)
    taker.say(2, LOST)
    await telling.outbox.close()
    telling.outbox.leave(QUEUE, taker)
    await telling.store.close()
    again = SqliteStore(telling.store._path, clock=telling.clock)
    await again.open()
    left = await again.claim_notices(QUEUE, NOW, 10)
    assert [(owed.notice.about, owed.notice.tries) for owed in left] == [(2, 0), (3, 0), (4, 0)]
    await again.close()


async def test_a_notice_not_taken_in_time_is_given_up(telling: Telling) -> None:
    await telling.delivered(1)
    telling.clock.now = NOW + 3601
    with capture_logs() as logs:
        await telling.outbox._expire()
    assert [(log["event"], log["notices"]) for log in logs] == [("notices_given_up", 1)]
    notice = await telling.outcome(1)
    assert (notice.ended_at, notice.outcome) == (NOW + 3601, "nobody took it")


async def test_the_store_knows_since_when_an_account_has_receivers(telling: Telling) -> None:
    first, second = Taker("10.0.0.1:1"), Taker("10.0.0.2:1")
    for taker in (first, second):
        telling.outbox.join(QUEUE, taker, account="crm")
    await telling.bound(True)
    telling.outbox.leave(QUEUE, first)
    await asyncio.sleep(0.2)  # time in which it could have been told
    await telling.bound(True)
    telling.outbox.leave(QUEUE, second)
    await telling.bound(False)


# --- its end -----------------------------------------------------------------------------------


@pytest.mark.parametrize("turns", range(5))
async def test_the_outbox_ends_if_it_is_cancelled_while_it_is_woken(
    tmp_path: Path, turns: int
) -> None:
    store = SqliteStore(tmp_path / "bridge.db")
    await store.open()
    outbox = Outbox(store, 3600, 3600, lambda owed: 0.0)
    running = asyncio.create_task(outbox.run())
    await asyncio.sleep(0.01)  # it waits
    outbox.wake(None)
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    done, _ = await asyncio.wait([running], timeout=30)
    await outbox.close()
    await store.close()
    assert done
