"""The store as commands read it, and rows of a name and its meaning."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bridge.cli import Exit, Stop
from bridge.cli.stored import echo_rows, local, reading
from bridge.config import load
from bridge.store.sqlite.engine import SqliteStore
from tests.cli.stores import write_config
from tests.samples import NOW


async def test_it_is_read_beside_a_daemon(tmp_path: Path) -> None:
    daemon = SqliteStore(tmp_path / "bridge.db")
    await daemon.open()
    try:
        async with reading(load(write_config(tmp_path))) as store:
            assert await store.holds() == set()
    finally:
        await daemon.close()


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "bridge.db does not exist"), (b"a letter, and no database" * 100, "not a database")],
)
async def test_what_is_no_store_is_one_sentence(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    if content is not None:
        (tmp_path / "bridge.db").write_bytes(content)
    with pytest.raises(Stop, match=words) as caught:
        async with reading(load(write_config(tmp_path))):
            pass
    assert caught.value.code == Exit.UNAVAILABLE


async def test_a_store_that_this_user_may_not_read_asks_for_sudo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bridge.db").touch()
    # The tests may run as root, who may read everything.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(Stop, match=r"bridge\.db may not be read by this user: use sudo"):
        async with reading(load(write_config(tmp_path))):
            pass


def test_times_are_those_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Kyiv")
    time.tzset()
    try:
        assert local(NOW) == "2026-01-01 02:00:00 +0200"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_meanings_are_aligned_and_safe_for_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    echo_rows([("id", "7"), ("cause", "first\x1b[31m\nsecond"), ("empty", "")])
    assert capsys.readouterr().out == "id     7\ncause  first [31m\n       second\nempty\n"
