"""The relay as the daemon builds it, with the sandbox API and without listeners."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.accounts.accounts import Account, Accounts
from bridge.config.settings import Settings, settings_from
from bridge.directory.directory import Directory
from bridge.model.failure import Failure, Reason
from bridge.model.ids import Ids
from bridge.model.message import Accepted, Outcome, State, Submission
from bridge.notices.outbox import Outbox
from bridge.relay.answer_first import AnswerFirst
from bridge.relay.pending_answers import PendingAnswers
from bridge.relay.relay import Relay
from bridge.relay.send_outs import SendOuts
from bridge.sandbox import Sandbox
from bridge.sending.dispatcher import Dispatcher
from bridge.sending.upkeep import Upkeep
from bridge.sending.upstream import UpstreamLine, upstream_lines
from bridge.store import Store
from bridge.store.engines import engine_of
from bridge.store.sqlite.engine import SqliteStore


def id_of(outcome: Outcome) -> int:
    """The id of an accepted submission."""
    assert isinstance(outcome, Accepted), outcome
    return outcome.id


def reason_of(outcome: Outcome) -> Reason:
    """The reason of a refused submission."""
    assert isinstance(outcome, Failure), outcome
    return outcome.reason


def repeated(outcome: Outcome, reference: str = "") -> Outcome:
    """The outcome of the same submission again; ``reference`` is that of the first one."""
    assert isinstance(outcome, Accepted), outcome
    return outcome._replace(repeats=reference)


@dataclass
class Relaying:
    settings: Settings
    accounts: Accounts
    store: Store
    pending: PendingAnswers
    relay: Relay
    dispatcher: Dispatcher
    outbox: Outbox
    sandbox: Sandbox
    lines: dict[str, UpstreamLine]
    directory: Directory
    send_outs: SendOuts

    def account(self, name: str = "crm") -> Account:
        account = self.accounts.get(name)
        assert account is not None
        return account

    async def submit(self, submission: Submission, name: str = "crm") -> Outcome:
        async with asyncio.timeout(60):
            return await self.relay.submit(self.account(name), submission)

    async def states(self, outcome: Outcome) -> list[State]:
        """The states of the submission's messages, of the account ``crm``."""
        stored = await self.relay.query(self.account(), id_of(outcome))
        return [one.state for one in stored]

    async def drained(self) -> None:
        """Waits until no message waits to be sent."""
        async with asyncio.timeout(60):
            while self.dispatcher.backlog:  # noqa: ASYNC110 - a number, not an event
                await asyncio.sleep(0.01)


@contextmanager
def written_to(folder: Path) -> Iterator[None]:
    """Another program writes to the bridge's file: the bridge cannot."""
    with closing(sqlite3.connect(folder / "bridge.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def without(folder: Path, *tables: str) -> Iterator[None]:
    """The bridge's file cannot be read: it lacks these tables."""
    with closing(sqlite3.connect(folder / "bridge.db", isolation_level=None, timeout=10)) as other:
        for table in tables:
            other.execute(f"ALTER TABLE {table} RENAME TO {table}_elsewhere")
        yield
        for table in tables:
            other.execute(f"ALTER TABLE {table}_elsewhere RENAME TO {table}")


@contextmanager
def taking_no(folder: Path, table: str, change: str = "INSERT") -> Iterator[None]:
    """The bridge's file takes no rows of this table, or does not change or delete any."""
    with closing(sqlite3.connect(folder / "bridge.db", isolation_level=None, timeout=10)) as other:
        other.execute(
            f"CREATE TRIGGER full BEFORE {change} ON {table} BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
        yield
        other.execute("DROP TRIGGER full")


@asynccontextmanager
async def relaying(
    folder: Path,
    sandbox: Sandbox,
    *,
    accounts: dict[str, dict[str, Any]] | None = None,
    store: dict[str, Any] | None = None,
    keys: dict[str, str] | None = None,
    clock: Callable[[], float] = time.time,
    **cascade: Any,
) -> AsyncIterator[Relaying]:
    """A running relay. ``cascade`` are keys of that table, ``accounts`` the settings of each
    account (the password, ``sender`` and a long ``answer_within`` are given), ``keys`` the
    credentials. Without ``store`` the store is SQLite in ``folder``. ``clock`` gives Unix time, and
    is for SQLite."""
    # A client waits for the API's answer as long as the machine needs.
    base = {"password": "secret", "sender": "Shop", "answer_within": "50s"}
    settings = settings_from(
        {
            "cascade": {"base_url": sandbox.url} | (keys or {"authorization_key": "key"}) | cascade,
            "store": {"url": f"sqlite:///{folder}/bridge.db"} | (store or {}),
            "accounts": {n: base | own for n, own in (accounts or {"crm": {}}).items()},
        }
    )
    engine = engine_of(settings.store.url, settings.store.lease)
    if clock is not time.time:
        engine = SqliteStore(folder / "bridge.db", clock=clock)
    await engine.open()
    people = Accounts(settings)
    ids = Ids(engine.node, engine.last_id, clock)
    lines = upstream_lines(settings)
    pending = PendingAnswers(engine.owe, clock)
    dispatcher = Dispatcher(
        engine,
        ids,
        settings.cascade,
        lines,
        pending,
        known=lambda name: people.get(name) is not None,
        clock=clock,
    )
    directory = Directory(engine)
    await directory.open()
    try:
        async with asyncio.TaskGroup() as tasks:
            send_outs = SendOuts(engine, dispatcher, ids, tasks, clock=clock)
            relay = Relay(
                settings,
                engine,
                ids,
                pending,
                dispatcher,
                directory,
                send_outs,
                tasks,
                clock=clock,
            )
            ready = asyncio.Event()
            tasks.create_task(dispatcher.run(ready))
            await ready.wait()
            upkeep = Upkeep(engine, dispatcher, settings.store, clock)
            engine.signals.work.listen(upkeep.wake)
            engine.signals.settled.listen(relay.settled_elsewhere)
            answer_first = AnswerFirst(engine.node, people, pending, clock)
            outbox = Outbox(
                engine,
                settings.smpp.receipts_keep,
                settings.reports.keep,
                answer_first.not_before,
                clock=clock,
            )
            engine.signals.owed.listen(outbox.wake)
            working = [tasks.create_task(part.run()) for part in (upkeep, outbox)]
            try:
                yield Relaying(
                    settings,
                    people,
                    engine,
                    pending,
                    relay,
                    dispatcher,
                    outbox,
                    sandbox,
                    lines,
                    directory,
                    send_outs,
                )
            finally:
                for task in working:
                    task.cancel()
                dispatcher.stop()
                send_outs.close()
                relay.drain()
                await outbox.close()
    finally:
        for line in lines.values():
            await line.client.close()
        await engine.close()
        people.close()
