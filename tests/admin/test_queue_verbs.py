"""The verbs of the queue: what they change, what they count first, and what the log says of it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from bridge.admin.answers import Changed, Hold
from bridge.admin.directory_answers import ContactFields
from bridge.admin.queue_filter import QueueFilter
from bridge.model.failure import Failure, Reason
from bridge.model.message import State
from bridge.sandbox import Sandbox
from tests.admin.controlling import BY, Controlled, controlling
from tests.relaying import id_of
from tests.samples import submission

Verb = Callable[..., Coroutine[Any, Any, Changed]]


async def waiting(verbs: Controlled, count: int = 2) -> list[int]:
    """Ids of messages that wait, since their account is held."""
    await verbs.control.hold(by=BY, scope="account", name="crm")
    sent = [submission(f"+38050{n:07}") for n in range(count)]
    return [id_of(await verbs.relaying.submit(one)) for one in sent]


async def refused(verb: Coroutine[Any, Any, Any]) -> Failure:
    with pytest.raises(Failure) as caught:
        await verb
    return caught.value


async def states(verbs: Controlled, ids: list[int]) -> list[State]:
    found = [await verbs.relaying.store.message(id) for id in ids]
    return [one.state for one in found if one is not None]


async def test_a_held_account_waits_and_a_released_one_is_sent(
    verbs: Controlled, sandbox: Sandbox
) -> None:
    ids = await waiting(verbs)
    assert await verbs.control.list_holds() == [Hold("account", "crm")]
    assert await states(verbs, ids) == [State.ACCEPTED] * 2
    assert await verbs.control.release(by=BY, scope="account", name="crm") == Hold("account", "crm")
    await sandbox.wait_for(2)
    assert [(action, by) for action, by, _ in verbs.audited()] == [("hold", BY), ("release", BY)]


async def test_only_what_exists_is_held_and_only_what_is_held_is_released(
    verbs: Controlled,
) -> None:
    for verb, scope, name, reason, words in (
        (verbs.control.hold, "account", "nobody", Reason.NOT_FOUND, "no account nobody"),
        (verbs.control.hold, "upstream", "nobody", Reason.NOT_FOUND, "no upstream nobody"),
        (verbs.control.hold, "planet", "earth", Reason.BAD_PARAMETER, "account or upstream"),
        (verbs.control.release, "account", "crm", Reason.NOT_FOUND, "account crm is not held"),
        (verbs.control.release, "account", "nobody", Reason.NOT_FOUND, "no account nobody"),
    ):
        failure = await refused(verb(by=BY, scope=scope, name=name))
        assert (failure.reason, words in failure.detail) == (reason, True), failure
    assert verbs.audited() == []


async def test_a_filter_is_counted_before_it_changes_anything(verbs: Controlled) -> None:
    ids = await waiting(verbs)
    control = verbs.control
    crm = QueueFilter(account="crm")
    for verb, count, after in (
        (control.hold_messages, 2, State.HELD),
        (control.release_messages, 2, State.ACCEPTED),
        (control.cancel_messages, 2, State.CANCELLED),
    ):
        before = await states(verbs, ids)
        assert (await verb(by=BY, filter=crm, dry_run=True)).count == count
        assert await states(verbs, ids) == before
        assert (await verb(by=BY, filter=crm)).count == count
        assert await states(verbs, ids) == [after] * 2
    assert [action for action, _, _ in verbs.audited()[1:]] == [
        "hold_messages",
        "release_messages",
        "cancel_messages",
    ]


async def test_waiting_messages_are_held_and_held_ones_are_released_alone(
    verbs: Controlled,
) -> None:
    first, second = await waiting(verbs)
    control = verbs.control
    assert (await control.hold_messages(by=BY, filter=QueueFilter(id=first))).count == 1
    crm = QueueFilter(account="crm")
    assert (await control.hold_messages(by=BY, filter=crm, dry_run=True)).count == 1
    assert (await control.release_messages(by=BY, filter=crm, dry_run=True)).count == 1
    assert await states(verbs, [first, second]) == [State.HELD, State.ACCEPTED]


async def test_held_messages_are_retried(verbs: Controlled, sandbox: Sandbox) -> None:
    [id] = await waiting(verbs, 1)
    control = verbs.control
    await control.hold_messages(by=BY, filter=QueueFilter(id=id))
    await control.release(by=BY, scope="account", name="crm")
    held = QueueFilter(state="held")
    assert (await control.retry_messages(by=BY, filter=held, dry_run=True)).count == 1
    assert (await control.retry_messages(by=BY, filter=held)).count == 1
    await sandbox.wait_for(1)


async def test_nothing_is_changed_without_a_condition(verbs: Controlled) -> None:
    control = verbs.control
    for verb in (
        control.hold_messages,
        control.release_messages,
        control.retry_messages,
        control.cancel_messages,
    ):
        failure = await refused(verb(by=BY))
        assert (failure.reason, "say which messages" in failure.detail) == (
            Reason.BAD_PARAMETER,
            True,
        )


async def test_the_log_has_the_filter_with_a_masked_number(verbs: Controlled) -> None:
    await waiting(verbs)
    filter = QueueFilter(account="crm", phone="+380500000001")
    await verbs.control.cancel_messages(by=BY, filter=filter)
    action, by, about = verbs.audited()[-1]
    assert (action, by) == ("cancel_messages", BY)
    assert about["filter"] == "account crm, phone +3805******01"
    assert about["messages"] == "1"


async def test_ended_messages_of_a_number_are_erased(verbs: Controlled) -> None:
    first, second = await waiting(verbs)
    await verbs.control.cancel_messages(by=BY, filter=QueueFilter(id=first))
    for phone in ("+380500000000", "050 000 00 00"):
        counted = await verbs.control.erase(by=BY, phone=phone, dry_run=True)
        assert (counted.messages, counted.left) == (1, 0)
    assert (await verbs.control.erase(by=BY, phone="0500000001", dry_run=True)).left == 1
    assert (await verbs.control.erase(by=BY, phone="0500000000")).messages == 1
    assert await states(verbs, [first, second]) == [State.ACCEPTED]
    action, _, about = verbs.audited()[-1]
    assert (action, about["phone"], about["messages"]) == ("erase", "+3805******00", "1")
    failure = await refused(verbs.control.erase(by=BY, phone="12"))
    assert failure.reason is Reason.WRONG_PHONE


async def test_a_number_of_two_countries_is_erased_only_with_its_country_code(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    accounts = {"crm": {"region": "UA"}, "berlin": {"region": "DE"}}
    async with controlling(tmp_path, sandbox, accounts=accounts) as verbs:
        failure = await refused(verbs.control.erase(by=BY, phone="0441234567"))
        assert failure.reason is Reason.WRONG_PHONE
        assert "+380441234567 or +49441234567" in failure.description
        for phone in ("+380441234567", "380441234567", "0501234567", "+38 (044) 123-45-67"):
            assert (await verbs.control.erase(by=BY, phone=phone)).messages == 0


async def test_a_number_is_cut_out_in_the_national_form_of_each_account(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    accounts = {"crm": {"region": "UA"}, "berlin": {"region": "DE"}}
    async with controlling(tmp_path, sandbox, accounts=accounts) as verbs:
        other = ContactFields(phone_other="044 123-45-67", comments="not 044 123-45-68")
        await verbs.control.add_contact(by=BY, account="crm", phone="+380501234567", given=other)
        assert (await verbs.control.erase(by=BY, phone="+380441234567")).mentions == 1
        [contact] = await verbs.control.list_contacts(account="crm")
        assert (contact.phone_other, contact.comments) == ("", "not 044 123-45-68")
