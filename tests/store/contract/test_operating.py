"""The operators' verbs, on both engines."""

from __future__ import annotations

import time

import pytest

from bridge.model.ids import first_id
from bridge.model.message import MessageType, State
from bridge.model.selection import Selection
from bridge.store import Acceptance, Change, Status, Store
from bridge.store.operating.counts import count_all
from bridge.store.operating.finding import find_by_message_id
from bridge.store.operating.queue import (
    count_selected,
    group_queue,
    list_selected,
    select_ids,
    send_now,
)
from bridge.store.operating.refusals import (
    Refusal,
    find_refusals,
    forget_refusals,
    keep_refusals,
)
from bridge.store.operating.report import report
from tests.samples import NOW
from tests.samples import message as a_message
from tests.store.conftest import Engine


async def filled(engine: Engine) -> Store:
    store = await engine.open()
    messages = [
        a_message(101, account="crm", phone="+380501234567"),
        a_message(102, account="crm", phone="+380671234567", message_type=MessageType.PROMO),
        a_message(103, account="erp", phone="+380501234568", accepted_at=NOW - 3600),
        a_message(104, account="erp", phone="+380501234569", sender="Other"),
    ]
    for message in messages:
        await store.accept(Acceptance((message,)))
    await store.begin(9001, [messages[3]])
    await store.finish(9001, [Change(104, State.HELD, failure="REFUSED", cause="HTTP 403 Denied")])
    return store


@pytest.mark.parametrize(
    ("selection", "ids"),
    [
        (Selection(), [101, 102, 103, 104]),
        (Selection(id=102), [102]),
        (Selection(account="crm"), [101, 102]),
        (Selection(state=State.HELD), [104]),
        (Selection(state=State.ACCEPTED, account="erp"), [103]),
        (Selection(message_type=MessageType.PROMO), [102]),
        (Selection(phone="+380501234567"), [101]),
        (Selection(phone="+38050*"), [101, 103, 104]),
        (Selection(sender="Other"), [104]),
        (Selection(reason="refused"), [104]),
        (Selection(reason="denied"), [104]),
        (Selection(since=NOW - 10), [101, 102, 104]),
        (Selection(until=NOW - 10), [103]),
        (Selection(account="nobody"), []),
    ],
)
async def test_a_selection_finds_what_has_all_of_it(
    selection: Selection, ids: list[int], engine: Engine
) -> None:
    store = await filled(engine)
    assert sorted(await store.look_up(select_ids, selection)) == ids
    assert await store.look_up(count_selected, selection) == len(ids)
    shown = await store.look_up(list_selected, selection, 3)
    assert [one.message.id for one in shown] == sorted(ids, reverse=True)[:3]
    if selection.state is None and not selection.reason:
        held = [one.message for one in await store.look_up(list_selected, Selection(), 9)]
        assert sorted(one.id for one in held if selection.may_hold(one)) == ids


async def test_the_queue_is_grouped_by_what_operators_ask_for(engine: Engine) -> None:
    store = await filled(engine)
    groups = await store.look_up(group_queue, Selection(account="erp"), 10)
    assert sorted((group.state, group.messages, group.cause) for group in groups) == [
        ("accepted", 1, ""),
        ("held", 1, "HTTP 403 Denied"),
    ]
    [first] = await store.look_up(group_queue, Selection(), 1)
    assert first.messages == 1


async def test_what_waits_for_its_next_attempt_is_due_now_and_nothing_else(engine: Engine) -> None:
    store = await engine.open()
    later, scheduled = a_message(101), a_message(102, due_at=NOW + 600)
    await store.accept(Acceptance((later, scheduled)))
    await store.begin(9001, [later])
    await store.finish(9001, [Change(101, State.ACCEPTED, due_at=NOW + 300, attempts=2)])
    assert await store.change(send_now, [101, 102], NOW + 1) == 1
    found = {one: await store.message(one) for one in (101, 102)}
    assert {id: one and one.message.due_at for id, one in found.items()} == {
        101: NOW + 1,
        102: NOW + 600,
    }


async def test_a_hundred_thousand_messages_are_moved_in_steps(engine: Engine) -> None:
    store = await engine.open()
    ids = range(1000, 101_000)
    for start in ids[::5000]:
        batch = tuple(a_message(id) for id in range(start, start + 5000))
        await store.accept(Acceptance(batch))
    began = time.perf_counter()
    longest = 0.0
    chosen = sorted(await store.look_up(select_ids, Selection(account="crm")))
    moved = 0
    for start in range(0, len(chosen), 2000):
        step = time.perf_counter()
        moved += len(await store.move(chosen[start : start + 2000], State.HELD))
        longest = max(longest, time.perf_counter() - step)
    print(f"moved {moved} in {time.perf_counter() - began:.1f} s, longest step {longest:.3f} s")
    assert moved == len(ids)
    assert await store.backlog() == 0


async def test_refusals_are_found_by_number_account_and_kind_and_bounded(store: Store) -> None:
    some = [
        Refusal(NOW + n, "submission", "smpp", "crm", "192.0.2.7", f"+38050000000{n}", "no")
        for n in range(3)
    ]
    login = Refusal(NOW + 9, "login", "smtp", "erp", "192.0.2.8", "", "wrong login or password")
    await store.change(keep_refusals, [*some, login])
    find = find_refusals
    assert await store.look_up(find, ["+380500000001"], "", "", 0, 9) == [some[1]]
    assert await store.look_up(find, [], "crm", "", 0, 2) == [some[2], some[1]]
    assert await store.look_up(find, [], "", "login", 0, 9) == [login]
    assert await store.look_up(find, [], "", "", NOW + 2, 9) == [login, some[2]]
    await store.change(forget_refusals, NOW + 2)
    assert await store.look_up(find, [], "crm", "", 0, 9) == [some[2]]


async def test_a_report_counts_what_became_of_a_days_messages(engine: Engine) -> None:
    store = await engine.open()
    first = first_id(NOW)
    sent, refused, other, later = (
        a_message(id, account=name)
        for id, name in (
            (first + 1, "crm"),
            (first + 2, "crm"),
            (first + 3, "erp"),
            (first_id(NOW + 86400) + 1, "crm"),
        )
    )
    for message in (sent, refused, other, later):
        await store.accept(Acceptance((message,)))
    await store.begin(9001, [sent, refused])
    await store.finish(
        9001,
        [
            Change(sent.id, State.SENT, upstream_id="up-1"),
            Change(refused.id, State.REJECTED, failure="WRONG_PHONE", cause="1003"),
        ],
    )
    status = Status("up-1", "delivered", State.DELIVERED, NOW + 5, cost="0.45")
    await store.note_statuses([status])
    no = Refusal(NOW + 1, "submission", "smpp", "crm", "192.0.2.7", "12345", "wrong phone number")
    await store.change(keep_refusals, [no])
    crm, erp = await store.look_up(report, NOW, NOW + 86400)
    assert (crm.account, crm.accepted, crm.sent, crm.delivered, crm.cost) == ("crm", 2, 1, 1, 0.45)
    assert (crm.failed, crm.refused) == ({"WRONG_PHONE": 1}, {"wrong phone number": 1})
    assert (erp.account, erp.accepted, erp.waiting) == ("erp", 1, 1)
    [only] = await store.look_up(report, NOW, NOW + 86400, "erp")
    assert only == erp


async def test_what_waits_is_held_and_is_owed_is_counted(engine: Engine) -> None:
    store = await filled(engine)
    counts = await store.look_up(count_all)
    assert counts.queue["accepted"].messages == 3
    assert (counts.queue["held"].messages, counts.queue["held"].oldest_id) == (1, 104)


async def test_a_mail_is_found_by_its_message_id(store: Store) -> None:
    envelope = '{"message_id":"<17_4%a@erp.example.com>"}'
    await store.accept(Acceptance((a_message(101, envelope=envelope), a_message(102))))
    for text in ("<17_4%a@erp.example.com>", "17_4%a@erp.example.com"):
        [found] = await store.look_up(find_by_message_id, text, 9, 0)
        assert found.message.id == 101
    assert not await store.look_up(find_by_message_id, "<17x4%a@erp.example.com>", 9, 0)
