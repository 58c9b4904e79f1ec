"""The story of a part that leads to no message: it waits for the others, or they never came.

In short sentences and as plain data, as :mod:`bridge.trace.story` tells that of a message.
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

#: Numbers of parts in a row that are said as the first and the last.
_MANY: Final = 3


def cause_of_part(part: UnjoinedPart) -> str:
    """Why the part has become no message; empty while it waits."""
    about = part.about
    if part.state is State.ACCEPTED:
        return ""
    if part.state is State.REJECTED:
        return "the same message again, which the account refuses"
    if about.missing:
        return f"{_parts(about.missing)} of {about.total} never came"
    return f"all {about.total} parts came, but their message was refused"


def part_steps(part: UnjoinedPart) -> list[Step]:
    """What happened, the earliest first."""
    about, end = part.about, part.notice
    by = f"from {part.account} by {Protocol.SMPP.value}"
    found = [Step(about.accepted_at, "accepted", f"{by}, part {about.number} of {about.total}")]
    if end is not None:
        found.append(Step(end.at, part.state.value, cause_of_part(part)))
        if end.ended_at and about.receipts & Receipts.FAILURE:
            found.append(told_step(end))
    return found


def part_outlook(part: UnjoinedPart, around: Around) -> list[str]:
    """What happens to the part next; empty where it has come to its end."""
    if part.notice is not None:
        return []
    about, until = part.about, around.say(part.begun_at + around.parts_timeout)
    if about.missing:
        return [f"it waits for {_parts(about.missing)} of {about.total}, until {until}"]
    again = "it waits for one of them to come again"
    return [f"all {about.total} parts came, but their message was refused: {again}, until {until}"]


def part_owed(part: UnjoinedPart, around: Around) -> list[str]:
    """The receipt that the account has still to hear, with what it waits for."""
    return owed_notices((part.notice,), around) if part.notice is not None else []


def why_none_of_part(part: UnjoinedPart) -> str:
    """Why nobody is told what became of the part; empty where somebody is or was."""
    asked = Receipts(part.about.receipts) & OF_STATES
    if not asked:
        return "the part did not ask for one"
    of = " and ".join(wishes(asked))
    if part.notice is None:
        return f"asked for: {of}"
    return "" if asked & Receipts.FAILURE else f"asked for of {of} alone"


def part_document(part: UnjoinedPart, around: Around) -> dict[str, Any]:
    """All of it as what JSON can say; as :func:`bridge.trace.story.document`."""
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
    """These parts by their numbers, which grow: ``parts 2 and 5 to 9``."""
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
