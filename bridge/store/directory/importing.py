"""Import of a file's lines: each adds or changes a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from bridge.model.contact import BlackListEntry, Contact, Group, Template
from bridge.store.directory.contacts import (
    FIELDS,
    INSERT_CONTACT,
    INSERT_MEMBER,
    INSERT_PHONE,
    UPDATE_CONTACT,
    contacts_of,
    search_text,
    set_phones,
    values_of,
)
from bridge.store.directory.groups import add_group, change_group, group_ids, list_groups
from bridge.store.directory.templates import add_template, change_template, list_templates
from bridge.store.directory.verb import Statement, Verb, chunks, marks

#: The flag of a template whose line has none.
NO_FLAG: Final = -1
_UNSET: Final = ("", NO_FLAG)
_NEW_TEMPLATE: Final = Template(0, "", "")


class Imported(NamedTuple):
    """The result of an import, or of its preview: numbers of records, and rejected lines with the
    reason.

    ``groups`` are the names of groups that were created.
    """

    added: int
    changed: int
    unchanged: int
    groups: tuple[str, ...]
    wrong: tuple[tuple[int, str], ...]


class Entry(NamedTuple):
    """One contact of a file: its line, its fields and the names of its groups."""

    line: int
    contact: Contact
    groups: tuple[str, ...] = ()


def import_black_list(
    account: str, entries: Sequence[BlackListEntry], *, dry_run: bool
) -> Verb[Imported]:
    """Adds entries of the black list, or changes entries with the same phone. An empty comment
    changes none.

    With ``dry_run`` nothing is written, and the answer is the same. The caller increases the
    version by which nodes notice the change.
    """
    known: dict[str, tuple[int, str]] = {}
    for some in chunks(entries):
        rows = yield Statement(
            "SELECT phone, blocks, comment FROM black_list "  # noqa: S608
            f"WHERE account = ? AND phone IN ({marks(some)})",
            (account, *(entry.phone for entry in some)),
        )
        known.update((phone, (int(blocks), comment)) for phone, blocks, comment in rows)
    entries = [
        entry._replace(comment=entry.comment or known.get(entry.phone, (0, ""))[1])
        for entry in entries
    ]
    new = [entry for entry in entries if entry.phone not in known]
    other = [
        entry
        for entry in entries
        if known.get(entry.phone, entry[2:]) != (int(entry.blocks), entry.comment)
    ]
    # Each number once: one statement cannot change a row twice.
    written = {entry.phone: entry for entry in (*new, *other)}
    if not dry_run and written:
        yield Statement(
            "INSERT INTO black_list (account, phone, blocks, comment) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (account, phone) DO UPDATE SET blocks = excluded.blocks, "
            "comment = excluded.comment",
            many=[(account, e.phone, int(e.blocks), e.comment) for e in written.values()],
        )
    return Imported(len(new), len(other), len(entries) - len(new) - len(other), (), ())


def import_groups(account: str, groups: Sequence[Group], *, dry_run: bool) -> Verb[Imported]:
    """Adds groups, or changes groups with the same name. Their ids are the line numbers.

    Empty fields of the file change nothing. With ``dry_run`` nothing is written, and the answer is
    the same.
    """
    there = yield from list_groups(account)
    by_name = {group.name.casefold(): group for group in there}
    owner = {group.number: group.name.casefold() for group in there if group.number is not None}
    added = changed = unchanged = 0
    wrong: list[tuple[int, str]] = []
    for group in groups:
        key = group.name.casefold()
        if group.number is not None and owner.setdefault(group.number, key) != key:
            wrong.append((group.id, f"another group has the number {group.number}"))
            continue
        old = by_name.get(key)
        if old is None:
            added += 1
            if not dry_run:
                yield from add_group(account, group)
            continue
        changes = {
            name: value
            for name in ("number", "hours", "max_parts")
            if (value := getattr(group, name)) and value != getattr(old, name)
        }
        if not changes:
            unchanged += 1
            continue
        changed += 1
        if "number" in changes and old.number is not None:
            del owner[old.number]
        if not dry_run:
            yield from change_group(account, old.id, changes)
    return Imported(added, changed, unchanged, (), tuple(wrong))


def import_templates(
    account: str, templates: Sequence[Template], *, dry_run: bool
) -> Verb[Imported]:
    """Adds templates, or changes templates with the same name. Their ids are the line numbers.

    Empty fields of the file, and the flag :data:`NO_FLAG`, change nothing. With ``dry_run`` nothing
    is written, and the answer is the same.
    """
    by_name = {one.name.casefold(): one for one in (yield from list_templates(account))}
    added = changed = unchanged = 0
    for template in templates:
        old = by_name.get(template.name.casefold())
        before = old or _NEW_TEMPLATE
        given: dict[str, Any] = {
            name: value for name, value in template._asdict().items() if value not in _UNSET
        }
        after = before._replace(**given | {"id": before.id})
        if old is None:
            added += 1
            if not dry_run:
                yield from add_template(account, after)
        elif after == old:
            unchanged += 1
        else:
            changed += 1
            if not dry_run:
                del given["id"]
                yield from change_template(account, old.id, given)
    return Imported(added, changed, unchanged, (), ())


class Previewed:
    """Results of earlier lines that a preview has not written: the ids of groups by name in small
    letters (negative ones of new groups), and changed contacts that another line may mean too."""

    def __init__(self) -> None:
        self.groups: dict[str, int] = {}
        self.contacts: dict[int, Contact] = {}


def import_contacts(
    account: str, entries: Sequence[Entry], *, dry_run: bool, previewed: Previewed | None = None
) -> Verb[Imported]:
    """Adds contacts, or changes contacts with one of the phones.

    Empty fields of the file change nothing. Groups are added to the contact's own; unknown groups
    are created. With ``dry_run`` nothing is written, and the answer is the same; ``previewed`` has
    the results of the lines before.
    """
    seen = previewed or Previewed()
    ids, created = yield from _import_groups(account, entries, dry_run, seen.groups)
    added = changed = unchanged = 0
    wrong: list[tuple[int, str]] = []
    line_of: dict[str, int] = {}
    for some in chunks(entries):
        known = yield from _by_phone(account, [phone for e in some for phone in e.contact.phones])
        if seen.contacts:
            known = {phone: seen.contacts.get(one.id, one) for phone, one in known.items()}
        new: list[tuple[Contact, Sequence[str]]] = []
        for entry in some:
            contact = entry.contact
            if repeated := [phone for phone in contact.phones if phone in line_of]:
                wrong.append((entry.line, f"the same number as in line {line_of[repeated[0]]}"))
                continue
            line_of.update(dict.fromkeys(contact.phones, entry.line))
            old = {known[phone].id: known[phone] for phone in contact.phones if phone in known}
            if len(old) > 1:
                wrong.append((entry.line, "its numbers are in several contacts"))
            elif not old:
                added += 1
                new.append((contact, entry.groups))
            else:
                [before] = old.values()
                after = _merged(before, contact, [ids[name.casefold()] for name in entry.groups])
                if after == before:
                    unchanged += 1
                    continue
                changed += 1
                known.update(dict.fromkeys(after.phones, after))
                if not dry_run:
                    yield from _rewrite(account, before, after)
                elif len(after.phones) > 1:
                    seen.contacts[after.id] = after
        if new and not dry_run:
            yield from _insert(account, new, ids)
    return Imported(added, changed, unchanged, created, tuple(wrong))


def _import_groups(
    account: str, entries: Sequence[Entry], dry_run: bool, previewed: dict[str, int]
) -> Verb[tuple[dict[str, int], tuple[str, ...]]]:
    """The ids of all groups by name in small letters, and the names of missing groups."""
    ids = previewed | (yield from group_ids(account))
    created: list[str] = []
    for entry in entries:
        for name in entry.groups:
            key = name.casefold()
            if key in ids:
                continue
            created.append(name)
            if dry_run:
                ids[key] = previewed[key] = -1 - len(previewed)
            else:
                ids[key] = yield from add_group(account, Group(0, name))
    return ids, tuple(created)


def _by_phone(account: str, phones: Sequence[str]) -> Verb[dict[str, Contact]]:
    found: dict[int, None] = {}
    for some in chunks(phones):
        rows = yield Statement(
            "SELECT contact_id FROM contact_phone "  # noqa: S608
            f"WHERE account = ? AND phone IN ({marks(some)})",
            (account, *some),
        )
        found.update((int(id), None) for [id] in rows)
    contacts = yield from contacts_of(account, list(found))
    return {phone: contact for contact in contacts for phone in contact.phones}


def _merged(before: Contact, contact: Contact, groups: Sequence[int]) -> Contact:
    fields = {name: value for name in FIELDS if (value := getattr(contact, name))}
    phones = tuple(dict.fromkeys((*before.phones, *contact.phones)))
    return before._replace(**fields, phones=phones, groups=tuple(sorted({*before.groups, *groups})))


def _rewrite(account: str, before: Contact, after: Contact) -> Verb[None]:
    yield Statement(UPDATE_CONTACT, (*values_of(after), search_text(after), after.id))
    if after.phones != before.phones:
        yield Statement("DELETE FROM contact_phone WHERE contact_id = ?", (after.id,))
        yield from set_phones(account, after.id, after.phones)
    yield Statement(INSERT_MEMBER, many=[(group, after.id) for group in after.groups])


def _insert(
    account: str, new: Sequence[tuple[Contact, Sequence[str]]], ids: Mapping[str, int]
) -> Verb[None]:
    """Inserts many new contacts."""
    found = yield Statement(
        INSERT_CONTACT, many=[(account, *values_of(c), search_text(c)) for c, _ in new]
    )
    numbered = list(zip(sorted(int(id) for [id] in found), new, strict=True))
    yield Statement(
        INSERT_PHONE,
        many=[
            (account, phone, id, place)
            for id, (contact, _) in numbered
            for place, phone in enumerate(contact.phones)
        ],
    )
    yield Statement(
        INSERT_MEMBER,
        many=[
            (ids[name.casefold()], id)
            for id, (_, groups) in numbered
            for name in dict.fromkeys(groups)
        ],
    )
