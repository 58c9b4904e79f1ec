"""Records of the directory as the API shows them."""

from __future__ import annotations

from bridge.admin.directory_answers import (
    WRONG_NAMED,
    BlackListShown,
    ContactShown,
    GroupShown,
    ImportShown,
    TemplateShown,
    WrongLineShown,
)
from bridge.directory.imports import ImportRun
from bridge.model.contact import BlackListEntry, Blocks, Contact, Group, Template
from bridge.model.failure import Failure, Reason
from bridge.store.directory.importing import Imported


def test_a_contact_has_the_names_of_its_groups() -> None:
    contact = Contact(
        *(1, ("+380501234567",), "Anna", (7, 8)),
        *("Anna", "K", "M", "31.12.1990", "17", "comments", "tags", "112"),
    )
    shown = ContactShown.of(contact, {7: "Day", 9: "Night"})
    assert (shown.id, shown.phones, shown.name) == (1, ["+380501234567"], "Anna")
    # A group that was deleted meanwhile has no name.
    assert (shown.groups, shown.group_names) == ([7, 8], ["Day"])
    assert (shown.first_name, shown.last_name, shown.middle_name) == ("Anna", "K", "M")
    assert (shown.birthday, shown.client_id) == ("31.12.1990", "17")
    assert (shown.comments, shown.tags, shown.phone_other) == ("comments", "tags", "112")


def test_a_group_an_entry_and_a_template_have_their_fields() -> None:
    assert GroupShown.of(Group(1, "Day", 7, 20, "9-21", 2)) == GroupShown(
        id=1, name="Day", number=7, size=20, hours="9-21", max_parts=2
    )
    entry = BlackListEntry(1, "+380501234567", Blocks.BULK, "asked")
    assert BlackListShown.of(entry) == BlackListShown(1, "+380501234567", "bulk", "asked")
    template = Template(1, "ready", "{name}", "sms", "Shop", 0)
    assert TemplateShown.of(template, ["name"]) == TemplateShown(
        id=1,
        name="ready",
        message="{name}",
        format="sms",
        sender="Shop",
        flag=0,
        variables=["name"],
    )


def test_an_import_on_its_way_has_its_progress() -> None:
    run = ImportRun(3, "crm", "contacts", preview=True)
    run.tell("read", 500, 2000)
    shown = ImportShown.of_run(run)
    assert (shown.id, shown.preview, shown.phase) == (3, True, "read")
    assert (shown.done, shown.of, shown.added, shown.failed) == (500, 2000, 0, "")


def test_an_import_at_its_end_has_its_counts_and_the_first_wrong_lines() -> None:
    run = ImportRun(3, "crm", "contacts", preview=False, phase="finished")
    wrong = [(number, "wrong phone number") for number in range(WRONG_NAMED + 5)]
    run.result = Imported(added=2, changed=3, unchanged=4, wrong=tuple(wrong), groups=("Day",))
    shown = ImportShown.of_run(run)
    assert (shown.added, shown.changed, shown.unchanged, shown.groups) == (2, 3, 4, ["Day"])
    assert (shown.wrong, len(shown.wrong_lines)) == (WRONG_NAMED + 5, WRONG_NAMED)
    assert shown.wrong_lines[1] == WrongLineShown(1, "wrong phone number")


def test_an_import_that_ended_early_says_why() -> None:
    run = ImportRun(3, "crm", "contacts", preview=False, phase="finished")
    run.failure = Failure(Reason.BAD_PARAMETER, "names no column phone")
    assert ImportShown.of_run(run).failed == "bad parameter: names no column phone"
