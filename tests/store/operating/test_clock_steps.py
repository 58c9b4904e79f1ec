"""Stored times after the clock was set."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.model.ids import first_id
from bridge.model.message import Receipts, State
from bridge.model.notice import MAIL, Kind, Notice
from bridge.store import Acceptance, Change, Fingerprint, Part, PartGroup, Store
from bridge.store.operating.clock_steps import (
    Correction,
    correct,
    moved,
    select_wrong,
    set_back,
    set_forward,
)
from tests.samples import NOW, message
from tests.store.conftest import Clock

HOUR = 3600
RETRY_MOST = 300
#: Ids as a node gives them at that time.
ID = first_id(NOW)


async def follow(store: Store, corrections: Iterable[Correction]) -> None:
    for correction in corrections:
        keys = await store.look_up(select_wrong, correction)
        await store.change(correct, correction, keys)


async def due(store: Store, *ids: int) -> list[int]:
    return [one.message.due_at for one in await store.messages(ids)]


async def test_messages_that_wait_for_no_other_time_are_due_when_the_clock_is_set_back(
    store: Store,
) -> None:
    new, retried, soon, scheduled = (message(ID + n) for n in range(4))
    scheduled = scheduled._replace(due_at=NOW + 600)
    await store.accept(Acceptance((new, retried, soon, scheduled)))
    back = NOW - HOUR
    for one, at in ((retried, NOW + 20), (soon, back + 20)):
        attempt = one.id + 100
        await store.begin(attempt, [one])
        change = Change(one.id, State.ACCEPTED, due_at=at, attempts=1)
        await store.finish(attempt, [change])
    await follow(store, set_back(back, RETRY_MOST))
    ids = (new.id, retried.id, soon.id, scheduled.id)
    assert await due(store, *ids) == [back, back, back + 20, NOW + 600]
    await follow(store, set_back(back, RETRY_MOST))
    assert await due(store, *ids) == [back, back, back + 20, NOW + 600]


async def test_statuses_are_asked_for_when_the_clock_is_set_back(
    store: Store, clock: Clock
) -> None:
    polled, unpolled = message(ID), message(ID + 1)
    await store.accept(Acceptance((polled, unpolled)))
    await store.begin(ID + 9, [polled, unpolled])
    never = unpolled.expires_at + HOUR
    changes = [
        Change(one.id, State.SENT, f"upstream-{one.id}", poll_at=at)
        for one, at in ((polled, NOW + 30), (unpolled, never))
    ]
    await store.finish(ID + 9, changes)
    clock.now -= HOUR
    assert not await store.to_poll(int(clock.now), 9)
    await follow(store, set_back(int(clock.now), RETRY_MOST))
    assert [one.message.id for one in await store.to_poll(int(clock.now), 9)] == [polled.id]


async def test_notices_are_told_when_the_clock_is_set_back(store: Store, clock: Clock) -> None:
    def notice(about: int, kind: Kind, at: int) -> Notice:
        return Notice(MAIL, "crm", kind, about, 0, NOW, at)

    owed = [notice(1, Kind.STATE, NOW), notice(2, Kind.DELAY, NOW), notice(3, Kind.STATE, NOW + 9)]
    await store.owe(owed)
    clock.now -= HOUR
    assert not await store.claim_notices(MAIL, int(clock.now), 9)
    await follow(store, set_back(int(clock.now), RETRY_MOST))
    claimed = await store.claim_notices(MAIL, int(clock.now), 9)
    assert sorted(one.notice.about for one in claimed) == [1, 3], "a delay has its own time"


async def test_validities_neither_shrink_nor_grow_by_a_step(store: Store, clock: Clock) -> None:
    waits, held = message(ID), message(ID + 1)
    scheduled = message(ID + 2, due_at=NOW + 600)
    sent_later = message(ID + 3, scheduled_at=NOW + 600)
    of_another_node = message(first_id(NOW) + (5 << 16))
    all = (waits, held, scheduled, sent_later, of_another_node)
    await store.accept(Acceptance(all))
    await store.move([held.id], State.HELD)

    async def grown() -> list[int]:
        stored = await store.messages([one.id for one in all])
        return [one.message.expires_at - NOW - 86400 for one in stored]

    later = NOW + 10 + HOUR
    clock.now = later
    new = message(first_id(later), accepted_at=later)
    await store.accept(Acceptance((new,)))
    await follow(store, moved(later, HOUR, 0))
    assert await grown() == [HOUR, HOUR, 0, 0, 0]
    [stored] = await store.messages([new.id])
    assert stored.message.expires_at == new.expires_at, "accepted after the step"
    clock.now -= HOUR
    await follow(store, moved(int(clock.now), -HOUR, 0))
    [stored] = await store.messages([new.id])
    assert stored.message.expires_at == new.expires_at - HOUR


async def test_a_window_for_repeats_neither_shrinks_nor_grows_by_a_step(
    store: Store, clock: Clock
) -> None:
    async def submit(id: int, key: bytes) -> bool:
        """Whether the message is taken for a repeat."""
        fingerprint = Fingerprint(key, id, int(clock.now) + 600)
        one = message(id, accepted_at=int(clock.now))
        return bool(await store.accept(Acceptance((one,), fingerprints=(fingerprint,))))

    assert not await submit(ID, b"a" * 16)
    clock.now += 10 + HOUR
    await follow(store, moved(int(clock.now), HOUR, 0))
    assert await submit(first_id(clock.now), b"a" * 16), "within ten minutes"
    assert not await submit(first_id(clock.now) + 1, b"b" * 16)
    clock.now += 10 - HOUR
    await follow(store, moved(int(clock.now), -HOUR, 0))
    clock.now += 600
    assert not await submit(first_id(clock.now) + 2, b"b" * 16), "after ten minutes"


async def test_parts_wait_for_each_other_over_a_step(store: Store, clock: Clock) -> None:
    group = PartGroup("crm", "Shop", "+380501234567", 7, 2)

    async def expired() -> list[int]:
        parts = await store.expired_parts(int(clock.now) - 300, 9)
        return [part.id for part in parts]

    await store.add_part(Part(1, group, 1, b"one", int(Receipts.NONE), NOW), NOW - 300)
    clock.now += 10 + HOUR
    await follow(store, set_forward(int(clock.now), HOUR))
    assert await expired() == []
    clock.now -= HOUR
    await follow(store, set_back(int(clock.now), RETRY_MOST))
    clock.now += 301
    assert await expired() == [1]
