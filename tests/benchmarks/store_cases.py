"""The cost of the store's verbs on each engine; their contract is in ``tests/store/contract``."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TypeVar

from bridge.model.ids import Ids
from bridge.model.message import Message, Receipts, State
from bridge.model.notice import MAIL, Incoming, Kind, Notice, Told, receivers_of
from bridge.store import (
    Acceptance,
    Alias,
    Change,
    Lane,
    Part,
    PartGroup,
    Replacement,
    Status,
    Store,
)
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
_QUEUE = receivers_of("crm")


def store(count: int, runs: int) -> Iterator[Row]:
    """Each verb that writes or is on the path of a message, on each engine in turn."""
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
                for verb, found in asyncio.run(_measure(engine_of(url), count)).items():
                    figures.setdefault(f"{verb}, {name}", []).append(found)
        for name, measured in figures.items():
            yield row(name, measured)


class Load:
    """A store with messages, parts and notices to work on. Cases run in the order of
    :data:`VERBS`, each on what the ones before it have left."""

    def __init__(self, store: Store, count: int) -> None:
        self.store = store
        self.ids = Ids(store.node, store.last_id, time.time)
        self.now = int(time.time())
        self.messages = [self.message() for _ in range(count)]

    def message(self) -> Message:
        return message(
            self.ids.next(),
            due_at=self.now,
            accepted_at=self.now,
            expires_at=self.now + 86400,
            receipts=Receipts.SUCCESS | Receipts.FAILURE,
        )

    def parts(self) -> list[Part]:
        """A part for each message; two parts are a message."""
        group = PartGroup("crm", "Shop", "+380501234567", 1, 2)
        return [
            Part(self.ids.next(), group._replace(reference=n // 2), n % 2 + 1, b"part", 0, self.now)
            for n in range(len(self.messages))
        ]


async def _accept(load: Load) -> Figures:
    return await _each(load.messages, lambda one: load.store.accept(Acceptance((one,))))


async def _also_known_as(load: Load) -> Figures:
    def name(one: Message) -> Awaitable[None]:
        return load.store.also_known_as([Alias(load.ids.next(), one.id)])

    return await _each(load.messages, name)


async def _waiting(load: Load) -> Figures:
    return await _batches(
        load.messages, lambda some: load.store.waiting(_LANE, load.now, len(some))
    )


async def _replace(load: Load) -> Figures:
    def new(one: Message) -> Awaitable[bool]:
        return load.store.replace(Replacement(one.id, "new", "", 1, one.receipts))

    return await _each(load.messages[: len(load.messages) // 10], new)


async def _begin_and_finish(load: Load) -> Figures:
    async def send(some: Sequence[Message]) -> None:
        attempt = load.ids.next()
        await load.store.begin(attempt, some)
        changes = [Change(m.id, State.SENT, f"up-{m.id}", poll_at=load.now + 30) for m in some]
        await load.store.finish(attempt, changes)

    return await _batches(load.messages, send)


async def _to_poll(load: Load) -> Figures:
    return await _batches(load.messages, lambda some: load.store.to_poll(load.now + 30, len(some)))


async def _note_statuses(load: Load) -> Figures:
    def note(one: Message) -> Awaitable[object]:
        status = Status(f"up-{one.id}", "delivered", State.DELIVERED, load.now)
        return load.store.note_statuses([status])

    return await _each(load.messages, note)


async def _claim_and_tell(load: Load) -> Figures:
    async def tell(some: Sequence[Message]) -> None:
        owed = await load.store.claim_notices(_QUEUE, load.now + 1, len(some))
        await load.store.told([Told(one.notice.id, True, "taken") for one in owed])

    return await _batches(load.messages, tell)


async def _take_incoming(load: Load) -> Figures:
    def take(one: Message) -> Awaitable[object]:
        id, at = load.ids.next(), load.now
        incoming = Incoming(id, f"uid-{id}", "crm", one.phone, "Shop", one.text, at, at)
        return load.store.take_incoming([(incoming, [_QUEUE])])

    return await _each(load.messages, take)


async def _owe(load: Load) -> Figures:
    def owe(one: Message) -> Awaitable[None]:
        notice = Notice(MAIL, "crm", Kind.REFUSED, 0, one.id, load.now, load.now, content="[]")
        return load.store.owe([notice])

    return await _each(load.messages, owe)


async def _expire_notices(load: Load) -> Figures:
    later = load.now + 1
    return await _batches(
        load.messages, lambda some: load.store.expire_notices(later, later, len(some))
    )


async def _add_part(load: Load) -> Figures:
    return await _each(load.parts(), lambda part: load.store.add_part(part, 0))


async def _expired_parts(load: Load) -> Figures:
    return await _batches(
        load.messages, lambda some: load.store.expired_parts(load.now + 1, len(some) // 2)
    )


async def _message(load: Load) -> Figures:
    async def find(some: Sequence[Message]) -> None:
        for one in some:
            await load.store.message(one.id)

    return await _batches(load.messages[: len(load.messages) // 10], find)


async def _move(load: Load) -> Figures:
    """Each message is held, released and cancelled."""
    waiting = [load.message() for _ in load.messages]
    for start in range(0, len(waiting), BATCH):
        await load.store.accept(Acceptance(tuple(waiting[start : start + BATCH])))

    async def move(some: Sequence[Message]) -> None:
        for to in (State.HELD, State.ACCEPTED, State.CANCELLED):
            await load.store.move([one.id for one in some], to)

    return await _batches(waiting, move)


async def _sweep(load: Load) -> Figures:
    later = load.now + 86400
    return await _batches(load.messages, lambda some: load.store.sweep(later, later, len(some)))


#: The cases by the verbs that they measure.
VERBS: dict[str, Callable[[Load], Awaitable[Figures]]] = {
    "accept": _accept,
    "also_known_as": _also_known_as,
    "waiting": _waiting,
    "replace": _replace,
    "begin and finish": _begin_and_finish,
    "to_poll": _to_poll,
    "note_statuses": _note_statuses,
    "claim_notices and told": _claim_and_tell,
    "take_incoming": _take_incoming,
    "owe": _owe,
    "expire_notices": _expire_notices,
    "add_part": _add_part,
    "expired_parts": _expired_parts,
    "message": _message,
    "move": _move,
    "sweep": _sweep,
}


async def _measure(store: Store, count: int) -> dict[str, Figures]:
    await store.open()
    try:
        load = Load(store, count)
        return {verbs: await case(load) for verbs, case in VERBS.items()}
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
