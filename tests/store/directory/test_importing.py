"""Contacts of whole files in the store, on both engines."""

from __future__ import annotations

import pytest

from bridge.model.contact import Contact, Group
from bridge.store import Store
from bridge.store.directory.contacts import add_contact, list_contacts
from bridge.store.directory.groups import add_group, list_groups
from bridge.store.directory.importing import Entry, Imported, import_contacts


def entry(line: int, *phones: str, name: str = "", groups: tuple[str, ...] = ()) -> Entry:
    return Entry(line, Contact(0, phones, name), groups)


@pytest.mark.parametrize("dry_run", [True, False])
async def test_contacts_are_added_changed_left_or_refused(store: Store, dry_run: bool) -> None:
    night = await store.change(add_group, "crm", Group(0, "Night"))
    await store.change(add_contact, "crm", Contact(0, ("+1", "+2"), "Anna", (night,), tags="x"))
    await store.change(add_contact, "crm", Contact(0, ("+3",), "Boris"))
    before = await store.look_up(list_contacts, "crm")
    entries = [
        entry(2, "+1", name="Anna", groups=("NIGHT",)),
        entry(3, "+3", "+4", name="Борис", groups=("Night", "Day")),
        entry(4, "+5", name="Carl", groups=("day",)),
        entry(5, "+5", name="Carl again"),
        entry(6, "+2", "+4", name="two contacts"),
    ]
    imported = await store.change(import_contacts, "crm", entries, dry_run=dry_run)
    wrong = ((5, "the same number as in line 4"), (6, "the same number as in line 3"))
    assert imported == Imported(1, 1, 1, ("Day",), wrong)
    after = await store.look_up(list_contacts, "crm")
    if dry_run:
        assert after == before
        assert len(await store.look_up(list_groups, "crm")) == 1
        return
    groups = {group.id: group.name for group in await store.look_up(list_groups, "crm")}
    assert [(c.phones, c.name, [groups[id] for id in c.groups], c.tags) for c in after] == [
        (("+1", "+2"), "Anna", ["Night"], "x"),
        (("+3", "+4"), "Борис", ["Night", "Day"], ""),
        (("+5",), "Carl", ["Day"], ""),
    ]


async def test_numbers_of_several_contacts_in_one_line_are_wrong(store: Store) -> None:
    await store.change(add_contact, "crm", Contact(0, ("+1",)))
    await store.change(add_contact, "crm", Contact(0, ("+2",)))
    imported = await store.change(import_contacts, "crm", [entry(2, "+1", "+2")], dry_run=False)
    assert imported.wrong == ((2, "its numbers are in several contacts"),)


async def test_thousands_of_contacts_are_imported(store: Store) -> None:
    entries = [entry(n, f"+38050{n:07}", name=f"Contact {n}", groups=("All",)) for n in range(3000)]
    imported = await store.change(import_contacts, "crm", entries, dry_run=False)
    assert imported.added == 3000
    [group] = await store.look_up(list_groups, "crm")
    assert group.size == 3000
    contacts = await store.look_up(list_contacts, "crm", limit=5000)
    assert [c.name for c in contacts] == [e.contact.name for e in entries]
    again = await store.change(import_contacts, "crm", entries, dry_run=False)
    assert again.unchanged == 3000
