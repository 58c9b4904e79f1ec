"""Contacts, groups, the black list and templates as rows of the dialect's answers.

Names and order of the members are those of the source document.
"""

from __future__ import annotations

from bridge.dialect.answers import Format, Row
from bridge.model.contact import BlackListEntry, Contact, Group, Template


def contact_row(contact: Contact, fmt: Format) -> Row:
    """A contact: phones without plus, groups by their ids; 0 for none.

    In the format of numbers a comma would begin another member: there phones are separated by
    semicolons, groups by bars.
    """
    groups = contact.groups
    between_phones, between_groups = (";", "|") if fmt is Format.NUMBERS else (",", ",")
    return [
        ("phone", between_phones.join(phone.lstrip("+") for phone in contact.phones)),
        ("name", contact.name),
        ("group", groups[0] if len(groups) == 1 else between_groups.join(map(str, groups)) or "0"),
        ("first_name", contact.first_name),
        ("last_name", contact.last_name),
        ("middle_name", contact.middle_name),
        ("birthday", contact.birthday),
        ("id", contact.client_id),
        ("comments", contact.comments),
        ("tags", contact.tags),
        ("phone_other", contact.phone_other),
    ]


def group_row(group: Group, fmt: Format) -> Row:
    """A group; in JSON it has no member for a missing number."""
    row: list[tuple[str, int | str]] = [("id", group.id), ("name", group.name)]
    if group.number is not None:
        row.append(("number", group.number))
    elif fmt is not Format.JSON:
        row.append(("number", ""))
    return [*row, ("cnt", str(group.size))]


def black_list_row(entry: BlackListEntry) -> Row:
    """An entry; its type is 0 for all messages, 1 for bulk, 2 for single ones."""
    return [
        ("id", entry.id),
        ("phone", entry.phone.lstrip("+")),
        ("type", int(entry.blocks)),
        ("comment", entry.comment),
    ]


def template_row(template: Template) -> Row:
    """A template, as in templates.php."""
    return [
        ("id", template.id),
        ("format", template.format),
        ("message", template.message),
        ("name", template.name),
        ("sender", template.sender),
        ("flag", template.flag),
    ]
