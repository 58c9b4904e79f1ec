"""Parts that lead to no message, and whom their end concerns; the same for both engines.

The end of such a part is a notice, also where nobody is told: it is what remains of the part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Final

from bridge.model.notice import Notice, Unjoined, UnjoinedPart, part_notice
from bridge.store.types import Part, PartGroup

#: The parts of the group of one part, as :func:`part_of` reads them; its id stands at ``{id}``.
GROUP: Final = (
    "SELECT part.id, account, source, destination, reference, total, number, receipts, at, "
    "begun_at FROM part JOIN part_group ON part_group.id = part.group_id "
    "WHERE group_id = (SELECT group_id FROM part WHERE id = {id})"
)
#: Groups that began before ``{before}`` and are over. A complete one without a message is being
#: joined now, unless its last part came before then too.
OVER: Final = (
    "begun_at < {before} AND (message_id <> 0 OR (SELECT max(at) FROM part "
    "WHERE group_id = part_group.id HAVING count(*) = part_group.total) IS NULL "
    "OR (SELECT max(at) FROM part WHERE group_id = part_group.id) < {before})"
)
#: The notices of the end of one part, of which the last counts; in an order that no index has.
END: Final = "FROM notice WHERE about = 0 AND known_as = {id} AND kind = 'state' ORDER BY id + 0"

#: The greatest id of a part of which its notice alone remains, and the greatest short id.
LAST_PART: Final = "SELECT coalesce(max(known_as), 0) FROM notice WHERE about = 0"
LAST_SHORT_ID: Final = (
    "SELECT coalesce(max(id), 0) FROM (SELECT max(id) AS id FROM alias WHERE id < 4294967296 "
    "UNION ALL SELECT max(id) FROM part WHERE id < 4294967296 UNION ALL "
    "SELECT max(known_as) FROM notice WHERE about = 0 AND known_as < 4294967296) AS short"
)


def about_part(part: Part, missing: Sequence[int] = ()) -> Unjoined:
    """What is told of a part of whose group these are missing."""
    group = part.group
    phone = group.destination.partition(",")[0]
    return Unjoined(
        phone, group.source, part.at, part.number, group.total, tuple(missing), part.receipts
    )


def notices_of_parts(groups: Iterable[Sequence[Part]], now: int) -> list[Notice]:
    """The notices for the parts of each of these groups that were answered with a yes."""
    return [notice for parts in groups for notice in _notices(parts, now)]


def groups_of(rows: Iterable[tuple[int, Part]]) -> list[list[Part]]:
    """Parts that are given with the number of their group, one group after the other."""
    return [[part for _, part in some] for _, some in groupby(rows, key=lambda row: row[0])]


def part_of(id: int, rows: Iterable[Sequence[Any]], end: Notice | None) -> UnjoinedPart | None:
    """The part with this id, out of the rows of its :data:`GROUP` and the notice of its end."""
    group = {row[0]: row for row in rows}
    if id in group:
        _, account, source, destination, reference, total, number, receipts, at, begun_at = group[
            id
        ]
        # Short ids come again after many others.
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


def _notices(parts: Sequence[Part], now: int) -> list[Notice]:
    answered = list(parts)
    group = answered[0].group
    missing = _missing(group.total, (part.number for part in answered))
    if not missing:
        # They are all there and made no message: who sent the last of them has heard why.
        answered.remove(max(answered, key=lambda part: (part.at, part.id)))
    return [
        part_notice(group.account, part.id, about_part(part, missing), now) for part in answered
    ]
