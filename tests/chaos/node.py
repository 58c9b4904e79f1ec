"""A daemon that is restarted whenever it ends, and checks of its end."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

#: Time limit for a stop (seconds); systemd's limit in the unit is 60.
ENDS_WITHIN = 60.0
#: Pause after a failed start (seconds).
PAUSE = 0.5
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/lib")
_UNAVAILABLE, _CONFIG = 69, 78


class Reached(NamedTuple):
    """The ports of a daemon that is ready."""

    smtp: int
    lmtp: int
    smpp: int
    hooks: int
    #: … and those with TLS.
    smtps: int
    smpps: int
    api: int


def faketime() -> Path | None:
    """The library that changes a program's clock, if it is installed (package libfaketime)."""
    for folder in _LIBRARIES:
        for found in sorted(Path(folder).glob("**/faketime/libfaketimeMT.so.1")):
            return found
    return None


class Node:
    """One of the daemons. ``lease`` is the store's, 0 for none.

    ``at`` are its ports while it serves; ``run`` is the number of its process, as in the names of
    its logs.
    """

    def __init__(self, number: int, config: Path, lease: float) -> None:
        self.number = number
        self.config = config
        self.at: Reached | None = None
        self.lives = 0
        self.ends: list[str] = []
        self.violations: list[str] = []
        self.events: dict[str, int] = {}
        #: Events with a traceback, their exceptions, and the files of the log.
        self.faults: dict[str, list[str]] = {}
        self._lease = lease
        self._process: asyncio.subprocess.Process | None = None
        self._said: list[str] = []
        self._asked = ""  # the fault that ends it
        self._stopped = False
        self._silent = 0.0  # the longest silence of this process
        self._over = False
        self._clock = config.parent / "clock"
        self._written = config.read_text()
        self._rewriting = asyncio.Lock()
        self._unusable = False
        self._reloads = False  # as soon as it serves
        self._changed = asyncio.Event()
        self.set_clock(0)

    @property
    def run(self) -> str:
        return f"{self.number}.{self.lives}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    # --- what is done to it ----------------------------------------------------------------

    def kill(self) -> None:
        self._signal(signal.SIGKILL, "kill")

    def terminate(self) -> None:
        self._signal(signal.SIGTERM, "terminate")

    def reload(self) -> None:
        """Reloads now, or as soon as it serves, like systemd."""
        if self.at is None:
            self._reloads = True
        else:
            self._signal(signal.SIGHUP)

    def _signal(self, number: signal.Signals, asked: str = "") -> None:
        if self._process is not None and self._process.returncode is None:
            if asked != "terminate" or not self._asked:
                self._asked = asked or self._asked
            self._process.send_signal(number)
            if self._stopped and number is signal.SIGTERM:
                self.resume()

    def pause(self) -> None:
        self._stopped = True
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._stopped = False
        self._signal(signal.SIGCONT)

    def unheard(self, seconds: float) -> None:
        """Notes that only this node was cut off from the database for this time."""
        self._silent = max(self._silent, seconds)

    @asynccontextmanager
    async def rewritten(self, change: Callable[[str], str], usable: bool) -> AsyncIterator[None]:
        """With another configuration in the block, valid or invalid."""
        async with self._rewriting:
            self._unusable = not usable
            self.config.write_text(change(self._written))
            try:
                yield
            finally:
                self.config.write_text(self._written)
                await asyncio.sleep(PAUSE)  # a starting process may have read the other one
                self._unusable = False

    def set_clock(self, offset: int) -> None:
        """Sets its clock this number of seconds ahead of the machine's, within a second."""
        self._clock.write_text(f"{offset:+d}\n")

    # --- its lives -------------------------------------------------------------------------

    async def ready(self) -> Reached:
        """Waits until it serves."""
        while self.at is None:
            self._changed.clear()
            await self._changed.wait()
        return self.at

    async def live(self) -> None:
        """Lives until :meth:`end`."""
        while not self._over:
            await self._life()
            if not self._over and self.ends[-1].startswith((f"{_UNAVAILABLE}", f"{_CONFIG}")):
                await asyncio.sleep(PAUSE)

    async def end(self) -> None:
        """Stops it properly, without a restart."""
        self._over = True
        self.terminate()
        while self._process is not None:
            self._changed.clear()
            await self._changed.wait()

    def kill_for_good(self) -> None:
        """Kills it if it still runs."""
        self._over = True
        self.kill()

    async def _life(self) -> None:
        self.lives += 1
        self._said, self._asked, self._silent, self._stopped = [], "", 0.0, False
        served = False
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bridge.cli", "serve", "--config", str(self.config)),
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | self._environment(),
            limit=1 << 22,
        )
        self._process = process
        reading = asyncio.create_task(self._read(process))
        try:
            while not reading.done():
                asked = time.monotonic()
                await asyncio.wait({reading}, timeout=1)
                served = served or self.at is not None
                while self._asked == "terminate" and not reading.done():
                    await asyncio.wait({reading}, timeout=1)
                    if time.monotonic() > asked + ENDS_WITHIN:
                        self._violation(f"did not end within {ENDS_WITHIN:g} s of SIGTERM")
                        process.kill()
                        break
            await reading
            code = await process.wait()
        finally:
            reading.cancel()
            if process.returncode is None:
                process.kill()
            self._forget(process.pid)
            self._process = self.at = None
        self._judge(code, served)
        self._changed.set()

    def _environment(self) -> dict[str, str]:
        library = faketime()
        if library is None:
            return {}
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_CACHE_DURATION": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def _forget(self, pid: int) -> None:
        """Removes the files that libfaketime leaves after a kill."""
        for left in Path("/dev/shm").glob(f"*faketime_*_{pid}"):
            left.unlink(missing_ok=True)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        with (self.config.parent / f"log-{self.lives:03}").open("wb") as log:
            async for line in process.stderr:
                log.write(line)
                log.flush()
                try:
                    event = json.loads(line)
                except ValueError:
                    self._said.append(line.decode(errors="replace").rstrip())
                else:
                    self._hear(event)
        # The reason of its end is there, but not as an event.
        if any("Traceback" in said for said in self._said):
            self._violation("ended with a traceback: " + " / ".join(self._said[-3:]))

    def _hear(self, event: dict[str, Any]) -> None:
        name = event["event"]
        self.events[name] = self.events.get(name, 0) + 1
        if "exception" in event:
            last = str(event["exception"]).strip().rpartition("\n")[2]
            fault = self.faults.setdefault(f"{name}: {last[:150]}", [])
            fault.append(f"log-{self.lives:03}")
        if name == "ready":
            ports = {
                key: [int(address.rpartition(":")[2]) for address in event[key]]
                for key in ("smtp", "smpp", "hooks", "admin")
            }
            smtp, smtps, lmtp = ports["smtp"]
            smpp, smpps = ports["smpp"]
            self.at = Reached(smtp, lmtp, smpp, ports["hooks"][0], smtps, smpps, ports["admin"][0])
            self._changed.set()
            if self._reloads:
                self._reloads = False
                self.reload()
        elif name == "stopping":
            self.at = None

    def _violation(self, words: str) -> None:
        self.violations.append(f"node {self.run} {words} (log-{self.lives:03})")

    def _judge(self, code: int, served: bool) -> None:
        """Checks for a documented end: a signal, SIGTERM, or 69 if the store cannot be used or
        other nodes took over after a silence longer than the lease."""
        said = " / ".join(self._said)
        self.ends.append(f"{code} {said[-200:]}".strip())
        expected = {"kill": -signal.SIGKILL, "terminate": 0}.get(self._asked)
        if code == expected:
            return
        if code == _CONFIG and not served and self._unusable:
            return
        if self._asked == "terminate" and not served and code == -signal.SIGTERM:
            return  # before it could react
        lost = "took over" in said
        if code == _UNAVAILABLE and not served and not lost:
            return  # the store was away, or its disk full, when it started
        if code == _UNAVAILABLE and self._lease and lost and self._silent >= self._lease / 2:
            return
        if self._asked == "kill" and code == _UNAVAILABLE:
            return  # it was ending by itself, which was checked by its log
        why = f"after {self._asked}" if self._asked else "by itself"
        self._violation(f"ended with {code} {why}: {said[-300:] or 'no word'}")


async def one_ready(nodes: Sequence[Node], chance: random.Random) -> tuple[Node, Reached]:
    """Waits for a node that serves."""
    while not (serving := [(node, node.at) for node in nodes if node.at is not None]):
        waits = [asyncio.ensure_future(node.ready()) for node in nodes]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
    return chance.choice(serving)
