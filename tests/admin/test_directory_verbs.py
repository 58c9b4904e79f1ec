"""The verbs that change the directory: what they check, change and leave in the log."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import Any

import pytest

from bridge.admin.directory_answers import ContactFields, ContactShown, ImportShown
from bridge.model.failure import AlreadyThere, Failure, Reason
from tests.admin.controlling import BY, Controlled

FIRST, SECOND = "+380501234567", "+380671112233"
CRM: dict[str, Any] = {"by": BY, "account": "crm"}


async def refused(verb: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        await verb
    return caught.value


async def only(verbs: Controlled) -> ContactShown:
    [contact] = await verbs.control.list_contacts(account="crm")
    return contact


async def test_a_contact_is_added_changed_and_deleted(verbs: Controlled) -> None:
    control = verbs.control
    await control.add_group(**CRM, name="Day")
    fields = ContactFields(name=" Anna ", groups=["day", ""], birthday="31.12.1990")
    assert (await control.add_contact(**CRM, phone="050 123-45-67", given=fields)).id == 1
    contact = await only(verbs)
    assert (contact.phones, contact.name, contact.group_names) == ([FIRST], "Anna", ["Day"])
    changes = ContactFields(comments="moved", groups=[])
    changed = await control.change_contact(**CRM, phone=FIRST, new_phone=SECOND, given=changes)
    assert changed.count == 1
    contact = await only(verbs)
    assert (contact.phones, contact.name, contact.groups) == ([SECOND], "Anna", [])
    assert (contact.comments, contact.birthday) == ("moved", "31.12.1990")
    assert (await control.delete_contacts(**CRM, phones=[SECOND])).count == 1
    assert await control.list_contacts(account="crm") == []
    assert [(action, about) for action, _, about in verbs.audited()] == [
        ("add_group", {"account": "crm", "group": "Day"}),
        ("add_contact", {"account": "crm", "contact": "1"}),
        ("change_contact", {"account": "crm", "fields": "groups, comments, phones"}),
        ("delete_contacts", {"account": "crm", "contacts": "1"}),
    ]


async def test_contacts_join_and_leave_groups(verbs: Controlled) -> None:
    control = verbs.control
    for name in ("Day", "Night"):
        await control.add_group(**CRM, name=name)
    await control.add_contact(**CRM, phone=FIRST, given=ContactFields(groups=["Day"]))
    for how, after in (
        ("add", ["Day", "Night"]),
        ("remove", ["Day"]),
        ("move", ["Night"]),
    ):
        move: dict[str, Any] = {"phones": [FIRST], "group": "Night", "how": how}
        assert (await control.move_contacts(**CRM, **move)).count == 1
        assert (await only(verbs)).group_names == after
    failure = await refused(control.move_contacts(**CRM, phones=[FIRST], group="Week"))
    assert failure.detail == "no group Week"


async def test_a_group_is_changed_field_by_field(verbs: Controlled) -> None:
    control = verbs.control
    await control.add_group(**CRM, name="Day", number=7, hours="9-21", max_parts=2)
    await control.change_group(**CRM, group="g7", hours="")
    [group] = await control.list_groups(account="crm")
    assert (group.number, group.hours, group.max_parts) == (7, "", 2)
    await control.change_group(**CRM, group="1", name="Night", number=0, max_parts=0)
    [group] = await control.list_groups(account="crm")
    assert (group.name, group.number, group.max_parts) == ("Night", None, 0)
    await control.delete_group(**CRM, group="night")
    assert await control.list_groups(account="crm") == []
    failure = await refused(control.delete_group(**CRM, group="night"))
    assert failure.reason is Reason.NOT_FOUND


async def test_the_same_name_or_number_again_is_refused(verbs: Controlled) -> None:
    control = verbs.control
    await control.add_group(**CRM, name="Day", number=7)
    await control.add_contact(**CRM, phone=FIRST)
    for verb in (
        control.add_group(**CRM, name="DAY"),
        control.add_group(**CRM, name="Night", number=7),
        control.add_contact(**CRM, phone=FIRST),
    ):
        assert isinstance(await refused(verb), AlreadyThere)


async def test_numbers_are_blocked_and_unblocked(verbs: Controlled) -> None:
    control = verbs.control
    await control.add_to_black_list(**CRM, phone="0501234567", blocks="single", comment="asked")
    [entry] = await control.list_black_list(account="crm")
    assert (entry.phone, entry.blocks, entry.comment) == (FIRST, "single", "asked")
    failure = await refused(control.add_to_black_list(**CRM, phone=SECOND, blocks="some"))
    assert failure.reason is Reason.BAD_PARAMETER
    assert (await control.delete_from_black_list(**CRM, phones=[FIRST])).count == 1
    failure = await refused(control.delete_from_black_list(**CRM, phones=[FIRST]))
    assert failure.reason is Reason.NOT_FOUND
    assert FIRST not in str(verbs.audited()), "phones are not in the log"


async def test_templates_have_a_name_and_a_text(verbs: Controlled) -> None:
    control = verbs.control
    await control.add_template(**CRM, name="ready", message=" {name} ", sender="Shop")
    await control.change_template(**CRM, template="ready", name="done", sender="")
    [template] = await control.list_templates(account="crm")
    assert (template.name, template.message, template.sender) == ("done", "{name}", "")
    for verb, words in (
        (control.add_template(**CRM, name=" ", message="x"), "name missing"),
        (control.add_template(**CRM, name="x", message=" "), "message missing"),
        (control.change_template(**CRM, template="done", message=""), "message missing"),
        (control.add_template(**CRM, name="x", message="x", format="fax"), "format"),
    ):
        failure = await refused(verb)
        assert (failure.reason, words in failure.detail) == (Reason.BAD_PARAMETER, True), failure
    await control.delete_template(**CRM, template="1")
    assert await control.list_templates(account="crm") == []


@pytest.mark.parametrize(
    ("fields", "phone"),
    [
        (ContactFields(birthday="31.13.1990"), FIRST),
        (ContactFields(name="x" * 256), FIRST),
        (ContactFields(groups=["nobody"]), FIRST),
        (ContactFields(), "12"),
    ],
)
async def test_wrong_values_change_nothing(
    verbs: Controlled, fields: ContactFields, phone: str
) -> None:
    await refused(verbs.control.add_contact(**CRM, phone=phone, given=fields))
    assert await verbs.control.list_contacts(account="crm") == []
    assert verbs.audited() == []


async def finished(verbs: Controlled, run: ImportShown) -> ImportShown:
    async with asyncio.timeout(30):
        while run.phase != "finished":
            run = await verbs.control.show_import(account="crm", id=run.id)
            await asyncio.sleep(0)
    return run


async def test_a_file_is_previewed_and_imported(verbs: Controlled) -> None:
    file = b64encode(f"phone,name\n{FIRST},Anna\n12,Wrong\n".encode()).decode()
    begin = verbs.control.import_file
    given: dict[str, Any] = {"kind": "contacts", "file": file}
    previewed = await finished(verbs, await begin(**CRM, **given, preview=True))
    assert (previewed.added, previewed.wrong, previewed.failed) == (1, 1, "")
    assert await verbs.control.list_contacts(account="crm") == []
    assert verbs.audited() == []
    imported = await finished(verbs, await begin(**CRM, **given))
    assert imported.added == 1
    assert (await only(verbs)).name == "Anna"
    assert verbs.audited()[-1][0] == "import_file"


async def test_what_is_no_file_and_imports_of_others_are_refused(verbs: Controlled) -> None:
    control = verbs.control
    failure = await refused(control.import_file(**CRM, kind="contacts", file="no base64!"))
    assert failure.reason is Reason.BAD_PARAMETER
    run = await control.import_file(**CRM, kind="groups", file="", preview=True)
    assert (await finished(verbs, run)).failed
    failure = await refused(control.show_import(account="erp", id=run.id))
    assert failure.reason is Reason.NOT_FOUND


async def test_unknown_accounts_have_no_directory(verbs: Controlled) -> None:
    control = verbs.control
    nobody: dict[str, Any] = {"by": BY, "account": "nobody"}
    for verb in (
        control.add_contact(**nobody, phone=FIRST),
        control.change_contact(**nobody, phone=FIRST),
        control.delete_contacts(**nobody, phones=[FIRST]),
        control.add_group(**nobody, name="x"),
        control.add_to_black_list(**nobody, phone=FIRST),
        control.add_template(**nobody, name="x", message="x"),
        control.delete_template(**nobody, template="x"),
        control.import_file(**nobody, kind="groups", file=""),
    ):
        assert (await refused(verb)).detail == "no account nobody"
