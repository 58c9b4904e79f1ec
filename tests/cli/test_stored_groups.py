"""Groups that ``explain`` finds in the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.cli.stored_groups import StoredGroups, described
from bridge.config import load
from bridge.model.contact import Contact, Group
from bridge.model.failure import Failure, Reason
from bridge.model.message import Recipient
from bridge.store.directory.contacts import add_contact
from bridge.store.directory.groups import add_group
from bridge.store.sqlite.engine import SqliteStore
from tests.cli.stores import write_config, write_store
from tests.samples import NOW, account, submission

PHONES = ("+380501234567", "+380671112233")


async def fill(store: SqliteStore) -> None:
    id = await store.change(add_group, "crm", Group(0, "Night shift", 7, 0, "9-21", 1))
    for phone in PHONES:
        await store.change(add_contact, "crm", Contact(0, (phone,), groups=(id,)))
    await store.change(add_group, "erp", Group(0, "Theirs"))


@pytest.fixture
def groups(tmp_path: Path) -> StoredGroups:
    return StoredGroups(load(write_store(tmp_path, fill)))


@pytest.mark.parametrize("address", ["Night shift", "night SHIFT", "g7"])
def test_a_group_is_found_by_its_addresses(groups: StoredGroups, address: str) -> None:
    found = groups.find(account(), address)
    assert (found.name, found.number, found.size) == ("Night shift", 7, 2)


@pytest.mark.parametrize("address", ["Theirs", "g8", "nobody"])
def test_other_groups_are_not_found(groups: StoredGroups, address: str) -> None:
    with pytest.raises(Failure) as caught:
        groups.find(account(), address)
    assert caught.value.reason is Reason.NOT_FOUND


def test_a_submission_gets_the_numbers_of_its_groups(groups: StoredGroups) -> None:
    asked = submission("g7", "+380631112233")._replace(recipients=(Recipient("g7"),))
    expanded = groups.expanded(account(), asked, float(NOW))
    assert expanded.recipients
    assert expanded.recipients[0].address in PHONES
    alone = submission("+380631112233")
    assert groups.expanded(account(), alone, float(NOW)).recipients == alone.recipients


def test_without_a_store_there_is_no_group(tmp_path: Path) -> None:
    nothing = StoredGroups(load(write_config(tmp_path)))
    with pytest.raises(Failure, match="the store cannot be read") as caught:
        nothing.find(account(), "g7")
    assert caught.value.reason is Reason.NOT_FOUND


@pytest.mark.parametrize(
    ("group", "words"),
    [
        (Group(1, "Day", None, 1), "the group Day of 1 contact"),
        (
            Group(1, "Night", 7, 2, "9-21", 1),
            "the group Night (g7) of 2 contacts, messages only at 9-21 o'clock, at most 1 SMS",
        ),
    ],
)
def test_a_group_is_described_with_its_options(group: Group, words: str) -> None:
    assert described(group) == words
