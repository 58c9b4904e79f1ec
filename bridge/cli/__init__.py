"""The command ``cascade-bridge``: finds the subcommand, and turns every result into an exit code.

A subcommand is the attribute ``command`` of ``bridge.cli.<name>``. Its module is imported only when
it is used, so that help and completion do not load the libraries of all of them.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from enum import IntEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import click

from bridge import __version__

#: Every subcommand with its line in the list of commands. Subcommands that are not installed are
#: omitted.
COMMANDS = {
    "serve": "Run the bridge.",
    "demo": "Show messages on their whole way, with a stand-in for the API.",
    "sandbox": "Run a stand-in for the Cascade API, for trials and tests.",
    "check": "Check the configuration and show a summary.",
    "send": "Send one message through a running bridge.",
    "status": "Show the state of a message.",
    "trace": "Show what happened to a message.",
    "top": "Show rates, queue, upstreams and sessions on one screen.",
    "queue": "List, hold, release, retry and cancel waiting messages.",
    "hold": "Hold an account or an upstream: its messages wait.",
    "release": "Release an account or an upstream that is held.",
    "nodes": "List the nodes that share the store.",
    "sessions": "List who is connected, and end sessions.",
    "blocked": "List addresses blocked after wrong passwords, and lift blocks.",
    "accounts": "List accounts, hash and test passwords.",
    "report": "Count sent, delivered and refused messages, by day and account.",
    "failures": "List failed messages: by reason, and the newest.",
    "hooks": "Show accepted and refused webhooks.",
    "audits": "List who read texts and who changed something.",
    "backup": "Copy the store while the daemon runs.",
    "reload": "Have the daemon read its configuration again.",
    "drain": "Stop the daemon after requests in flight are answered.",
    "log-level": "Change the log level, for a while.",
    "explain": "Show how a recipient or a mail would be handled, and why.",
    "contacts": "Add, change, delete, list, move, import and export contacts.",
    "groups": "Add, change, delete, list, import and export groups.",
    "blacklist": "Add, delete, list, import and export blocked numbers.",
    "templates": "Add, change, delete, list, import and export templates.",
    "variables": "Upload values for template variables.",
    "erase": "Erase everything stored about a phone number.",
    "sendmail": "Stand in for /usr/sbin/sendmail.",
    "completion": "Print the completion script for a shell.",
}

F = TypeVar("F", bound=Callable[..., Any])


class Exit(IntEnum):
    """Exit codes, after sysexits.h."""

    OK = 0
    FAILED = 1
    USAGE = 64
    DATA = 65
    NO_INPUT = 66
    NO_USER = 67
    UNAVAILABLE = 69
    SOFTWARE = 70
    OS = 71
    CANNOT_CREATE = 73
    TEMPORARY = 75
    NO_PERMISSION = 77
    CONFIG = 78
    INTERRUPTED = 130
    BROKEN_PIPE = 141


class WholeNumber(click.IntRange):
    """A whole number; help and errors name its range in words."""

    name = "number"

    def _describe_range(self) -> str:
        return f"at least {self.min}" if self.max is None else f"{self.min} to {self.max}"


class Stop(click.ClickException):
    """Ends the command with a sentence on stderr and an exit code."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.code = code


class InputFile(click.File):
    """A file to read (- for stdin); one that cannot be opened ends with exit code 66."""

    def __init__(self) -> None:
        super().__init__("rb")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            raise Stop(error.message, Exit.NO_INPUT) from None


def _module(name: str) -> str:
    return f"bridge.cli.{name.replace('-', '_')}"


class _ReaderGone(Exception):  # noqa: N818 - nobody's error
    """The reader of our output closed the pipe."""


class Commands(click.Group):
    """The group whose commands are modules."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Before click handles it with exit code 1.
            raise _ReaderGone from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in COMMANDS if find_spec(_module(name)) is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS or find_spec(_module(cmd_name)) is None:
            return None
        command: click.Command = importlib.import_module(_module(cmd_name)).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # From the table: click would import every module for its help.
        rows = [(name, COMMANDS[name]) for name in self.list_commands(ctx)]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(name, self.list_commands(ctx), 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"There is no command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


def config_option(function: F) -> F:
    """Adds ``--config``: the command gets ``config: Path | None``, as ``config.load`` takes it."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Configuration file [default: $CASCADE_BRIDGE_CONFIG or "
        "/etc/cascade-bridge/bridge.toml].",
    )(function)


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"cascade-bridge {__version__}")
        ctx.exit()


@click.group(
    cls=Commands,
    name="cascade-bridge",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes follow sysexits: 0 done, 64 usage, 69 unavailable, 75 try again, "
    "78 configuration.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """An SMTP and SMPP gateway to the SMSBAT Cascade API."""


def run(args: list[str] | None = None) -> int:
    """Runs one command line and returns its exit code; errors are on stderr."""
    try:
        result = cli.main(args, prog_name="cascade-bridge", standalone_mode=False)
        sys.stdout.flush()
    except click.UsageError as error:
        error.show()
        return Exit.USAGE
    except Stop as error:
        error.show()
        return error.code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except (_ReaderGone, BrokenPipeError):
        # The reader closed the pipe. Python would report that again while it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return Exit.BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the edge: a sentence and a code, whatever happens
        return _explain(error)
    return result if isinstance(result, int) else Exit.OK


def _explain(error: Exception) -> int:
    from bridge.config.settings import ConfigError

    if isinstance(error, ConfigError):
        click.echo(str(error), err=True)
        return Exit.CONFIG
    if os.environ.get("CASCADE_BRIDGE_TRACEBACK"):
        import traceback

        traceback.print_exception(error)
    if isinstance(error, PermissionError):
        click.echo(f"Error: {error}", err=True)
        return Exit.NO_PERMISSION
    if isinstance(error, OSError):
        click.echo(f"Error: {error}", err=True)
        return Exit.OS
    click.echo(
        f"Error: {type(error).__name__}: {error} (this is a fault of the program; "
        "CASCADE_BRIDGE_TRACEBACK=1 shows where)",
        err=True,
    )
    return Exit.SOFTWARE


def main() -> None:
    """The console script."""
    sys.exit(run())
