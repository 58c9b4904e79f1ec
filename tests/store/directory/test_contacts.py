"""Contacts and groups in the store, on both engines."""

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
    list_groups,
    member_phones,
)
from tests.store.conftest import Engine

ANNA = Contact(
    0, ("+380501234567", "+380501234568"), "Anna", birthday="01.02.1990", comments="a\n%_!"
)
BORIS = Contact(0, ("+380671112233",), "Борис", client_id="7", tags="Ніч")


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


async def test_a_change_names_the_fields_that_change(store: Store) -> None:
    first = await store.change(add_group, "crm", Group(0, "First"))
    id = await store.change(add_contact, "crm", ANNA)
    changes: dict[str, Any] = {"phones": ("+380509999999",), "groups": (first,), "name": "Ганна"}
    await store.change(change_contact, "crm", ANNA.phones[1], changes)
    [changed] = await store.look_up(list_contacts, "crm")
    assert changed == ANNA._replace(id=id, **changes)
    # The old numbers are free again.
    await store.change(add_contact, "crm", ANNA)


async def test_what_is_not_there_is_not_found(store: Store) -> None:
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


async def test_deleting(store: Store) -> None:
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
async def test_searching_every_field(store: Store, search: str, found: list[str]) -> None:
    await store.change(add_contact, "crm", ANNA)
    await store.change(add_contact, "crm", BORIS)
    contacts = await store.look_up(list_contacts, "crm", search=search)
    assert [one.name for one in contacts] == found


async def test_looking_page_by_page(store: Store) -> None:
    for n in range(5):
        await store.change(add_contact, "crm", Contact(0, (f"+38050123456{n}",), str(n)))
    seen: list[str] = []
    after = 0
    while page := await store.look_up(list_contacts, "crm", after=after, limit=2):
        seen += [one.name for one in page]
        after = page[-1].id
    assert seen == list("01234")


class TestGroups:
    async def test_a_group_is_found_by_number_and_by_name(self, store: Store) -> None:
        group = Group(0, "Нічна зміна", 7, hours="9-21", max_parts=2)
        group = group._replace(id=await store.change(add_group, "crm", group))
        assert await store.look_up(find_group, "crm", number=7) == group
        assert await store.look_up(find_group, "crm", name="НІЧНА зміна") == group
        assert await store.look_up(list_groups, "crm") == [group]
        assert await store.look_up(list_groups, "shop") == []

    @pytest.mark.parametrize("same", [Group(0, "NIGHT"), Group(0, "Day", 7)])
    async def test_name_and_number_are_one_groups_alone(self, store: Store, same: Group) -> None:
        await store.change(add_group, "crm", Group(0, "Night", 7))
        other = await store.change(add_group, "crm", Group(0, "Other"))
        for verb, args in (
            (add_group, ("crm", same)),
            (change_group, ("crm", other, {"name": same.name, "number": same.number})),
        ):
            with pytest.raises(Failure) as caught:
                await store.change(verb, *args)
            assert caught.value.reason is Reason.OPERATION_FAILED
        await store.change(add_group, "shop", same)

    async def test_moving_in_and_out(self, store: Store) -> None:
        a = await store.change(add_group, "crm", Group(0, "A"))
        b = await store.change(add_group, "crm", Group(0, "B"))
        await store.change(add_contact, "crm", ANNA._replace(groups=(a,)))
        await store.change(add_contact, "crm", BORIS)
        both = [ANNA.phones[1], *BORIS.phones]

        async def sizes() -> list[int]:
            return [group.size for group in await store.look_up(list_groups, "crm")]

        await store.change(set_membership, "crm", both, b, Membership.ADD)
        assert await sizes() == [1, 2]
        await store.change(set_membership, "crm", both, b, Membership.MOVE)
        assert await sizes() == [0, 2]
        await store.change(set_membership, "crm", both, b, Membership.REMOVE)
        assert await sizes() == [0, 0]

    async def test_a_deleted_group_leaves_its_contacts(self, store: Store) -> None:
        a = await store.change(add_group, "crm", Group(0, "A"))
        await store.change(add_contact, "crm", ANNA._replace(groups=(a,)))
        await store.change(delete_group, "crm", a)
        [contact] = await store.look_up(list_contacts, "crm")
        assert contact.groups == ()

    async def test_phones_of_several_groups_each_once(self, store: Store) -> None:
        a = await store.change(add_group, "crm", Group(0, "A"))
        b = await store.change(add_group, "crm", Group(0, "B"))
        await store.change(add_contact, "crm", ANNA._replace(groups=(a, b)))
        await store.change(add_contact, "crm", BORIS._replace(groups=(b,)))
        phones = sorted([*ANNA.phones, *BORIS.phones])
        assert await store.look_up(member_phones, "crm", [a, b]) == phones
        page = await store.look_up(member_phones, "crm", [a, b], after=phones[0], limit=1)
        assert page == phones[1:2]
        assert await store.look_up(member_phones, "crm", [a]) == list(ANNA.phones)


async def test_the_directory_is_read_beside_the_daemon(engine: Engine) -> None:
    store = await engine.open()
    await store.change(add_contact, "crm", BORIS)
    reading = await engine.open_reading()
    assert len(await reading.look_up(list_contacts, "crm", search="7")) == 1


async def test_it_is_there_after_a_restart(engine: Engine) -> None:
    store = await engine.open()
    await store.change(add_contact, "crm", BORIS)
    await store.close()
    again = await engine.open()
    assert [one.name for one in await again.look_up(list_contacts, "crm")] == ["Борис"]
