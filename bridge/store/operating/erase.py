"""Erases a phone number: messages to it and from it, parts, refusals, contacts, and mentions in
other records (:mod:`bridge.store.operating.mentions`).

First all records are found, with reads that hold up no write; then they are deleted in small steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, TypeVar

from bridge.model.mail_record import dump_refused, load_refused
from bridge.model.message import FINAL
from bridge.model.notice import Unjoined
from bridge.store.directory.contacts import COLUMNS
from bridge.store.directory.verb import Statement, Verb, chunks, marks
from bridge.store.interface import Store
from bridge.store.operating.mentions import (
    Mentions,
    Numbers,
    cut_from_comments,
    cut_from_contacts,
    cut_from_lines,
    elsewhere,
    staged_lines,
)
from bridge.store.rows import Row
from bridge.store.small_steps import SmallSteps

T = TypeVar("T")

#: Rows of one read: a table is read in pieces, since one statement has a time limit.
_PAGE: Final = 100_000
_ENDED: Final = frozenset(state.value for state in FINAL)
#: Notices that name numbers of their own, beside the one of their message: refused recipients of a
#: mail, and parts that were not joined.
_NAMING: Final = "(kind = 'refused' OR about = 0)"


@dataclass(frozen=True, slots=True)
class Erased:
    """Numbers of stored records about a phone. ``notices`` are those of parts that were not joined
    and of refused recipients; ``mentions`` are other records from which the number is cut out;
    ``left``: messages and parts that are still on their way; they must end or be cancelled first.
    ``elsewhere`` are groups, templates and send-outs that name the number and stay as they are."""

    messages: int
    incoming: int
    notices: int
    refusals: int
    contacts: int
    mentions: int
    left: int
    elsewhere: tuple[str, ...] = ()


class FoundAbout(NamedTuple):
    """The records about some phones, by id. ``submissions`` are those of several messages,
    ``notices`` have the content that stays (empty: nothing), ``commands`` are messages to others
    that one of the phones asked for by SMS."""

    messages: list[int]
    submissions: list[int]
    incoming: list[int]
    notices: list[tuple[int, str]]
    refusals: list[int]
    contacts: list[int]
    commands: list[int]
    mentions: Mentions
    left: int

    @property
    def counts(self) -> Erased:
        return Erased(
            len(self.messages),
            len(self.incoming),
            len(self.notices),
            len(self.refusals),
            len(self.contacts),
            len(self.commands) + self.mentions.total,
            self.left,
            self.mentions.elsewhere,
        )


# --- find ---------------------------------------------------------------------------------------


def find_about(numbers: Numbers) -> Verb[FoundAbout]:
    """The records about these phones."""
    phones = sorted(numbers.phones)
    one_of = f"phone IN ({marks(phones)})"
    messages = yield from _scan("id, submission_id, state", "message", one_of, phones)
    ended = [row for row in messages if row[2] in _ENDED]
    left = len(messages) - len(ended)
    for phone in phones:
        [[parts]] = yield Statement(
            "SELECT count(*) FROM part WHERE group_id IN (SELECT id FROM part_group "
            # Joined parts to several numbers stay for some minutes, to recognise repeated ones.
            "WHERE (message_id = 0 OR destination LIKE '%,%') "
            "AND ',' || destination || ',' LIKE ?)",
            (f"%,{phone},%",),
        )
        left += parts
    commands = yield from _scan("id", "message", f"peer IN ({marks(phones)})", phones)
    incoming = yield from _scan("id", "incoming", one_of, phones)
    naming = yield from _scan("id, account, kind, content", "notice", _NAMING, ())
    where, args = numbers.may_be_in("phone", "reason")
    refusals = yield from _scan("id, account, phone, reason", "refusal", where, args)
    owned = yield Statement(
        f"SELECT DISTINCT contact_id FROM contact_phone WHERE {one_of}",  # noqa: S608
        tuple(phones),
    )
    contacts = _ids(owned)
    where, args = numbers.may_be_in("search")
    others = yield from _scan(f"id, account, {COLUMNS}", "contact", where, args)
    where, args = numbers.may_be_in("comment")
    comments = yield from _scan("id, account, comment", "black_list", where, args)
    lines, to_be_made = yield from staged_lines(numbers)
    mentions = Mentions(
        _ids(row for row in _naming(others, numbers) if row[0] not in contacts),
        _ids(_naming(comments, numbers)),
        lines,
        (yield from elsewhere(numbers)),
    )
    return FoundAbout(
        _ids(ended),
        sorted({row[1] for row in ended if row[1] != row[0]}),
        _ids(incoming),
        list(_notices(naming, numbers)),
        _ids(_naming(refusals, numbers)),
        contacts,
        _ids(commands),
        mentions,
        left + to_be_made,
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


def _naming(rows: Iterable[Row], numbers: Numbers) -> list[Row]:
    """The rows, with id and account, of which a further column names one of the phones."""
    return [row for row in rows if any(numbers.named_in(text, row[1]) for text in row[2:])]


def _notices(rows: Iterable[Row], numbers: Numbers) -> Iterable[tuple[int, str]]:
    """The notices that name one of the phones, with the content that stays."""
    for id, account, kind, content in rows:
        if kind == "refused":
            refused = load_refused(content)
            stays = [
                one for one in refused if not numbers.named_in(_local_part(one[0].to), account)
            ]
            if len(stays) < len(refused):
                yield id, dump_refused(stays) if stays else ""
        elif content and numbers.named_in(Unjoined.from_content(content).phone, account):
            yield id, ""


def _local_part(address: str) -> str:
    return address.rpartition("@")[0] or address


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
    "DELETE FROM send_out WHERE submission_id IN ({ids}) "
    "AND NOT EXISTS (SELECT 1 FROM submission WHERE submission.id = send_out.submission_id)",
)
_OF_INCOMING: Final = (
    "DELETE FROM notice WHERE about IN ({ids})",
    "DELETE FROM incoming WHERE id IN ({ids})",
)
_OF_NOTICES: Final = ("DELETE FROM notice WHERE id IN ({ids})",)
_OF_COMMANDS: Final = ("UPDATE message SET peer = '' WHERE id IN ({ids})",)
_OF_REFUSALS: Final = ("DELETE FROM refusal WHERE id IN ({ids})",)
_OF_CONTACTS: Final = (
    "DELETE FROM contact_phone WHERE contact_id IN ({ids})",
    "DELETE FROM contact_member WHERE contact_id IN ({ids})",
    "DELETE FROM contact WHERE id IN ({ids})",
)


async def erase(store: Store, numbers: Numbers, found: FoundAbout) -> Erased:
    """Deletes what :func:`find_about` has found; returns the counts. A black-list entry stays:
    without it the number would get messages again."""
    steps = SmallSteps(store)
    for statements, ids in (
        (_OF_NOTICES, [id for id, content in found.notices if not content]),
        (_OF_MESSAGES, found.messages),
        (_OF_SUBMISSIONS, found.submissions),
        (_OF_INCOMING, found.incoming),
        (_OF_REFUSALS, found.refusals),
        (_OF_CONTACTS, found.contacts),
        (_OF_COMMANDS, found.commands),
    ):
        for some in _pieces(ids, steps.size):
            await steps.take(store.change(_delete, statements, some))
    for some in _pieces(found.mentions.contacts, steps.size):
        await steps.take(store.change(cut_from_contacts, some, numbers))
    for some in _pieces(found.mentions.comments, steps.size):
        await steps.take(store.change(cut_from_comments, some, numbers))
    for places in _pieces(found.mentions.lines, steps.size):
        await steps.take(store.change(cut_from_lines, places, numbers))
    shortened = [(content, id) for id, content in found.notices if content]
    await steps.take(store.change(_forget, sorted(numbers.phones), shortened))
    return replace(found.counts, elsewhere=await store.look_up(elsewhere, numbers))


def _pieces(values: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (values[start : start + size] for start in range(0, len(values), size))


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
