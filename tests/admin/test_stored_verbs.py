"""The verbs that only read the store: messages, phones, failures, the queue, reports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.admin.queue_filter import QueueFilter
from bridge.admin.stored_verbs import StoredVerbs
from bridge.model.failure import Failure, Reason
from bridge.model.notice import Incoming
from bridge.sandbox import Sandbox
from bridge.store.operating.refusals import Refusal, keep_refusals
from tests.admin.controlling import BY, Controlled
from tests.relaying import id_of
from tests.samples import NOW, submission

PHONE, OTHER = "+380501234567", "+380671112233"


def now() -> int:
    return int(datetime.now(UTC).timestamp())


async def failed(verbs: Controlled, sandbox: Sandbox, phone: str, code: str) -> int:
    """The id of a message that the API refused."""
    sandbox.fault("400", phones=[phone], code=code, count=1)
    id = id_of(await verbs.relaying.submit(submission(phone)))
    await verbs.relaying.drained()
    return id


async def test_messages_are_found_by_id_phone_and_reference(
    verbs: Controlled, sandbox: Sandbox
) -> None:
    id = id_of(await verbs.relaying.submit(submission(reference="order 17")))
    for text in (str(id), PHONE, "050 123-45-67", "order 17"):
        [found] = await verbs.control.find_messages(text=text)
        assert (found["id"], "text" in found) == (id, False)
    assert await verbs.control.find_messages(text="order 18") == []
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert await verbs.control.find_messages(text=PHONE, since=tomorrow) == []


async def test_a_submission_of_several_has_all_its_messages(verbs: Controlled) -> None:
    id = id_of(await verbs.relaying.submit(submission(PHONE, OTHER)))
    assert [one["phone"] for one in await verbs.control.show_message(id=str(id))] == [PHONE, OTHER]
    with pytest.raises(Failure) as caught:
        await verbs.control.show_message(id="77")
    assert (caught.value.reason, caught.value.detail) == (Reason.NOT_FOUND, "no message 77")


async def test_a_phone_has_its_conversation_refusals_and_black_lists(verbs: Controlled) -> None:
    id = id_of(await verbs.relaying.submit(submission()))
    incoming = Incoming(77, "u", "crm", PHONE, "Shop", "Yes", NOW, NOW)
    await verbs.relaying.store.take_incoming([(incoming, ())])
    refusal = Refusal(now(), "submission", "smpp", "crm", "10.0.0.1", PHONE, "too fast")
    await verbs.relaying.store.change(keep_refusals, [refusal])
    await verbs.control.add_to_black_list(by=BY, account="erp", phone=PHONE, blocks="bulk")
    story = await verbs.control.show_phone(phone="050 123 45 67")
    assert story.phone == PHONE
    assert [one["id"] for one in story.messages] == [id]
    [wrote] = story.incoming
    assert (wrote["incoming_id"], "text" in wrote) == (77, False)
    assert [one.reason for one in story.refusals] == ["too fast"]
    assert story.black_listed == {"erp": "bulk"}


async def test_refusals_are_narrowed_by_kind_account_and_time(verbs: Controlled) -> None:
    store = verbs.relaying.store
    for kind, account, at in (("token", "", now() - 7200), ("login", "crm", now())):
        refusal = Refusal(at, kind, "smpp", account, "10.0.0.1", "", "wrong")
        await store.change(keep_refusals, [refusal])

    async def kinds(**filter: Any) -> list[str]:
        found = await verbs.control.list_refusals(**filter)
        return [one.kind for one in found]

    assert await kinds() == ["login", "token"]
    assert await kinds(kind="token") == ["token"]
    assert await kinds(account="crm") == ["login"]
    assert await kinds(since=datetime.now(UTC) - timedelta(hours=1)) == ["login"]
    assert await kinds(limit=1) == ["login"]


async def test_failures_are_counted_by_reason_and_the_newest_listed(
    verbs: Controlled, sandbox: Sandbox
) -> None:
    await failed(verbs, sandbox, PHONE, "INVALID_PHONE")
    newest = await failed(verbs, sandbox, OTHER, "INVALID_SENDER")
    found = await verbs.control.list_failures()
    assert {one.reason: one.count for one in found.reasons} == {
        "WRONG_PHONE": 1,
        "SENDER_NOT_ALLOWED": 1,
    }
    assert [one.phone for one in found.newest] == [OTHER, PHONE]
    assert (found.newest[0].id, found.newest[0].state) == (newest, "rejected")
    assert found.newest[0].reason == "SENDER_NOT_ALLOWED"
    only = await verbs.control.list_failures(reason="WRONG_PHONE", limit=1)
    assert [one.phone for one in only.newest] == [PHONE]
    later = await verbs.control.list_failures(since=datetime.now(UTC) + timedelta(hours=1))
    assert (later.reasons, later.newest) == ([], [])


async def test_the_queue_is_counted_in_groups_and_listed(verbs: Controlled) -> None:
    await verbs.control.hold(by=BY, scope="account", name="crm")
    ids = [id_of(await verbs.relaying.submit(submission(phone))) for phone in (PHONE, OTHER)]
    found = await verbs.control.list_queue()
    assert found.count == 2
    [group] = found.groups
    assert (group.state, group.account, group.type) == ("accepted", "crm", "transaction")
    assert (group.count, group.example, group.failure) == (2, ids[1], "")
    assert group.oldest <= group.newest <= datetime.now(UTC)
    newest, oldest = await verbs.control.show_queue()
    assert (newest.id, newest.phone, newest.attempts) == (ids[1], OTHER, 0)
    assert newest.accepted < newest.expires
    [one] = await verbs.control.show_queue(filter=QueueFilter(id=ids[0]))
    assert one == oldest
    assert (await verbs.control.list_queue(filter=QueueFilter(state="held"))).count == 0


async def test_a_report_counts_the_messages_of_a_time(verbs: Controlled, sandbox: Sandbox) -> None:
    await failed(verbs, sandbox, PHONE, "INVALID_PHONE")
    await verbs.relaying.submit(submission(OTHER))
    await verbs.relaying.drained()
    end = datetime.now(UTC) + timedelta(minutes=1)
    begin = end - timedelta(hours=1)
    [crm] = await verbs.control.report(begin=begin, end=end)
    assert (crm.account, crm.accepted, sum(crm.failed.values())) == ("crm", 2, 1)
    assert await verbs.control.report(begin=begin, end=end, account="erp") == []
    assert await verbs.control.report(begin=end, end=end + timedelta(hours=1)) == []


async def test_they_work_without_a_daemon(verbs: Controlled) -> None:
    id = id_of(await verbs.relaying.submit(submission()))
    alone = StoredVerbs(verbs.relaying.settings, verbs.relaying.store)
    [shown] = await alone.show_message(id=str(id))
    assert shown["phone"] == PHONE
    assert await alone.list_holds() == []
