"""What every engine promises of what comes back: statuses, notices, messages from phones."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence, Set
from typing import Any

import orjson
import pytest

from bridge.model.ids import first_id
from bridge.model.message import Message, Protocol, Receipts, State
from bridge.model.notice import MAIL, Incoming, Kind, Notice, Owed, Told, receivers_of
from bridge.store import Acceptance, Alias, Change, Event, Fingerprint, Lane, Noted, Status, Store
from tests.samples import NOW, message
from tests.store.conftest import Clock, Engine

BOTH = Receipts.SUCCESS | Receipts.FAILURE
CRM = receivers_of("crm")


def asking(id: int, receipts: Receipts = BOTH, **others: Any) -> Message:
    values: dict[str, Any] = {"protocol": Protocol.SMPP, "receipts": receipts} | others
    return message(id, **values)


async def sent(store: Store, *messages: Message, aliases: Sequence[Alias] = ()) -> None:
    """Accepted and taken by the API as ``up-<id>``."""
    for one in messages:
        mine = tuple(alias for alias in aliases if alias.message_id == one.id)
        await store.accept(Acceptance((one,), aliases=mine))
    await store.begin(900, messages)
    changes = [Change(m.id, State.SENT, f"up-{m.id}", poll_at=NOW + 30) for m in messages]
    await store.finish(900, changes)


def delivered(id: int, at: int = NOW + 5, **others: object) -> Status:
    return Status(f"up-{id}", "delivered", State.DELIVERED, at, **others)  # type: ignore[arg-type]


async def owed(store: Store, queue: str = CRM, now: int = NOW + 60) -> list[Owed]:
    return list(await store.claim_notices(queue, now, 100))


# --- statuses ------------------------------------------------------------------------------------


async def test_a_final_word_ends_a_message_that_was_sent(store: Store) -> None:
    await sent(store, asking(1))
    noted = await store.note_statuses([delivered(1, cost="0.35", counted_parts=2)])
    assert list(noted) == [Noted.CHANGED]
    stored = await store.message(1)
    assert stored is not None
    assert (stored.state, stored.changed_at, stored.sent_at) == (State.DELIVERED, NOW + 5, NOW)
    assert (stored.status, stored.status_at) == ("delivered", NOW + 5)
    assert (stored.cost, stored.counted_parts, stored.err) == ("0.35", 2, 0)


async def test_a_word_on_the_way_is_kept_and_changes_no_state(store: Store) -> None:
    await sent(store, asking(1))
    processing = Status("up-1", "processing", None, NOW + 1)
    assert list(await store.note_statuses([processing])) == [Noted.KEPT]
    assert list(await store.note_statuses([processing])) == [Noted.REPEATED]
    stored = await store.message(1)
    assert stored is not None
    assert (stored.state, stored.status, stored.changed_at) == (State.SENT, "processing", NOW)
    assert await owed(store) == []


async def test_the_first_final_word_counts(store: Store) -> None:
    await sent(store, asking(1))
    words = [
        delivered(1),
        Status("up-1", "undeliverable", State.UNDELIVERABLE, NOW + 6, err=6),
        delivered(1, NOW + 7),
        Status("up-1", "processing", None, NOW + 8),
    ]
    expected = [Noted.CHANGED, Noted.LATE, Noted.REPEATED, Noted.REPEATED]
    assert list(await store.note_statuses(words)) == expected
    stored = await store.message(1)
    assert stored is not None
    assert (stored.state, stored.status, stored.err) == (State.DELIVERED, "delivered", 0)
    story = await store.story(1)
    assert story is not None
    assert Event(NOW + 6, "status", "undeliverable") in story.events
    assert len(await owed(store)) == 1


async def test_what_the_end_did_not_say_a_later_word_may_add(store: Store) -> None:
    await sent(store, asking(1))
    await store.note_statuses([delivered(1)])
    assert list(await store.note_statuses([delivered(1, NOW + 9, cost="1.05")])) == [Noted.KEPT]
    stored = await store.message(1)
    assert stored is not None
    assert (stored.cost, stored.changed_at, stored.state) == ("1.05", NOW + 5, State.DELIVERED)


async def test_a_status_that_overtakes_the_answer_is_kept_and_matched(store: Store) -> None:
    assert list(await store.note_statuses([delivered(1), delivered(2)])) == [Noted.EARLY] * 2
    await sent(store, asking(1))
    assert await store.match_early(NOW + 6, NOW - 300) == 0
    stored = await store.message(1)
    assert stored is not None
    assert stored.state is State.DELIVERED
    assert [one.notice.known_as for one in await owed(store)] == [1]
    # The other never gets its message, and is forgotten after a while.
    assert await store.match_early(NOW + 400, NOW + 100) == 1
    await sent(store, asking(2))
    assert await store.match_early(NOW + 400, NOW + 100) == 0
    stored = await store.message(2)
    assert stored is not None
    assert stored.state is State.SENT


async def test_an_end_without_a_word_says_so(store: Store) -> None:
    await sent(store, asking(1))
    await store.note_statuses([Status("up-1", "", State.UNDELIVERABLE, NOW + 9, err=245)])
    stored = await store.message(1)
    assert stored is not None
    assert (stored.state, stored.err) == (State.UNDELIVERABLE, 245)
    assert stored.cause == "no status was received"


async def test_many_statuses_at_once_are_all_kept(store: Store) -> None:
    await sent(store, *(asking(id) for id in range(1, 401)))
    futures = [store.note_statuses([delivered(id)]) for id in range(1, 401)]
    assert all(noted == [Noted.CHANGED] for noted in map(list, await asyncio.gather(*futures)))
    notices = await store.claim_notices(CRM, NOW + 60, 1000)
    assert [one.notice.about for one in notices] == list(range(1, 401))


# --- polling -------------------------------------------------------------------------------------


async def test_who_waits_for_a_notice_is_asked_for_first(store: Store) -> None:
    await sent(store, *(asking(id, Receipts.NONE) for id in (1, 2)), asking(3))
    assert await store.to_poll(NOW + 29, 10) == []
    polled = await store.to_poll(NOW + 30, 2)
    assert [one.message.id for one in polled] == [3, 1]
    assert polled[0].upstream_id == "up-3"
    assert [one.message.id for one in await store.to_poll(NOW + 30, 2)] == [2]


async def test_questions_come_at_doubling_intervals_up_to_ten_minutes(store: Store) -> None:
    await sent(store, asking(1))
    asked: list[int] = []
    for now in range(NOW, NOW + 2400, 10):
        asked += [now - NOW for _ in await store.to_poll(now, 10)]
    assert asked == [30, 60, 120, 240, 480, 960, 1560, 2160]


async def test_who_came_to_an_end_is_asked_for_no_more(store: Store) -> None:
    await sent(store, asking(1))
    await store.note_statuses([delivered(1)])
    assert await store.to_poll(NOW + 90, 10) == []


# --- which notices follow ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("receipts", "state", "told"),
    [
        (Receipts.NONE, State.DELIVERED, False),
        (Receipts.SUCCESS, State.DELIVERED, True),
        (Receipts.SUCCESS, State.UNDELIVERABLE, False),
        (Receipts.FAILURE, State.DELIVERED, False),
        (Receipts.FAILURE, State.UNDELIVERABLE, True),
        (Receipts.FAILURE, State.EXPIRED, True),
        (BOTH, State.EXPIRED, True),
        (Receipts.INTERMEDIATE, State.DELIVERED, False),
    ],
)
async def test_only_who_asked_is_told(
    store: Store, receipts: Receipts, state: State, told: bool
) -> None:
    await sent(store, asking(1, receipts))
    await store.note_statuses([Status("up-1", "word", state, NOW + 5)])
    expected = [(CRM, 1, state)] if told else []
    found = [(one.notice.queue, one.notice.known_as, one.notice.state) for one in await owed(store)]
    assert found == expected


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


async def test_parts_are_told_under_their_own_ids(store: Store) -> None:
    aliases = [Alias(11, 1, BOTH), Alias(12, 1, 0), Alias(13, 1, Receipts.FAILURE)]
    await sent(store, asking(1, Receipts.ALIASES), aliases=aliases)
    await store.note_statuses([delivered(1)])
    assert [(n.about, n.known_as) for n, *_ in await owed(store)] == [(1, 11)]


async def test_of_several_the_client_knows_the_submission(store: Store) -> None:
    messages = tuple(asking(id, submission_id=1) for id in (2, 3))
    await store.accept(Acceptance(messages))
    await store.finish(0, [Change(m.id, State.SENT, f"up-{m.id}") for m in messages])
    await store.note_statuses([delivered(2), delivered(3)])
    assert [(n.about, n.known_as) for n, *_ in await owed(store)] == [(2, 1), (3, 1)]


async def test_a_mail_is_told_by_mail(store: Store) -> None:
    await sent(store, asking(1, protocol=Protocol.SMTP, envelope='{"from":"a@b.example"}'))
    await store.note_statuses([delivered(1)])
    assert await owed(store) == []
    [one] = await owed(store, MAIL)
    assert one.stored is not None
    assert one.stored.message.envelope == '{"from":"a@b.example"}'


async def test_an_address_for_all_ends_is_told_besides(store: Store) -> None:
    await sent(store, asking(1, BOTH | Receipts.REPORT), asking(2, Receipts.REPORT))
    await store.note_statuses([delivered(1), delivered(2)])
    assert [one.notice.about for one in await owed(store)] == [1]
    assert [one.notice.about for one in await owed(store, MAIL)] == [1, 2]


async def test_the_end_of_what_was_queued_is_told(store: Store) -> None:
    await store.accept(Acceptance((asking(1),)))
    await store.accept(Acceptance((asking(2),)))
    rejected = Change(1, State.REJECTED, failure="WRONG_PHONE", cause="INVALID_PHONE", notify=True)
    heard = Change(2, State.REJECTED, failure="WRONG_PHONE", cause="INVALID_PHONE")
    await store.finish(0, [rejected, heard])
    [one] = await owed(store)
    assert (one.notice.about, one.notice.state) == (1, State.REJECTED)
    assert one.stored is not None
    assert one.stored.failure == "WRONG_PHONE"


async def test_who_hears_of_an_end_in_an_answer_gets_no_notice_of_it(store: Store) -> None:
    aliases = (Alias(11, 1, BOTH), Alias(12, 1, BOTH))
    await store.accept(Acceptance((asking(1, Receipts.ALIASES),), aliases=aliases))
    rejected = Change(1, State.REJECTED, failure="WRONG_PHONE", notify=True, heard=12)
    await store.finish(0, [rejected])
    assert [one.notice.known_as for one in await owed(store)] == [11]


async def test_that_the_api_took_it_is_told_who_asked_for_it(store: Store) -> None:
    wish = BOTH | Receipts.INTERMEDIATE
    await store.accept(Acceptance((asking(1, wish),)))
    await store.accept(Acceptance((asking(2),)))
    changes = [Change(id, State.SENT, f"up-{id}", notify=True) for id in (1, 2)]
    await store.finish(0, changes)
    assert [(n.about, n.state) for n, *_ in await owed(store)] == [(1, State.SENT)]


@pytest.mark.parametrize("to", [State.CANCELLED, State.EXPIRED])
async def test_who_is_cancelled_or_expires_while_waiting_is_told(store: Store, to: State) -> None:
    await store.accept(Acceptance((asking(1),), claimed=False))
    assert await store.move([1], to) == [1]
    assert [one.notice.state for one in await owed(store)] == [to]


# --- claimed, told, given up ---------------------------------------------------------------------


async def test_a_claimed_notice_is_nobody_elses(store: Store) -> None:
    await sent(store, asking(1))
    await store.note_statuses([delivered(1)])
    assert len(await owed(store)) == 1
    assert await owed(store) == []


async def test_what_was_taken_is_over(store: Store, clock: Clock) -> None:
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


async def test_what_was_not_taken_comes_again_when_it_is_due(store: Store) -> None:
    await sent(store, asking(1))
    await store.note_statuses([delivered(1)])
    [one] = await owed(store)
    await store.told([Told(one.notice.id, False, "ESME_RX_T_APPN", NOW + 120)])
    assert await owed(store, now=NOW + 119) == []
    [again] = await owed(store, now=NOW + 120)
    assert (again.notice.tries, again.notice.outcome) == (1, "ESME_RX_T_APPN")


async def test_what_was_claimed_and_not_told_goes_back_as_it_was(store: Store) -> None:
    await sent(store, asking(1))
    await store.note_statuses([delivered(1)])
    [one] = await owed(store)
    notice = one.notice
    await store.told([Told(notice.id, False, notice.outcome, notice.due_at, tried=False)])
    assert [again.notice for again in await owed(store)] == [notice]


async def test_of_one_message_the_second_waits_for_the_first(store: Store) -> None:
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


async def test_an_end_waits_for_no_delay_that_has_not_come(store: Store) -> None:
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
    # The one that was claimed and never told comes again.
    assert [one.notice.about for one in await owed(store, now=NOW + 120)] == [2]


async def test_nobody_is_waited_for_for_ever(store: Store, clock: Clock) -> None:
    await sent(store, asking(1), asking(2))
    await store.note_statuses([delivered(1, NOW + 5), delivered(2, NOW + 50)])
    clock.now = NOW + 60
    assert await store.expire_notices(NOW + 10, 100) == 1
    assert [one.notice.about for one in await owed(store)] == [2]
    story = await store.story(1)
    assert story is not None
    [notice] = story.notices
    assert (notice.ended_at, notice.outcome) == (NOW + 60, "nobody took it")


async def test_what_follows_from_nothing_stored_can_be_owed(store: Store) -> None:
    notice = Notice(MAIL, "crm", Kind.REFUSED, 0, 7, NOW, NOW, content='{"to":"a@b.example"}')
    await store.owe([notice])
    [one] = await owed(store, MAIL)
    assert one.notice == notice._replace(id=one.notice.id)
    assert (one.stored, one.incoming) == (None, None)


async def test_whoever_listens_hears_where_notices_were_put(store: Store) -> None:
    heard: set[str] = set()
    told = asyncio.Event()

    def hear(queues: Set[str] | None) -> None:
        heard.update(queues or ())
        told.set()

    store.on_owed = hear
    await sent(store, asking(1), asking(2, protocol=Protocol.SMTP))
    await store.note_statuses([delivered(1), delivered(2)])
    async with asyncio.timeout(5):
        await told.wait()
    assert heard == {CRM, MAIL}


# --- messages from phones ------------------------------------------------------------------------


def incoming(id: int, uid: str = "uid-1", text: str = "Так, дякую") -> Incoming:
    return Incoming(id, uid, "crm", "+380501234567", "Shop", text, NOW - 1, NOW)


async def test_a_message_from_a_phone_goes_to_its_queues(store: Store) -> None:
    assert list(await store.take_incoming([(incoming(50), [CRM, MAIL])])) == [True]
    for queue in (CRM, MAIL):
        [one] = await owed(store, queue)
        assert one.notice.kind is Kind.INCOMING
        assert one.incoming == incoming(50)
        assert one.stored is None


async def test_a_message_from_a_phone_is_taken_once(store: Store) -> None:
    pairs = [(incoming(50), [CRM]), (incoming(51), [CRM]), (incoming(52, "uid-2"), [CRM])]
    assert list(await store.take_incoming(pairs)) == [True, False, True]
    assert list(await store.take_incoming([(incoming(53), [CRM])])) == [False]
    assert [one.notice.about for one in await owed(store)] == [50, 52]


async def test_a_message_from_a_phone_is_found_with_who_took_it(store: Store) -> None:
    await store.take_incoming([(incoming(50), [CRM]), (incoming(51, "uid-2", "\0"), [CRM, MAIL])])
    [one, _] = await owed(store)
    await store.told([Told(one.notice.id, True, "taken by 10.0.0.1:2345")])
    found = await store.from_phones("+380501234567", 10)
    assert [answer.incoming for answer in found] == [incoming(51, "uid-2", "\0"), incoming(50)]
    assert [len(answer.notices) for answer in found] == [2, 1]
    assert found[1].notices[0].outcome == "taken by 10.0.0.1:2345"
    assert [answer.incoming.id for answer in await store.from_phones("50", 10)] == [50]
    assert [answer.incoming.id for answer in await store.from_phones("uid-2", 10)] == [51]
    assert await store.from_phones("+380501234567", 10, NOW + 400 * 86400) == []


async def test_ids_go_on_behind_those_of_messages_from_phones(engine: Engine) -> None:
    store = await engine.open()
    await store.take_incoming([(incoming(5_000_000), [CRM])])
    await store.close()
    assert (await engine.open()).last_id >= 5_000_000


# --- the story of a message ----------------------------------------------------------------------


async def test_a_story_has_every_try_in_order(store: Store, clock: Clock) -> None:
    await store.accept(Acceptance((asking(1),), aliases=(Alias(9, 1, BOTH),)))
    await store.begin(900, [asking(1)])
    under_way = await store.story(1)
    assert under_way is not None
    assert under_way.attempt_at == NOW
    again = Change(1, State.ACCEPTED, due_at=NOW, attempts=1, cause="HTTP 503")
    await store.finish(900, [again])
    # Any node may send it now; this one does.
    await store.waiting(Lane("crm", 4, "async"), NOW, 10)
    clock.now = NOW + 2
    await store.finish(0, [Change(1, State.SENT, "up-1")])
    story = await store.story(9)
    assert story is not None
    assert story.aliases == (Alias(9, 1, BOTH),)
    assert story.events == (Event(NOW, "accepted", "HTTP 503"),)
    assert (story.stored.sent_at, story.stored.upstream_id) == (NOW + 2, "up-1")
    assert story.attempt_at == 0
    assert await store.story(77) is None


async def test_who_moved_a_message_is_in_its_story(store: Store) -> None:
    await store.accept(Acceptance((asking(1),), claimed=False))
    await store.move([1], State.HELD)
    await store.move([1], State.ACCEPTED)
    await store.replace(asking(1, text="other"))
    story = await store.story(1)
    assert story is not None
    assert [event.what for event in story.events] == ["held", "accepted", "replaced"]


async def test_messages_are_found_by_phone_reference_and_upstream_id(store: Store) -> None:
    await sent(store, *(asking(id, reference=f"order-{id}") for id in (1, 2, 3)))
    phone = asking(1).phone
    assert [one.message.id for one in await store.find(phone, 2)] == [3, 2]
    assert [one.message.id for one in await store.find("order-2", 10)] == [2]
    assert [one.message.id for one in await store.find("up-1", 10)] == [1]
    assert await store.find("", 10) == []


async def test_it_is_known_since_when_receivers_are_bound(store: Store, clock: Clock) -> None:
    assert await store.receivers("crm") == []
    await store.note_receivers("crm", True)
    clock.now = NOW + 60
    await store.note_receivers("crm", False)
    [found] = await store.receivers("crm")
    assert (found.bound, found.since) == (False, NOW + 60)


async def test_a_store_can_be_read_beside_the_daemon(engine: Engine) -> None:
    store = await engine.open()
    await sent(store, asking(1))
    reading = await engine.open_reading()
    stored = await reading.message(1)
    assert stored is not None
    assert stored.state is State.SENT


# --- what is forgotten ---------------------------------------------------------------------------


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


# --- mails ---------------------------------------------------------------------------------------


async def test_notices_come_with_the_messages_that_they_are_about(store: Store) -> None:
    later = Notice(MAIL, "crm", Kind.DELAY, 1, 0, NOW + 100, NOW + 100)
    again = later._replace(about=2)
    mark = Fingerprint(b"mail", 1, NOW + 3600)
    await store.accept(Acceptance((asking(1),), (mark,), notices=(later,)))
    # The same mail again, and no second notice.
    repeated = mark._replace(message_id=2)
    assert await store.accept(Acceptance((asking(2),), (repeated,), notices=(again,))) == {
        b"mail": 1
    }
    assert await owed(store, MAIL, NOW + 99) == []
    [one] = await owed(store, MAIL, NOW + 100)
    assert one.notice._replace(id=0) == later
    assert one.stored is not None
    assert one.stored.message.id == 1


async def test_a_delay_does_not_keep_the_end_from_being_told(store: Store) -> None:
    mail = asking(1, protocol=Protocol.SMTP)
    later = Notice(MAIL, "crm", Kind.DELAY, 1, 0, NOW + 3600, NOW + 3600)
    await store.accept(Acceptance((mail,), notices=(later,)))
    await store.begin(900, [mail])
    await store.finish(900, [Change(1, State.REJECTED, notify=True)])
    [one] = await owed(store, MAIL)
    assert one.notice.kind is Kind.STATE


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
