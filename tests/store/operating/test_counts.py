"""Counts of waiting and held messages and of owed notices."""

from __future__ import annotations

from bridge.model.notice import MAIL, Kind, Notice, Told
from bridge.store import Store
from bridge.store.operating.counts import OwedCount, StoreCounts, Waiting, count_all
from tests.samples import NOW
from tests.store.operating.samples import fill
from tests.store.samples import CRM, owed


async def test_an_empty_store_has_no_oldest_message(store: Store) -> None:
    empty = Waiting(0, 0)
    assert await store.look_up(count_all) == StoreCounts({"accepted": empty, "held": empty}, {})


async def test_waiting_and_held_messages_are_counted_with_the_oldest(store: Store) -> None:
    await fill(store)
    counts = await store.look_up(count_all)
    assert counts.queue == {"accepted": Waiting(3, 101), "held": Waiting(1, 104)}


async def test_notices_count_until_they_have_been_told(store: Store) -> None:
    await store.owe(
        [
            Notice(CRM, "crm", Kind.REFUSED, 0, 1, NOW - 5, NOW),
            Notice(CRM, "crm", Kind.REFUSED, 0, 2, NOW - 9, NOW),
            Notice(MAIL, "crm", Kind.DELAY, 3, 3, NOW, NOW + 3600),
        ]
    )
    counts = await store.look_up(count_all)
    assert counts.owed == {"refused": OwedCount(2, NOW - 9), "delay": OwedCount(1, NOW)}
    _, second = await owed(store)
    await store.told([Told(second.notice.id, True, "taken")])
    counts = await store.look_up(count_all)
    assert counts.owed == {"refused": OwedCount(1, NOW - 5), "delay": OwedCount(1, NOW)}
