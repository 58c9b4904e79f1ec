"""Parts that were not joined to a message, and their notices; the same for both engines.

The end of such a part is stored as a notice, even if no receipt was requested: the notice is the
only record of the part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from bridge.model.ids import EPOCH, node_of
from bridge.model.notice import Notice, Unjoined, UnjoinedPart, part_notice
from bridge.store.rows import Row
from bridge.store.types import Part, PartGroup

#: The parts of the group of one part, as :func:`part_of` reads them; its id stands at ``{id}``.
GROUP: Final = (
    "SELECT part.id, account, source, destination, reference, total, number, receipts, at, "
    "begun_at FROM part JOIN part_group ON part_group.id = part.group_id "
    "WHERE group_id = (SELECT group_id FROM part WHERE id = {id})"
)
#: Groups that began before ``{before}`` and have ended. A complete group without a message is being
#: joined now, unless its last part came before then too.
OVER: Final = (
    "begun_at < {before} AND (message_id <> 0 OR (SELECT max(at) FROM part "
    "WHERE group_id = part_group.id HAVING count(*) = part_group.total) IS NULL "
    "OR (SELECT max(at) FROM part WHERE group_id = part_group.id) < {before})"
)
#: The notices of the end of one part; the last one counts. No index has this order.
END: Final = "FROM notice WHERE about = 0 AND known_as = {id} AND kind = 'state' ORDER BY id + 0"

#: The greatest id of a part whose notice is its only record.
LAST_PART: Final = "SELECT coalesce(max(known_as), 0) FROM notice WHERE about = 0"

#: The last short id of each table that has short ids, with its Unix time.
_LAST_SHORT_IDS: Final = (
    f"SELECT id, (message_id >> 22) + {EPOCH} AS at FROM alias "  # noqa: S608
    "WHERE id < {long} AND id & 63 = {node} ORDER BY message_id DESC, id DESC LIMIT 1",
    "SELECT id, at FROM part "
    "WHERE id < {long} AND id & 63 = {node} ORDER BY at DESC, id DESC LIMIT 1",
    "SELECT known_as AS id, at FROM notice WHERE about = 0 "
    "AND known_as < {long} AND known_as & 63 = {node} ORDER BY at DESC, known_as DESC LIMIT 1",
)
#: Ids of the node's sequence are longer than 32 bits.
FIRST_LONG_ID: Final = 1 << 32


def last_short_id(node: int) -> str:
    """The query for the short id that this node gave last, 0 for none.

    The last by time: short ids wrap around, so that the last need not be the greatest.
    """
    found = " UNION ALL ".join(
        f"SELECT * FROM ({query.format(long=FIRST_LONG_ID, node=node)}) AS one"  # noqa: S608
        for query in _LAST_SHORT_IDS
    )
    return (
        f"SELECT coalesce((SELECT id FROM ({found}) AS short ORDER BY at DESC, id DESC LIMIT 1), 0)"  # noqa: S608
    )


def about_part(part: Part, missing: Sequence[int] = ()) -> Unjoined:
    """The content of a part's notice; ``missing`` are the missing numbers of its group."""
    group = part.group
    phone = group.destination.partition(",")[0]
    return Unjoined(
        phone, group.source, part.at, part.number, group.total, tuple(missing), part.receipts
    )


def notices_of_parts(groups: Iterable[Sequence[Part]], now: int) -> list[Notice]:
    """The notices for those parts of these groups whose clients got an accepting answer."""
    return [notice for parts in groups for notice in _notices(parts, now)]


def groups_of(rows: Iterable[tuple[int, Part]]) -> list[list[Part]]:
    """Splits parts, given with the number of their group, into their groups."""
    return [[part for _, part in some] for _, some in groupby(rows, key=lambda row: row[0])]


def part_of(id: int, rows: Iterable[Row], end: Notice | None) -> UnjoinedPart | None:
    """The part with this id, from the rows of its :data:`GROUP` and the notice of its end."""
    group = {row[0]: row for row in rows}
    if id in group:
        _, account, source, destination, reference, total, number, receipts, at, begun_at = group[
            id
        ]
        # Short ids wrap around: the notice may be an earlier part's.
        if end is None or end.at < at:
            key = PartGroup(account, source, destination, reference, total)
            missing = _missing(total, (row[6] for row in group.values()))
            about = about_part(Part(id, key, number, b"", receipts, at), missing)
            return UnjoinedPart(id, account, about, begun_at, None)
    if end is None:
        return None
    return UnjoinedPart(id, end.account, Unjoined.from_content(end.content), 0, end)


def _missing(total: int, numbers: Iterable[int]) -> list[int]:
    return sorted(set(range(1, total + 1)).difference(numbers))


def _came_last(last: Part, parts: Sequence[Part]) -> bool:
    """Whether the part with the greatest id has certainly come last.

    The ids of a node grow even if its clock is set back, except short ones, which wrap around. If
    it is not certain, all are told: better a receipt with an unknown id than none for a known one.
    """
    others = [part for part in parts if part is not last]
    return all(part.at < last.at for part in others) or all(
        part.id >= FIRST_LONG_ID and node_of(part.id) == node_of(last.id) for part in others
    )


def _notices(parts: Sequence[Part], now: int) -> list[Notice]:
    answered = list(parts)
    group = answered[0].group
    missing = _missing(group.total, (part.number for part in answered))
    if not missing:
        # All parts came, but no message was made: the sender of the last part has been told why.
        last = max(answered, key=lambda part: part.id)
        if _came_last(last, answered):
            answered.remove(last)
    return [
        part_notice(group.account, part.id, about_part(part, missing), now) for part in answered
    ]
