"""``accounts``: lists, hashes, and tests of passwords."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import structlog

from bridge.accounts.passwords import HASHER
from bridge.cli import run

CONFIG = f"""
cascade.authorization_key = "key"
[accounts.crm]
password_hash = "{HASHER.hash("secret12")}"
sender = "Shop"
networks = ["10.0.0.0/8"]
rate = 5
countries = ["UA", "PL"]
[accounts.printer]
trusted_networks = ["192.0.2.7"]
protocols = ["smtp"]
message_types = ["transaction"]
"""

#: A bridge may run on this machine.
NO_DAEMON = '[admin]\nsocket = "no.sock"\n'


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "bridge.toml"
    path.write_text(CONFIG + NO_DAEMON)
    return str(path)


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdin", stream)
    return stream


@pytest.fixture(autouse=True)
def _log_restored() -> object:
    yield
    structlog.reset_defaults()


def test_accounts_are_a_table(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["accounts", "list", "--config", config]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["account", "protocols", "sender", "types", "rate", "networks", "countries"],
        ["crm", "smtp,", "smpp", "Shop", "any", "5/s", "10.0.0.0/8", "UA,", "PL"],
        ["printer", "smtp", "-", "transaction", "unlimited", "192.0.2.7/32", "(trusted)", "any"],
    ]


def test_no_accounts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bridge.toml").write_text(NO_DAEMON)
    assert run(["accounts", "list", "--config", str(tmp_path / "bridge.toml")]) == 0
    assert capsys.readouterr().out == "There are no accounts.\n"


def test_a_password_on_stdin_is_hashed(
    stdin: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    stdin.write("secret12\n")
    stdin.seek(0)
    assert run(["accounts", "hash-password"]) == 0
    output, error = capsys.readouterr()
    assert output.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert HASHER.verify(output.strip(), "secret12")
    assert error == ""


def test_a_password_over_8_characters_gets_a_note(
    stdin: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    stdin.write("nine chars")
    stdin.seek(0)
    assert run(["accounts", "hash-password"]) == 0
    assert "over 8 characters" in capsys.readouterr().err


def test_a_generated_password(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["accounts", "hash-password", "--generate"]) == 0
    (_, password), (_, encoded) = map(str.split, capsys.readouterr().out.splitlines())
    assert len(password) == 8
    assert HASHER.verify(encoded, password)


def test_without_a_password_nothing_is_hashed(
    stdin: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["accounts", "hash-password"]) == 65
    assert "no password on stdin" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "password", "code", "said"),
    [
        (["crm"], "secret12", 0, "Password accepted for account crm."),
        (["crm"], "wrong", 77, "wrong login or password"),
        (["crm", "--address", "10.1.1.1"], "secret12", 0, "accepted"),
        (["crm", "--address", "11.1.1.1"], "secret12", 77, "accounts.crm.networks does not hold"),
        (["crm", "--protocol", "smpp"], "secret12", 0, "accepted"),
        (["printer", "--protocol", "smpp"], "x", 77, "wrong login or password"),
        (["nobody"], "x", 67, "There is no account 'nobody'."),
    ],
)
def test_a_password_is_tested(
    config: str,
    stdin: io.StringIO,
    capsys: pytest.CaptureFixture[str],
    args: list[str],
    password: str,
    code: int,
    said: str,
) -> None:
    stdin.write(password + "\n")
    stdin.seek(0)
    assert run(["accounts", "test", *args, "--config", config]) == code
    output, error = capsys.readouterr()
    assert said in output + error
    assert "secret12" not in output + error
