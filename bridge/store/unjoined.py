"""Whom it concerns that a message's parts were never all there; the same for both engines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from bridge.notice import Notice, Unjoined, part_notice
from bridge.store import Part


def notices_of_parts(groups: Iterable[Sequence[Part]], now: int) -> list[Notice]:
    """The notices for the parts of each of these groups that were answered with a yes."""
    return [notice for parts in groups for notice in _notices(parts, now)]


def groups_of(rows: Iterable[tuple[int, Part]]) -> list[list[Part]]:
    """Parts that are given with the number of their group, one group after the other."""
    return [[part for _, part in some] for _, some in groupby(rows, key=lambda row: row[0])]


def _notices(parts: Sequence[Part], now: int) -> list[Notice]:
    answered = list(parts)
    if len(answered) == answered[0].group.total:
        # They are all there and made no message: who sent the last of them has heard why.
        answered.remove(max(answered, key=lambda part: (part.at, part.id)))
    notices = []
    for part in answered:
        group = part.group
        about = Unjoined(group.destination.partition(",")[0], group.source, part.at)
        notice = part_notice(group.account, part.id, part.receipts, about, now)
        if notice is not None:
            notices.append(notice)
    return notices
