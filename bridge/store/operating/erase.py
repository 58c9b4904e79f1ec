"""Erases a phone number: messages to it and from it, parts, refusals, contacts.

First all records are found, with reads that hold up no write; then they are deleted in small steps.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple

from bridge.model.failure import Failure
from bridge.model.mail_record import dump_refused, load_refused
from bridge.model.message import FINAL
from bridge.model.notice import Unjoined
from bridge.model.phone import normalise
from bridge.store.directory.verb import Statement, Verb, chunks, marks
from bridge.store.interface import Store
from bridge.store.rows import Row
from bridge.store.small_steps import SmallSteps

#: Rows of one read: a table is read in pieces, since one statement has a time limit.
_PAGE: Final = 100_000
_ENDED: Final = frozenset(state.value for state in FINAL)
#: Notices that name numbers of their own, beside the one of their message: refused recipients of a
#: mail, and parts that were not joined.
_NAMING: Final = "(kind = 'refused' OR about = 0)"
#: A number in an address: national, international, with separators.
_NUMBER: Final = re.compile(r"\+?[0-9][0-9 .\-()/]*")


@dataclass(frozen=True, slots=True)
class Erased:
    """Numbers of stored records about a phone. ``notices`` are those of parts that were not joined
    and of refused recipients; ``left``: messages and parts that are still on their way; they must
    end or be cancelled first."""

    messages: int
    incoming: int
    notices: int
    refusals: int
    contacts: int
    left: int


class FoundAbout(NamedTuple):
    """The records about some phones, by id. ``submissions`` are those of several messages,
    ``notices`` have the content that stays (empty: nothing)."""

    messages: list[int]
    submissions: list[int]
    incoming: list[int]
    notices: list[tuple[int, str]]
    refusals: list[int]
    contacts: list[int]
    left: int

    @property
    def counts(self) -> Erased:
        return Erased(
            len(self.messages),
            len(self.incoming),
            len(self.notices),
            len(self.refusals),
            len(self.contacts),
            self.left,
        )


# --- find ---------------------------------------------------------------------------------------


def find_about(phones: Sequence[str], regions: Iterable[str]) -> Verb[FoundAbout]:
    """The records about these phones (E.164). In notices a phone may stand in the national form of
    one of the regions."""
    one_of = f"phone IN ({marks(phones)})"
    messages = yield from _scan("id, submission_id, state", "message", one_of, phones)
    ended = [row for row in messages if row[2] in _ENDED]
    left = len(messages) - len(ended)
    for phone in phones:
        [[parts]] = yield Statement(
            "SELECT count(*) FROM part WHERE group_id IN (SELECT id FROM part_group "
            "WHERE message_id = 0 AND ',' || destination || ',' LIKE ?)",
            (f"%,{phone},%",),
        )
        left += parts
    incoming = yield from _scan("id", "incoming", one_of, phones)
    naming = yield from _scan("id, kind, content", "notice", _NAMING, ())
    refusals = yield from _scan("id", "refusal", one_of, phones)
    contacts = yield Statement(
        f"SELECT DISTINCT contact_id FROM contact_phone WHERE {one_of}",  # noqa: S608
        tuple(phones),
    )
    return FoundAbout(
        _ids(ended),
        sorted({row[1] for row in ended if row[1] != row[0]}),
        _ids(incoming),
        list(_notices(naming, frozenset(phones), tuple(regions))),
        _ids(refusals),
        _ids(contacts),
        left,
    )


def _scan(columns: str, table: str, where: str, args: Sequence[object]) -> Verb[list[Row]]:
    found: list[Row] = []
    after = -1
    while True:
        [[last]] = yield Statement(
            f"SELECT max(id) FROM (SELECT id FROM {table} WHERE id > ? "  # noqa: S608
            f"ORDER BY id LIMIT {_PAGE}) AS page",
            (after,),
        )
        if last is None:
            return found
        found += yield Statement(
            f"SELECT {columns} FROM {table} WHERE id > ? AND id <= ? AND {where}",  # noqa: S608
            (after, last, *args),
        )
        after = last


def _ids(rows: Iterable[Row]) -> list[int]:
    return sorted(row[0] for row in rows)


def _notices(
    rows: Iterable[Row], phones: frozenset[str], regions: Sequence[str]
) -> Iterable[tuple[int, str]]:
    """The notices that name one of the phones, with the content that stays."""
    for id, kind, content in rows:
        if kind == "refused":
            refused = load_refused(content)
            stays = [one for one in refused if not phones & _numbers(one[0].to, regions)]
            if len(stays) < len(refused):
                yield id, dump_refused(stays) if stays else ""
        elif content and Unjoined.from_content(content).phone in phones:
            yield id, ""


def _numbers(address: str, regions: Iterable[str]) -> set[str]:
    """The phones that the address of a mail may mean."""
    found = set()
    if number := _NUMBER.search(address.rpartition("@")[0] or address):
        for region in regions:
            with suppress(Failure):
                found.add(normalise(number[0], region))
    return found


# --- delete -------------------------------------------------------------------------------------

#: The tables with rows of a message, and the column of its id; the message last, so that all of it
#: is found again if this is interrupted. Reports of refused recipients are about others too.
_OF_MESSAGES: Final = (
    "DELETE FROM alias WHERE message_id IN ({ids})",
    "DELETE FROM event WHERE message_id IN ({ids})",
    "DELETE FROM part_group WHERE message_id IN ({ids})",
    "UPDATE notice SET about = 0 WHERE about IN ({ids}) AND kind = 'refused'",
    "DELETE FROM notice WHERE about IN ({ids})",
    "DELETE FROM message WHERE id IN ({ids})",
)
_OF_SUBMISSIONS: Final = (
    "DELETE FROM submission WHERE id IN ({ids}) AND NOT EXISTS (SELECT 1 FROM message "
    "WHERE submission_id = submission.id AND submission_id <> message.id)",
    "DELETE FROM alias WHERE message_id IN ({ids}) "
    "AND NOT EXISTS (SELECT 1 FROM submission WHERE submission.id = alias.message_id)",
)
_OF_INCOMING: Final = (
    "DELETE FROM notice WHERE about IN ({ids})",
    "DELETE FROM incoming WHERE id IN ({ids})",
)
_OF_NOTICES: Final = ("DELETE FROM notice WHERE id IN ({ids})",)
_OF_REFUSALS: Final = ("DELETE FROM refusal WHERE id IN ({ids})",)
_OF_CONTACTS: Final = (
    "DELETE FROM contact_phone WHERE contact_id IN ({ids})",
    "DELETE FROM contact_member WHERE contact_id IN ({ids})",
    "DELETE FROM contact WHERE id IN ({ids})",
)


async def erase(store: Store, phones: Sequence[str], found: FoundAbout) -> None:
    """Deletes what :func:`find_about` has found. A black-list entry stays: without it the number
    would get messages again."""
    steps = SmallSteps(store)
    for statements, ids in (
        (_OF_NOTICES, [id for id, content in found.notices if not content]),
        (_OF_MESSAGES, found.messages),
        (_OF_SUBMISSIONS, found.submissions),
        (_OF_INCOMING, found.incoming),
        (_OF_REFUSALS, found.refusals),
        (_OF_CONTACTS, found.contacts),
    ):
        for start in range(0, len(ids), steps.size):
            some = ids[start : start + steps.size]
            await steps.take(store.change(_delete, statements, some))
    shortened = [(content, id) for id, content in found.notices if content]
    await steps.take(store.change(_forget, phones, shortened))


def _delete(statements: Sequence[str], ids: Sequence[int]) -> Verb[None]:
    for sql in statements:
        for some in chunks(ids):
            yield Statement(sql.format(ids=marks(some)), tuple(some))


def _forget(phones: Sequence[str], shortened: Sequence[Row]) -> Verb[None]:
    """Shortens notices, and forgets that a phone was in the black list."""
    if shortened:
        yield Statement("UPDATE notice SET content = ? WHERE id = ?", many=shortened)
    for phone in phones:
        yield Statement(
            "DELETE FROM black_list_change WHERE phone = ? AND NOT EXISTS (SELECT 1 "
            "FROM black_list WHERE black_list.account = black_list_change.account "
            "AND black_list.phone = black_list_change.phone)",
            (phone,),
        )
