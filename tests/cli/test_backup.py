"""``backup``, with and without a running daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.cli import Exit, run
from bridge.store import Acceptance
from bridge.store.sqlite.engine import SqliteStore
from tests.cli.stores import write_config, write_store
from tests.samples import message


async def fill(store: SqliteStore) -> None:
    await store.accept(Acceptance((message(1),)))


def test_the_store_is_copied_to_a_new_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(write_store(tmp_path, fill))
    copy = tmp_path / "copy.db"
    assert run(["backup", str(copy), "--config", config]) == 0
    assert capsys.readouterr().out == f"{copy}: {copy.stat().st_size:,} octets, verified\n"
    assert run(["backup", str(copy), "--config", config]) == Exit.UNAVAILABLE
    assert "exists already" in capsys.readouterr().err


def test_a_store_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(write_config(tmp_path))
    assert run(["backup", str(tmp_path / "copy.db"), "--config", config]) == Exit.UNAVAILABLE
    assert "bridge.db does not exist" in capsys.readouterr().err
