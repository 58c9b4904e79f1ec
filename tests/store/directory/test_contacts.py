"""Contacts in the store, and their groups."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.model.contact import Contact, Group
from bridge.model.failure import Failure, Reason
from bridge.store import Store
from bridge.store.directory.contacts import (
    Membership,
    add_contact,
    change_contact,
    delete_contacts,
    list_contacts,
    set_membership,
)
from bridge.store.directory.groups import (
    add_group,
    change_group,
    delete_group,
    find_group,
)
from tests.store.conftest import Engine
from tests.store.directory.samples import ANNA, BORIS


async def test_a_contact_comes_back_whole(store: Store) -> None:
    group = await store.change(add_group, "crm", Group(0, "Night"))
    id = await store.change(add_contact, "crm", ANNA._replace(groups=(group,)))
    assert await store.look_up(list_contacts, "crm") == [ANNA._replace(id=id, groups=(group,))]


async def test_a_phone_belongs_to_one_contact_of_an_account(store: Store) -> None:
    await store.change(add_contact, "crm", ANNA)
    with pytest.raises(Failure) as caught:
        await store.change(
            add_contact, "crm", BORIS._replace(phones=(*BORIS.phones, ANNA.phones[1]))
        )
    assert caught.value.reason is Reason.OPERATION_FAILED
    # Failed verbs changed nothing.
    await store.change(add_contact, "crm", BORIS)
    assert len(await store.look_up(list_contacts, "crm")) == 2
    await store.change(add_contact, "shop", ANNA)
    assert len(await store.look_up(list_contacts, "shop")) == 1


async def test_only_the_named_fields_change(store: Store) -> None:
    first = await store.change(add_group, "crm", Group(0, "First"))
    id = await store.change(add_contact, "crm", ANNA)
    changes: dict[str, Any] = {"phones": ("+380509999999",), "groups": (first,), "name": "Ганна"}
    await store.change(change_contact, "crm", ANNA.phones[1], changes)
    [changed] = await store.look_up(list_contacts, "crm")
    assert changed == ANNA._replace(id=id, **changes)
    # The old numbers are free again.
    await store.change(add_contact, "crm", ANNA)


async def test_verbs_on_missing_records_raise_not_found(store: Store) -> None:
    await store.change(add_contact, "shop", ANNA)
    for verb, args in (
        (change_contact, ("crm", ANNA.phones[0], {"name": "x"})),
        (delete_contacts, ("crm", [ANNA.phones[0]])),
        (set_membership, ("crm", [ANNA.phones[0]], 1, Membership.ADD)),
        (change_group, ("crm", 1, {"name": "x"})),
        (delete_group, ("crm", 1)),
        (find_group, ("crm",)),
        (add_contact, ("crm", BORIS._replace(groups=(1,)))),
    ):
        with pytest.raises(Failure) as caught:
            await store.change(verb, *args)  # type: ignore[arg-type]  # each with its own
        assert caught.value.reason is Reason.NOT_FOUND, verb


async def test_a_contact_is_deleted_by_any_of_its_phones(store: Store) -> None:
    await store.change(add_contact, "crm", ANNA)
    await store.change(add_contact, "crm", BORIS)
    assert await store.change(delete_contacts, "crm", [*ANNA.phones, "+380500000000"]) == 1
    assert [one.name for one in await store.look_up(list_contacts, "crm")] == ["Борис"]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("борис", ["Борис"]),
        ("НІЧ 067111", ["Борис"]),
        ("anna", ["Anna"]),
        ("%_!", ["Anna"]),
        ("01.02", ["Anna"]),
        ("+3805", ["Anna"]),
        ("a%b", []),
        ("", ["Anna", "Борис"]),
    ],
)
async def test_every_field_is_searched_without_regard_to_case(
    store: Store, search: str, found: list[str]
) -> None:
    await store.change(add_contact, "crm", ANNA)
    await store.change(add_contact, "crm", BORIS)
    contacts = await store.look_up(list_contacts, "crm", search=search)
    assert [one.name for one in contacts] == found


async def test_contacts_are_listed_page_by_page(store: Store) -> None:
    for n in range(5):
        await store.change(add_contact, "crm", Contact(0, (f"+38050123456{n}",), str(n)))
    seen: list[str] = []
    after = 0
    while page := await store.look_up(list_contacts, "crm", after=after, limit=2):
        seen += [one.name for one in page]
        after = page[-1].id
    assert seen == list("01234")


async def test_contacts_can_be_read_beside_the_daemon(engine: Engine) -> None:
    store = await engine.open()
    await store.change(add_contact, "crm", BORIS)
    reading = await engine.open_reading()
    assert len(await reading.look_up(list_contacts, "crm", search="7")) == 1


async def test_contacts_outlive_a_restart(engine: Engine) -> None:
    store = await engine.open()
    await store.change(add_contact, "crm", BORIS)
    await store.close()
    again = await engine.open()
    assert [one.name for one in await again.look_up(list_contacts, "crm")] == ["Борис"]
