"""Notices: owed, claimed, told, ended."""

from __future__ import annotations

import asyncio
from collections.abc import Set

import pytest

from bridge.model.message import Protocol, Receipts, State
from bridge.model.notice import MAIL, Kind, Notice, Told
from bridge.store import (
    Acceptance,
    Alias,
    Change,
    Status,
    Store,
)
from tests.samples import NOW
from tests.store.conftest import Clock, Engine
from tests.store.samples import (
    BOTH,
    CRM,
    asking,
    delivered,
    incoming,
    owed,
    sent,
)

#: Requested receipts, a final state, and whether it has a receipt.
REQUESTS = (
    (Receipts.NONE, State.DELIVERED, False),
    (Receipts.SUCCESS, State.DELIVERED, True),
    (Receipts.SUCCESS, State.UNDELIVERABLE, False),
    (Receipts.FAILURE, State.DELIVERED, False),
    (Receipts.FAILURE, State.UNDELIVERABLE, True),
    (Receipts.FAILURE, State.EXPIRED, True),
    (BOTH, State.EXPIRED, True),
    (Receipts.INTERMEDIATE, State.DELIVERED, False),
)


async def test_only_requested_receipts_are_owed(store: Store) -> None:
    await sent(store, *(asking(id, receipts) for id, (receipts, _, _) in enumerate(REQUESTS)))
    await store.note_statuses(
        [Status(f"up-{id}", "word", state, NOW + 5) for id, (_, state, _) in enumerate(REQUESTS)]
    )
    found = [(one.notice.queue, one.notice.known_as, one.notice.state) for one in await owed(store)]
    assert found == [(CRM, id, state) for id, (_, state, has) in enumerate(REQUESTS) if has]


async def test_a_notice_comes_with_its_message(store: Store) -> None:
    original = asking(1, text="Привіт", reference="order-1")
    await sent(store, original)
    await store.note_statuses([delivered(1)])
    [one] = await owed(store)
    assert one.stored is not None
    assert one.stored.message == original
    assert one.stored.state is State.DELIVERED
    assert one.notice == Notice(
        CRM, "crm", Kind.STATE, 1, 1, NOW + 5, NOW + 5, State.DELIVERED, id=one.notice.id
    )


async def test_receipts_of_parts_have_the_ids_of_the_parts(store: Store) -> None:
    aliases = [Alias(11, 1, BOTH), Alias(12, 1, 0), Alias(13, 1, Receipts.FAILURE)]
    await sent(store, asking(1, Receipts.ALIASES), aliases=aliases)
    await store.note_statuses([delivered(1)])
    assert [(n.about, n.known_as) for n, *_ in await owed(store)] == [(1, 11)]


async def test_receipts_of_several_messages_have_the_id_of_their_submission(store: Store) -> None:
    messages = tuple(asking(id, submission_id=1) for id in (2, 3))
    await store.accept(Acceptance(messages))
    await store.finish(0, [Change(m.id, State.SENT, f"up-{m.id}") for m in messages])
    await store.note_statuses([delivered(2), delivered(3)])
    assert [(n.about, n.known_as) for n, *_ in await owed(store)] == [(2, 1), (3, 1)]


async def test_notices_of_mails_go_out_as_mails(store: Store) -> None:
    await sent(store, asking(1, protocol=Protocol.SMTP, envelope='{"from":"a@b.example"}'))
    await store.note_statuses([delivered(1)])
    assert await owed(store) == []
    [one] = await owed(store, MAIL)
    assert one.stored is not None
    assert one.stored.message.envelope == '{"from":"a@b.example"}'


async def test_the_address_for_all_reports_gets_one_in_addition(store: Store) -> None:
    await sent(store, asking(1, BOTH | Receipts.REPORT), asking(2, Receipts.REPORT))
    await store.note_statuses([delivered(1), delivered(2)])
    assert [one.notice.about for one in await owed(store)] == [1]
    assert [one.notice.about for one in await owed(store, MAIL)] == [1, 2]


async def test_a_queued_message_that_is_rejected_has_a_notice(store: Store) -> None:
    await store.accept(Acceptance((asking(1),)))
    await store.accept(Acceptance((asking(2),)))
    rejected = Change(1, State.REJECTED, failure="WRONG_PHONE", cause="INVALID_PHONE", notify=True)
    heard = Change(2, State.REJECTED, failure="WRONG_PHONE", cause="INVALID_PHONE")
    await store.finish(0, [rejected, heard])
    [one] = await owed(store)
    assert (one.notice.about, one.notice.state) == (1, State.REJECTED)
    assert one.stored is not None
    assert one.stored.failure == "WRONG_PHONE"


async def test_an_end_told_in_the_answer_has_no_notice(store: Store) -> None:
    aliases = (Alias(11, 1, BOTH), Alias(12, 1, BOTH))
    await store.accept(Acceptance((asking(1, Receipts.ALIASES),), aliases=aliases))
    rejected = Change(1, State.REJECTED, failure="WRONG_PHONE", notify=True, heard=12)
    await store.finish(0, [rejected])
    assert [one.notice.known_as for one in await owed(store)] == [11]


async def test_an_intermediate_receipt_is_owed_when_the_api_accepts_the_message(
    store: Store,
) -> None:
    wish = BOTH | Receipts.INTERMEDIATE
    await store.accept(Acceptance((asking(1, wish),)))
    await store.accept(Acceptance((asking(2),)))
    changes = [Change(id, State.SENT, f"up-{id}", notify=True) for id in (1, 2)]
    await store.finish(0, changes)
    assert [(n.about, n.state) for n, *_ in await owed(store)] == [(1, State.SENT)]


@pytest.mark.parametrize("to", [State.CANCELLED, State.EXPIRED])
async def test_a_waiting_client_is_told_of_cancellation_and_expiry(store: Store, to: State) -> None:
    await store.accept(Acceptance((asking(1, expires_at=NOW),), claimed=False))
    assert await store.move([1], to) == [1]
    assert [one.notice.state for one in await owed(store)] == [to]


async def test_a_claimed_notice_is_not_claimed_again(store: Store) -> None:
    await sent(store, asking(1))
    await store.note_statuses([delivered(1)])
    assert len(await owed(store)) == 1
    assert await owed(store) == []


async def test_a_notice_that_was_taken_has_ended(store: Store, clock: Clock) -> None:
    await sent(store, asking(1))
    await store.note_statuses([delivered(1)])
    [one] = await owed(store)
    clock.now = NOW + 7
    await store.told([Told(one.notice.id, True, "taken by 10.0.0.1:2345")])
    assert await owed(store) == []
    story = await store.story(1)
    assert story is not None
    [notice] = story.notices
    assert (notice.ended_at, notice.tries) == (NOW + 7, 1)
    assert notice.outcome == "taken by 10.0.0.1:2345"


async def test_a_notice_not_taken_is_retried_when_due(store: Store) -> None:
    await sent(store, asking(1))
    await store.note_statuses([delivered(1)])
    [one] = await owed(store)
    await store.told([Told(one.notice.id, False, "ESME_RX_T_APPN", NOW + 120)])
    assert await owed(store, now=NOW + 119) == []
    [again] = await owed(store, now=NOW + 120)
    assert (again.notice.tries, again.notice.outcome) == (1, "ESME_RX_T_APPN")


async def test_claimed_notices_that_were_not_told_go_back_unchanged(store: Store) -> None:
    await sent(store, asking(1))
    await store.note_statuses([delivered(1)])
    [one] = await owed(store)
    notice = one.notice
    await store.told([Told(notice.id, False, notice.outcome, notice.due_at, tried=False)])
    assert [again.notice for again in await owed(store)] == [notice]


async def test_the_second_notice_of_a_message_waits_for_the_first(store: Store) -> None:
    wish = BOTH | Receipts.INTERMEDIATE
    await store.accept(Acceptance((asking(1, wish),)))
    await store.finish(0, [Change(1, State.SENT, "up-1", notify=True)])
    await store.note_statuses([delivered(1)])
    [first] = await owed(store)
    assert first.notice.state is State.SENT
    assert await owed(store) == []
    await store.told([Told(first.notice.id, False, "silence", NOW + 100)])
    assert await owed(store, now=NOW + 99) == []
    [first] = await owed(store, now=NOW + 100)
    assert first.notice.state is State.SENT
    await store.told([Told(first.notice.id, True, "taken")])
    [second] = await owed(store)
    assert second.notice.state is State.DELIVERED


async def test_a_final_state_does_not_wait_for_a_delay_that_is_not_due(store: Store) -> None:
    mail = asking(1, protocol=Protocol.SMTP)
    delay = Notice(MAIL, "crm", Kind.DELAY, 1, 1, NOW, NOW + 3600)
    await store.accept(Acceptance((mail,), notices=(delay,)))
    await store.finish(0, [Change(1, State.SENT, "up-1")])
    await store.note_statuses([delivered(1)])
    assert [one.notice.kind for one in await owed(store, MAIL)] == [Kind.STATE]
    assert [one.notice.kind for one in await owed(store, MAIL, NOW + 3600)] == [Kind.DELAY]


async def test_notices_outlive_the_daemon(engine: Engine) -> None:
    store = await engine.open()
    await sent(store, asking(1), asking(2))
    await store.note_statuses([delivered(1), delivered(2)])
    first, _ = await owed(store)
    await store.told([Told(first.notice.id, True, "taken")])
    await store.close()
    store = await engine.open()
    # A claimed notice that was not told is claimed again.
    assert [one.notice.about for one in await owed(store, now=NOW + 120)] == [2]


async def test_old_notices_that_nobody_took_expire(store: Store, clock: Clock) -> None:
    await sent(store, asking(1), asking(2))
    await store.note_statuses([delivered(1, NOW + 5), delivered(2, NOW + 50)])
    clock.now = NOW + 60
    assert await store.expire_notices(NOW, NOW + 10, 100) == 1
    assert [one.notice.about for one in await owed(store)] == [2]
    story = await store.story(1)
    assert story is not None
    [notice] = story.notices
    assert (notice.ended_at, notice.outcome) == (NOW + 60, "nobody took it")


async def test_a_notice_about_no_message_can_be_owed(store: Store) -> None:
    notice = Notice(MAIL, "crm", Kind.REFUSED, 0, 7, NOW, NOW, content='{"to":"a@b.example"}')
    await store.owe([notice])
    [one] = await owed(store, MAIL)
    assert one.notice == notice._replace(id=one.notice.id)
    assert (one.stored, one.incoming) == (None, None)


async def test_the_signal_names_the_queues_with_new_notices(store: Store) -> None:
    heard: set[str] = set()
    told = asyncio.Event()

    def hear(queues: Set[str] | None) -> None:
        heard.update(queues or ())
        told.set()

    store.signals.owed.listen(hear)
    await sent(store, asking(1), asking(2, protocol=Protocol.SMTP))
    await store.note_statuses([delivered(1), delivered(2)])
    async with asyncio.timeout(30):
        await told.wait()
    assert heard == {CRM, MAIL}


async def test_a_message_from_a_phone_goes_to_its_queues(store: Store) -> None:
    assert list(await store.take_incoming([(incoming(50), [CRM, MAIL])])) == [True]
    for queue in (CRM, MAIL):
        [one] = await owed(store, queue)
        assert one.notice.kind is Kind.INCOMING
        assert one.incoming == incoming(50)
        assert one.stored is None


async def test_a_repeated_message_from_a_phone_is_recognised_by_its_uid(store: Store) -> None:
    pairs = [(incoming(50), [CRM]), (incoming(51), [CRM]), (incoming(52, "uid-2"), [CRM])]
    assert list(await store.take_incoming(pairs)) == [True, False, True]
    assert list(await store.take_incoming([(incoming(53), [CRM])])) == [False]
    assert [one.notice.about for one in await owed(store)] == [50, 52]


async def test_ids_go_on_behind_those_of_messages_from_phones(engine: Engine) -> None:
    store = await engine.open()
    await store.take_incoming([(incoming(5_000_000), [CRM])])
    await store.close()
    assert (await engine.open()).last_id >= 5_000_000


async def test_a_final_state_does_not_wait_for_the_delay_of_a_submission(store: Store) -> None:
    mail = asking(1, protocol=Protocol.SMTP)
    later = Notice(MAIL, "crm", Kind.DELAY, 1, 0, NOW + 3600, NOW + 3600)
    await store.accept(Acceptance((mail,), notices=(later,)))
    await store.begin(900, [mail])
    await store.finish(900, [Change(1, State.REJECTED, notify=True)])
    [one] = await owed(store, MAIL)
    assert one.notice.kind is Kind.STATE


async def test_only_due_notices_expire_and_with_the_error_of_the_last_try(
    store: Store, clock: Clock
) -> None:
    await sent(store, asking(1), asking(2))
    await store.note_statuses([delivered(1), delivered(2)])
    first, second = await owed(store)
    await store.told([Told(first.notice.id, False, "ESME_RX_T_APPN", NOW + 60)])
    await store.told([Told(second.notice.id, False, "ESME_RX_T_APPN", NOW + 61)])
    clock.now = NOW + 60
    assert await store.expire_notices(NOW + 60, NOW + 60, 100) == 1
    story = await store.story(1)
    assert story is not None
    assert [one.outcome for one in story.notices] == ["given up: ESME_RX_T_APPN"]
    assert [one.notice.about for one in await owed(store, now=NOW + 61)] == [2]
