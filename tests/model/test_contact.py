"""The directory's vocabulary: what an entry means that says nothing of it."""

from __future__ import annotations

import pytest

from bridge.model.contact import BlackListEntry, Blocks, Contact, Group, Template


def test_a_contact_needs_only_its_phones() -> None:
    contact = Contact(1, ("+380501234567",))
    assert contact.groups == ()
    assert set(contact[2:]) == {"", ()}


def test_a_group_is_written_to_at_any_time_and_has_no_number_of_its_own() -> None:
    group = Group(1, "Night")
    assert (group.number, group.hours, group.max_parts, group.size) == (None, "", 0, 0)


def test_a_blocked_number_gets_nothing_unless_the_entry_says_less() -> None:
    assert BlackListEntry(1, "+380501234567").blocks is Blocks.ALL


@pytest.mark.parametrize(("blocks", "number"), [("ALL", 0), ("BULK", 1), ("SINGLE", 2)])
def test_what_an_entry_blocks_has_the_dialects_number(blocks: str, number: int) -> None:
    # The store keeps the numbers, and clients of the dialect write them (``type``).
    assert Blocks[blocks] == number
    assert Blocks(number).name == blocks


def test_a_template_is_one_for_sms() -> None:
    template = Template(1, "Code", "Your code")
    assert (template.format, template.sender, template.flag) == ("sms", "", 0)
