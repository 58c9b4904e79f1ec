"""The meaning of the API's statuses, and their effect in a real store."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from bridge.cascade.status import ApiStatus
from bridge.feedback import status_updates as module
from bridge.feedback.status_updates import Statuses, meaning_of
from bridge.model.failure import Failure, Reason
from bridge.model.message import Protocol, Receipts, State
from bridge.model.notice import receivers_of
from bridge.store import StoreError, StoreFull
from bridge.store.sqlite.engine import SqliteStore
from tests.onway import sent, stored, upstream_id
from tests.samples import NOW, message
from tests.store.conftest import Clock

BOTH = Receipts.SUCCESS | Receipts.FAILURE


@pytest.fixture
def statuses(store: SqliteStore, clock: Clock) -> Statuses:
    return Statuses(store, clock=clock)


def document(id: int, word: str, **more: Any) -> dict[str, Any]:
    return {"messageId": upstream_id(id), "deliverystatus": word} | more


def body(*documents: object) -> bytes:
    return orjson.dumps(documents[0] if len(documents) == 1 else documents)


@pytest.mark.parametrize(
    ("word", "state", "err"),
    [
        ("delivered", State.DELIVERED, 0),
        ("DELIVERED", State.DELIVERED, 0),
        (" Read ", State.DELIVERED, 0),
        ("undeliverable", State.UNDELIVERABLE, 6),
        ("Expired", State.EXPIRED, 6),
        ("permanenterror", State.UNDELIVERABLE, 255),
        ("Permanent_Error", State.UNDELIVERABLE, 255),
        ("Failed", State.UNDELIVERABLE, 255),
    ],
)
async def test_a_final_status_ends_the_message(
    store: SqliteStore, statuses: Statuses, word: str, state: State, err: int
) -> None:
    await sent(store, message(1))
    assert await statuses.take(body(document(1, word))) == 0
    one = await stored(store, 1)
    assert (one.state, one.err, one.status) == (state, err, word)
    assert one.status_at == one.changed_at == NOW


@pytest.mark.parametrize(
    "word", ["scheduled", "Processing", "sent", "SENT", "rejoiced", "доставлено"]
)
async def test_other_statuses_are_kept_and_end_nothing(
    store: SqliteStore, statuses: Statuses, word: str
) -> None:
    await sent(store, message(1))
    await statuses.take(body(document(1, word, cost="0.5", partscount=2)))
    one = await stored(store, 1)
    assert meaning_of(word) is None
    assert (one.state, one.status, one.cost, one.counted_parts) == (State.SENT, word, "0.5", 2)


async def test_an_unknown_status_is_logged_once(store: SqliteStore, statuses: Statuses) -> None:
    await sent(store, message(1), message(2))
    with capture_logs() as logs:
        await statuses.take(body(document(1, "Teleported"), document(2, "teleported")))
        await statuses.take(body(document(2, "vanished")))
    words = [log["word"] for log in logs if log["event"] == "status_unknown"]
    assert words == ["Teleported", "vanished"]


async def test_a_later_status_that_contradicts_the_end_is_logged_and_changes_nothing(
    store: SqliteStore, statuses: Statuses
) -> None:
    await sent(store, message(1))
    with capture_logs() as logs:
        for word in ("delivered", "read", "processing", "undeliverable"):
            await statuses.take(body(document(1, word)))
    assert (await stored(store, 1)).state is State.DELIVERED
    late = [log for log in logs if log["event"] == "status_late"]
    assert [(log["upstream_id"], log["word"]) for log in late] == [
        (upstream_id(1), "undeliverable")
    ]


async def test_statuses_are_counted_and_logged_periodically(
    store: SqliteStore,
    statuses: Statuses,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MATCH_EVERY", 0.01)
    await sent(store, message(1), message(2))
    with capture_logs() as logs:
        running = asyncio.create_task(statuses.run())
        await statuses.take(body(document(1, "delivered"), document(2, "processing"), 7))
        await statuses.take(body(document(1, "delivered"), document(99, "delivered")))
        clock.now += module.EARLY_KEPT + 1
        async with asyncio.timeout(30):
            while not any("of_no_message" in log for log in logs):
                clock.now += module.TELL_EVERY
                await asyncio.sleep(0.01)
        running.cancel()
    total: Counter[str] = Counter()
    for log in logs:
        if log["event"] == "statuses_counted":
            total.update({key: value for key, value in log.items() if isinstance(value, int)})
    once = ("unreadable", "changed", "kept", "repeated", "early", "of_no_message")
    assert total == dict.fromkeys(once, 1)


async def test_a_status_that_overtook_the_answer_is_matched(
    store: SqliteStore, statuses: Statuses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MATCH_EVERY", 0.01)
    await statuses.take(body(document(1, "delivered", cost=0.35)))
    await sent(store, message(1, receipts=BOTH, protocol=Protocol.SMPP))
    assert (await stored(store, 1)).state is State.SENT
    running = asyncio.create_task(statuses.run())
    async with asyncio.timeout(30):
        while (await stored(store, 1)).state is State.SENT:  # noqa: ASYNC110 - a row
            await asyncio.sleep(0.01)
    running.cancel()
    one = await stored(store, 1)
    assert (one.state, one.cost) == (State.DELIVERED, "0.35")
    [owed] = await store.claim_notices(receivers_of("crm"), NOW + 60, 10)
    assert owed.notice.state is State.DELIVERED


async def test_a_message_of_which_nothing_was_heard_ends(
    store: SqliteStore, statuses: Statuses
) -> None:
    await sent(store, message(1), message(2))
    await statuses.note([ApiStatus(upstream_id(1), "processing", "0.35", 2)])
    await statuses.end([upstream_id(1), upstream_id(2)])
    one = await stored(store, 1)
    assert (one.state, one.err) == (State.UNDELIVERABLE, 245)
    assert one.cause == "no status was received"
    assert (one.cost, one.counted_parts) == ("0.35", 2)


async def test_the_first_that_cannot_be_read_are_told_by_their_ids(statuses: Statuses) -> None:
    with capture_logs() as logs:
        for _ in range(2):
            assert await statuses.take(body(document(1, ""), document(2, "sent"), 7)) == 2
    [log] = logs
    assert (log["event"], log["count"]) == ("statuses_unreadable", 2)
    assert (log["cause"], log["upstream_ids"]) == ("no deliverystatus", [upstream_id(1)])


async def test_what_is_no_status_is_refused_with_the_reason(statuses: Statuses) -> None:
    for broken in (b"{", b"{}", b"[1, 2]"):
        with pytest.raises(Failure) as caught:
            await statuses.take(broken)
        assert caught.value.reason is Reason.BAD_PARAMETER


async def test_malformed_elements_are_counted_and_the_others_taken(
    store: SqliteStore, statuses: Statuses
) -> None:
    await sent(store, message(1), message(2))
    assert await statuses.take(body(document(1, "read"), {"a": 1}, document(2, "read"))) == 1
    assert (await stored(store, 1)).state is (await stored(store, 2)).state is State.DELIVERED


@pytest.mark.parametrize(
    ("error", "reason"),
    [(StoreFull("disk"), Reason.BRIDGE_FULL), (StoreError("broken"), Reason.OPERATION_FAILED)],
)
async def test_a_store_that_cannot_keep_it_is_said(
    store: SqliteStore,
    statuses: Statuses,
    monkeypatch: pytest.MonkeyPatch,
    error: StoreError,
    reason: Reason,
) -> None:
    def fail(_: object) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        future.set_exception(error)
        return future

    monkeypatch.setattr(store, "note_statuses", fail)
    with pytest.raises(Failure) as caught:
        await statuses.take(body(document(1, "delivered")))
    assert caught.value.reason is reason
