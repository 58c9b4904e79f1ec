from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from bridge.model.message import Accepted, Outcome, State, Stored
from bridge.sandbox import Sandbox
from bridge.sending.upkeep import Upkeep
from bridge.store import Status
from tests.relaying import Relaying, relaying
from tests.samples import submission

QUEUED: dict[str, dict[str, Any]] = {"crm": {"answer": "queued"}}


def upkeep(bridge: Relaying, **settings: Any) -> Upkeep:
    store = bridge.settings.store.model_copy(update=settings)
    return Upkeep(bridge.store, bridge.dispatcher, store)


def id_of(outcome: Outcome) -> int:
    assert isinstance(outcome, Accepted)
    return outcome.id


async def test_what_waits_beyond_its_validity_ends(tmp_path: Path) -> None:
    async with Sandbox() as sandbox, relaying(tmp_path, sandbox, accounts=QUEUED) as bridge:
        await bridge.dispatcher.set_hold("upstream", "cascade", True)
        short = id_of(await bridge.submit(submission(ttl=1)))
        long = id_of(await bridge.submit(submission(ttl=100)))
        assert bridge.dispatcher.backlog == 2
        async with asyncio.timeout(30):
            while bridge.dispatcher.backlog == 2:
                await asyncio.sleep(0.1)
                await bridge.dispatcher.expire()
        stored = [(await bridge.relay.query(bridge.account(), id))[0] for id in (short, long)]
        assert [one.state for one in stored] == [State.EXPIRED, State.ACCEPTED]
        await bridge.dispatcher.set_hold("upstream", "cascade", False)
        await bridge.drained()
        assert [m.id for m in sandbox.messages] == [str(long)]


async def delivered(bridge: Relaying, submission_id: int, messages: int = 1) -> None:
    """Waits until the messages are made and sent, and notes that they were delivered."""
    now = int(time.time())
    sent: list[Stored] = []
    async with asyncio.timeout(30):
        while sum(bool(one.upstream_id) for one in sent) < messages:
            await asyncio.sleep(0.01)
            sent = await bridge.store.submission(submission_id)
    words = [Status(one.upstream_id, "delivered", State.DELIVERED, now) for one in sent]
    await bridge.store.note_statuses(words)


async def test_old_messages_are_forgotten_in_steps(tmp_path: Path) -> None:
    async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
        outcome = await bridge.submit(submission(*(f"+38050{n:07}" for n in range(1200))))
        await delivered(bridge, id_of(outcome), 1200)
        clock = time.time() + 100
        work = upkeep(bridge, retain=50.0)
        work._clock = lambda: clock
        await work.sweep()
        assert await bridge.store.submission(id_of(outcome)) == []


async def test_texts_go_before_their_messages(tmp_path: Path) -> None:
    async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
        id = id_of(await bridge.submit(submission()))
        await delivered(bridge, id)
        work = upkeep(bridge, retain=1000.0, retain_text=50.0)
        await work.sweep()
        [stored] = await bridge.store.submission(id)
        assert stored.message.text
        clock = time.time() + 100
        work._clock = lambda: clock
        await work.sweep()
        [stored] = await bridge.store.submission(id)
        assert stored.message.text == ""


async def test_alone_a_node_has_the_whole_rate(tmp_path: Path) -> None:
    async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
        await upkeep(bridge).nodes()
        assert bridge.lines[""].pace.rate == 100
