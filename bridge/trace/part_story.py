"""The story of a part without a message: it waits for the others, or they never came.

As short sentences and as plain data, like the story of a message in :mod:`bridge.trace.story`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from bridge.model.message import Protocol, Receipts, State
from bridge.model.notice import UnjoinedPart
from bridge.trace.story import (
    OF_STATES,
    Around,
    Step,
    notice_document,
    owed_notices,
    told_step,
    wishes,
)

#: This many numbers in a row are written as a range.
_MANY: Final = 3


def cause_of_part(part: UnjoinedPart) -> str:
    """Why the part was not joined to a message; empty while it waits."""
    about = part.about
    if part.state is State.ACCEPTED:
        return ""
    if part.state is State.REJECTED:
        return "the same message again, which the account refuses"
    if about.missing:
        return f"{_parts(about.missing)} of {about.total} never came"
    return f"all {about.total} parts came, but their message was refused"


def part_steps(part: UnjoinedPart) -> list[Step]:
    """The steps so far, the earliest first."""
    about, end = part.about, part.notice
    by = f"from {part.account} by {Protocol.SMPP.value}"
    found = [Step(about.accepted_at, "accepted", f"{by}, part {about.number} of {about.total}")]
    if end is not None:
        found.append(Step(end.at, part.state.value, cause_of_part(part)))
        if end.ended_at and about.receipts & Receipts.FAILURE:
            found.append(told_step(end))
    return found


def part_outlook(part: UnjoinedPart, around: Around) -> list[str]:
    """The next steps of the part; empty if it has ended."""
    if part.notice is not None:
        return []
    about, until = part.about, around.say(part.begun_at + around.parts_timeout)
    if about.missing:
        return [f"it waits for {_parts(about.missing)} of {about.total}, until {until}"]
    again = "it waits for one of them to come again"
    return [f"all {about.total} parts came, but their message was refused: {again}, until {until}"]


def part_owed(part: UnjoinedPart, around: Around) -> list[str]:
    """The receipt that is still owed, with the reason why it waits."""
    return owed_notices((part.notice,), around) if part.notice is not None else []


def why_none_of_part(part: UnjoinedPart) -> str:
    """Why no receipt is sent for the part; empty if one is or was."""
    asked = Receipts(part.about.receipts) & OF_STATES
    if not asked:
        return "the part did not request one"
    of = " and ".join(wishes(asked))
    if part.notice is None:
        return f"requested for {of}"
    return "" if asked & Receipts.FAILURE else f"requested for {of} only"


def part_document(part: UnjoinedPart, around: Around) -> dict[str, Any]:
    """The story as JSON data, like :func:`bridge.trace.story.document`."""
    about, end, why_none = part.about, part.notice, why_none_of_part(part)

    def at(unix_time: int | None) -> str | None:
        return around.say(unix_time) if unix_time else None

    return {
        "part_id": part.id,
        "state": part.state.value,
        "since": at(part.changed_at),
        "account": part.account,
        "protocol": Protocol.SMPP.value,
        "phone": about.phone,
        "sender": about.sender,
        "part": about.number,
        "parts": about.total,
        "missing": list(about.missing),
        "receipts": wishes(about.receipts),
        "accepted_at": at(about.accepted_at),
        "waits_until": at(part.begun_at + around.parts_timeout) if end is None else None,
        "cause": cause_of_part(part),
        "story": [
            {"at": at(step.at), "what": step.what, "says": step.says} for step in part_steps(part)
        ],
        "notices": [] if end is None or why_none else [notice_document(end, at)],
        "owed": part_owed(part, around),
        "why_none": why_none,
        "next": part_outlook(part, around),
    }


def _parts(numbers: Sequence[int]) -> str:
    """Ascending part numbers as words: ``parts 2 and 5 to 9``."""
    said = list(_runs(numbers))
    listed = " and ".join(filter(None, (", ".join(said[:-1]), said[-1])))
    return ("part " if len(numbers) == 1 else "parts ") + listed


def _runs(numbers: Sequence[int]) -> Iterator[str]:
    start = 0
    for end in range(1, len(numbers) + 1):
        if end < len(numbers) and numbers[end] == numbers[end - 1] + 1:
            continue
        if end - start >= _MANY:
            yield f"{numbers[start]} to {numbers[end - 1]}"
        else:
            yield from map(str, numbers[start:end])
        start = end
