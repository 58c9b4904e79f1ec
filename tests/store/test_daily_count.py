"""The daily limit of an account: counted with the messages, exact whoever else accepts."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from bridge.model.failure import Failure, Reason
from bridge.model.ids import first_id
from bridge.model.message import State
from bridge.store import Acceptance, Fingerprint, OverDailyLimit, Store, Superseded
from bridge.store.daily_count import (
    accepted_today,
    all_accepted_today,
    daily_counts,
    keep_daily_counts,
)
from bridge.store.directory.staging import SEND_OUT, SendOut, begin_import, commit_send_out
from tests.samples import NOW, message
from tests.store.conftest import Clock, Engine

DAY = 86400
FIRST = first_id(NOW)


def limited(*ids: int, limit: int = 3, account: str = "crm", day: int = 0) -> Acceptance:
    """An acceptance of messages with these ids, of one submission, on a later day."""
    at = NOW + day * DAY
    messages = tuple(
        message(
            first_id(at) + id, submission_id=first_id(at) + ids[0], account=account, accepted_at=at
        )
        for id in ids
    )
    return Acceptance(messages, daily_limit=limit)


def printed(acceptance: Acceptance, key: bytes) -> Acceptance:
    """With a fingerprint for its first message."""
    print = Fingerprint(key, acceptance.messages[0].id, NOW + 9 * DAY)
    return acceptance._replace(fingerprints=(print,))


async def used(store: Store, account: str = "crm", now: int = NOW) -> int:
    return await store.look_up(accepted_today, account, now)


async def test_one_account_over_its_limit_fails_no_other_submission(store: Store) -> None:
    submissions = [
        limited(1, 2),
        limited(3, account="other"),
        limited(4, 5),  # as a whole over the limit
        limited(6),
        limited(7),
        Acceptance((message(FIRST + 8, account="free"),)),
    ]
    answers = await asyncio.gather(*map(store.accept, submissions), return_exceptions=True)
    over = [isinstance(answer, OverDailyLimit) for answer in answers]
    assert over == [False, False, True, False, True, False]
    assert isinstance(answers[2], OverDailyLimit)
    failure = answers[2].failure
    assert (failure.reason, failure.detail) == (Reason.TOO_FAST, "over 3 messages a day")
    stored = await store.messages([FIRST + n for n in range(1, 9)])
    assert [one.message.id - FIRST for one in stored] == [1, 2, 3, 6, 8]
    assert (await used(store), await used(store, "other"), await used(store, "free")) == (3, 1, 1)
    assert await store.look_up(daily_counts, NOW) == {"crm": 3, "other": 1}
    assert await store.look_up(all_accepted_today, NOW) == {"crm": 3, "other": 1, "free": 1}


async def test_two_nodes_at_once_accept_no_more_than_the_limit(postgresql: Engine) -> None:
    nodes = [await postgresql.open() for _ in range(2)]
    answers = await asyncio.gather(
        *(nodes[n % 2].accept(limited(n, limit=37)) for n in range(200)), return_exceptions=True
    )
    assert sum(answer == {} for answer in answers) == 37
    assert sum(isinstance(answer, OverDailyLimit) for answer in answers) == 163
    assert await nodes[0].backlog() == 37


async def test_a_repeated_message_is_recognised_over_the_limit_and_not_counted(
    store: Store,
) -> None:
    one = limited(1, limit=1)
    assert await store.accept(printed(one, b"mail")) == {}
    again = printed(limited(2, limit=1), b"mail")
    for _ in range(2):
        assert await store.accept(again) == {b"mail": FIRST + 1}
    assert await used(store) == 1


async def test_a_refused_submission_leaves_no_fingerprint_and_cancels_nothing(
    store: Store, clock: Clock
) -> None:
    await store.accept(limited(1, limit=1))
    refused = printed(limited(2, 3, limit=1), b"mail")
    replacing = refused._replace(superseded=(Superseded(FIRST + 1, by=FIRST + 2),))
    # In the same group its repeat is no repeat of anything stored.
    answers = await asyncio.gather(
        store.accept(replacing),
        store.accept(printed(limited(4, limit=1), b"mail")),
        return_exceptions=True,
    )
    assert all(isinstance(answer, OverDailyLimit) for answer in answers)
    [kept] = await store.messages([FIRST + n for n in range(1, 5)])
    assert kept.state is State.ACCEPTED
    assert await store.submission(FIRST + 2) == []
    clock.now += DAY
    assert await store.accept(printed(limited(5, limit=1, day=1), b"mail")) == {}


async def test_a_repeat_of_a_message_that_is_refused_in_the_same_group_is_refused(
    store: Store,
) -> None:
    await store.accept(limited(1, limit=2))
    answers = await asyncio.gather(
        store.accept(printed(limited(2, 3, limit=2), b"mail")),
        store.accept(printed(limited(4, limit=2), b"mail")),
        return_exceptions=True,
    )
    assert all(isinstance(answer, OverDailyLimit) for answer in answers)
    assert await store.accept(printed(limited(5, limit=2), b"mail")) == {}


async def test_a_new_day_begins_anew(store: Store, clock: Clock) -> None:
    await store.accept(limited(1, 2, 3))
    with pytest.raises(OverDailyLimit):
        await store.accept(limited(4))
    clock.now += DAY
    assert await used(store, now=NOW + DAY) == 0
    await store.accept(limited(1, 2, 3, day=1))
    with pytest.raises(OverDailyLimit):
        await store.accept(limited(4, day=1))


async def test_a_clock_that_was_ahead_leaves_no_limit_behind(store: Store, clock: Clock) -> None:
    clock.now += 9 * DAY
    await store.accept(limited(1, 2, 3, day=9))
    clock.now -= 9 * DAY
    # Ids go on behind the last one; the messages are of today all the same.
    today = [message(first_id(NOW + 9 * DAY) + n, account="late") for n in (4, 5)]
    await store.accept(Acceptance(tuple(today)))
    await store.accept(limited(1, 2, 3))
    assert (await used(store), await used(store, "late")) == (3, 2)


async def test_a_new_limit_counts_the_messages_of_the_day_before_it(store: Store) -> None:
    yesterday = message(first_id(NOW - 1), accepted_at=NOW - 1)
    before = [message(FIRST + n) for n in (1, 2)]
    await store.accept(Acceptance((yesterday, *before)))
    await store.accept(Acceptance((message(FIRST + 9, account="other"),)))
    await store.change(keep_daily_counts, ["crm"], NOW)
    assert await store.look_up(daily_counts, NOW) == {"crm": 2}
    await store.accept(limited(3))
    with pytest.raises(OverDailyLimit):
        await store.accept(limited(4))


async def test_a_limit_that_was_lifted_for_a_while_counts_the_messages_of_that_time(
    store: Store,
) -> None:
    await store.accept(limited(1))
    await store.change(keep_daily_counts, [], NOW)
    await store.accept(Acceptance((message(FIRST + 2),)))
    await store.change(keep_daily_counts, ["crm"], NOW)
    assert await used(store) == 2


async def test_a_send_out_counts_as_a_whole(store: Store) -> None:
    async def commit(id: int, recipients: int) -> int:
        file = await store.change(begin_import, "crm", SEND_OUT, NOW)
        send_out = SendOut(id, "", NOW, recipients, recipients, 0)
        print = Fingerprint(b"mail", id, NOW + 60)
        return await store.change(
            commit_send_out, file.id, "crm", "{}", send_out, NOW, print, daily_limit=10
        )

    with pytest.raises(Failure) as caught:
        await commit(1, 11)
    assert caught.value.reason is Reason.TOO_FAST
    assert await commit(2, 8) == 2
    assert await commit(3, 8) == 2
    assert await used(store) == 8


async def test_counts_that_are_kept_already_are_not_written_again(
    sqlite: Engine, tmp_path: Path
) -> None:
    store = await sqlite.open()
    await store.change(keep_daily_counts, ["crm"], NOW)
    with contextlib.closing(sqlite3.connect(tmp_path / "bridge.db")) as other:
        version = other.execute("PRAGMA data_version").fetchone()
        await store.change(keep_daily_counts, ["crm"], NOW + DAY)
        assert other.execute("PRAGMA data_version").fetchone() == version
