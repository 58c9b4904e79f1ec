"""The verbs of the directory, as the doors run them: from an empty directory and back."""

from __future__ import annotations

import pytest

from bridge.directory import verbs
from bridge.directory.directory import AT_ONCE, Directory
from bridge.model.contact import Blocks, Contact, Group, Template
from bridge.model.failure import Failure, Reason
from bridge.store import Store

PHONE, OTHER = "+380501234567", "+380671112233"


async def test_contacts_come_into_groups_and_out_again(store: Store) -> None:
    directory = Directory(store)
    night = await directory.change(verbs.add_group, "crm", Group(0, "Night", 7))
    await directory.change(verbs.change_group, "crm", night, {"hours": "9-21"})
    await directory.change(verbs.add_contact, "crm", Contact(0, (PHONE,), "Anna", (night,)))
    await directory.change(verbs.add_contact, "crm", Contact(0, (OTHER,), "Boris"))
    await directory.change(verbs.set_membership, "crm", [OTHER], night, verbs.Membership.ADD)
    assert await directory.look_up(verbs.member_phones, "crm", [night]) == [PHONE, OTHER]
    await directory.change(verbs.change_contact, "crm", PHONE, {"name": "Hanna"})
    names = [one.name for one in await directory.look_up(verbs.list_contacts, "crm")]
    assert sorted(names) == ["Boris", "Hanna"]
    [group] = await directory.look_up(verbs.list_groups, "crm")
    assert (group.size, group.hours) == (2, "9-21")
    assert await directory.look_up(verbs.find_group, "crm", number=7) == group
    assert await directory.change(verbs.delete_contacts, "crm", [PHONE, OTHER]) == 2
    await directory.change(verbs.delete_group, "crm", night)
    assert await directory.look_up(verbs.list_groups, "crm") == []


async def test_templates_are_kept_by_name(store: Store) -> None:
    directory = Directory(store)
    id = await directory.change(verbs.add_template, "crm", Template(0, "Code", "Code {code}"))
    await directory.change(verbs.change_template, "crm", id, {"message": "Your code: {code}"})
    found = await directory.look_up(verbs.find_template, "crm", "Code")
    assert found.message == "Your code: {code}"
    assert await directory.look_up(verbs.list_templates, "crm") == [found]
    await directory.change(verbs.delete_template, "crm", id)
    with pytest.raises(Failure) as refused:
        await directory.look_up(verbs.find_template, "crm", "Code")
    assert refused.value.reason is Reason.NOT_FOUND


async def test_numbers_are_blocked_and_free_again(store: Store) -> None:
    directory = Directory(store)
    await directory.change(verbs.add_to_black_list, "crm", PHONE, Blocks.BULK, comment="by SMS")
    [entry] = await directory.look_up(verbs.list_black_list, "crm")
    assert (entry.phone, entry.blocks, entry.comment) == (PHONE, Blocks.BULK, "by SMS")
    await directory.change(verbs.delete_from_black_list, "crm", [PHONE])
    assert await directory.look_up(verbs.list_black_list, "crm") == []


async def test_calls_of_an_account_are_limited_while_they_are_under_way(store: Store) -> None:
    directory = Directory(store)
    for _ in range(AT_ONCE - 1):
        await directory.take_place("crm")
    with pytest.raises(Failure) as refused:
        await directory.take_place("crm")
    assert refused.value.reason is Reason.TOO_MANY_SESSIONS
    await directory.take_place("shop")
    await directory.give_back_place("crm")
    await directory.take_place("crm")


async def test_an_account_sees_nothing_of_another(store: Store) -> None:
    directory = Directory(store)
    await directory.change(verbs.add_group, "crm", Group(0, "Night", 7))
    await directory.change(verbs.add_contact, "crm", Contact(0, (PHONE,)))
    await directory.change(verbs.add_to_black_list, "crm", PHONE, Blocks.ALL)
    await directory.change(verbs.add_template, "crm", Template(0, "Code", "x"))
    for verb in (
        verbs.list_groups,
        verbs.list_contacts,
        verbs.list_black_list,
        verbs.list_templates,
        verbs.list_send_outs,
    ):
        assert await directory.look_up(verb, "shop") == []
    with pytest.raises(Failure):
        await directory.look_up(verbs.find_group, "shop", name="Night")
    with pytest.raises(Failure):
        await directory.change(verbs.delete_contacts, "shop", [PHONE])
