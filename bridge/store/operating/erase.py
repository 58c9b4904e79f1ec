"""Erases a phone number: messages to it and from it, refusals, contacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bridge.model.message import FINAL
from bridge.store.directory.verb import Statement, Verb, chunks, marks

_ENDED: Final = ", ".join(f"'{state.value}'" for state in sorted(FINAL))
#: The tables with rows of a message or an incoming message, and the column of its id.
_OF_MESSAGES: Final = (
    ("alias", "message_id"),
    ("event", "message_id"),
    ("notice", "about"),
    ("message", "id"),
)
_OF_INCOMING: Final = (("notice", "about"), ("incoming", "id"))


@dataclass(frozen=True, slots=True)
class Erased:
    """Numbers of stored records about a phone. ``left``: messages that are still on their way; they
    must end or be cancelled first."""

    messages: int
    incoming: int
    refusals: int
    contacts: int
    left: int


def erase(phones: Sequence[str], *, really: bool) -> Verb[Erased]:
    """Counts the records, and with ``really`` deletes them. A black-list entry stays: without it
    the number would get messages again."""
    messages, incoming, contacts = set[int](), set[int](), set[int]()
    refusals = left = 0
    for phone in phones:
        rows = yield Statement(
            f"SELECT id FROM message WHERE phone = ? AND state IN ({_ENDED})",  # noqa: S608
            (phone,),
        )
        messages |= {row[0] for row in rows}
        [[count]] = yield Statement(
            f"SELECT count(*) FROM message WHERE phone = ? AND state NOT IN ({_ENDED})",  # noqa: S608
            (phone,),
        )
        left += count
        rows = yield Statement("SELECT id FROM incoming WHERE phone = ?", (phone,))
        incoming |= {row[0] for row in rows}
        rows = yield Statement("SELECT contact_id FROM contact_phone WHERE phone = ?", (phone,))
        contacts |= {row[0] for row in rows}
        [[count]] = yield Statement("SELECT count(*) FROM refusal WHERE phone = ?", (phone,))
        refusals += count
    if really:
        for ids, tables in ((messages, _OF_MESSAGES), (incoming, _OF_INCOMING)):
            yield from _delete(sorted(ids), tables)
        yield from _delete(
            sorted(contacts),
            (("contact_phone", "contact_id"), ("contact_member", "contact_id"), ("contact", "id")),
        )
        yield Statement("DELETE FROM refusal WHERE phone = ?", many=[(phone,) for phone in phones])
    return Erased(len(messages), len(incoming), refusals, len(contacts), left)


def _delete(ids: Sequence[int], tables: Sequence[tuple[str, str]]) -> Verb[None]:
    for table, column in tables:
        for some in chunks(ids):
            yield Statement(
                f"DELETE FROM {table} WHERE {column} IN ({marks(some)})",  # noqa: S608
                tuple(some),
            )
