"""``queue``: lists, holds, releases, retries and cancels waiting messages."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import click

from bridge.cli import Exit, Stop, WholeNumber
from bridge.cli.daemon import Daemon, daemon_options, echo_json, json_option
from bridge.cli.tables import Columns, ago, counted, echo_table, number, when
from bridge.config.settings import parse_duration

F = TypeVar("F", bound=Callable[..., Any])

_GROUPS: Columns = {
    "state": lambda row: row["state"],
    "account": lambda row: row["account"],
    "type": lambda row: row["type"],
    "sender": lambda row: row["sender"],
    "messages": lambda row: number(row["count"]),
    "oldest": lambda row: ago(row["oldest"]),
    "newest": lambda row: ago(row["newest"]),
    "example": lambda row: str(row["example"]),
    "reason": lambda row: row["cause"] or row["failure"] or "-",
}
_MESSAGES: Columns = {
    "id": lambda row: str(row["id"]),
    "state": lambda row: row["state"],
    "account": lambda row: row["account"],
    "phone": lambda row: row["phone"],
    "accepted": lambda row: when(row["accepted"]),
    "due": lambda row: when(row["due"]),
    "expires": lambda row: when(row["expires"]),
    "attempts": lambda row: str(row["attempts"]),
    "reason": lambda row: row["cause"] or row["failure"] or "-",
}


@click.group()
def command() -> None:
    """List, hold, release, retry and cancel waiting messages."""


def _moment(_: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A time: "2h" ago, or a date with or without a time of day, in this machine's time zone."""
    if value is None:
        return None
    if re.fullmatch(r"(\d+(ms|[smhdw]))+", value):
        at = datetime.now().astimezone() - timedelta(seconds=parse_duration(value))
        return at.isoformat()
    try:
        return datetime.fromisoformat(value).astimezone().isoformat()
    except ValueError:
        allowed = 'a duration such as "2h" or a time such as "2026-11-26 08:00"'
        raise click.BadParameter(f"{value!r} is not {allowed}") from None


def filter_options(function: F) -> F:
    """Adds the options of a filter; the command gets ``filter``'s keywords."""
    for option in (
        click.option(
            "--until", metavar="TIME", callback=_moment, help="Accepted before this time."
        ),
        click.option(
            "--since",
            metavar="TIME",
            callback=_moment,
            help='Accepted since this time; "2h" is two hours ago.',
        ),
        click.option("--reason", metavar="TEXT", help="A failure's name, or a part of its text."),
        click.option(
            "--to",
            "phone",
            metavar="PHONE",
            help='Only to this number; "+38050*" is all that begin so.',
        ),
        click.option("--sender", metavar="NAME", help="Only messages from this sender."),
        click.option(
            "--type",
            type=click.Choice(["transaction", "promo", "viber_survey", "flashcall"]),
            help="Only messages of this type.",
        ),
        click.option("--state", type=click.Choice(["accepted", "held"]), help="Only this state."),
        click.option("--account", metavar="NAME", help="Only this account."),
    ):
        function = option(function)
    return function


@command.command("list")
@filter_options
@json_option
@daemon_options
def list_queue(daemon: Daemon, as_json: bool, **filter: Any) -> None:
    """List waiting and held messages by state, account, type, sender and reason.

    \b
    Examples:
      cascade-bridge queue list
      cascade-bridge queue list --state held
      cascade-bridge queue list --account crm --since 2h
    """
    answer = daemon.ask("GET", "/queue", **filter)
    if as_json:
        echo_json(answer)
        return
    echo_table(_GROUPS, answer["groups"], _nothing(filter))
    if answer["groups"]:
        click.echo(f"\n{counted(answer['count'], 'message')}")


@command.command("show")
@click.argument("id", type=int, required=False)
@filter_options
@click.option(
    "--limit",
    type=WholeNumber(1, 1000),
    default=20,
    show_default=True,
    help="Rows to print at most.",
)
@json_option
@daemon_options
def show_queue(daemon: Daemon, id: int | None, limit: int, as_json: bool, **filter: Any) -> None:
    """Show the newest waiting and held messages, with their attempts and reasons.

    \b
    Examples:
      cascade-bridge queue show --state held
      cascade-bridge queue show --reason WRONG_PHONE --limit 100
    """
    rows = daemon.ask("GET", "/queue/messages", id=id, limit=limit, **filter)
    if id is not None and not rows:
        raise _nothing_of(id, "show")
    if as_json:
        echo_json(rows)
    else:
        echo_table(_MESSAGES, rows, _nothing(filter))


def _nothing(filter: dict[str, Any]) -> str:
    if any(filter.values()):
        return "No such message waits or is held."
    return "No message waits or is held."


#: What a verb needs of a message.
_NEEDED = {
    "show": "waits or is held",
    "hold": "waits",
    "release": "is held",
    "retry": "is held or waits for its next attempt",
    "cancel": "waits or is held",
}


def _nothing_of(id: int, verb: str) -> Stop:
    words = f'no message with the ID {id} {_NEEDED[verb]}; "trace {id}" shows its state'
    return Stop(words, Exit.NO_INPUT)


def _perhaps(answer: dict[str, Any]) -> str:
    """A sentence on cancelled messages that may have been sent before; empty without any."""
    count = answer.get("perhaps_sent", 0)
    return f" Of these, {number(count)} may have been sent already." if count else ""


def _change(
    daemon: Daemon,
    verb: str,
    done: str,
    id: int | None,
    given: Any,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Shows the number of messages and asks, except for a single message; then changes them."""
    path = f"/queue/{verb}"
    if id is None and not yes:
        found = daemon.ask("POST", path, dry_run=True, **given)
        count = found["count"]
        if not count:
            echo_json({"count": 0}) if as_json else click.echo("No such message waits or is held.")
            return
        question = f"{verb.capitalize()} {counted(count, 'message')}?{_perhaps(found)}"
        if not sys.stdin.isatty():
            raise click.UsageError(f"{question} Give --yes to do it.")
        click.confirm(question, abort=True)
    answer = daemon.ask("POST", path, id=id, **given)
    count = answer["count"]
    if id is not None and not count:
        raise _nothing_of(id, verb)
    if as_json:
        echo_json(answer)
        return
    click.echo(f"{counted(count, 'message')} {done}.{_perhaps(answer)}")


def _verb(verb: str, done: str, words: str) -> None:
    """Makes the command of a verb that changes many messages."""

    @command.command(verb, help=words)
    @click.argument("id", type=int, required=False)
    @filter_options
    @click.option("--yes", is_flag=True, help="Do not ask.")
    @json_option
    @daemon_options
    def change(daemon: Daemon, id: int | None, yes: bool, as_json: bool, **filter: Any) -> None:
        _change(daemon, verb, done, id, filter, yes=yes, as_json=as_json)


_verb(
    "hold",
    "held",
    """Hold waiting messages: message or submission ID, or all that the options select.

    They are not sent until "queue release". With options it first says how many, and asks.

    \b
    Examples:
      cascade-bridge queue hold 250072205885444
      cascade-bridge queue hold --account shop --type promo --yes
    """,
)
_verb(
    "release",
    "released",
    """Send held messages: message or submission ID, or all that the options select.

    \b
    Examples:
      cascade-bridge queue release 250072205885444
      cascade-bridge queue release --account shop
      cascade-bridge queue release --reason "HTTP 403" --yes
    """,
)
_verb(
    "retry",
    "sent now",
    """Send messages now that are held or wait for their next attempt: message or submission ID, or
    all that the options select.

    \b
    Examples:
      cascade-bridge queue retry 250072205885444
      cascade-bridge queue retry --account crm --yes
    """,
)
_verb(
    "cancel",
    "cancelled",
    """Cancel waiting or held messages for good: message or submission ID, or all that the options
    select.

    Clients that requested receipts of failures get them. Messages already at the API are not
    cancelled. Those whose last attempt had an unknown outcome are not sent again, but they may have
    been sent: the answer says how many.

    \b
    Examples:
      cascade-bridge queue cancel 250072205885444
      cascade-bridge queue cancel --account shop --type promo --since 1h
    """,
)
