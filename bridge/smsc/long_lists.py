"""Long lists of the directory: read, written and encoded in pieces, between which other calls are
served."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, TypeVar

from bridge.dialect.answers import Format, Row, enclosed, encoded, records

#: Records that are read and written at once, and characters that are encoded at once.
_RECORDS: Final = 200
_CHARACTERS: Final = 8192


class Numbered(Protocol):
    """A record of the store."""

    @property
    def id(self) -> int: ...


T = TypeVar("T", bound=Numbered)


async def long_list(
    element: str,
    read: Callable[[int, int], Awaitable[Sequence[T]]],
    row: Callable[[T], Row],
    fmt: Format,
    *,
    after: int,
    most: int,
) -> str | None:
    """The answer with the records after the id ``after``, at most ``most``; None if there are none.

    ``read`` gets an id and a number, and gives so many of the next records, in the order of their
    ids; ``row`` gives a record's members.
    """
    pieces: list[str] = []
    while most and (found := await read(after, min(most, _RECORDS))):
        pieces.append(records(element, map(row, found), fmt))
        after = found[-1].id
        most -= len(found)
    return enclosed(pieces, fmt) if pieces else None


async def encoded_long(answer: str, fmt: Format, charset: str) -> bytes:
    """As :func:`bridge.dialect.answers.encoded`."""
    if len(answer) <= _CHARACTERS:
        return encoded(answer, fmt, charset)
    pieces: list[bytes] = []
    for start in range(0, len(answer), _CHARACTERS):
        pieces.append(encoded(answer[start : start + _CHARACTERS], fmt, charset))
        await asyncio.sleep(0)
    return b"".join(pieces)
