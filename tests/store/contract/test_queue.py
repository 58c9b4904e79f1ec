"""Waiting messages: their order, and moves, holds and replacements."""

from __future__ import annotations

import pytest

from bridge.model.message import Route, State
from bridge.store import (
    Acceptance,
    Change,
    Lane,
    Store,
)
from tests.samples import NOW, message
from tests.store.samples import BOTH, LANE, replacement


async def test_a_sent_message_no_longer_waits(store: Store) -> None:
    await store.accept(Acceptance((message(1),)))
    await store.accept(Acceptance((message(2),)))
    await store.begin(9, [message(1)])
    await store.finish(9, [Change(1, State.SENT, "an-upstream-id")])
    assert [one.id for one in await store.waiting(LANE, NOW, 10)] == [2]
    stored = await store.message(1)
    assert stored is not None
    assert (stored.state, stored.upstream_id) == (State.SENT, "an-upstream-id")
    assert stored.changed_at == NOW
    assert await store.interrupted() == {}


async def test_waiting_messages_come_in_the_order_of_their_due_times(store: Store) -> None:
    due = {1: NOW - 1, 2: NOW - 3, 3: NOW - 2, 4: NOW + 1}
    for id, at in due.items():
        await store.accept(Acceptance((message(id, due_at=at),)))
    assert [one.id for one in await store.waiting(LANE, NOW, 10)] == [2, 3, 1]
    assert [one.id for one in await store.waiting(LANE, NOW, 2)] == [2, 3]
    assert [one.id for one in await store.waiting(LANE, NOW, 2, (NOW - 2, 3))] == [1]
    assert [one.id for one in await store.waiting(LANE, NOW, 2, (NOW - 2, 2))] == [3, 1]


async def test_lanes_are_those_with_waiting_messages(store: Store) -> None:
    wanted = [
        Lane("a", 0, "async"),
        Lane("a", 7, "async"),
        Lane("b", 4, "async"),
        Lane("b", 4, "tg-viber"),
    ]
    for id, (name, level, route) in enumerate(wanted * 3, 1):
        await store.accept(
            Acceptance((message(id, account=name, level=level, route=Route(route)),))
        )
    assert await store.lanes() == wanted
    await store.finish(0, [Change(id, State.SENT, "x") for id in (1, 5, 9)])
    assert await store.lanes() == wanted[1:]


async def test_only_messages_in_no_attempt_can_be_cancelled(store: Store) -> None:
    for id in (1, 2, 3, 4):
        await store.accept(Acceptance((message(id),)))
    assert await store.begin(9, [message(2)]) == set()
    await store.finish(0, [Change(3, State.SENT, "x"), Change(4, State.HELD)])
    assert await store.move([1, 2, 3, 4, 99], State.CANCELLED) == [1, 4]
    # Messages in an attempt are not returned before their outcome is decided.
    assert await store.waiting(LANE, NOW, 10) == []
    await store.finish(9, [])
    assert [one.id for one in await store.waiting(LANE, NOW, 10)] == [2]
    assert await store.move([1], State.ACCEPTED) == []


async def test_a_held_message_waits_again_when_it_is_released(store: Store) -> None:
    await store.accept(Acceptance((message(1),)))
    assert await store.move([1], State.HELD) == [1]
    assert await store.waiting(LANE, NOW, 10) == []
    assert await store.backlog() == 0
    assert await store.move([1], State.ACCEPTED) == [1]
    assert [one.id for one in await store.waiting(LANE, NOW, 10)] == [1]


async def test_a_message_is_replaced_until_it_is_in_an_attempt(store: Store) -> None:
    await store.accept(Acceptance((message(1, scheduled_at=NOW + 60),)))
    assert await store.replace(replacement(1, receipts=BOTH, expires_at=NOW + 99, due_at=NOW + 5))
    stored = await store.message(1)
    assert stored is not None
    new = message(1, text="new", receipts=BOTH, expires_at=NOW + 99, due_at=NOW + 5)
    assert stored.message == new
    await store.begin(9, [new])
    assert not await store.replace(replacement(1, "newer"))
    assert not await store.replace(replacement(2))


async def test_a_replacement_keeps_the_attempts_and_the_due_time(store: Store) -> None:
    await store.accept(Acceptance((message(1),)))
    again = Change(1, State.ACCEPTED, due_at=NOW + 30, attempts=2, cause="HTTP 503")
    await store.begin(9, [message(1)])
    await store.finish(9, [again])
    assert await store.replace(replacement(1))
    stored = await store.message(1)
    assert stored is not None
    assert stored.message == message(1, text="new", due_at=NOW + 30, attempts=2)


@pytest.mark.parametrize("state", [State.ACCEPTED, State.HELD])
async def test_a_sender_can_neither_replace_nor_cancel_a_message_that_may_have_been_delivered(
    store: Store, state: State
) -> None:
    await store.accept(Acceptance((message(1),)))
    unsure = Change(1, state, due_at=NOW, attempts=1, unknown=1, cause="the connection was lost")
    await store.begin(9, [message(1)])
    await store.finish(9, [unsure])
    assert not await store.replace(replacement(1))
    assert await store.move([1], State.CANCELLED, unposted=True) == []
    assert await store.move([1], State.CANCELLED) == [1]


async def test_a_message_that_was_sent_since_it_was_looked_at_does_not_expire(
    store: Store,
) -> None:
    await store.accept(Acceptance((message(1, expires_at=NOW),)))
    [overdue] = await store.overdue(NOW, 10)
    await store.begin(9, [overdue.message])
    await store.finish(9, [Change(1, State.SENT, "up-1")])
    assert await store.move([1], State.EXPIRED) == []
    # Nor by the end of an attempt decided before.
    await store.finish(0, [Change(1, State.EXPIRED, notify=True)])
    stored = await store.message(1)
    assert stored is not None
    assert (stored.state, stored.upstream_id) == (State.SENT, "up-1")


async def test_a_message_whose_validity_was_extended_does_not_expire(store: Store) -> None:
    await store.accept(Acceptance((message(1, expires_at=NOW),)))
    assert len(await store.overdue(NOW, 10)) == 1
    await store.replace(replacement(1, expires_at=NOW + 60))
    assert await store.move([1], State.EXPIRED) == []


async def test_overdue_messages_are_found(store: Store) -> None:
    for id, expires_at in ((1, NOW), (2, NOW + 1), (3, NOW - 1), (4, NOW)):
        await store.accept(Acceptance((message(id, expires_at=expires_at, due_at=NOW + 99),)))
    await store.move([3], State.HELD)
    await store.finish(0, [Change(4, State.SENT, "x")])
    assert sorted(one.message.id for one in await store.overdue(NOW, 10)) == [1, 3]
    assert len(await store.overdue(NOW, 1)) == 1
    assert await store.move([1, 3], State.EXPIRED) == [1, 3]
    assert await store.overdue(NOW, 10) == []


async def test_the_waiting_and_held_messages_of_an_account_to_a_phone_are_found(
    store: Store,
) -> None:
    other = "+380671234567"
    for id, fields in ((1, {}), (2, {}), (3, {}), (4, {"phone": other}), (5, {"account": "shop"})):
        await store.accept(Acceptance((message(id, **fields),), claimed=id != 1))
    await store.move([2], State.HELD)
    await store.finish(0, [Change(3, State.SENT, "x")])
    phone = message(1).phone
    assert sorted(one.message.id for one in await store.waiting_for("crm", phone)) == [1, 2]
    assert [one.message.id for one in await store.waiting_for("crm", other)] == [4]
    assert [one.message.id for one in await store.waiting_for("shop", phone)] == [5]
    assert await store.waiting_for("shop", other) == []
