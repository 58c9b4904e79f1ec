"""The report: the messages of a period by account and state."""

from __future__ import annotations

from bridge.model.ids import first_id
from bridge.model.message import State
from bridge.store import Acceptance, Change, Status, Store
from bridge.store.operating.refusals import Refusal, keep_refusals
from bridge.store.operating.report import AccountReport, report
from tests.samples import NOW, message

FIRST = first_id(NOW)
DAY = 86400


async def test_a_report_counts_the_messages_of_a_day_by_their_state(store: Store) -> None:
    ids = range(FIRST + 1, FIRST + 7)
    sent, refused, failed, held, cancelled, waiting = ids
    for id in ids:
        await store.accept(Acceptance((message(id, parts=2),)))
    for outside in (first_id(NOW) - 1, first_id(NOW + DAY)):
        await store.accept(Acceptance((message(outside),)))
    changes = [
        Change(sent, State.SENT, upstream_id="up-1"),
        Change(failed, State.SENT, upstream_id="up-2"),
        Change(refused, State.REJECTED, failure="WRONG_PHONE", cause="1003"),
    ]
    await store.finish(0, changes)
    await store.note_statuses(
        [
            Status("up-1", "delivered", State.DELIVERED, NOW + 5, cost="0.45"),
            Status("up-2", "undelivered", State.UNDELIVERABLE, NOW + 5, cost="0.10001"),
        ]
    )
    await store.move([held], State.HELD)
    await store.move([cancelled], State.CANCELLED)
    assert await store.look_up(report, NOW, NOW + DAY) == [
        AccountReport(
            "crm",
            accepted=6,
            sent=2,
            delivered=1,
            waiting=1,
            held=1,
            cancelled=1,
            failed={"WRONG_PHONE": 1, "undelivered": 1},
            parts=12,
            cost=0.55,
        )
    ]
    # A sent message without a status is neither waiting nor failed.
    await store.finish(0, [Change(waiting, State.SENT, "up-3")])
    [crm] = await store.look_up(report, NOW, NOW + DAY)
    assert (crm.sent, crm.waiting, crm.failed) == (3, 0, {"WRONG_PHONE": 1, "undelivered": 1})


async def test_a_report_counts_refused_submissions_but_no_refused_logins(store: Store) -> None:
    refusals = [
        Refusal(NOW + at, kind, "smpp", "crm", "192.0.2.7", "12345", reason)
        for at, kind, reason in (
            (0, "submission", "wrong phone number"),
            (1, "recipient", "wrong phone number"),
            (2, "mail", "no text"),
            (3, "login", "wrong login or password"),
            (DAY, "submission", "of the next day"),
        )
    ]
    await store.change(keep_refusals, refusals)
    [crm] = await store.look_up(report, NOW, NOW + DAY)
    assert crm == AccountReport("crm", refused={"wrong phone number": 2, "no text": 1})


async def test_a_report_of_one_account_leaves_out_the_others(store: Store) -> None:
    for n, account in enumerate(("crm", "erp", "bank")):
        await store.accept(Acceptance((message(FIRST + n, account=account),)))
    found = await store.look_up(report, NOW, NOW + DAY)
    assert [one.account for one in found] == ["bank", "crm", "erp"]
    assert await store.look_up(report, NOW, NOW + DAY, "erp") == found[2:]
