"""Groups in the store, their members, and the members' phones."""

from __future__ import annotations

import pytest

from bridge.model.contact import Group
from bridge.model.failure import Failure, Reason
from bridge.store import Store
from bridge.store.directory.contacts import Membership, add_contact, list_contacts, set_membership
from bridge.store.directory.groups import (
    add_group,
    change_group,
    delete_group,
    find_group,
    group_ids,
    list_groups,
    member_phones,
)
from bridge.store.directory.versions import GROUPS, versions
from tests.store.directory.samples import ANNA, BORIS


async def test_a_group_is_found_by_number_and_by_name(store: Store) -> None:
    group = Group(0, "Нічна зміна", 7, hours="9-21", max_parts=2)
    group = group._replace(id=await store.change(add_group, "crm", group))
    assert await store.look_up(find_group, "crm", number=7) == group
    assert await store.look_up(find_group, "crm", name="НІЧНА зміна") == group
    assert await store.look_up(list_groups, "crm") == [group]
    assert await store.look_up(list_groups, "shop") == []


async def test_no_two_groups_of_an_account_have_the_same_name_or_number(store: Store) -> None:
    night = await store.change(add_group, "crm", Group(0, "Night", 7))
    other = await store.change(add_group, "crm", Group(0, "Other"))
    for same in (Group(0, "NIGHT"), Group(0, "Day", 7)):
        for verb, args in (
            (add_group, ("crm", same)),
            (change_group, ("crm", other, {"name": same.name, "number": same.number})),
        ):
            with pytest.raises(Failure) as caught:
                await store.change(verb, *args)
            assert caught.value.reason is Reason.OPERATION_FAILED
        await store.change(add_group, "shop", same)
    # A group keeps its own.
    await store.change(change_group, "crm", night, {"name": "night", "hours": "9-21"})
    found = await store.look_up(find_group, "crm", number=7)
    assert found == Group(night, "night", 7, hours="9-21")


async def test_the_ids_of_groups_are_known_by_name_in_small_letters(store: Store) -> None:
    ids = [await store.change(add_group, "crm", Group(0, name)) for name in ("Night", "ДЕНЬ")]
    await store.change(add_group, "shop", Group(0, "Shop"))
    assert await store.look_up(group_ids, "crm") == dict(zip(("night", "день"), ids, strict=True))


async def test_each_change_of_the_groups_has_a_version(store: Store) -> None:
    id = await store.change(add_group, "crm", Group(0, "A"))
    await store.change(change_group, "crm", id, {"number": 5})
    await store.change(delete_group, "crm", id)
    assert await store.look_up(versions, GROUPS) == {"crm": 3}


async def test_contacts_are_added_moved_and_removed(store: Store) -> None:
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


async def test_a_deleted_group_leaves_its_contacts(store: Store) -> None:
    a = await store.change(add_group, "crm", Group(0, "A"))
    await store.change(add_contact, "crm", ANNA._replace(groups=(a,)))
    with pytest.raises(Failure) as caught:
        await store.change(delete_group, "shop", a)
    assert caught.value.reason is Reason.NOT_FOUND
    await store.change(delete_group, "crm", a)
    assert await store.look_up(list_groups, "crm") == []
    [contact] = await store.look_up(list_contacts, "crm")
    assert contact.groups == ()


async def test_the_phones_of_several_groups_are_listed_once(store: Store) -> None:
    a = await store.change(add_group, "crm", Group(0, "A"))
    b = await store.change(add_group, "crm", Group(0, "B"))
    await store.change(add_contact, "crm", ANNA._replace(groups=(a, b)))
    await store.change(add_contact, "crm", BORIS._replace(groups=(b,)))
    phones = sorted([*ANNA.phones, *BORIS.phones])
    assert await store.look_up(member_phones, "crm", [a, b]) == phones
    page = await store.look_up(member_phones, "crm", [a, b], after=phones[0], limit=1)
    assert page == phones[1:2]
    assert await store.look_up(member_phones, "crm", [a]) == list(ANNA.phones)
    assert await store.look_up(member_phones, "shop", [a]) == []
