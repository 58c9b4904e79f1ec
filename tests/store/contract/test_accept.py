"""Submissions: stored as a whole, repeats recognised, found by every id."""

from __future__ import annotations

import asyncio

from bridge.model.message import MessageType, Protocol, Receipts, Route, State
from bridge.model.notice import MAIL, Kind, Notice
from bridge.store import (
    Acceptance,
    Alias,
    Fingerprint,
    Lane,
    Store,
    Superseded,
)
from bridge.store.directory.staging import (
    SEND_OUT,
    StagedPhone,
    begin_import,
    stage_phones,
    staged_phones,
)
from bridge.store.types import StagedLines
from tests.samples import NOW, message
from tests.store.conftest import Clock
from tests.store.samples import (
    LANE,
    asking,
    owed,
)


async def test_an_accepted_message_comes_back_whole(store: Store) -> None:
    original = message(
        7,
        protocol=Protocol.SMTP,
        peer="10.1.2.3",
        message_type=MessageType.VIBER_SURVEY,
        text="Привіт 👋\n\0",
        options=("Так", "Ні"),
        fallback="fallback",
        route=Route.TG_VIBER,
        level=3,
        parts=2,
        scheduled_at=NOW + 60,
        receipts=Receipts.SUCCESS | Receipts.INTERMEDIATE,
        reference="order-1",
        attempts=2,
        unknown=1,
    )
    await store.accept(Acceptance((original,)))
    stored = await store.message(7)
    assert stored is not None
    assert stored.message == original
    assert stored.state is State.ACCEPTED
    assert await store.waiting(Lane("crm", 3, "tg-viber"), NOW, 10) == [original]


async def test_a_submission_leads_to_its_messages(store: Store) -> None:
    await store.accept(Acceptance(tuple(message(id, submission_id=1) for id in (2, 3, 4))))
    await store.accept(Acceptance((message(5),)))
    assert [one.message.id for one in await store.submission(1)] == [2, 3, 4]
    assert [one.message.id for one in await store.submission(5)] == [5]
    assert await store.submission(2) == []
    assert await store.message(1) is None


async def test_simultaneous_submissions_are_stored_in_order(store: Store) -> None:
    futures = [store.accept(Acceptance((message(id),))) for id in range(1, 1001)]
    await asyncio.gather(*futures)
    waiting = await store.waiting(LANE, NOW, 2000)
    assert [one.id for one in waiting] == list(range(1, 1001))
    assert await store.backlog() == 1000


async def test_a_known_fingerprint_is_not_stored_again(store: Store, clock: Clock) -> None:
    def again(id: int, key: bytes) -> asyncio.Future[object]:
        prints = (Fingerprint(key, id, NOW + 3600),)
        return store.accept(Acceptance((message(id),), prints))  # type: ignore[return-value]

    # in one group, and over groups
    first, second = again(1, b"one"), again(2, b"one")
    assert await first == {}
    assert await second == {b"one": 1}
    assert await again(3, b"one") == {b"one": 1}
    assert await again(4, b"other") == {}
    assert [one.id for one in await store.waiting(LANE, NOW, 10)] == [1, 4]
    clock.now = NOW + 3600
    assert await again(5, b"one") == {}


async def test_only_the_repeated_messages_of_a_submission_are_left_out(store: Store) -> None:
    await store.accept(Acceptance((message(1),), (Fingerprint(b"one", 1, NOW + 60),)))
    both = tuple(message(id, submission_id=2) for id in (3, 4))
    prints = (Fingerprint(b"one", 3, NOW + 60), Fingerprint(b"two", 4, NOW + 60))
    assert await store.accept(Acceptance(both, prints)) == {b"one": 1}
    assert [one.message.id for one in await store.submission(2)] == [4]


async def test_fingerprints_are_forgotten_when_their_time_has_passed(
    store: Store, clock: Clock
) -> None:
    prints = (Fingerprint(b"%d" % id, id, NOW + (id > 2000)) for id in range(1, 2501))
    await asyncio.gather(
        *(store.accept(Acceptance((message(one.message_id),), (one,))) for one in prints)
    )
    await store.forget_fingerprints(NOW)
    clock.now = NOW - 1
    assert (
        await store.accept(Acceptance((message(9001),), (Fingerprint(b"1", 9001, NOW + 60),))) == {}
    )
    assert await store.accept(
        Acceptance((message(9002),), (Fingerprint(b"2400", 9002, NOW + 60),))
    ) == {b"2400": 2400}


async def test_a_short_id_that_is_given_again_leads_to_the_later_message(store: Store) -> None:
    await store.accept(Acceptance((message(1),), aliases=(Alias(64, 1), Alias(128, 1))))
    await store.accept(Acceptance((message(2),), aliases=(Alias(64, 2),)))
    found = [await store.message(id) for id in (64, 128, 1)]
    assert [one.message.id for one in found if one] == [2, 1, 1]


async def test_aliases_lead_to_the_message(store: Store) -> None:
    aliases = (Alias(70, 1, 3), Alias(71, 1))
    await store.accept(Acceptance((message(1),), aliases=aliases))
    for id in (1, 70, 71):
        stored = await store.message(id)
        assert stored is not None
        assert stored.message.id == 1


async def test_notices_come_with_the_messages_that_they_are_about(store: Store) -> None:
    later = Notice(MAIL, "crm", Kind.DELAY, 1, 0, NOW + 100, NOW + 100)
    again = later._replace(about=2)
    mark = Fingerprint(b"mail", 1, NOW + 3600)
    await store.accept(Acceptance((asking(1),), (mark,), notices=(later,)))
    # A repeat of the mail causes no second notice.
    repeated = mark._replace(message_id=2)
    assert await store.accept(Acceptance((asking(2),), (repeated,), notices=(again,))) == {
        b"mail": 1
    }
    assert await owed(store, MAIL, NOW + 99) == []
    [one] = await owed(store, MAIL, NOW + 100)
    assert one.notice._replace(id=0) == later
    assert one.stored is not None
    assert one.stored.message.id == 1


async def test_superseded_messages_are_cancelled_with_the_acceptance_and_notified(
    store: Store,
) -> None:
    await store.accept(Acceptance((asking(1), asking(2, unknown=1), asking(3), message(4))))
    await store.begin(900, [asking(3)])
    await store.move([4], State.HELD)
    earlier = tuple(Superseded(id, by=5) for id in (1, 2, 3, 4, 99))
    await store.accept(Acceptance((message(5),), superseded=earlier))
    states = {one.message.id: one.state for one in await store.messages([1, 2, 3, 4, 5])}
    # Messages in an attempt, or with an unknown outcome, stay.
    assert states == {
        1: State.CANCELLED,
        2: State.ACCEPTED,
        3: State.ACCEPTED,
        4: State.CANCELLED,
        5: State.ACCEPTED,
    }
    assert [(one.notice.about, one.notice.state) for one in await owed(store)] == [
        (1, State.CANCELLED)
    ]


async def test_a_repeated_message_supersedes_nothing(store: Store) -> None:
    def prints(id: int) -> tuple[Fingerprint, ...]:
        return (Fingerprint(b"one", id, NOW + 3600),)

    await store.accept(Acceptance((message(1),), prints(1)))
    again = Acceptance((message(2),), prints(2), superseded=(Superseded(1, by=2),))
    assert await store.accept(again) == {b"one": 1}
    [waits] = await store.messages([1])
    assert waits.state is State.ACCEPTED


async def test_a_message_may_come_instead_of_one_that_will_not_arrive(store: Store) -> None:
    async def accept(id: int, instead_of: int = 0) -> object:
        mark = Fingerprint(b"key", id, NOW + 60, instead_of)
        return await store.accept(Acceptance((message(id),), (mark,)))

    assert await accept(1) == {}
    assert await accept(2, instead_of=9) == {b"key": 1}
    assert await accept(3, instead_of=1) == {}
    # From now on it is the message that others repeat.
    assert await accept(4, instead_of=1) == {b"key": 3}


async def test_staged_lines_go_with_the_messages_that_were_made_from_them(store: Store) -> None:
    file = await store.change(begin_import, "crm", SEND_OUT, NOW)
    phones = [StagedPhone(line, f"+38050123456{line}", 10 + line) for line in (1, 2, 3, 4)]
    await store.change(stage_phones, file.id, phones, NOW)
    messages = tuple(message(10 + line, submission_id=10) for line in (2, 3))
    await store.accept(Acceptance(messages, staged=StagedLines(file.id, after=1, last=3)))
    assert await store.look_up(staged_phones, file.id, 9) == [phones[0], phones[3]]
    assert [one.message.id for one in await store.submission(10)] == [12, 13]
