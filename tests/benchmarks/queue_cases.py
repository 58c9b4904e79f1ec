"""Verbs on a large queue, and their effect on another account's submits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from tests.benchmarks.directory_cases import QUIET, Bench, engines, steps_of
from tests.benchmarks.relay_cases import Row

#: Recipients of one request.
_AT_ONCE = 1000


def verbs(count: int, runs: int) -> Iterator[Row]:
    """``count`` waiting messages of one account held, released and cancelled by a filter, on each
    engine."""
    for _ in range(runs):
        with engines() as urls:
            for engine, url in urls.items():
                yield from steps_of(_queue, engine, url, count)


async def _queue(bench: Bench, count: int) -> None:
    await bench.api.put("/holds/account/bench")
    await bench.step(f"{count:,} messages are accepted", _accept(bench, count))
    await bench.step("nothing else", asyncio.sleep(QUIET))
    for verb in ("hold", "release", "retry", "cancel"):
        await bench.step(f"{verb} {count:,} messages", _change(bench, verb, count))
    await bench.step("nothing else, after it", asyncio.sleep(QUIET))


async def _accept(bench: Bench, count: int) -> None:
    for start in range(0, count, _AT_ONCE):
        to = [f"+38067{n:07}" for n in range(start, min(start + _AT_ONCE, count))]
        message = {"account": "bench", "to": to, "text": "campaign", "type": "promo"}
        (await bench.api.post("/messages", json=message)).raise_for_status()


async def _change(bench: Bench, verb: str, count: int) -> None:
    changed = await bench.count(f"/queue/{verb}", account="bench", type="promo")
    assert changed == (0 if verb == "retry" else count), changed


CASES: dict[str, tuple[int, Callable[[int, int], Iterator[Row]]]] = {"verbs": (100_000, verbs)}
