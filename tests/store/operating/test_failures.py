"""Failed messages: by reason, and the newest."""

from __future__ import annotations

from bridge.model.ids import first_id
from bridge.model.message import State
from bridge.store import Acceptance, Change, Status, Store
from bridge.store.operating.failures import FailureGroup, group_failures, newest_failures
from tests.samples import NOW, message

FIRST = first_id(NOW)


async def fail(store: Store) -> None:
    """Stores messages 1 to 8 (from :data:`FIRST` on). All but 6 and 7 fail, and 0 of before."""
    accounts = {3: "erp"}
    ids = [FIRST - 1, *range(FIRST + 1, FIRST + 9)]
    await store.accept(
        Acceptance(tuple(message(id, account=accounts.get(id - FIRST, "crm")) for id in ids))
    )
    refused = [Change(id, State.REJECTED, failure="WRONG_PHONE") for id in (ids[0], *ids[1:4])]
    sent = [Change(FIRST + n, State.SENT, f"up-{n}") for n in (4, 5, 6)]
    await store.finish(0, [*refused, *sent])
    await store.note_statuses(
        [
            Status("up-4", "undelivered", State.UNDELIVERABLE, NOW),
            Status("up-5", "", State.EXPIRED, NOW),
            Status("up-6", "delivered", State.DELIVERED, NOW),
        ]
    )
    await store.move([FIRST + 7], State.CANCELLED)
    await store.finish(0, [Change(FIRST + 8, State.REJECTED, failure="REFUSED")])


async def test_failures_are_grouped_by_reason_with_the_most_frequent_first(store: Store) -> None:
    await fail(store)
    groups = await store.look_up(group_failures, NOW, "", 9)
    assert groups == [
        FailureGroup("WRONG_PHONE", 3, FIRST + 3),
        FailureGroup("REFUSED", 1, FIRST + 8),
        # Without a failure the API's status is the reason, and without one the state.
        FailureGroup("expired", 1, FIRST + 5),
        FailureGroup("undelivered", 1, FIRST + 4),
    ]
    assert await store.look_up(group_failures, NOW, "", 1) == groups[:1]
    assert await store.look_up(group_failures, NOW, "erp", 9) == [
        FailureGroup("WRONG_PHONE", 1, FIRST + 3)
    ]


async def test_the_newest_failures_are_found_by_account_and_reason(store: Store) -> None:
    await fail(store)

    async def newest(account: str, reason: str, limit: int = 9, since: int = NOW) -> list[int]:
        found = await store.look_up(newest_failures, since, account, reason, limit)
        return [one.message.id - FIRST for one in found]

    assert await newest("", "") == [8, 5, 4, 3, 2, 1]
    assert await newest("", "", limit=2) == [8, 5]
    assert await newest("", "WRONG_PHONE", since=NOW - 1) == [3, 2, 1, -1]
    assert await newest("crm", "WRONG_PHONE") == [2, 1]
    assert await newest("", "undelivered") == [4]
