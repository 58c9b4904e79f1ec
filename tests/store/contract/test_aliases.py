"""Further ids of messages that are stored already, and the receipts requested for them."""

from __future__ import annotations

import pytest

from bridge.model.message import Receipts, State
from bridge.model.notice import Told
from bridge.store import Acceptance, Alias, Change, Store
from tests.samples import NOW
from tests.store.samples import BOTH, asking, delivered, owed, sent


async def test_a_message_is_found_by_each_of_its_ids(store: Store) -> None:
    await store.accept(Acceptance((asking(1),), aliases=(Alias(70, 1),)))
    await store.also_known_as([Alias(71, 1), Alias(72, 1, int(BOTH))])
    for id in (70, 71, 72):
        found = await store.message(id)
        assert found is not None
        assert found.message.id == 1


async def test_a_short_id_that_is_given_again_leads_to_the_later_message(store: Store) -> None:
    for id in (1, 2):
        await store.accept(Acceptance((asking(id),)))
        await store.also_known_as([Alias(128, id, int(BOTH))])
    found = await store.story(128)
    assert found is not None
    assert found.stored.message.id == 2
    assert found.aliases == (Alias(128, 2, int(BOTH)),)


async def test_a_further_id_gets_the_receipts_of_later_states(store: Store) -> None:
    await sent(store, asking(1), asking(2), asking(3, Receipts.NONE))
    await store.also_known_as([Alias(11, 1, BOTH), Alias(13, 3, Receipts.FAILURE)])
    await store.also_known_as([Alias(12, 2)])
    await store.note_statuses([delivered(id) for id in (1, 2, 3)])
    assert [(n.about, n.known_as) for n, *_ in await owed(store)] == [(1, 11), (1, 1), (2, 2)]


async def test_a_further_id_of_an_ended_message_gets_the_receipt_at_once(store: Store) -> None:
    await sent(store, asking(2))
    await store.note_statuses([delivered(2)])
    assert len(await owed(store)) == 1
    for _ in range(2):  # a repeated request causes no second receipt
        await store.also_known_as([Alias(12, 2, BOTH), Alias(14, 2, Receipts.FAILURE)])
    [(notice, stored, _)] = await owed(store)
    assert (notice.about, notice.known_as, notice.at) == (2, 12, NOW + 5)
    assert stored is not None
    assert stored.state is State.DELIVERED
    story = await store.story(2)
    assert story is not None
    assert [one.known_as for one in story.notices] == [2, 12]


@pytest.mark.parametrize("receipts", [Receipts.NONE, BOTH])
async def test_an_id_of_no_message_leads_nowhere(store: Store, receipts: Receipts) -> None:
    await store.also_known_as([Alias(70, 99, int(receipts))])
    assert await store.message(70) is None
    assert await owed(store) == []


async def test_a_further_id_of_a_submission_leads_to_all_of_its_messages(store: Store) -> None:
    both = tuple(asking(id, Receipts.ALIASES)._replace(submission_id=9) for id in (1, 2))
    alias = Alias(70, 9, int(BOTH))
    await store.accept(Acceptance(both, aliases=(alias,)))
    assert [one.message.id for one in await store.submission(70)] == [1, 2]
    assert await store.message(70) is None
    await store.finish(0, [Change(id, State.REJECTED, notify=True) for id in (1, 2)])
    told = [one.notice for one in await owed(store)]
    assert [(notice.about, notice.known_as) for notice in told] == [(1, 70), (2, 70)]
    await store.told([Told(notice.id, True, "taken") for notice in told])
    await store.sweep(NOW + 10**6, 0, 100)
    # It may not lead to a later message.
    await store.accept(Acceptance((asking(9),)))
    assert await store.message(70) is None
