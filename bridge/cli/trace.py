"""``trace``: the story of a message for people and, as JSON, for programs.

What happened and what comes next is put into words by :mod:`bridge.story`; here is where it is read
from and how it is laid out.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from bridge import original
from bridge.cli import Exit, Stop, config_option
from bridge.cli.stored import by_id, by_name, echo_rows, local, printable, reading, utc
from bridge.config import Settings, load, parse_duration
from bridge.failure import Reason
from bridge.message import Stored
from bridge.store import Store, Story
from bridge.story import (
    Around,
    document,
    known_as,
    outlook,
    owed,
    state_of,
    steps,
    why_none,
    wishes,
)

Row = tuple[str, str]

#: The columns of several messages, and what stands in them.
_COLUMNS: dict[str, Callable[[Stored], str]] = {
    "id": lambda one: str(one.message.id),
    "accepted": lambda one: local(one.message.accepted_at),
    "account": lambda one: one.message.account,
    "phone": lambda one: one.message.phone,
    "state": lambda one: one.state.value,
    "reference": lambda one: one.message.reference,
}


def _since(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int:
    try:
        return int(time.time() - parse_duration(value)) if value else 0
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not {error}") from None


@click.command("trace")
@click.argument("what", metavar="ID|PHONE|REFERENCE")
@click.option("--json", "as_json", is_flag=True, help="All that is known, for programs.")
@click.option("--text", is_flag=True, help="Show what the phone gets, too.")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="Messages at most, the newest first.",
)
@click.option(
    "--since",
    metavar="DURATION",
    callback=_since,
    help='Look through the messages of the last "24h", "7d" … [default: all that are kept]',
)
@config_option
def command(
    config: Path | None, what: str, as_json: bool, text: bool, limit: int, since: int
) -> int:
    """Show what happened to a message: every attempt, status and receipt, and what comes next.

    It is found by its own id, a part's, a submission's or the API's; by its phone number; or by its
    sender's reference. Several are listed, and traced each by its id. Exits with 0, with 66 where
    nothing is found, and with 69 where the store cannot be read.
    """
    found, more, told = asyncio.run(_read(load(config), what, as_json, limit, since))
    if as_json:
        documents = [document(story, around, text=text) for story, around in told]
        click.echo(json.dumps(documents, indent=2, ensure_ascii=False))
        return Exit.OK if told else Exit.NO_INPUT
    if not found:
        raise Stop(Reason.NOT_FOUND.codes.text, Exit.NO_INPUT)
    if told:
        [(story, around)] = told
        _print(story, around, text=text)
    else:
        _list(found)
        if more:
            click.echo(f"\nand more: --limit {limit} was reached")
    return Exit.OK


async def _read(
    settings: Settings, what: str, as_json: bool, limit: int, since: int
) -> tuple[list[Stored], bool, list[tuple[Story, Around]]]:
    """The newest messages that are meant, whether there are more, and the stories of those that
    are to be told."""
    async with reading(settings) as store:
        found = list(reversed(await by_id(store, what)))
        if not found:
            regions = {own.region for own in settings.accounts.values()}
            found = await by_name(store, what, regions, limit + 1, since)
        shown = found[:limit]
        told = []
        for one in shown if as_json or len(found) == 1 else ():
            story = await store.story(one.message.id)
            if story is not None:
                say = utc if as_json else _saying(time.time())
                told.append((story, await _around(settings, store, one, say)))
        return shown, len(found) > limit, told


async def _around(
    settings: Settings, store: Store, stored: Stored, say: Callable[[int], str]
) -> Around:
    account = stored.message.account
    own = settings.accounts.get(account)
    apart = own is not None and own.cascade is not None and own.cascade.has_credentials
    return Around(
        int(time.time()),
        say,
        tuple(await store.receivers(account)),
        await store.holds(),
        account if apart else "cascade",
        polls=settings.cascade.poll,
        mails=bool(settings.reports.smarthost),
    )


def _saying(now: float) -> Callable[[int], str]:
    """A time within a sentence: of today without its date."""
    today = local(int(now))[:10]

    def say(unix_time: int) -> str:
        said = local(unix_time)
        return said[11:19] if said.startswith(today) else said

    return say


def _list(found: Sequence[Stored]) -> None:
    rows = [list(_COLUMNS), *([column(one) for column in _COLUMNS.values()] for one in found)]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        click.echo(printable("  ".join(cells).rstrip()))


def _print(story: Story, around: Around, *, text: bool) -> None:
    echo_rows(_details(story, text=text))
    happened = steps(story)
    width = max(len(step.what) for step in happened)
    click.echo()
    for step in happened:
        click.echo(printable(f"{local(step.at)}  {step.what:<{width}}  {step.says}".rstrip()))
    waiting = [*outlook(story, around), *owed(story, around)]
    if none := why_none(story):
        kind = "report" if story.stored.message.protocol.value == "smtp" else "receipt"
        waiting.append(f"no {kind} so far: {none}")
    if waiting:
        click.echo()
    for line in waiting:
        click.echo(printable(f"- {line}"))


def _details(story: Story, *, text: bool) -> list[Row]:
    """What the message is."""
    message, mail = story.stored.message, original.load(story.stored.message.envelope)
    rows = [
        ("message", f"{message.id}, {state_of(story).value}"),
        ("account", message.account),
        ("from", f"{message.protocol.value}, {message.peer}" if message.peer else message.protocol),
        ("to", message.phone),
        ("sender", message.sender),
        ("type", f"{message.message_type.value}, {message.route.value}"),
        ("valid until", local(message.expires_at)),
    ]
    if message.submission_id != message.id:
        rows.insert(1, ("submission", str(message.submission_id)))
    if message.scheduled_at is not None:
        rows.append(("scheduled", local(message.scheduled_at)))
    rows += [
        (name, value)
        for name, value in (
            ("reference", message.reference),
            ("upstream id", story.stored.upstream_id),
            ("mail from", mail.return_path),
            ("receipts", ", ".join(wishes(message.receipts))),
        )
        if value
    ]
    for alias in story.aliases:
        asked = ", ".join(wishes(alias.receipts))
        rows.append(
            ("also known as", known_as(alias.id) + (f"; receipts: {asked}" if asked else ""))
        )
    if text:
        rows += [("text", message.text or message.fallback)]
        rows += [("option", option) for option in message.options]
        rows += [("subject", mail.subject)] if mail.subject else []
    return rows
