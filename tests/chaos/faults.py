"""The faults: one table of names, frequencies and actions.

A fault does something, waits, and undoes it; several run at once. Each has its own random
generator, so that the plan depends only on the seed.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import resource
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

import asyncpg
import httpx

from bridge.sandbox import FAULTS as API_FAULTS
from tests.chaos.databases import Postgres, SqliteFile
from tests.chaos.fault_proxy import FaultProxy, Way
from tests.chaos.node import Node, faketime
from tests.chaos.scene import Scene

#: Mean time between two faults (seconds).
PAUSE: Final = 1.2
#: The largest clock error with which nodes on a shared database start.
_CLOCKS: Final = {"sqlite": (-60, -20, 45, 90), "postgres": (-20, -8, 8, 20)}
#: The events after which a daemon whose files cannot grow may end, as on a full disk.
_FULL: Final = 4096

Do = Callable[[Scene, random.Random], Awaitable[str]]


class Fault(NamedTuple):
    """Its relative frequency, and its engines (empty: all)."""

    weight: int
    do: Do
    engine: str = ""


class Planned(NamedTuple):
    """One fault of a plan: the time since the previous one, and its seed."""

    after: float
    name: str
    seed: int


def plan(seed: int, count: int, engine: str, only: Sequence[str] = ()) -> list[Planned]:
    chance = random.Random(f"{seed} {engine}")
    names = [name for name, fault in FAULTS.items() if fault.engine in ("", engine)]
    if faketime() is None:
        names.remove("clock")  # a plan of its own
    names = [name for name in names if not only or name in only]
    weights = [FAULTS[name].weight for name in names]
    return [
        Planned(
            chance.uniform(0.2, 2 * PAUSE - 0.2),
            chance.choices(names, weights)[0],
            chance.getrandbits(32),
        )
        for _ in range(count)
    ]


def _node(scene: Scene, chance: random.Random) -> Node:
    return chance.choice(scene.nodes)


# --- the daemons -------------------------------------------------------------------------------


async def kill(scene: Scene, chance: random.Random) -> str:
    node = _node(scene, chance)
    node.kill()
    return f"node {node.run}"


async def terminate(scene: Scene, chance: random.Random) -> str:
    node = _node(scene, chance)
    node.terminate()
    return f"node {node.run}"


async def reload(scene: Scene, chance: random.Random) -> str:
    node = _node(scene, chance)
    if node.at is None:
        return "nobody was there"
    node.reload()
    return f"node {node.run}"


async def reload_broken(scene: Scene, chance: random.Random) -> str:
    """Reloads an invalid configuration, which changes nothing."""
    return await _reconfigure(_node(scene, chance), lambda text: text + "nonsense = 1\n", False)


async def account_removed(scene: Scene, chance: random.Random) -> str:
    """Removes an account for a while: its sessions end, and its waiting messages are held."""
    name = chance.choice(("quick", "erp", "once"))

    def without(text: str) -> str:
        first, *tables = re.split(r"^(?=\[)", text, flags=re.MULTILINE)
        kept = [table for table in tables if not table.startswith(f"[accounts.{name}")]
        return "".join([first, *kept])

    return f"{name} of {await _reconfigure(_node(scene, chance), without, True)}"


async def account_held(scene: Scene, chance: random.Random) -> str:
    """Everything of an account waits, at all nodes, until it is released."""
    name = chance.choice(("crm", "quick", "once", "desk"))
    held = await _ask_to("PUT", _node(scene, chance), name)
    await asyncio.sleep(chance.uniform(1, 8))
    # Also without an answer: only the answer may be lost.
    while await _ask_to("DELETE", _node(scene, chance), name) not in (200, 404):  # noqa: ASYNC110
        await asyncio.sleep(0.5)
    return name if held else f"{name}, without an answer"


async def _ask_to(method: str, node: Node, account: str) -> int:
    """Holds or releases an account by the node's socket; returns the HTTP status, 0 for none."""
    transport = httpx.AsyncHTTPTransport(uds=str(node.config.parent / "admin.sock"))
    async with httpx.AsyncClient(transport=transport, timeout=20) as client:
        try:
            url = f"http://node/api/v1/holds/account/{account}"
            return (await client.request(method, url)).status_code
        except httpx.HTTPError:
            return 0


async def _reconfigure(node: Node, change: Callable[[str], str], usable: bool) -> str:
    run = node.run
    async with node.rewritten(change, usable):
        if node.at is None:
            return "nobody was there"
        node.reload()
        await asyncio.sleep(1)
    node.reload()
    return f"node {run}"


async def stop_short(scene: Scene, chance: random.Random) -> str:
    return await _stop(_node(scene, chance), chance.uniform(0.1, 1.0))


async def stop_long(scene: Scene, chance: random.Random) -> str:
    """Stops a process for longer than the lease."""
    seconds = (scene.database.lease or 2) + chance.uniform(0.2, 2)
    return await _stop(_node(scene, chance), seconds)


async def _stop(node: Node, seconds: float) -> str:
    run = node.run
    node.unheard(seconds)
    node.pause()
    try:
        await asyncio.sleep(seconds)
    finally:
        node.resume()
    return f"node {run} for {seconds:.1f} s"


async def clock(scene: Scene, chance: random.Random) -> str:
    node, seconds = _node(scene, chance), chance.uniform(2, 6)
    offset = chance.choice(_CLOCKS[scene.database.engine])
    node.set_clock(offset)
    try:
        await asyncio.sleep(seconds)
    finally:
        node.set_clock(0)
    return f"node {node.run} by {offset} s for {seconds:.1f} s"


async def disk_full(scene: Scene, chance: random.Random) -> str:
    node, seconds = _node(scene, chance), chance.uniform(0.3, 3)
    pid = node.pid
    with contextlib.suppress(ProcessLookupError, TypeError):
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (_FULL, -1))  # type: ignore[arg-type]
        try:
            await asyncio.sleep(seconds)
        finally:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)  # type: ignore[arg-type]
    return f"node {node.run} for {seconds:.1f} s"


# --- the clients -------------------------------------------------------------------------------


async def clients_vanish(scene: Scene, chance: random.Random) -> str:
    sessions = [session for some in scene.sessions.values() for session in some]
    gone = [session for session in sessions if chance.random() < 0.6]
    for session in gone:
        session.close()
    return f"{len(gone)} SMPP sessions"


# --- the API and the smarthost -----------------------------------------------------------------


async def api(scene: Scene, chance: random.Random) -> str:
    """Any fault of the sandbox, for a few requests; late answers come before or after our time
    limit."""
    name = chance.choice([*API_FAULTS])
    options: dict[str, object] = {"count": chance.choice((1, 1, 2, 4))}
    takes = API_FAULTS[name].options
    if "seconds" in takes:
        options["seconds"] = chance.choice((0.5, 1.5, 2.5, 4.0))
    if "retry_after" in takes and chance.random() < 0.5:
        options["retry_after"] = chance.choice((1, 2))
    if not API_FAULTS[name].spoil and chance.random() < 0.15:
        options["on"] = "status"
    scene.sandbox.fault(name, **options)
    return f"{name} {options}"


async def api_stalled(scene: Scene, chance: random.Random) -> str:
    return await _turn(scene.apis, Way.STALLED, chance.uniform(0.5, 4), chance)


async def api_away(scene: Scene, chance: random.Random) -> str:
    return await _turn(scene.apis, Way.SHUT, chance.uniform(0.2, 3), chance)


async def api_answers_lost(scene: Scene, chance: random.Random) -> str:
    return await _turn(scene.apis, Way.DEAF, chance.uniform(0.1, 1), chance)


async def smarthost_refuses(scene: Scene, chance: random.Random) -> str:
    command, seconds = chance.choice(("MAIL", "RCPT", "DATA", "TAKEN")), chance.uniform(0.5, 3)
    scene.smarthost.says[command] = "451 4.3.0 not now"
    try:
        await asyncio.sleep(seconds)
    finally:
        scene.smarthost.says.pop(command, None)
    return f"{command} for {seconds:.1f} s"


async def _turn(
    proxies: list[FaultProxy], way: Way, seconds: float, chance: random.Random, *, cut: bool = False
) -> str:
    """Changes all proxies, or one."""
    chosen = proxies if chance.random() < 0.3 else [chance.choice(proxies)]
    for proxy in chosen:
        proxy.turn(way)
    try:
        await asyncio.sleep(seconds)
    finally:
        for proxy in chosen:
            if cut:
                proxy.cut()
            proxy.turn(Way.OPEN)
    return f"{[proxies.index(proxy) for proxy in chosen]} {way.value} for {seconds:.1f} s"


# --- PostgreSQL --------------------------------------------------------------------------------


def _postgres(scene: Scene) -> Postgres:
    assert isinstance(scene.database, Postgres)
    return scene.database


async def database_killed(scene: Scene, chance: random.Random) -> str:
    how = chance.choice((signal.SIGQUIT, signal.SIGQUIT, signal.SIGINT))
    seconds = chance.choice((0.0, 0.5, scene.database.lease + 1))
    await _postgres(scene).down(seconds, how)
    return f"by {how.name} for {seconds:.1f} s"


async def database_stalled(scene: Scene, chance: random.Random) -> str:
    return await _apart(scene, chance, Way.STALLED, chance.uniform(0.3, 2))


async def database_partitioned(scene: Scene, chance: random.Random) -> str:
    """Partitions for longer than the lease."""
    seconds = scene.database.lease + chance.uniform(0.5, 2)
    return await _apart(scene, chance, chance.choice((Way.STALLED, Way.SHUT)), seconds)


async def database_answers_lost(scene: Scene, chance: random.Random) -> str:
    return await _apart(scene, chance, Way.DEAF, chance.uniform(0.05, 0.5))


async def _apart(scene: Scene, chance: random.Random, way: Way, seconds: float) -> str:
    """Partitions the database from one node, or from all, which then must survive."""
    proxies = _postgres(scene).proxies
    everybody = chance.random() < 0.3
    chosen = range(len(proxies)) if everybody else [chance.randrange(len(proxies))]
    for number in chosen:
        if not everybody:
            scene.nodes[number].unheard(seconds)
        proxies[number].turn(way)
    try:
        await asyncio.sleep(seconds)
    finally:
        for number in chosen:
            if chance.random() < 0.5:
                proxies[number].cut()
            proxies[number].turn(Way.OPEN)
    return f"nodes {[*chosen]}: {way.value}, for {seconds:.1f} s"


async def backends_ended(scene: Scene, chance: random.Random) -> str:
    database = _postgres(scene)
    backends = [pid for pid in await database.backends() if chance.random() < 0.7]
    for pid in backends:
        await database.rows(f"SELECT pg_terminate_backend({pid})")
    return f"{len(backends)} of them"


async def transaction_held(scene: Scene, chance: random.Random) -> str:
    """An idle foreign transaction with an old snapshot."""
    seconds = chance.uniform(2, 10)
    async with _postgres(scene).connected() as connection:
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await connection.fetch("SELECT count(*) FROM message")
        await asyncio.sleep(seconds)
    return f"for {seconds:.1f} s"


async def rows_locked(scene: Scene, chance: random.Random) -> str:
    seconds = chance.uniform(0.2, 2)
    async with _postgres(scene).connected() as connection, connection.transaction():
        await connection.fetch(
            "SELECT id FROM message WHERE state IN ('accepted', 'sent') "
            "ORDER BY id DESC LIMIT 50 FOR UPDATE SKIP LOCKED"
        )
        await asyncio.sleep(seconds)
    return f"for {seconds:.1f} s"


async def table_locked(scene: Scene, chance: random.Random) -> str:
    """Locks a table, as for a new index."""
    table, seconds = chance.choice(("message", "notice", "attempt")), chance.uniform(0.2, 1.5)
    async with _postgres(scene).connected() as connection, connection.transaction():
        await connection.execute("SET LOCAL lock_timeout = '2s'")
        await connection.execute(f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE")
        await asyncio.sleep(seconds)
    return f"{table} for {seconds:.1f} s"


async def database_full(scene: Scene, chance: random.Random) -> str:
    seconds = chance.uniform(0.3, 2)
    async with _postgres(scene).full():
        await asyncio.sleep(seconds)
    return f"for {seconds:.1f} s"


# --- SQLite ------------------------------------------------------------------------------------


async def file_read(scene: Scene, chance: random.Random) -> str:
    assert isinstance(scene.database, SqliteFile)
    seconds = chance.uniform(1, 6)
    with scene.database.reader():
        await asyncio.sleep(seconds)
    return f"for {seconds:.1f} s"


FAULTS: Final[dict[str, Fault]] = {
    "kill": Fault(8, kill),
    "terminate": Fault(4, terminate),
    "reload": Fault(3, reload),
    "reload_broken": Fault(1, reload_broken),
    "account_removed": Fault(2, account_removed),
    "account_held": Fault(2, account_held),
    "stop_short": Fault(3, stop_short),
    "stop_long": Fault(4, stop_long),
    "clock": Fault(4, clock),
    "clients_vanish": Fault(2, clients_vanish),
    "api": Fault(16, api),
    "api_stalled": Fault(2, api_stalled),
    "api_away": Fault(2, api_away),
    "api_answers_lost": Fault(2, api_answers_lost),
    "smarthost_refuses": Fault(3, smarthost_refuses),
    "disk_full": Fault(6, disk_full, "sqlite"),
    "file_read": Fault(3, file_read, "sqlite"),
    "database_killed": Fault(3, database_killed, "postgres"),
    "database_stalled": Fault(3, database_stalled, "postgres"),
    "database_partitioned": Fault(3, database_partitioned, "postgres"),
    "database_answers_lost": Fault(3, database_answers_lost, "postgres"),
    "database_full": Fault(3, database_full, "postgres"),
    "backends_ended": Fault(3, backends_ended, "postgres"),
    "transaction_held": Fault(2, transaction_held, "postgres"),
    "rows_locked": Fault(2, rows_locked, "postgres"),
    "table_locked": Fault(2, table_locked, "postgres"),
}

#: Errors of a fault while the database is away; they are ignored.
HARMLESS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # of a connection that is cut in the middle of a query
    OSError,
    TimeoutError,
)
