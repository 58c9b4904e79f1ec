"""Configurations, shell and PHP of the pages are read by what is meant to read them."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bridge.accounts.passwords import HASHER
from bridge.cli import cli
from bridge.config import load
from tests.documents.pages import ALL, BLOCKS, REPOSITORY, Block
from tests.support import Pair, make_certificate, program


def of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def name(block: Block) -> str:
    return f"{block.page}-{block.heading}"


# --- our own configuration ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_certificate(tmp_path_factory.mktemp("certificate"), "tls")


def strings(document: Any) -> Iterator[str]:
    """Every string in a configuration."""
    if isinstance(document, str):
        yield document
    elif isinstance(document, dict | list):
        for one in document.values() if isinstance(document, dict) else document:
            yield from strings(one)


def put(text: str, table: str, line: str) -> str:
    """The text with a line in a table, which may be there already."""
    head = f"[{table}]\n"
    return text.replace(head, f"{head}{line}\n") if head in text else f"{text}\n{head}{line}\n"


def completed(text: str, folder: Path, pair: Pair) -> Path:
    """A file with what a block leaves out, and with files where it names some."""
    text = re.sub(r"\$argon2id\$[^\"]+", HASHER.hash("secret12"), text)
    text = re.sub(r'"[^"]*tls\.crt"', f'"{pair[0]}"', text)
    text = re.sub(r'"[^"]*tls\.key"', f'"{pair[1]}"', text)
    document = tomllib.loads(text)
    for value in strings(document):
        source, _, secret = value.partition(":")
        if source in ("credential", "file"):
            (folder / secret).write_text(f"secret-of-many-letters-{secret}")
    if "authorization_key" not in document.get("cascade", {}):
        text = put(text, "cascade", 'authorization_key = "the key"')
    accounts = document.get("accounts", {})
    if not any(account.keys() & {"password", "password_hash"} for account in accounts.values()):
        text = put(text, f"accounts.{next(iter(accounts), 'crm')}", 'password = "secret12"')
    if "url" not in document.get("store", {}):
        text = put(text, "store", f'url = "sqlite:///{folder}/bridge.db"')
    file = folder / "bridge.toml"
    file.write_text(text)
    file.chmod(0o600)
    return file


#: The page on the configuration is made from the file with every key, which has tests of its own.
_OWN = [block for block in of("toml") if block.page != "docs/configuration.md"]


@pytest.mark.parametrize("block", _OWN, ids=name)
def test_a_configuration_is_taken_by_check(
    block: Block, tmp_path: Path, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    file = completed(block.text, tmp_path, pair)
    result = CliRunner().invoke(cli, ["check", "--config", str(file)])
    assert "\nThe configuration is good.\n" in result.output, result.output


def test_the_blocks_of_the_page_on_the_configuration_are_toml() -> None:
    found = [block for block in of("toml") if block.page == "docs/configuration.md"]
    assert len(found) > 100
    for block in found:
        assert tomllib.loads(block.text)


def test_the_guides_configuration_is_the_minimal_example_with_other_secrets(
    tmp_path: Path, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    [block] = [block for block in of("toml") if block.page == "README.md"]
    settings = load(completed(block.text, tmp_path, pair))
    assert settings.accounts["crm"].countries == ["UA"]
    minimal = tomllib.loads((REPOSITORY / "config/minimal.toml").read_text("utf-8"))
    guide = tomllib.loads(block.text)
    assert guide.keys() == minimal.keys()
    assert guide["smtp"] == minimal["smtp"]
    assert list(guide["accounts"]) == list(minimal["accounts"])


# --- other people's programs --------------------------------------------------------------------


@pytest.mark.parametrize("block", of("sh"), ids=name)
def test_a_shell_can_read_it(block: Block) -> None:
    result = subprocess.run(
        [program("bash"), "-n"], input=block.text, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("block", of("php"), ids=name)
def test_php_can_read_it(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "block.php"
    file.write_text(f"<?php\n{block.text}")
    subprocess.run([program("php"), "-l", str(file)], capture_output=True, check=True)


def test_make_has_the_targets_that_are_named() -> None:
    targets = re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text("utf-8"), re.M)
    typed = [line for block in of("sh") for line in block.lines if line.startswith("make ")]
    typed += re.findall(r"`(make [a-z][^`]*)`", "\n".join(ALL.values()))
    typed += re.findall(r"^    (make [^#\n]*)", ALL["CONTRIBUTING.md"], re.M)
    assert len(typed) > 8
    for line in typed:
        named = [word for word in re.sub(r'"[^"]*"', "", line).split()[1:] if "=" not in word]
        assert set(named) <= set(targets), line


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    [block] = [block for block in of("yaml") if block.page == "docs/metrics.md"]
    rules = "/etc/prometheus/cascade-bridge-alerts.yml"
    assert rules in block.text
    token = tmp_path / "bridge.token"
    token.write_text("token")
    text = block.text.replace(rules, str(REPOSITORY / "config/alerts.yml"))
    file = tmp_path / "prometheus.yml"
    file.write_text(text.replace("/etc/prometheus/bridge.token", str(token)))
    result = subprocess.run(
        [program("promtool"), "check", "config", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "rules found" in result.stdout


def test_postfix_knows_every_parameter(tmp_path: Path) -> None:
    main = next(block for block in of("postfix") if block.page == "docs/recipes.md")
    (tmp_path / "main.cf").write_text(main.text)
    (tmp_path / "master.cf").write_text("")
    result = subprocess.run(
        [program("postconf"), "-c", str(tmp_path), "-n"], capture_output=True, text=True, check=True
    )
    assert "unused parameter" not in result.stderr
    assert set(main.lines) <= set(result.stdout.split("\n"))
