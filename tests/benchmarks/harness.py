"""Shared by the benchmarks: sandbox API and bridge as processes, and their CPU time."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import free_port


def cpu_seconds(pid: int) -> float:
    """The CPU time of a process with all its threads, in nanoseconds."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def ended_children_seconds(pid: int) -> float:
    """What those processes have run that this one started and that have ended: cutime and cstime
    (proc(5)), in steps of a hundredth of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    match = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(match[1]) / 1024 if match else 0.0


@dataclass
class Served:
    """A bridge under test with the sandbox behind it."""

    process: subprocess.Popen[bytes]
    smtp: int
    smpp: int
    api: str

    @property
    def pid(self) -> int:
        return self.process.pid

    def taken(self) -> int:
        """The number of messages that the sandbox API has accepted."""
        with urllib.request.urlopen(f"{self.api}/sandbox/stats", timeout=10) as answer:
            return int(json.load(answer)["messages"])


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "bridge.cli", *arguments]


def await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    import socket

    for _ in range(2400):
        if process.poll() is not None:
            raise RuntimeError(f"a process ended early with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("a process does not listen")


@contextmanager
def running(command: list[str], port: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a process, which listens on ``port``, during the block."""
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output) as process,
    ):
        try:
            await_port(port, process)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def bridge(
    folder: Path,
    *,
    delay: float = 0.0,
    account: str = "",
    store: str = "",
    cascade: str = "",
    url: str = "",
    under: Sequence[str] = (),
) -> Iterator[Served]:
    """The bridge serving on free ports, its store in ``folder`` or at ``url``, a sandbox API behind
    it. ``under``: the command of a tool that runs it."""
    api, smtp, smpp = free_port(), free_port(), free_port()
    config = folder / "bridge.toml"
    config.write_text(f"""
        [cascade]
        base_url = "http://127.0.0.1:{api}"
        authorization_key = "benchmark"
        {cascade}
        [store]
        url = "{url or f"sqlite:///{folder}/bridge.db"}"
        {store}
        [smtp]
        listen = ["127.0.0.1:{smtp}"]
        [smpp]
        listen = ["127.0.0.1:{smpp}"]
        [accounts.bench]
        password = "bench"
        sender = "Bench"
        max_binds = 5000
        trusted_networks = ["127.0.0.1"]
        {account}
    """)
    sandbox = _command("sandbox", "--listen", f"127.0.0.1:{api}", "--keep", "0")
    if delay:
        sandbox += ["--delay", f"{round(delay * 1000)}ms"]
    serve = [*under, *_command("serve", "--config", str(config))]
    with (
        running(sandbox, api, folder / "sandbox.log"),
        running(serve, smtp, folder / "bridge.log") as process,
    ):
        await_port(smpp, process)  # which is opened after it
        yield Served(process, smtp, smpp, f"http://127.0.0.1:{api}")


@dataclass(frozen=True)
class Figures:
    """One run: messages, wall time, the bridge's CPU time, and the API's count."""

    messages: int
    seconds: float
    cpu: float
    latencies: tuple[float, ...] = ()

    @property
    def rate(self) -> float:
        return self.messages / self.seconds

    @property
    def cpu_us(self) -> float:
        return self.cpu / self.messages * 1e6

    def quantile(self, q: float) -> float:
        """Latency in milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(q * len(ordered)))] * 1000


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """Runs a client, on uvloop if it is installed, so that it takes little CPU."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)
