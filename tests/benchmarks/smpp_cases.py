"""SMPP in more detail: binds and windows, alphabets, long texts, and bad sessions.

python -m tests.benchmarks.smpp_cases [throughput] [sessions]
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.harness import Figures, Served, bridge, cpu_seconds, resident_mb
from tests.benchmarks.smpp_load import Load, Paced, Unbound, submit_body

TEXT = "Your code is {:07}. Never tell it to anybody."
LONG = "This text is so long that three short messages are needed to carry all of it. " * 5
UNICODE = "Ваш код {:07}. Нікому його не кажіть."

#: Messages before the measurement, to warm up.
WARM_UP = 500


@dataclass(frozen=True)
class Case:
    """One kind of submission: the content of each submit_sm, and the number of them in a
    message."""

    says: str
    count: int
    binds: int
    window: int
    kind: str = "GSM-7"


def cases() -> Iterator[Case]:
    """Each kind of text, with one bind and ten, with small and large windows."""
    for binds in (1, 10):
        for window in (1, 10, 100):
            count = min(20_000, 1_000 * binds * window)
            for kind in KINDS:
                yield Case(f"{binds} binds × window {window}", count, binds, window, kind)


def _short(n: int) -> list[bytes]:
    return [submit_body(f"38050{n:07}", TEXT.format(n).encode())]


def _unicode(n: int) -> list[bytes]:
    return [submit_body(f"38050{n:07}", UNICODE.format(n).encode("utf-16-be"), 8)]


def _three_parts(n: int) -> list[bytes]:
    octets = LONG.encode()
    return [
        submit_body(
            f"38050{n:07}",
            bytes((5, 0, 3, n % 256, 3, part + 1)) + octets[part * 153 : (part + 1) * 153],
            esm_class=0x40,
        )
        for part in range(3)
    ]


#: Kind of text → the bodies of its n-th message.
KINDS = {"GSM-7": _short, "UCS-2": _unicode, "three parts": _three_parts}


def measure(served: Served, case: Case, first: int = 0) -> Figures:
    """Submits ``case.count`` PDUs; messages are numbered from ``first``."""
    make = KINDS[case.kind]
    parts = len(make(0))
    messages = -(-case.count // parts)
    bodies = [body for n in range(first, first + messages) for body in make(n)]
    load = Load(served.smpp, len(bodies), case.binds, case.window, bodies)
    before, taken = cpu_seconds(served.pid), served.taken()
    seconds = asyncio.run(load.run())
    cpu = cpu_seconds(served.pid) - before
    assert load.statuses == {0: len(bodies)}, f"refused: {load.statuses}"
    assert served.taken() - taken == messages, "the API did not get each message once"
    return Figures(len(bodies), seconds, cpu, tuple(load.latencies))


def throughput(served: Served) -> None:
    """Prints a row per case."""
    print(f"{'submit_sm':<26}{'text':<14}{'per s':>9}{'CPU µs':>9}{'p50 ms':>9}{'p99 ms':>9}")
    first = 0
    for case in (Case("warm-up", WARM_UP, 1, 100), *cases()):
        found = measure(served, case, first)
        first += found.messages
        if case.says != "warm-up":
            print(
                f"{case.says:<26}{case.kind:<14}{found.rate:>9,.0f}{found.cpu_us:>9.0f}"
                f"{found.quantile(0.5):>9.1f}{found.quantile(0.99):>9.1f}"
            )


# --- sessions --------------------------------------------------------------------------------

IDLE, ACTIVE = 2000, 200
#: Seconds of measurement, and between two submits of each active session.
WATCHED, PAUSE = 10.0, 0.2


async def sessions(served: Served) -> None:
    """200 active sessions alone, with 2,000 idle ones, and with bad ones."""
    print(f"{'sessions':<48}{'CPU %':>9}{'MB':>9}{'p50 ms':>9}{'p99 ms':>9}")
    await _row(served, "none", None)
    async with Paced(served.smpp, IDLE, 0):
        await _row(served, f"{IDLE} idle", None)
    async with Paced(served.smpp, ACTIVE, PAUSE, 1) as paced:
        await _row(served, f"{ACTIVE} active", paced)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(Paced(served.smpp, IDLE, 0))
        paced = await stack.enter_async_context(Paced(served.smpp, ACTIVE, PAUSE, 1_000_000))
        await _row(served, f"{IDLE} idle, {ACTIVE} active", paced)
        await stack.enter_async_context(Unbound(served.smpp, reads=True))
        await _row(served, "and one that sends an octet a second", paced)
        stack.enter_context(_flood(served.smpp))
        await _row(served, "and one that sends all the time and never reads", paced)


@contextmanager
def _flood(port: int) -> Iterator[None]:
    """A session that never reads, in its own process, so that its work does not delay others."""
    command = [sys.executable, "-m", "tests.benchmarks.smpp_cases", "flood", str(port)]
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def _never_read(port: int) -> None:
    async with Unbound(port, reads=False):
        await asyncio.sleep(2 * WATCHED)


async def _row(served: Served, says: str, paced: Paced | None) -> None:
    if paced is not None:
        paced.latencies.clear()
    cpu, began = cpu_seconds(served.pid), time.perf_counter()
    await asyncio.sleep(WATCHED)
    cpu = 100 * (cpu_seconds(served.pid) - cpu) / (time.perf_counter() - began)
    row = f"{says:<48}{cpu:>9.1f}{resident_mb(served.pid):>9.1f}"
    if paced is not None:
        found = Figures(len(paced.latencies), WATCHED, 0.0, tuple(paced.latencies))
        row += f"{found.quantile(0.5):>9.1f}{found.quantile(0.99):>9.1f}"
    print(row)


def main(names: list[str]) -> None:
    if names[:1] == ["flood"]:
        asyncio.run(_never_read(int(names[1])))
        return
    with tempfile.TemporaryDirectory(prefix="cascade-bridge-") as folder:
        if not names or "throughput" in names:
            with bridge(Path(folder)) as served:
                throughput(served)
    with tempfile.TemporaryDirectory(prefix="cascade-bridge-") as folder:
        if not names or "sessions" in names:
            with bridge(Path(folder)) as served:
                asyncio.run(sessions(served))


if __name__ == "__main__":
    main(sys.argv[1:])
