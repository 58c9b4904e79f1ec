"""kill -9 at random times under load: no accepted message is lost, and only messages in flight are
sent twice.

The long run prints figures: ``CASCADE_BRIDGE_KILL_ROUNDS=50 .venv/bin/pytest
tests/serving/test_kill.py -s``
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sqlite3
import time
from pathlib import Path

from bridge.sandbox import Sandbox
from tests.benchmarks.smpp_load import Load, submit_body
from tests.serving.daemon import serving, write_config

ROUNDS = int(os.environ.get("CASCADE_BRIDGE_KILL_ROUNDS", "3"))
BINDS, WINDOW, BATCH, IN_FLIGHT = 4, 50, 40, 4
#: How long the API takes to answer (seconds).
ANSWERS_AFTER = 0.02


async def test_rounds_of_kill_9_lose_nothing(tmp_path: Path) -> None:
    chance = random.Random(ROUNDS)
    accepted: set[int] = set()
    kills: list[float] = []
    async with Sandbox(delay=ANSWERS_AFTER, keep=1_000_000) as sandbox:
        config = write_config(tmp_path, sandbox.url, account="daily_limit = 1_000_000")
        limits = f"[cascade]\nmax_batch = {BATCH}\nmax_in_flight = {IN_FLIGHT}"
        config.write_text(config.read_text().replace("[cascade]", limits))
        began = time.monotonic()
        for round in range(ROUNDS):
            async with serving(config) as bridge:
                _, smpp = await bridge.ready()
                bodies = [
                    submit_body(f"38050{round:02}{n:05}", b"text %d %d" % (round, n))
                    for n in range(20_000)
                ]
                load = Load(smpp.port, 1_000_000, BINDS, WINDOW, bodies)
                load.system_id, load.password = "crm", "secret12"
                sending = asyncio.create_task(load.run())
                await load.reaches(chance.randrange(100, 4000))
                kills.append(time.time())
                await bridge.kill()
                sending.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await sending
                assert set(load.statuses) <= {0}
                accepted |= load.ids
        async with serving(config) as bridge:
            await bridge.ready()
            await until_all_sent(tmp_path / "bridge.db")
            assert await bridge.terminate() == 0
        with contextlib.closing(sqlite3.connect(tmp_path / "bridge.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            rows = connection.execute("SELECT id, state FROM message").fetchall()
            counted = connection.execute("SELECT accepted FROM daily_count").fetchall()
        first: dict[int, float] = {}
        for message in sandbox.messages:
            first.setdefault(int(message.id), message.at)
        received = first.keys()
        twice = sum(sandbox.duplicates.values())
        answered = sum(
            any(first[int(id)] + ANSWERS_AFTER < kill < first[int(id)] + 1 for kill in kills)
            for id in sandbox.duplicates
        )
    states = {state for _, state in rows}
    print(
        f"\n{ROUNDS} kills in {time.monotonic() - began:.0f} s: {len(accepted)} answered, "
        f"{len(rows)} stored, {len(received)} sent, {twice} of them twice: {twice - answered} were "
        f"in a request without an answer, {answered} had one that was not durable yet"
    )
    assert len(accepted) >= 100 * ROUNDS
    assert accepted <= {id for id, _ in rows} == received
    # On a busy machine statuses come meanwhile.
    assert states <= {"sent", "delivered", "undeliverable"}
    assert counted == [(len(rows),)], "towards the daily limit"
    assert twice <= ROUNDS * IN_FLIGHT * BATCH


async def until_all_sent(path: Path) -> None:
    """Waits until no message in the store waits: retries of unknown outcomes take seconds."""
    async with asyncio.timeout(60):
        with contextlib.closing(sqlite3.connect(path)) as connection:
            waiting = "SELECT count(*) FROM message WHERE state IN ('accepted', 'held')"
            while connection.execute(waiting).fetchone()[0]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
