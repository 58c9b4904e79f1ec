"""Sources of secrets, and errors for unreadable ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bridge.config import secret
from bridge.config.secret import read_secret


def test_a_literal() -> None:
    assert read_secret("s3cret") == "s3cret"


def test_a_file_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret \r\n")
    assert read_secret(f"file:{tmp_path}/key") == "s3cret "


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_KEY", "s3cret")
    assert read_secret("env:BRIDGE_KEY") == "s3cret"


@pytest.mark.parametrize("name", ["key", "cascade-bridge_key"])
def test_a_credential_of_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    # systemd puts the name of a folder of credentials before the names of its files.
    (tmp_path / name).write_text("s3cret\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_secret("credential:key") == "s3cret"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may look into every folder")
def test_credentials_of_another_user_are_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As for the commands that a unit runs beside the service itself.
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(closed))
    with pytest.raises(ValueError, match="Permission denied"):
        read_secret("credential:key")


def test_a_credential_outside_of_the_service_is_where_the_unit_has_it_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setattr(secret, "CREDENTIALS", tmp_path)
    assert read_secret("credential:key") == "s3cret"


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        ("", "not empty"),
        ("env:BRIDGE_NO_SUCH", "env:BRIDGE_NO_SUCH where"),
        ("file:/no/such/file", "No such file"),
        ("file:/etc", "Is a directory"),
        ("credential:no-such-key", "credentials/no-such-key can be read"),
        (5, "a string"),
    ],
)
def test_one_that_cannot_be_read(
    value: object, allowed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(ValueError, match=allowed):
        read_secret(value)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("\n")
    with pytest.raises(ValueError, match="not empty"):
        read_secret(f"file:{tmp_path}/key")
