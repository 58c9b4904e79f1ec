"""Long lists are the same as short ones, and leave turns to others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge.dialect.answers import Format, Row, encoded, listing
from bridge.dialect.directory_rows import black_list_row
from bridge.model.contact import BlackListEntry, Blocks
from bridge.smsc.long_lists import encoded_long, long_list

ENTRIES = [BlackListEntry(n, f"+38050{n:07}", Blocks.BULK, f"коментар {n}") for n in range(1, 2001)]


async def read(after: int, limit: int) -> list[BlackListEntry]:
    await asyncio.sleep(0)
    return ENTRIES[after : after + limit]


def rows(entries: list[BlackListEntry]) -> list[Row]:
    return [black_list_row(one) for one in entries]


@asynccontextmanager
async def others() -> AsyncIterator[list[int]]:
    """Counts the turns that another task gets."""
    turns = [0]

    async def run() -> None:
        while True:
            turns[0] += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(run())
    try:
        yield turns
    finally:
        task.cancel()


@pytest.mark.parametrize("fmt", Format)
@pytest.mark.parametrize(("after", "most"), [(0, 5000), (0, 2000), (150, 300), (1999, 1)])
async def test_in_pieces_it_is_the_same_list(fmt: Format, after: int, most: int) -> None:
    answer = await long_list("record", read, black_list_row, fmt, after=after, most=most)
    assert answer == listing("record", rows(ENTRIES[after : after + most]), fmt)


@pytest.mark.parametrize("fmt", Format)
async def test_an_empty_list_is_left_to_the_call(fmt: Format) -> None:
    assert await long_list("record", read, black_list_row, fmt, after=2000, most=10) is None


@pytest.mark.parametrize("fmt", Format)
@pytest.mark.parametrize("charset", ["utf-8", "cp1251", "koi8-u"])
async def test_encoded_in_pieces_it_is_the_same(fmt: Format, charset: str) -> None:
    answer = listing("record", rows(ENTRIES), fmt) + "😀" * 20_000
    assert await encoded_long(answer, fmt, charset) == encoded(answer, fmt, charset)


async def test_others_get_their_turns() -> None:
    async with others() as turns:
        answer = await long_list("record", read, black_list_row, Format.JSON, after=0, most=5000)
        assert turns[0] >= 10
        turns[0] = 0
        await encoded_long(answer or "", Format.JSON, "koi8-u")
        assert turns[0] >= 10
