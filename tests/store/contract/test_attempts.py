"""Attempts: noted before a request, ended with the messages' changes."""

from __future__ import annotations

import asyncio

from bridge.model.message import State
from bridge.store import (
    Acceptance,
    Change,
    Fingerprint,
    Store,
)
from tests.samples import NOW, message
from tests.store.conftest import Engine
from tests.store.samples import LANE, asking, owed


async def test_an_attempt_that_never_ended_is_found_later(engine: Engine) -> None:
    messages = [message(id) for id in (1, 2, 3)]
    store = await engine.open()
    await store.accept(Acceptance(tuple(messages)))
    await store.begin(8, messages[:2])
    await store.begin(9, messages[2:])
    await store.close()
    store = await engine.open()
    assert await store.interrupted() == {8: messages[:2], 9: messages[2:]}
    await store.finish(8, [Change(1, State.ACCEPTED, due_at=NOW)])
    await store.close()
    store = await engine.open()
    assert await store.interrupted() == {9: messages[2:]}


async def test_an_attempt_may_begin_with_the_acceptance_of_its_message(engine: Engine) -> None:
    store = await engine.open()
    await store.accept(Acceptance((message(1),), attempt=8))
    several = [store.accept(Acceptance((message(id),), attempt=9)) for id in range(10, 50)]
    await asyncio.gather(*several)
    assert await store.interrupted() == {}
    await store.finish(9, [Change(id, State.SENT, f"u{id}") for id in range(10, 50)])
    await store.close()
    store = await engine.open()
    assert await store.interrupted() == {8: [message(1)]}


async def test_acceptances_share_an_attempt_though_they_are_stored_one_after_the_other(
    engine: Engine,
) -> None:
    store = await engine.open()
    await asyncio.gather(
        *(store.accept(Acceptance((message(id),), attempt=8)) for id in range(10, 50))
    )
    await store.accept(Acceptance((message(50),), attempt=8))
    await store.close()
    store = await engine.open()
    interrupted = await store.interrupted()
    assert interrupted.keys() == {8}
    assert sorted(one.id for one in interrupted[8]) == list(range(10, 51))


async def test_no_attempt_begins_for_a_repeated_message(engine: Engine) -> None:
    store = await engine.open()
    await store.accept(Acceptance((message(1),), (Fingerprint(b"key", 1, NOW + 60),)))
    repeat = Acceptance((message(2),), (Fingerprint(b"key", 2, NOW + 60),), attempt=8)
    assert await store.accept(repeat) == {b"key": 1}
    await store.close()
    store = await engine.open()
    assert await store.interrupted() == {}


async def test_an_attempt_under_way_is_not_interrupted(store: Store) -> None:
    messages = [message(id) for id in (1, 2, 3)]
    await store.accept(Acceptance(tuple(messages)))
    await store.begin(8, messages[:2])
    assert await store.interrupted() == {}


async def test_a_message_to_be_sent_again_waits_until_it_is_due(store: Store) -> None:
    await store.accept(Acceptance((message(1),)))
    change = Change(1, State.ACCEPTED, due_at=NOW + 30, attempts=1, unknown=1, cause="HTTP 503")
    await store.finish(0, [change])
    assert await store.waiting(LANE, NOW + 29, 10) == []
    [again] = await store.waiting(LANE, NOW + 30, 10)
    assert again == message(1)._replace(due_at=NOW + 30, attempts=1, unknown=1)
    assert await store.next_due(NOW) == NOW + 30
    assert await store.next_due(NOW + 30) is None


async def test_a_result_that_comes_after_the_end_changes_nothing(store: Store) -> None:
    for id in (1, 2):
        await store.accept(Acceptance((asking(id),)))
    assert await store.move([1, 2], State.CANCELLED) == [1, 2]
    sent = Change(1, State.SENT, "x", poll_at=NOW + 30, notify=True)
    await store.finish(9, [sent, Change(2, State.EXPIRED, notify=True)])
    found = await store.messages([1, 2])
    assert [(one.state, one.upstream_id) for one in found] == [(State.CANCELLED, "")] * 2
    assert {one.notice.state for one in await owed(store)} == {State.CANCELLED}


async def test_a_refused_message_keeps_the_reason(store: Store) -> None:
    await store.accept(Acceptance((message(1),)))
    await store.finish(0, [Change(1, State.REJECTED, failure="WRONG_PHONE", cause="1003 bad")])
    stored = await store.message(1)
    assert stored is not None
    assert (stored.state, stored.failure, stored.cause) == (
        State.REJECTED,
        "WRONG_PHONE",
        "1003 bad",
    )
