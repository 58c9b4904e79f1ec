"""Contacts of the directory, and their groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Final

from bridge.model.contact import Contact
from bridge.model.failure import AlreadyThere, Failure, Reason
from bridge.store.directory.verb import Statement, Verb, chunks, marks
from bridge.store.rows import Row


class Membership(Enum):
    """A change of a contact's groups."""

    #: Into this group, out of all others.
    MOVE = 1
    ADD = 2
    REMOVE = 3


FIELDS: Final = (
    *("name", "first_name", "last_name", "middle_name", "birthday", "client_id", "comments"),
    *("tags", "phone_other"),
)
COLUMNS: Final = ", ".join(FIELDS)
INSERT_CONTACT: Final = (
    f"INSERT INTO contact (account, {COLUMNS}, search) "  # noqa: S608 - constants
    f"VALUES (?, {marks(FIELDS)}, ?) RETURNING id"
)
UPDATE_CONTACT: Final = (
    f"UPDATE contact SET {', '.join(f'{name} = ?' for name in FIELDS)}, search = ? "  # noqa: S608
    "WHERE id = ?"
)
INSERT_PHONE: Final = (
    "INSERT INTO contact_phone (account, phone, contact_id, place) VALUES (?, ?, ?, ?) "
    "ON CONFLICT DO NOTHING"
)
INSERT_MEMBER: Final = (
    "INSERT INTO contact_member (group_id, contact_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
)


def values_of(contact: Contact) -> tuple[str, ...]:
    return tuple(getattr(contact, name) for name in FIELDS)


def search_text(contact: Contact) -> str:
    """The text for searches, in small letters: the engines fold only ASCII letters alike."""
    return "\n".join((*contact.phones, *values_of(contact))).casefold()


def add_contact(account: str, contact: Contact) -> Verb[int]:
    """Stores a new contact and returns its id. A phone can be in one contact only."""
    yield from _check_groups(account, contact.groups)
    [[id]] = yield Statement(INSERT_CONTACT, (account, *values_of(contact), search_text(contact)))
    yield from set_phones(account, int(id), contact.phones)
    yield Statement(INSERT_MEMBER, many=[(group, id) for group in contact.groups])
    return int(id)


def change_contact(account: str, phone: str, changes: Mapping[str, Any]) -> Verb[None]:
    """Changes fields of the contact with this phone; ``changes`` names fields of Contact."""
    [id] = yield from _ids_of(account, [phone])
    [old] = yield from contacts_of(account, [id])
    new = old._replace(**changes)
    yield Statement(UPDATE_CONTACT, (*values_of(new), search_text(new), id))
    if new.phones != old.phones:
        yield Statement("DELETE FROM contact_phone WHERE contact_id = ?", (id,))
        yield from set_phones(account, id, new.phones)
    if new.groups != old.groups:
        yield from _check_groups(account, new.groups)
        yield Statement("DELETE FROM contact_member WHERE contact_id = ?", (id,))
        yield Statement(INSERT_MEMBER, many=[(group, id) for group in new.groups])


def delete_contacts(account: str, phones: Sequence[str]) -> Verb[int]:
    """Deletes the contacts with any of these phones; returns their number."""
    ids = yield from _ids_of(account, phones)
    for some in chunks(ids):
        found = marks(some)
        for table, key in (
            ("contact_member", "contact_id"),
            ("contact_phone", "contact_id"),
            ("contact", "id"),
        ):
            yield Statement(f"DELETE FROM {table} WHERE {key} IN ({found})", tuple(some))  # noqa: S608
    return len(ids)


def set_membership(
    account: str, phones: Sequence[str], group: int, membership: Membership
) -> Verb[None]:
    """Adds the contacts with these phones to a group, or removes them from it."""
    yield from _check_groups(account, (group,))
    ids = yield from _ids_of(account, phones)
    if membership is Membership.REMOVE:
        for some in chunks(ids):
            sql = f"DELETE FROM contact_member WHERE group_id = ? AND contact_id IN ({marks(some)})"  # noqa: S608
            yield Statement(sql, (group, *some))
        return
    if membership is Membership.MOVE:
        for some in chunks(ids):
            sql = f"DELETE FROM contact_member WHERE contact_id IN ({marks(some)})"  # noqa: S608
            yield Statement(sql, tuple(some))
    yield Statement(INSERT_MEMBER, many=[(group, id) for id in ids])


def list_contacts(
    account: str,
    *,
    group: int | None = None,
    phone: str = "",
    search: str = "",
    after: int = 0,
    limit: int = 1000,
) -> Verb[list[Contact]]:
    """Contacts with an id greater than ``after``, in the order of their ids, that meet all
    conditions.

    ``search`` is found in any field, without regard to case.
    """
    where, args = ["account = ?", "id > ?"], [account, after]
    if group is not None:
        where.append("id IN (SELECT contact_id FROM contact_member WHERE group_id = ?)")
        args.append(group)
    if phone:
        where.append("id IN (SELECT contact_id FROM contact_phone WHERE account = ? AND phone = ?)")
        args += [account, phone]
    for word in search.casefold().split():
        where.append("search LIKE ? ESCAPE '!'")
        for sign in "!%_":
            word = word.replace(sign, "!" + sign)
        args.append(f"%{word}%")
    rows = yield Statement(
        f"SELECT id FROM contact WHERE {' AND '.join(where)} ORDER BY id LIMIT ?",  # noqa: S608
        (*args, limit),
    )
    return (yield from contacts_of(account, [int(id) for [id] in rows]))


def contacts_of(account: str, ids: Sequence[int]) -> Verb[list[Contact]]:
    found: list[Contact] = []
    for some in chunks(ids):
        wanted, args = marks(some), tuple(some)
        rows = yield Statement(
            f"SELECT id, {COLUMNS} FROM contact WHERE id IN ({wanted}) ORDER BY id",  # noqa: S608
            args,
        )
        phones = yield Statement(
            "SELECT contact_id, phone FROM contact_phone "  # noqa: S608
            f"WHERE contact_id IN ({wanted}) ORDER BY contact_id, place",
            args,
        )
        groups = yield Statement(
            "SELECT contact_id, group_id FROM contact_member "  # noqa: S608
            f"WHERE contact_id IN ({wanted}) ORDER BY contact_id, group_id",
            args,
        )
        phones_of, groups_of = _by_first(phones), _by_first(groups)
        found += [
            Contact(
                int(id),
                tuple(phones_of.get(id, ())),
                groups=tuple(groups_of.get(id, ())),
                **dict(zip(FIELDS, values, strict=True)),
            )
            for id, *values in rows
        ]
    return found


def _by_first(rows: Iterable[Row]) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for first, second in rows:
        found.setdefault(first, []).append(second)
    return found


def _ids_of(account: str, phones: Sequence[str]) -> Verb[list[int]]:
    ids: dict[int, None] = {}
    for some in chunks(phones):
        rows = yield Statement(
            "SELECT contact_id FROM contact_phone "  # noqa: S608
            f"WHERE account = ? AND phone IN ({marks(some)}) ORDER BY contact_id",
            (account, *some),
        )
        ids.update((int(id), None) for [id] in rows)
    if not ids:
        raise Failure(Reason.NOT_FOUND, "no such contact")
    return list(ids)


def set_phones(account: str, id: int, phones: Sequence[str]) -> Verb[None]:
    yield Statement(
        INSERT_PHONE, many=[(account, phone, id, place) for place, phone in enumerate(phones)]
    )
    [[count]] = yield Statement("SELECT count(*) FROM contact_phone WHERE contact_id = ?", (id,))
    if count != len(phones):
        raise AlreadyThere("a contact with this phone")


def _check_groups(account: str, groups: Sequence[int]) -> Verb[None]:
    if groups:
        rows = yield Statement(
            f"SELECT id FROM contact_group WHERE account = ? AND id IN ({marks(groups)})",  # noqa: S608
            (account, *groups),
        )
        if len(rows) != len(set(groups)):
            raise Failure(Reason.NOT_FOUND, "no such group")
