"""Groups of the directory, and the phones that a message to them goes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bridge.model.contact import Group
from bridge.model.failure import AlreadyThere, Failure, Reason
from bridge.store.directory.verb import Statement, Verb, marks
from bridge.store.directory.versions import GROUPS, next_version


def add_group(account: str, group: Group) -> Verb[int]:
    """Stores a new group and returns its id. Name and number are unique within the account."""
    rows = yield Statement(
        "INSERT INTO contact_group (account, name, name_key, number, hours, max_parts) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id",
        (
            *(account, group.name, group.name.casefold()),
            *(group.number, group.hours, group.max_parts),
        ),
    )
    if not rows:
        raise AlreadyThere("a group of this name or number")
    yield from next_version(account, GROUPS)
    return int(rows[0][0])


def change_group(account: str, id: int, changes: Mapping[str, Any]) -> Verb[None]:
    """Changes fields of a group; ``changes`` names fields of Group."""
    [old] = yield from _groups(account, id)
    new = old._replace(**changes)
    same = yield Statement(
        "SELECT 1 FROM contact_group "
        "WHERE account = ? AND id <> ? AND (name_key = ? OR number = ?)",
        (account, id, new.name.casefold(), new.number),
    )
    if same:
        raise AlreadyThere("a group of this name or number")
    yield Statement(
        "UPDATE contact_group SET name = ?, name_key = ?, number = ?, hours = ?, max_parts = ? "
        "WHERE id = ?",
        (new.name, new.name.casefold(), new.number, new.hours, new.max_parts, id),
    )
    yield from next_version(account, GROUPS)


def delete_group(account: str, id: int) -> Verb[None]:
    """Deletes a group; its contacts stay."""
    yield from _groups(account, id)
    yield Statement("DELETE FROM contact_member WHERE group_id = ?", (id,))
    yield Statement("DELETE FROM contact_group WHERE id = ?", (id,))
    yield from next_version(account, GROUPS)


_GROUP: Final = (
    "SELECT g.id, g.name, g.number, "
    "(SELECT count(*) FROM contact_member m WHERE m.group_id = g.id),"
    " g.hours, g.max_parts FROM contact_group g WHERE g.account = ?"
)


def list_groups(account: str) -> Verb[list[Group]]:
    """All groups of an account, in the order of their ids."""
    rows = yield Statement(_GROUP + " ORDER BY g.id", (account,))
    return [Group(*row) for row in rows]


def group_ids(account: str) -> Verb[dict[str, int]]:
    """The ids of an account's groups by name in small letters. Does not count the contacts."""
    rows = yield Statement("SELECT name_key, id FROM contact_group WHERE account = ?", (account,))
    return {name: int(id) for name, id in rows}


def find_group(account: str, *, number: int | None = None, name: str = "") -> Verb[Group]:
    """A group by its number, or by its name without regard to case."""
    if number is not None:
        rows = yield Statement(_GROUP + " AND g.number = ?", (account, number))
    else:
        rows = yield Statement(_GROUP + " AND g.name_key = ?", (account, name.casefold()))
    if not rows:
        raise Failure(Reason.NOT_FOUND, "no such group")
    return Group(*rows[0])


def _groups(account: str, id: int) -> Verb[list[Group]]:
    rows = yield Statement(_GROUP + " AND g.id = ?", (account, id))
    if not rows:
        raise Failure(Reason.NOT_FOUND, "no such group")
    return [Group(*row) for row in rows]


def member_phones(
    account: str, groups: Sequence[int], *, after: str = "", limit: int = 1000
) -> Verb[list[str]]:
    """Phones of these groups' contacts that sort after ``after``, sorted, each once."""
    rows = yield Statement(
        "SELECT DISTINCT p.phone FROM contact_member m "  # noqa: S608
        "JOIN contact_phone p ON p.contact_id = m.contact_id "
        f"WHERE m.group_id IN ({marks(groups)}) AND p.account = ? AND p.phone > ? "
        "ORDER BY p.phone LIMIT ?",
        (*groups, account, after, limit),
    )
    return [phone for [phone] in rows]
