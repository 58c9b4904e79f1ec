"""Shared by the directory's commands: the account, forms of records, import and export.

Each record has three forms: columns, JSON, and a row of the SMSC dialect (``--fmt``). Failures in
the dialect's form go to standard output too, where its clients read them.
"""

from __future__ import annotations

import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from bridge.cli import Exit, InputFile, Stop, WholeNumber
from bridge.cli.daemon import Daemon, DaemonRefused, daemon_options, echo_json
from bridge.cli.tables import Columns, counted, echo_table, number
from bridge.dialect.answers import Format, Row, created, done, listing, refused
from bridge.model.failure import Failure, Reason

F = TypeVar("F", bound=Callable[..., Any])

#: Records per request.
_PAGE = 5000
#: Interval of requests for an import's progress (seconds).
_ASK_EVERY = 0.2
#: Most wrong lines that are printed; ``--json`` has more.
_WRONG_SHOWN = 20


class Asked:
    """One command of the directory: the daemon, the account, and the form of the answer."""

    def __init__(self, daemon: Daemon, account: str, as_json: bool, fmt: int | None) -> None:
        self._daemon = daemon
        self._account = account
        self.as_json = as_json
        self.fmt = None if fmt is None else Format(fmt)

    def ask(self, method: str, path: str, **arguments: Any) -> Any:
        """The answer of a verb below the account's path."""
        return self._daemon.ask(
            method, f"/accounts/{{account}}{path}", account=self._account, **arguments
        )

    def pages(self, path: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        """All records of a list, read page by page."""
        after = 0
        while page := self.ask("GET", path, after=after, limit=_PAGE, **arguments):
            yield from page
            after = page[-1]["id"]

    def list(
        self,
        element: str,
        rows: Iterable[dict[str, Any]],
        columns: Columns,
        row: Callable[[dict[str, Any], Format], Row],
        nothing: str,
    ) -> None:
        """Prints records; an empty list in the dialect is "record not found"."""
        found = list(rows)
        if self.as_json:
            echo_json(found)
        elif self.fmt is None:
            echo_table(columns, found, nothing)
        elif not found:
            raise Failure(Reason.NOT_FOUND)
        else:
            fmt = self.fmt
            click.echo(listing(element, [row(one, fmt) for one in found], fmt))

    def show(
        self,
        element: str,
        rows: Iterable[dict[str, Any]],
        columns: Columns,
        row: Callable[[dict[str, Any], Format], Row],
        nothing: str,
    ) -> None:
        """Prints the record that was asked for; raises if it is not there."""
        found = list(rows)
        if not found:
            raise DaemonRefused(Failure(Reason.NOT_FOUND), nothing, Exit.NO_INPUT)
        self.list(element, found, columns, row, nothing)

    def created(self, element: str, answer: dict[str, Any], words: str) -> None:
        """Prints the added record."""
        if self.as_json:
            echo_json(answer)
        elif self.fmt is None:
            click.echo(f"{words} (id {answer['id']}).")
        else:
            click.echo(created(element, answer["id"], self.fmt))

    def changed(self, answer: dict[str, Any], words: str) -> None:
        """Prints the change."""
        if self.as_json:
            echo_json(answer)
        else:
            click.echo(f"{words}." if self.fmt is None else done(self.fmt))


def directory_options(function: F) -> F:
    """Adds ``--account``, ``--json``, ``--fmt`` and the daemon's options; the command gets
    ``asked``."""

    @wraps(function)
    def command(
        daemon: Daemon, account: str | None, as_json: bool, fmt: int | None, **arguments: Any
    ) -> Any:
        if as_json and fmt is not None:
            raise click.UsageError("Give --json or --fmt.")
        asked = Asked(daemon, account_of(daemon, account), as_json, fmt)
        try:
            return function(asked=asked, **arguments)
        except DaemonRefused as error:
            return _refused(asked, error.failure, error)
        except Failure as failure:
            return _refused(asked, failure, Stop(str(failure), Exit.NO_INPUT))

    decorated = cast(F, daemon_options(command))
    for option in (
        click.option(
            "--fmt",
            type=WholeNumber(0, 3),
            help="Print SMSC's form: 0 text, 1 numbers, 2 XML, 3 JSON.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs."),
        click.option("--account", "-a", metavar="NAME", help="[default: the only one configured]"),
    ):
        decorated = option(decorated)
    return decorated


def account_of(daemon: Daemon, account: str | None) -> str:
    """The account of the options; raises if it is not clear."""
    accounts = list(daemon.settings.accounts) if daemon.settings else []
    if account is None and len(accounts) == 1:
        account = accounts[0]
    if account is None:
        raise click.UsageError("Give --account.")
    return account


def _refused(asked: Asked, failure: Failure, error: Stop) -> int:
    if asked.fmt is None:
        raise error
    click.echo(refused(failure, asked.fmt))
    return error.code


# --- files -------------------------------------------------------------------------------------


def import_command(group: click.Group, kind: str, one: str, words: str) -> None:
    """Makes a group's command ``import`` for a kind of file."""

    @group.command("import", help=words)
    @click.argument("file", type=InputFile())
    @click.option("--preview", is_flag=True, help="Show the result of the import without doing it.")
    @click.option("--yes", is_flag=True, help="Do not ask.")
    @directory_options
    def take(asked: Asked, file: Any, preview: bool, yes: bool) -> int:
        octets = b64encode(file.read()).decode()
        expected = _run(asked, kind, octets, preview=True)
        if preview:
            _say(asked, expected, one)
            return Exit.OK
        if not yes:
            if asked.as_json or not sys.stdin.isatty():
                raise click.UsageError("Give --yes to import it.")
            _say(asked, expected, one)
            if not expected["added"] + expected["changed"]:
                click.echo("There is nothing to import.")
                return Exit.OK
            click.confirm("Import?", abort=True)
        result = _run(asked, kind, octets, preview=False)
        _say(asked, result, one, would=False)
        return Exit.OK


def _run(asked: Asked, kind: str, octets: str, *, preview: bool) -> dict[str, Any]:
    """Runs an import to its end; raises if it fails."""
    run: dict[str, Any] = asked.ask("POST", "/imports", kind=kind, file=octets, preview=preview)
    with _progress() as show:
        while run["phase"] != "finished":
            show(run)
            time.sleep(_ASK_EVERY)
            run = asked.ask("GET", "/imports/{id}", id=run["id"])
    if run["failed"]:
        raise Stop(run["failed"], Exit.DATA)
    return run


def _progress() -> AbstractContextManager[Callable[[dict[str, Any]], None]]:
    """A progress bar on a terminal."""
    if not sys.stderr.isatty():
        return nullcontext(lambda run: None)
    from bridge.cli.progress import ImportProgress

    return ImportProgress()


def _say(asked: Asked, run: dict[str, Any], one: str, *, would: bool = True) -> None:
    if asked.as_json:
        echo_json(run)
        return
    verb = "would be " if would else ""
    for what, key in (("added", "added"), ("changed", "changed"), ("left as before", "unchanged")):
        count, words = counted(run[key], one).split(" ", 1)
        click.echo(f"{count:>10} {words} {verb}{what}")
    if run["groups"]:
        click.echo(f"{'':>10} new groups: {', '.join(run['groups'])}")
    if run["wrong"]:
        lines = "line is" if run["wrong"] == 1 else "lines are"
        click.echo(f"{number(run['wrong']):>10} wrong {lines} skipped:")
        for line in run["wrong_lines"][:_WRONG_SHOWN]:
            click.echo(f"{'':>10} line {line['line']}: {line['why']}")
        if run["wrong"] > _WRONG_SHOWN:
            click.echo(f"{'':>10} and {number(run['wrong'] - _WRONG_SHOWN)} more")


def write_out(pieces: Iterable[str], file: Path | None) -> None:
    """Writes an export to a file, or to standard output."""
    if file is None:
        for piece in pieces:
            click.echo(piece.encode(), nl=False)
        return
    try:
        with file.open("w", encoding="utf-8", newline="") as out:
            out.writelines(pieces)
    except OSError as error:
        raise Stop(str(error), Exit.CANNOT_CREATE) from None


def phones_argument(function: F) -> F:
    """Adds ``PHONE...``; the command gets ``phones``."""
    return click.argument("phones", nargs=-1, required=True, metavar="PHONE...")(function)


def output_option(function: F) -> F:
    """Adds ``--output``; the command gets ``output``."""
    return click.option(
        "--output",
        "-o",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="The file to write [default: standard output].",
    )(function)


def given(**values: Any) -> dict[str, Any]:
    """The options that were given."""
    return {name: value for name, value in values.items() if value not in (None, ())}
