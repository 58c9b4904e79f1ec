"""The cost of each verb of the store on each engine; the contract is in ``tests/store``."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TypeVar

from bridge.model.ids import Ids
from bridge.model.message import Message, Receipts, State
from bridge.model.notice import Told, receivers_of
from bridge.store import Acceptance, Change, Lane, Part, PartGroup, Status, Store
from bridge.store.engines import engine_of
from tests.benchmarks.harness import Figures
from tests.benchmarks.relay_cases import Row, row
from tests.samples import message
from tests.store.postgres.server import Server, binaries, execute

T = TypeVar("T")

#: Simultaneous requests, and messages of one attempt.
OUTSTANDING = 1000
BATCH = 500
_LANE = Lane("crm", 4, "async")


def store(count: int, runs: int) -> Iterator[Row]:
    """Each verb on the path of a message and of its receipt, on each engine in turn."""
    with tempfile.TemporaryDirectory(prefix="cascade-bridge-") as folder, ExitStack() as stack:
        urls = {"SQLite": f"sqlite:///{folder}/bridge.db"}
        if (bin := binaries()) is not None:
            server = Server(bin)
            stack.callback(server.remove)
            server.start()
            asyncio.run(execute(server.url("postgres"), "CREATE DATABASE bench"))
            urls["PostgreSQL"] = server.url("bench")
        figures: dict[str, list[Figures]] = {}
        for _ in range(runs):
            for name, url in urls.items():
                for verb, found in asyncio.run(_verbs(engine_of(url), count)).items():
                    figures.setdefault(f"{verb}, {name}", []).append(found)
        for name, measured in figures.items():
            yield row(name, measured)


async def _verbs(store: Store, count: int) -> dict[str, Figures]:
    await store.open()
    try:
        ids = Ids(store.node, store.last_id, time.time)
        now = int(time.time())
        wish = Receipts.SUCCESS | Receipts.FAILURE
        messages = [
            message(ids.next(), due_at=now, accepted_at=now, expires_at=now + 86400, receipts=wish)
            for _ in range(count)
        ]
        group = PartGroup("crm", "Shop", "+380501234567", 1, 2)
        parts = [
            Part(ids.next(), group._replace(reference=n // 2), n % 2 + 1, b"part", 0, now)
            for n in range(count)
        ]
        queue = receivers_of("crm")

        async def send(some: Sequence[Message]) -> None:
            attempt = ids.next()
            await store.begin(attempt, some)
            changes = [Change(m.id, State.SENT, f"up-{m.id}", poll_at=now + 30) for m in some]
            await store.finish(attempt, changes)

        async def tell(some: Sequence[Message]) -> None:
            owed = await store.claim_notices(queue, now + 1, len(some))
            await store.told([Told(one.notice.id, True, "taken") for one in owed])

        async def find(some: Sequence[Message]) -> None:
            for one in some:
                await store.message(one.id)

        def note(one: Message) -> Awaitable[object]:
            status = Status(f"up-{one.id}", "delivered", State.DELIVERED, now)
            return store.note_statuses([status])

        return {
            "accept": await _each(messages, lambda one: store.accept(Acceptance((one,)))),
            "waiting": await _batches(messages, lambda some: store.waiting(_LANE, now, len(some))),
            "begin and finish": await _batches(messages, send),
            "note_statuses": await _each(messages, note),
            "claim_notices and told": await _batches(messages, tell),
            "add_part": await _each(parts, lambda part: store.add_part(part, 0)),
            "message": await _batches(messages[: count // 10], find),
        }
    finally:
        await store.close()


async def _each(things: Sequence[T], ask: Callable[[T], Awaitable[object]]) -> Figures:
    """Each item in its own request, with this number at once."""
    waiting = iter(things)

    async def work() -> None:
        for thing in waiting:
            await ask(thing)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(OUTSTANDING)))
    return Figures(len(things), time.perf_counter() - began, time.process_time() - cpu)


async def _batches(
    messages: Sequence[Message], ask: Callable[[Sequence[Message]], Awaitable[object]]
) -> Figures:
    """One batch after the other."""
    began, cpu = time.perf_counter(), time.process_time()
    for start in range(0, len(messages), BATCH):
        await ask(messages[start : start + BATCH])
    return Figures(len(messages), time.perf_counter() - began, time.process_time() - cpu)


CASES = {"store": (20_000, store)}
