"""Selected messages of the queue: counted, listed, grouped, hurried."""

from __future__ import annotations

from bridge.model.message import MessageType, State
from bridge.model.selection import Selection
from bridge.store import Acceptance, Change, Store
from bridge.store.operating.queue import (
    QueueGroup,
    count_selected,
    group_queue,
    list_selected,
    select_delayed,
    select_ids,
    send_now,
)
from tests.samples import NOW, message
from tests.store.operating.samples import fill

SELECTIONS: tuple[tuple[Selection, list[int]], ...] = (
    (Selection(), [101, 102, 103, 104]),
    (Selection(id=102), [102]),
    (Selection(account="crm"), [101, 102]),
    (Selection(state=State.HELD), [104]),
    (Selection(state=State.ACCEPTED, account="erp"), [103]),
    (Selection(message_type=MessageType.PROMO), [102]),
    (Selection(phone="+380501234567"), [101]),
    (Selection(phone="+38050*"), [101, 103, 104]),
    (Selection(phone="%67*"), []),
    (Selection(sender="Other"), [104]),
    (Selection(reason="refused"), [104]),
    (Selection(reason="denied"), [104]),
    (Selection(since=NOW - 10), [101, 102, 104]),
    (Selection(since=NOW - 3600, until=NOW), [103]),
    (Selection(until=NOW - 3600), []),
    (Selection(account="nobody"), []),
)


async def test_a_selected_message_meets_all_conditions(store: Store) -> None:
    await fill(store)
    waiting = [one.message for one in await store.look_up(list_selected, Selection(), 9)]
    for selection, ids in SELECTIONS:
        assert sorted(await store.look_up(select_ids, selection)) == ids, selection
        assert await store.look_up(count_selected, selection) == len(ids), selection
        shown = await store.look_up(list_selected, selection, 3)
        assert [one.message.id for one in shown] == sorted(ids, reverse=True)[:3], selection
        # Messages in the memory of the dispatcher are selected alike.
        if selection.state is None and not selection.reason:
            held = sorted(one.id for one in waiting if selection.may_hold(one))
            assert held == ids, selection


async def test_the_id_of_a_submission_selects_its_messages(store: Store) -> None:
    await store.accept(Acceptance(tuple(message(id, submission_id=7) for id in (8, 9))))
    await store.accept(Acceptance((message(10),)))
    assert sorted(await store.look_up(select_ids, Selection(id=7))) == [8, 9]
    assert await store.look_up(select_ids, Selection(id=9)) == [9]


async def test_ended_messages_are_selected_only_by_their_state(store: Store) -> None:
    await fill(store)
    await store.move([101], State.CANCELLED)
    assert 101 not in await store.look_up(select_ids, Selection())
    assert await store.look_up(select_ids, Selection(state=State.CANCELLED)) == [101]


async def test_the_queue_is_grouped_with_the_largest_group_first(store: Store) -> None:
    await fill(store)
    await store.accept(Acceptance((message(105, account="erp", accepted_at=NOW - 60),)))
    waiting, held = await store.look_up(group_queue, Selection(account="erp"), 10)
    kind = ("erp", "transaction")
    assert waiting == QueueGroup("accepted", *kind, "Shop", "", "", 2, NOW - 3600, NOW - 60, 105)
    cause = ("REFUSED", "HTTP 403 Denied")
    assert held == QueueGroup("held", *kind, "Other", *cause, 1, NOW, NOW, 104)
    assert await store.look_up(group_queue, Selection(account="erp"), 1) == [waiting]


async def test_only_messages_that_wait_for_their_next_attempt_become_due(store: Store) -> None:
    later, scheduled, due = message(101), message(102, due_at=NOW + 600), message(103)
    await store.accept(Acceptance((later, scheduled, due)))
    again = [
        Change(101, State.ACCEPTED, due_at=NOW + 300, attempts=2),
        Change(103, State.ACCEPTED, due_at=NOW, attempts=1),
    ]
    await store.begin(9001, [later, due])
    await store.finish(9001, again)
    assert await store.look_up(select_delayed, Selection(), NOW + 1) == [101]
    assert await store.look_up(select_delayed, Selection(account="erp"), NOW + 1) == []
    assert await store.change(send_now, [101, 102, 103], NOW + 1) == 1
    found = [one.message.due_at for one in await store.messages([101, 102, 103])]
    assert found == [NOW + 1, NOW + 600, NOW]


async def test_a_long_queue_is_moved_in_steps(store: Store) -> None:
    ids = range(1000, 21_000)
    for start in ids[::5000]:
        await store.accept(Acceptance(tuple(message(start + n) for n in range(5000))))
    chosen = sorted(await store.look_up(select_ids, Selection(account="crm")))
    assert chosen == list(ids)
    moved: list[int] = []
    for start in range(0, len(chosen), 2000):
        moved += await store.move(chosen[start : start + 2000], State.HELD)
    assert moved == chosen
    assert await store.backlog() == 0
