"""``serve``: why a daemon does not start, in a sentence with an exit code. :mod:`tests.serving` has
daemons that run."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.cli import run
from bridge.cli.serve import _sentences
from bridge.store.sqlite.engine import SqliteStore
from tests.serving.daemon import write_config


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    """The command runs in this process, and its loop leaves its handlers behind."""
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path, "http://127.0.0.1:9")


def test_mistakes_of_the_configuration_are_78(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(config.read_text() + "colour = 1\n")
    assert run(["serve", "--config", str(config)]) == 78
    assert "accounts.crm.colour: found an unknown key" in capsys.readouterr().err


def test_an_address_that_is_taken_is_69(config: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}", 1)
        config.write_text(text)
        assert run(["serve", "--config", str(config)]) == 69
    said = error(capfd)
    assert f'127.0.0.1:{port}: address already in use; "sudo ss -ltnp" names the program' in said
    assert "Errno" not in said


def test_the_store_of_another_daemon_is_69(config: Path, capfd: pytest.CaptureFixture[str]) -> None:
    other = SqliteStore(config.parent / "bridge.db")
    with asyncio.Runner() as runner:
        runner.run(other.open())
        try:
            assert run(["serve", "--config", str(config)]) == 69
        finally:
            runner.run(other.close())
    assert f"(pid {os.getpid()})" in error(capfd)


def error(capfd: pytest.CaptureFixture[str]) -> str:
    """The sentence at the end of the log."""
    said: str = capfd.readouterr().err.splitlines()[-1]
    assert said.startswith("Error: ")
    return said


def test_several_errors_of_a_start_are_one_sentence_each() -> None:
    inner = ExceptionGroup("inner", [OSError("the socket"), OSError("the port")])
    assert _sentences(ExceptionGroup("outer", [OSError("the store"), inner])) == [
        "the store",
        "the socket",
        "the port",
    ]
