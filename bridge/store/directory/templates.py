"""Templates: texts with placeholders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bridge.model.contact import Template
from bridge.model.failure import AlreadyThere, Failure, Reason
from bridge.store.directory.verb import Statement, Verb

_TEMPLATE: Final = "SELECT id, name, message, format, sender, flag FROM template WHERE account = ?"


def add_template(account: str, template: Template) -> Verb[int]:
    """Stores a new template and returns its id. Its name is unique within the account."""
    rows = yield Statement(
        "INSERT INTO template (account, name, name_key, message, format, sender, flag) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id",
        (account, template.name, template.name.casefold(), *template[2:]),
    )
    if not rows:
        raise AlreadyThere("a template of this name")
    return int(rows[0][0])


def change_template(account: str, id: int, changes: Mapping[str, Any]) -> Verb[None]:
    """Changes fields of a template; ``changes`` names fields of Template."""
    rows = yield Statement(_TEMPLATE + " AND id = ?", (account, id))
    if not rows:
        raise Failure(Reason.NOT_FOUND, "no such template")
    new = Template(*rows[0])._replace(**changes)
    same = yield Statement(
        "SELECT 1 FROM template WHERE account = ? AND id <> ? AND name_key = ?",
        (account, id, new.name.casefold()),
    )
    if same:
        raise AlreadyThere("a template of this name")
    yield Statement(
        "UPDATE template SET name = ?, name_key = ?, message = ?, format = ?, sender = ?, flag = ? "
        "WHERE id = ?",
        (new.name, new.name.casefold(), *new[2:], id),
    )


def delete_template(account: str, id: int) -> Verb[None]:
    """Deletes a template."""
    rows = yield Statement(
        "DELETE FROM template WHERE account = ? AND id = ? RETURNING id", (account, id)
    )
    if not rows:
        raise Failure(Reason.NOT_FOUND, "no such template")


def list_templates(account: str) -> Verb[list[Template]]:
    """All templates of an account, in the order of their ids."""
    rows = yield Statement(_TEMPLATE + " ORDER BY id", (account,))
    return [Template(*row) for row in rows]


def find_template(account: str, name: str) -> Verb[Template]:
    """A template by its id, or by its name without regard to case."""
    # Ids have 63 bits.
    if name.isascii() and name.isdigit() and len(name) < 19:
        rows = yield Statement(_TEMPLATE + " AND id = ?", (account, int(name)))
        if rows:
            return Template(*rows[0])
    rows = yield Statement(_TEMPLATE + " AND name_key = ?", (account, name.casefold()))
    if not rows:
        raise Failure(Reason.NOT_FOUND, "no such template")
    return Template(*rows[0])
