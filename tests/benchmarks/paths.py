"""The two paths end to end and durable: a client, the bridge, the sandbox API, all on loopback."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path

from tests.benchmarks.harness import Figures, Served, cpu_seconds
from tests.benchmarks.smpp_load import Load, submit_body
from tests.support import program

#: A thousand numbers and texts in turn, so that caches do not help.
BODIES = [
    submit_body(f"38050{n:07}", f"Your code is {n:06}. Never tell it to anybody.".encode())
    for n in range(1000, 2000)
]

#: How long the last messages may take to the API after their clients were answered (seconds).
PATIENCE = 60.0


def smpp(served: Served, count: int, binds: int, window: int) -> Figures:
    """submit_sm → durable → API answer → submit_sm_resp."""
    load = Load(served.smpp, count, binds, window, BODIES)
    before, taken = cpu_seconds(served.pid), served.taken()
    try:
        import uvloop

        seconds = uvloop.run(load.run())
    except ImportError:
        seconds = asyncio.run(load.run())
    assert load.statuses == {0: count}, f"refused: {load.statuses}"
    # Where the client was answered "queued", the last ones are still on their way.
    until = time.monotonic() + PATIENCE
    while served.taken() - taken < count and time.monotonic() < until:
        time.sleep(0.05)
    assert served.taken() - taken == count, "the API did not get each message once"
    cpu = cpu_seconds(served.pid) - before
    return Figures(count, seconds, cpu, tuple(load.latencies))


def smtp_source(
    port: int, count: int, sessions: int, *, kept: bool, to: str, folder: Path
) -> float:
    """The seconds that Postfix' load generator takes for ``count`` mails of half a kilobyte."""
    command = [program("smtp-source"), "-s", str(sessions), "-m", str(count), "-l", "500"]
    command += ["-f", "load@example.com", "-t", to, "-S", "benchmark"]
    if kept:
        command.append("-d")
    began = time.perf_counter()
    subprocess.run([*command, f"127.0.0.1:{port}"], check=True, cwd=folder, timeout=300)
    return time.perf_counter() - began


def smtp(served: Served, count: int, sessions: int, *, kept: bool, folder: Path) -> Figures:
    """mail → durable → API answer → 250."""
    before, taken = cpu_seconds(served.pid), served.taken()
    seconds = smtp_source(
        served.smtp, count, sessions, kept=kept, to="380501234567@sms.example.com", folder=folder
    )
    cpu = cpu_seconds(served.pid) - before
    assert served.taken() - taken == count, "the API did not get each mail once"
    return Figures(count, seconds, cpu)
