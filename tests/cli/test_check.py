"""``check``: its output, and its exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.cli import run

GOOD = """
cascade.authorization_key = "key"
smtp.domains = ["sms.shop.ua"]
[store]
url = "postgresql://me:hunter2@db/bridge"
[accounts.crm]
password = "hunter2"
sender = "Shop"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "bridge.toml"


def test_a_good_configuration(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(GOOD.replace("postgresql://me:hunter2@db/", "sqlite:////srv/"))
    assert run(["check", "--config", str(config)]) == 0
    output = capsys.readouterr().out
    lines = [line.split() for line in output.splitlines()]
    assert lines[0] == [str(config)]
    assert ["smtp", "127.0.0.1:2525"] in lines
    assert ["smpp", "127.0.0.1:2775"] in lines
    assert ["store", "/srv/bridge"] in lines
    assert ["account", "crm", "smtp,", "smpp;", "sender", "Shop"] in lines
    assert "warnings:" in output
    assert "accounts.crm.countries: empty" in output
    assert output.endswith("The configuration is good.\n")
    assert "hunter2" not in output


def test_a_password_among_the_parameters_of_a_url_is_not_shown(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(GOOD.replace("me:hunter2@db/bridge", "db/bridge?password=hunter2"))
    assert run(["check", "--config", str(config)]) == 0
    output = capsys.readouterr().out
    assert "db/bridge" in output
    assert "hunter2" not in output


def test_webhooks_are_shown_where_they_are_listened_for(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for secret, shown in (('secret = "long-enough-for-a-path"', True), ("", False)):
        config.write_text(f"{GOOD}[hooks]\nlisten = ['127.0.0.1:8026']\n{secret}\n")
        assert run(["check", "--config", str(config)]) == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert (["hooks", "127.0.0.1:8026"] in lines) == shown


def test_mistakes(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text('smtp.starttls = "always"\ncascade.max_bacth = 5\n')
    assert run(["check", "--config", str(config)]) == 78
    assert capsys.readouterr().out.splitlines() == [
        str(config),
        "  smtp.starttls",
        '    found    "always"',
        '    allowed  "off", "offered" or "required"',
        "  cascade.max_bacth",
        "    found    an unknown key",
        "    allowed  cascade.max_batch (the nearest known key)",
        "",
        "2 mistakes: the bridge would not start.",
    ]


def test_no_file(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--config", str(config)]) == 78
    assert "no readable file (No such file or directory)" in capsys.readouterr().out


def test_the_environment_names_the_file(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text("")
    monkeypatch.setenv("CASCADE_BRIDGE_CONFIG", str(config))
    assert run(["check"]) == 0
    assert capsys.readouterr().out.startswith(f"{config}\n")
