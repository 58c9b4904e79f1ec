"""Retention: what is forgotten, and what is not yet."""

from __future__ import annotations

import orjson

from bridge.model.ids import first_id
from bridge.model.message import State
from bridge.store import (
    Acceptance,
    Alias,
    Change,
    Store,
)
from tests.samples import NOW, message
from tests.store.conftest import Clock
from tests.store.samples import (
    CRM,
    asking,
    delivered,
    incoming,
    sent,
)


async def test_old_final_messages_go_and_their_texts_earlier(store: Store, clock: Clock) -> None:

    old, younger, waiting = (first_id(NOW - age) for age in (300, 200, 100))
    for id in (old, younger, waiting):
        await store.accept(Acceptance((message(id, fallback="f", options=("a", "b")),)))
    clock.now = NOW - 290
    await store.finish(0, [Change(old, State.REJECTED)])
    clock.now = NOW - 190
    await store.finish(0, [Change(younger, State.SENT, "x")])
    clock.now = NOW
    assert await store.sweep(NOW - 250, NOW - 150, 1) == 2
    assert await store.sweep(NOW - 250, NOW - 150, 1) == 0
    assert await store.message(old) is None
    stored = await store.message(younger)
    assert stored is not None
    assert (stored.message.text, stored.message.fallback, stored.message.options) == ("", "", ())
    stored = await store.message(waiting)
    assert stored is not None
    assert stored.message.text


async def test_with_a_message_go_the_ids_that_led_to_it(store: Store, clock: Clock) -> None:

    first = first_id(NOW - 300)
    both = tuple(message(first + n, submission_id=first) for n in (1, 2))
    await store.accept(Acceptance(both, aliases=(Alias(first + 9, first + 1),)))
    clock.now = NOW - 290
    await store.finish(0, [Change(one.id, State.SENT, "x") for one in both])
    clock.now = NOW
    for _ in range(4):
        await store.sweep(NOW - 250, NOW - 250, 1)
    assert await store.message(first + 9) is None
    assert await store.submission(first) == []


async def test_the_text_of_a_message_that_ends_late_goes_too(store: Store, clock: Clock) -> None:

    early, late = first_id(NOW - 300), first_id(NOW - 299)
    for id in (early, late):
        await store.accept(Acceptance((message(id),)))
    clock.now = NOW - 290
    await store.finish(0, [Change(late, State.SENT, "x")])
    for _ in range(3):
        await store.sweep(0, NOW - 200, 10)
    await store.finish(0, [Change(early, State.SENT, "x")])
    for _ in range(3):
        await store.sweep(0, NOW + 7200, 10)
    for id in (early, late):
        stored = await store.message(id)
        assert stored is not None
        assert stored.message.text == ""


async def test_what_belongs_to_a_message_goes_with_it(store: Store, clock: Clock) -> None:
    await sent(store, asking(1))
    await store.note_statuses([delivered(1)])
    await store.take_incoming([(incoming(50), [CRM])])
    clock.now = NOW + 90 * 86400
    later = int(clock.now) - 86400
    while await store.sweep(later, later, 100):
        pass
    assert await store.story(1) is None
    assert await store.claim_notices(CRM, int(clock.now), 100) == []


async def test_with_its_text_a_message_loses_the_subject_of_its_mail(
    store: Store, clock: Clock
) -> None:
    old = first_id(NOW - 300)
    kept = '{"return_path":"a@b.cd","subject":"Your code is 1234","to":"c@d"}'
    await store.accept(Acceptance((asking(old, envelope=kept),)))
    clock.now = NOW - 290
    await store.finish(0, [Change(old, State.REJECTED)])
    clock.now = NOW
    await store.sweep(NOW - 9999, NOW - 150, 10)
    stored = await store.message(old)
    assert stored is not None
    assert stored.message.text == ""
    assert orjson.loads(stored.message.envelope) == {"return_path": "a@b.cd", "to": "c@d"}
