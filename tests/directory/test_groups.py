"""Groups by their addresses."""

from __future__ import annotations

import pytest

from bridge.directory.groups import Groups, group_meant, names_group
from bridge.model.contact import Group
from bridge.model.failure import Failure, Reason
from bridge.store import Store
from bridge.store.directory.groups import add_group, change_group

NIGHT = Group(3, "Night shift", 7)
DAY = Group(4, "Day")


@pytest.mark.parametrize(
    ("address", "may"),
    [("g7", True), ("Night shift", True), ("+380501234567", False), ("050 123", False)],
)
def test_an_address_with_a_letter_may_name_a_group(address: str, may: bool) -> None:
    assert names_group(address) is may


@pytest.mark.parametrize("written", ["Night shift", "NIGHT SHIFT", "g7", "G7", "3"])
def test_a_group_is_meant_by_name_number_or_id(written: str) -> None:
    assert group_meant([DAY, NIGHT], written) == NIGHT


def test_an_unknown_group_is_not_found() -> None:
    with pytest.raises(Failure) as caught:
        group_meant([NIGHT], "g8")
    assert caught.value.reason is Reason.NOT_FOUND


async def test_groups_are_found_by_the_forms_that_mail_programs_can_write(store: Store) -> None:
    id = await store.change(add_group, "crm", NIGHT)
    groups = Groups(store)
    await groups.refresh()
    for address in ("night shift", "Night.Shift", "night_shift", "g7"):
        assert groups.find("crm", address).id == id
    with pytest.raises(Failure):
        groups.find("other", "g7")


async def test_a_dot_means_an_underscore_or_a_space_unless_a_name_has_it(store: Store) -> None:
    ids = {
        name: await store.change(add_group, "crm", Group(0, name))
        for name in ("shift_a b", "a.b", "a b")
    }
    groups = Groups(store)
    await groups.refresh()
    for address, name in (
        ("shift_a.b", "shift_a b"),
        ("Shift.A.B", "shift_a b"),
        ("a.b", "a.b"),
        ("a_b", "a b"),
    ):
        assert groups.find("crm", address).id == ids[name], address


async def test_a_changed_name_takes_the_place_of_the_old_one(store: Store) -> None:
    id = await store.change(add_group, "crm", NIGHT)
    groups = Groups(store)
    await groups.refresh()
    await store.change(change_group, "crm", id, {"name": "Late", "number": None})
    await groups.refresh()
    assert groups.find("crm", "late").id == id
    for gone in ("night shift", "g7"):
        with pytest.raises(Failure):
            groups.find("crm", gone)
