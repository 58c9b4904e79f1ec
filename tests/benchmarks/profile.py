"""``--profile``: by parts and functions, where the CPU of the bridge goes.

The bridge runs as always, and its event loop's thread gets a signal every few milliseconds of its
CPU time. A sample counts for the function that the thread is in, and what is written in C counts
for the function that called it. Other threads are counted whole.

As a program (``python -m tests.benchmarks.profile FILE python -m MODULE …``) it runs MODULE and
counts between one SIGUSR2 and the next, which writes FILE.
"""

from __future__ import annotations

import ctypes
import dis
import json
import os
import runpy
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ROOT = Path(__file__).parents[2]
#: CPU time from one sample to the next (seconds); the kernel's tick is the least.
INTERVAL = 0.001
#: How long the bridge may take to write its counts (seconds).
PATIENCE = 10.0

#: Beginning of a module's name → part. A sample belongs to the innermost function that has one.
PARTS = {
    "bridge.smpp.": "SMPP session",
    "bridge.smtp.reading.": "reading the mail",
    "bridge.smtp.": "SMTP session",
    "bridge.smsc.": "SMSC face",
    "bridge.relay.": "relay: rules, answers",
    "bridge.sending.": "sending: queue, batches",
    "bridge.cascade.": "request to the API",
    "bridge.net.http": "request to the API",
    "bridge.store.": "store, in the loop",
    "bridge.notices.": "receipts and reports owed",
    "bridge.feedback.": "statuses",
    "bridge.admin.": "operating",
    "bridge.log": "log",
}
OTHER = "event loop, sockets"

#: The instruction with which a function begins or goes on.
_RESUME = dis.opmap["RESUME"]


class Sampler:
    """Samples the thread that makes it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stacks: Counter[tuple[CodeType, ...]] = Counter()
        self._before: dict[str, float] = {}
        self._timer = _timer_of_this_thread(signal.SIGPROF)
        signal.signal(signal.SIGPROF, self._sample)
        signal.signal(signal.SIGUSR2, self._toggle)

    def _sample(self, _: int, frame: FrameType | None) -> None:
        if frame is not None and frame.f_code.co_code[frame.f_lasti] == _RESUME:
            # Python looks for signals here: the time has passed in the caller, or in the loop.
            frame = frame.f_back
        self._stacks[tuple(_codes(frame))] += 1

    def _toggle(self, _: int, __: FrameType | None) -> None:
        if not self._before:
            self._stacks.clear()
            self._before = _cpu_of_threads()
            _set(self._timer, INTERVAL)
            return
        _set(self._timer, 0)
        threads = _cpu_of_threads()
        parts: Counter[str] = Counter()
        functions: Counter[str] = Counter()
        for stack, count in self._stacks.items():
            part, function = _place(stack)
            parts[part] += count
            functions[function] += count
        found = {
            "threads": {name: cpu - self._before.get(name, 0) for name, cpu in threads.items()},
            "parts": parts,
            "functions": functions,
        }
        self._before = {}
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(found))
        new.rename(self._file)


def _codes(frame: FrameType | None) -> Iterator[CodeType]:
    while frame is not None:
        yield frame.f_code
        frame = frame.f_back


def _place(stack: tuple[CodeType, ...]) -> tuple[str, str]:
    """Part and function of a sample, by its functions from the innermost on."""
    for code in stack:
        path = Path(code.co_filename)
        if not path.is_relative_to(ROOT / "bridge"):
            continue
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for start, part in PARTS.items():
            if module.startswith(start):
                return part, f"{module}.{code.co_qualname}"
    return OTHER, OTHER


def _cpu_of_threads() -> dict[str, float]:
    """Seconds of CPU since the start, by thread."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    found: dict[str, float] = {}
    for task in Path("/proc/self/task").iterdir():
        name = names.get(int(task.name), "other threads")
        name = name.rstrip("0123456789").rstrip("-_")
        ran = int((task / "schedstat").read_text().split()[0]) / 1e9
        found[name] = found.get(name, 0) + ran
    return found


# --- a timer of one thread's CPU time (timer_create(2)), which Python does not offer -----------

_LIBC = ctypes.CDLL(None, use_errno=True)
_SIGEV_THREAD_ID = 4


class _Sigevent(ctypes.Structure):
    _fields_ = (
        ("value", ctypes.c_void_p),
        ("signo", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("thread_id", ctypes.c_int),
        ("padding", ctypes.c_char * 44),
    )


def _timer_of_this_thread(signo: signal.Signals) -> ctypes.c_void_p:
    event = _Sigevent(None, signo, _SIGEV_THREAD_ID, threading.get_native_id())
    timer = ctypes.c_void_p()
    clock = time.CLOCK_THREAD_CPUTIME_ID
    if _LIBC.timer_create(clock, ctypes.byref(event), ctypes.byref(timer)):
        raise OSError(ctypes.get_errno(), "timer_create")
    return timer


def _set(timer: ctypes.c_void_p, seconds: float) -> None:
    """Signals every so many seconds; 0: no more."""
    nanoseconds = round(seconds * 1e9)
    every = (ctypes.c_long * 4)(0, nanoseconds, 0, nanoseconds)  # struct itimerspec
    if _LIBC.timer_settime(timer, 0, every, None):
        raise OSError(ctypes.get_errno(), "timer_settime")


# --- the benchmark's side ----------------------------------------------------------------------


class Profile:
    """The profile of a bridge that :meth:`under` starts."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "profile.json"
        self._threads: dict[str, float] = {}
        self._parts: Counter[str] = Counter()
        self._functions: Counter[str] = Counter()
        self._messages = 0

    @property
    def under(self) -> list[str]:
        return [sys.executable, "-m", "tests.benchmarks.profile", str(self._file)]

    @contextmanager
    def during(self, pid: int, messages: int) -> Iterator[None]:
        """Adds what the process does for so many messages in the block."""
        os.kill(pid, signal.SIGUSR2)
        yield
        os.kill(pid, signal.SIGUSR2)
        until = time.monotonic() + PATIENCE
        while not self._file.exists():
            if time.monotonic() > until:
                raise RuntimeError("the bridge has written no profile")
            time.sleep(0.05)
        found: dict[str, Any] = json.loads(self._file.read_text())
        self._file.unlink()
        for thread, cpu in found["threads"].items():
            self._threads[thread] = self._threads.get(thread, 0) + cpu
        self._parts.update(found["parts"])
        self._functions.update(found["functions"])
        self._messages += messages

    def lines(self, functions: int = 25) -> Iterator[str]:
        """µs of CPU a message and per cent, by part and by function; begins anew."""
        whole = sum(self._threads.values())
        samples = sum(self._parts.values())
        if not samples:
            yield "no samples: more messages (--count) are needed"
            return
        loop = self._threads["MainThread"]
        yield f"CPU of the bridge, µs a message and per cent, from {samples} samples"
        for part, count in self._parts.most_common():
            yield self._line(part, loop * count / samples, whole)
        for thread, cpu in self._threads.items():
            if thread != "MainThread" and cpu > whole / 1000:
                yield self._line(f"thread {thread}", cpu, whole)
        yield "the functions that take most, without those of the table that they call"
        for function, count in self._functions.most_common(functions):
            yield self._line(function, loop * count / samples, whole)
        self._messages = 0
        for counted in (self._threads, self._parts, self._functions):
            counted.clear()

    def _line(self, what: str, cpu: float, whole: float) -> str:
        return f"  {what:<64}{cpu / self._messages * 1e6:>8.1f}{100 * cpu / whole:>7.1f} %"


def main() -> None:
    """Runs the module that the command line names, sampled on request."""
    file, _python, _m, module, *arguments = sys.argv[1:]
    Sampler(Path(file))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__")


if __name__ == "__main__":
    main()
