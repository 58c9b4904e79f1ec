"""Records of the directory as members of the dialect's answers."""

from __future__ import annotations

from bridge.dialect.answers import Format, listing
from bridge.dialect.directory_rows import black_list_row, contact_row, group_row, template_row
from bridge.model.contact import BlackListEntry, Blocks, Contact, Group, Template


def test_a_contacts_phones_have_no_plus_and_its_group_is_an_id() -> None:
    contact = Contact(1, ("+380501234567", "+380671112233"), name="Anna", groups=(7,))
    row = dict(contact_row(contact, Format.JSON))
    assert (row["phone"], row["name"], row["group"]) == ("380501234567,380671112233", "Anna", 7)


def test_several_groups_are_one_text_and_none_is_zero() -> None:
    several = Contact(1, ("+380501234567",), groups=(7, 8))
    assert dict(contact_row(several, Format.JSON))["group"] == "7,8"
    assert dict(contact_row(several._replace(groups=()), Format.JSON))["group"] == "0"


def test_several_phones_and_groups_are_one_member_each_in_the_format_of_numbers() -> None:
    several = Contact(1, ("+380501234567", "+380671112233"), groups=(7, 8))
    assert listing("contact", [contact_row(several, Format.NUMBERS)], Format.NUMBERS) == (
        "380501234567;380671112233,,7|8,,,,,,,,"
    )


def test_a_missing_number_of_a_group_is_left_out_in_json_only() -> None:
    group = Group(3, "Night", size=2)
    assert dict(group_row(group, Format.JSON)) == {"id": 3, "name": "Night", "cnt": "2"}
    assert dict(group_row(group, Format.XML))["number"] == ""
    assert dict(group_row(group._replace(number=9), Format.JSON))["number"] == 9


def test_the_type_of_a_blocked_number() -> None:
    entry = BlackListEntry(5, "+380501234567", Blocks.BULK, "asked")
    assert black_list_row(entry) == [
        ("id", 5),
        ("phone", "380501234567"),
        ("type", 1),
        ("comment", "asked"),
    ]


def test_a_template() -> None:
    row = dict(template_row(Template(4, "ready", "Hello {name}", sender="Shop")))
    assert (row["id"], row["name"], row["message"], row["sender"]) == (
        4,
        "ready",
        "Hello {name}",
        "Shop",
    )
