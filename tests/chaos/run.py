"""One run: load, faults, end of faults, rest, invariants."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bridge.sandbox.statuses import ending
from tests.chaos.databases import Database, Postgres, SqliteFile
from tests.chaos.evidence import Evidence, gather
from tests.chaos.faults import FAULTS, HARMLESS, Planned, plan
from tests.chaos.invariants import INVARIANTS
from tests.chaos.node import one_ready
from tests.chaos.phones import path
from tests.chaos.scene import PAUSE, Scene, scene
from tests.chaos.smpp_session import Session
from tests.serving.daemon import run as run_program

#: Longer than any delay on a busy machine.
LEASE = 5.0
#: Interval of checks of our own loop, and the lag that counts as late (seconds).
BEAT, LATE = 0.25, 1.0
#: Time limit for the rest after the last fault (seconds); repeated refusals take longest.
QUIET_WITHIN = 420.0
#: When lost statuses are posted again, and the interval of further posts (seconds).
TELL_AGAIN_AFTER = 30.0
#: The longest time without any serving daemon (seconds).
SERVED_WITHIN = 90.0
#: Time limit for clients to finish (seconds).
CLIENTS_WITHIN = 60.0
#: Ids that are looked up by the command ``trace``, and at once by query_sm.
_TRACED, _QUERIED = 12, 50
#: Most violations of an invariant that are printed.
_TOLD = 8

#: Counts that must be 0 at rest.
_UNREST = {
    "messages that wait": "message WHERE state IN ('accepted', 'sending')",
    "send-outs that are not all messages yet": "import_file",
    "attempts": "attempt",
    "messages without a final status": "message WHERE state = 'sent'",
    "notices owed": "notice WHERE ended_at = 0",
    "parts without the others": "part_group WHERE message_id = 0",
}


@dataclass
class Report:
    """The result of a run."""

    engine: str
    seed: int
    faults: int
    folder: Path
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    story: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {what}" for what, count in self.counts.items())
        lines = [f"{self.engine}, seed {self.seed}: {self.faults} faults in {self.seconds:.0f} s"]
        lines.append(counts)
        if self.violations:
            lines += [f"- {words}" for words in self.violations]
            lines.append(f"the faults, logs and the store are kept in {self.folder}")
        else:
            lines.append("nothing was wrong")
        return "\n".join(lines)


def database_for(engine: str, folder: Path) -> Database:
    return Postgres(LEASE) if engine == "postgres" else SqliteFile(folder)


async def chaos(
    engine: str,
    faults: int,
    seed: int,
    folder: Path,
    *,
    nodes: int = 3,
    pause: float = PAUSE,
    tell: Callable[[str], None] = lambda words: None,
    only: Sequence[str] = (),
) -> Report:
    """Runs in ``folder``. ``nodes`` is for engines with several; ``pause`` is that of each client;
    ``only`` limits the faults."""
    report = Report(engine, seed, faults, folder)
    planned = plan(seed, faults, engine, only)
    began = time.monotonic()

    def note(words: str) -> None:
        line = f"+{time.monotonic() - began:7.1f} {words}"
        report.story.append(line)
        tell(line)

    database = database_for(engine, folder)
    count = nodes if engine == "postgres" else 1
    async with scene(folder, database, seed, nodes=count) as running:
        await asyncio.gather(*(node.ready() for node in running.nodes))
        if isinstance(database, Postgres):
            await database.spread()
        clients = [asyncio.create_task(one.run()) for one in running.clients(pause)]
        senders = [asyncio.create_task(one.run()) for one in running.mailers(pause)]
        senders += [asyncio.create_task(one.run()) for one in running.submitters(pause)]
        clients.append(asyncio.create_task(beat(running, note)))
        senders.append(asyncio.create_task(running.phones(pause).run()))
        try:
            await disturb(running, planned, note)
            running.busy = False
            note("healed")
            report.violations += await rest(running, senders, note)
            report.violations += await look_up(running)
        finally:
            for task in (*clients, *senders):
                task.cancel()
            await asyncio.wait((*clients, *senders))
        report.violations += _failures([*clients, *senders])
        note("all daemons end")
        async with asyncio.timeout(120):
            await asyncio.gather(*(node.end() for node in running.nodes))
        evidence = await gather(running)
        report.counts = _counts(running, evidence)
        report.violations += judge(evidence)
        if report.violations:
            evidence.keep(folder)
    report.seconds = time.monotonic() - began
    (folder / "report.txt").write_text("\n".join([*report.story, "", str(report), ""]))
    return report


def _failures(tasks: Sequence[asyncio.Task[None]]) -> list[str]:
    """Failures of our own clients, which make the result meaningless."""
    found = [task.exception() for task in tasks if not task.cancelled()]
    return [f"a client of the run broke: {error!r}" for error in found if error is not None]


async def beat(running: Scene, note: Callable[[str], None]) -> None:
    """Measures the lag of our loop: a lagging machine delays the daemons too, whose leases run
    out."""
    while True:
        began = time.monotonic()
        await asyncio.sleep(BEAT)
        late = time.monotonic() - began - BEAT
        if late > LATE:
            note(f"the machine stood still for {late:.1f} s")
            for node in running.nodes:
                node.unheard(running.database.lease)


async def disturb(running: Scene, planned: list[Planned], note: Callable[[str], None]) -> None:
    """Runs all faults, each when its time has come and a daemon serves."""
    async with asyncio.TaskGroup() as tasks:
        for number, fault in enumerate(planned, 1):
            try:
                async with asyncio.timeout(SERVED_WITHIN):
                    await one_ready(running.nodes, random.Random())
            except TimeoutError:
                words = f"nobody served within {SERVED_WITHIN:g} s, before fault {number}"
                running.record.violations.append(words)
            await asyncio.sleep(fault.after)
            tasks.create_task(_do(running, number, fault, note))
    running.sandbox.clear_faults()
    running.smarthost.says.clear()


async def _do(running: Scene, number: int, fault: Planned, note: Callable[[str], None]) -> None:
    note(f"{number} {fault.name} begins")
    try:
        done = await FAULTS[fault.name].do(running, random.Random(fault.seed))
    except HARMLESS as error:
        done = f"came to nothing: {error or type(error).__name__}"
    note(f"{number} {fault.name}: {done}")


async def rest(
    running: Scene, senders: list[asyncio.Task[None]], note: Callable[[str], None]
) -> list[str]:
    """Waits until everything is at rest; returns what is not."""
    found = []
    _, pending = await asyncio.wait(senders, timeout=CLIENTS_WITHIN)
    if pending:
        found.append(f"{len(pending)} clients could not finish within {CLIENTS_WITHIN:g} s")
    sessions = [one for some in running.sessions.values() for one in some]
    deadline = time.monotonic() + QUIET_WITHIN
    for session in sessions:
        await session.idle()
    counts = " UNION ALL ".join(f"SELECT count(*) FROM {what}" for what in _UNREST.values())
    unrest: list[int] = []
    told_again = time.monotonic()
    while time.monotonic() < deadline:
        with contextlib.suppress(*HARMLESS):
            unrest = [count for (count,) in await running.database.rows(counts)]
            if not any(unrest):
                note("quiet")
                return found
            if time.monotonic() > told_again + TELL_AGAIN_AFTER:
                told_again = time.monotonic()
                await tell_again(running)
        await asyncio.sleep(0.5)
    words = ", ".join(f"{n} {what}" for n, what in zip(unrest, _UNREST, strict=True) if n)
    note(f"not quiet: {words}")
    return [*found, f"not quiet within {QUIET_WITHIN:g} s: {words}"]


async def tell_again(running: Scene) -> None:
    """Posts lost statuses again: polling would take up to ten minutes."""
    open_ones = "SELECT upstream_id, phone FROM message WHERE state = 'sent' AND upstream_id <> ''"
    said = [
        {"messageId": upstream_id, "deliverystatus": ending(phone)}
        for upstream_id, phone in await running.database.rows(open_ones)
    ]
    _, at = await one_ready(running.nodes, running.record.chance)
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        for start in range(0, len(said), 100):
            url = f"http://127.0.0.1:{at.hooks}{path('status')}"
            with contextlib.suppress(httpx.HTTPError):
                await client.post(url, json=said[start : start + 100])


async def look_up(running: Scene) -> list[str]:
    """Checks that every id of an answer is known: to query_sm all of SMPP clients, to trace a
    sample."""
    record = running.record
    for account in running.sessions:
        ids = [id for id, text in record.told_ids.items() if text.account == account]
        node, at = await one_ready(running.nodes, record.chance)
        session = Session(account, node.run, record, record.chance)
        session.well_behaved = True
        if not await session.open(at.smpp):
            return [f"nobody could bind as {account} when all was quiet"]
        reading = asyncio.create_task(session.read())
        client = running.clients(1)[0]
        for start in range(0, len(ids), _QUERIED):
            some = ids[start : start + _QUERIED]
            await asyncio.gather(*(client.known(session, id) for id in some))
        session.close()
        await reading
    found = []
    for id in record.chance.sample(sorted(record.told_ids), min(_TRACED, len(record.told_ids))):
        config = str(record.chance.choice(running.nodes).config)
        command = (sys.executable, "-m", "bridge.cli", "trace", "--json", "--config", config)
        code, output = await run_program(*command, str(id))
        if code or not json.loads(output):
            found.append(f"trace ends with {code} for the id {id} of {record.told_ids[id]}")
    return found


def judge(evidence: Evidence) -> list[str]:
    """The violations of each invariant: the first ones, and their number."""
    found = []
    for invariant in INVARIANTS:
        words = list(invariant(evidence))
        name = invariant.__name__.replace("_", " ")
        found += [f"{name}: {one}" for one in words[:_TOLD]]
        if len(words) > _TOLD:
            found.append(f"{name}: and {len(words) - _TOLD} more")
    return found


def _counts(running: Scene, evidence: Evidence) -> dict[str, int]:
    record = running.record
    states = Counter(message.state for message in evidence.messages.values())
    posts = Counter(evidence.posts.values())
    ends = Counter(end.split()[0] for node in running.nodes for end in node.ends)
    return {
        "texts": len(record.texts),
        "accepted": sum(text.accepted for text in record.texts),
        "refused": sum(text.refused for text in record.texts),
        "sent": len(evidence.posts),
        "of them twice": posts[2],
        "three times": posts[3],
        "receipts": sum(map(len, record.receipts.values())),
        "reports": len(evidence.mails),
        "from phones": len(record.phoned),
        "queries": record.queries,
        **{f"end {state}": count for state, count in sorted(states.items())},
        **{f"exits with {code}": count for code, count in sorted(ends.items())},
    }
