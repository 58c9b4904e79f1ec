"""The frame of all commands: their list, and exit codes."""

from __future__ import annotations

import importlib.metadata
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import bridge
from bridge.cli import COMMANDS, Commands, Exit, Stop, cli, run
from bridge.config.settings import ConfigError, Mistake


def shell(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bridge.cli", *args],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def ending(monkeypatch: pytest.MonkeyPatch, error: BaseException | int | None) -> int:
    """The exit code of a command that ends in this way."""

    @click.command()
    def command() -> int | None:
        if isinstance(error, BaseException):
            raise error
        return error

    monkeypatch.setattr(Commands, "get_command", lambda *_: command)
    return run(["check"])


def test_help_lists_what_is_there() -> None:
    listed = cli.list_commands(click.Context(cli))
    folder = Path(bridge.__file__).parent / "cli"
    for name in COMMANDS:
        assert (name in listed) == (folder / f"{name.replace('-', '_')}.py").exists()
    result = shell("--help")
    assert result.returncode == 0
    assert all(f"  {name} " in result.stdout for name in listed)


def test_every_module_of_a_command_is_listed_and_loads() -> None:
    context = click.Context(cli)
    folder = Path(bridge.__file__).parent / "cli"
    modules = {
        file.stem.replace("_", "-")
        for file in folder.glob("[a-z]*.py")
        if "\ncommand = " in file.read_text() or "\ndef command(" in file.read_text()
    }
    assert modules <= set(COMMANDS)
    for name in cli.list_commands(context):
        assert isinstance(cli.get_command(context, name), click.Command)


def test_help_imports_no_heavy_library() -> None:
    # Counts imports, because times depend on the machine's load.
    code = "import sys, bridge.cli; bridge.cli.run(['--help']); print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    heavy = {"pydantic", "httpx", "argon2", "aiosmtpd", "smpplib", "starlette", "asyncio"}
    assert not heavy & set(result.stdout.split())


def test_help_costs_little() -> None:
    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        shell("--help")
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before

    assert min(once() for _ in range(3)) < 0.5


def test_the_version_is_the_packages() -> None:
    result = shell("--version")
    assert result.stdout == f"cascade-bridge {bridge.__version__}\n"
    assert importlib.metadata.version("cascade-bridge") == bridge.__version__


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["chekc"], "Did you mean check?"),
        (["xyzzy"], "There is no command 'xyzzy'."),
        (["--no-such"], "No such option"),
        (["check", "--no-such"], "No such option"),
        (["check", "more"], "unexpected extra argument"),
    ],
)
def test_wrong_usage(args: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(args) == 64
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 0),
        (3, 3),
        (Stop("No bridge answers.", Exit.UNAVAILABLE), 69),
        (click.exceptions.Exit(75), 75),
        (click.Abort(), 130),
        (KeyboardInterrupt(), 130),
        (ConfigError([Mistake("b.toml", "smtp.x", "1", "2")]), 78),
        (PermissionError(13, "Permission denied", "/x"), 77),
        (OSError(98, "Address already in use"), 71),
        (RuntimeError("odd"), 70),
        (click.BadParameter("odd"), 64),
    ],
)
def test_how_a_command_ends(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException | int | None,
    code: int,
) -> None:
    assert ending(monkeypatch, error) == code
    assert "Traceback" not in capsys.readouterr().err


def test_a_fault_of_the_program_shows_its_place_on_demand(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CASCADE_BRIDGE_TRACEBACK", "1")
    assert ending(monkeypatch, RuntimeError("odd")) == Exit.SOFTWARE
    error = capsys.readouterr().err
    assert "RuntimeError: odd (this is a fault of the program" in error
    assert "Traceback" in error


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    accounts = "".join(f'accounts.a{n} = {{password = "x"}}\n' for n in range(3000))
    config = tmp_path / "bridge.toml"
    config.write_text(accounts + 'cascade.authorization_key = "k"\n')
    with subprocess.Popen(
        [sys.executable, "-m", "bridge.cli", "accounts", "list", "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == Exit.BROKEN_PIPE


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from leaves(found, (*path, name))
        else:
            yield " ".join((*path, name)), found


#: What answers with no data.
WITHOUT_JSON = {
    *("serve", "demo", "sandbox", "sendmail", "completion", "backup", "accounts hash-password"),
}


def test_every_command_shows_examples_and_has_json() -> None:
    for name, found in leaves(cli):
        if name not in ("sendmail", "completion"):
            assert "Examples:" in (found.help or ""), name
        has_json = any("--json" in option.opts for option in found.params)
        assert has_json != (name in WITHOUT_JSON), name
