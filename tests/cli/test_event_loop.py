"""The event loop of commands that serve: signals end them, and uvloop runs them if it is there."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from bridge.cli import event_loop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(number: signal.Signals) -> None:
    async def main() -> None:
        stop = event_loop.stop_event()
        assert not stop.is_set()
        os.kill(os.getpid(), number)
        async with asyncio.timeout(30):
            await stop.wait()

    before = signal.getsignal(number)
    try:
        event_loop.run(main())
    finally:
        signal.signal(number, before)


def test_it_runs_without_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    loops: list[str] = []

    async def main() -> None:
        loops.append(type(asyncio.get_running_loop()).__module__.partition(".")[0])

    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "uvloop", None)
        event_loop.run(main())
    assert loops == ["asyncio"]
    pytest.importorskip("uvloop")
    event_loop.run(main())
    assert loops[1] == "uvloop"


def test_errors_of_the_command_come_out() -> None:
    async def main() -> None:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        event_loop.run(main())
