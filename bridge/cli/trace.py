"""``trace``: the story of a message, as text or JSON.

:mod:`bridge.trace.story` describes the events and what comes next; here the data is read and laid
out.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import click

from bridge.cli import Exit, Stop, WholeNumber, config_option
from bridge.cli.daemon import troubles_of
from bridge.cli.stored import echo_rows, local, reading
from bridge.cli.tables import printable
from bridge.config import load
from bridge.config.settings import Settings, parse_duration
from bridge.model import mail_record as original
from bridge.model.failure import Reason
from bridge.model.message import Stored
from bridge.model.notice import UnjoinedPart
from bridge.store import AnsweredIncoming, Story
from bridge.store.operating.refusals import Refusal, find_left_out
from bridge.trace.finding import (
    around_of,
    by_id,
    by_name,
    from_phones,
    part_by_id,
    refusals_of,
    story_of,
    utc,
)
from bridge.trace.part_story import (
    part_document,
    part_outlook,
    part_owed,
    part_steps,
    why_none_of_part,
)
from bridge.trace.story import (
    Around,
    Step,
    document,
    incoming_document,
    incoming_owed,
    incoming_steps,
    incoming_why_none,
    known_as,
    outlook,
    owed,
    state_of,
    steps,
    why_none,
    wishes,
)

T = TypeVar("T")
Row = tuple[str, str]


def _how_told(answered: AnsweredIncoming) -> str:
    if not answered.notices:
        return "only stored"
    return "owed" if any(not notice.ended_at for notice in answered.notices) else "told"


#: The columns of a list of messages, to phones and from phones.
_COLUMNS: dict[str, Callable[[Stored], str]] = {
    "id": lambda one: str(one.message.id),
    "accepted": lambda one: local(one.message.accepted_at),
    "account": lambda one: one.message.account,
    "phone": lambda one: one.message.phone,
    "state": lambda one: one.state.value,
    "reference": lambda one: one.message.reference,
}
_FROM_PHONES: dict[str, Callable[[AnsweredIncoming], str]] = {
    "id": lambda one: str(one.incoming.id),
    "taken": lambda one: local(one.incoming.received_at),
    "account": lambda one: one.incoming.account,
    "from phone": lambda one: one.incoming.phone,
    "state": _how_told,
    "to": lambda one: one.incoming.to,
}


_REFUSALS: dict[str, Callable[[Refusal], str]] = {
    "refused": lambda one: one.kind,
    "at": lambda one: local(one.at),
    "account": lambda one: one.account or "-",
    "peer": lambda one: one.peer,
    "phone": lambda one: one.phone,
    "reason": lambda one: one.reason,
}


class Found(NamedTuple):
    """The results for the searched name.

    ``messages`` and ``answers`` (from phones) are the newest of each; ``more``: there are others.
    ``told`` are the messages whose story is printed, ``part`` is a part that was not joined; each
    with the data that its story needs. ``refusals`` are those of a searched phone, or the
    recipients that a searched submission was refused for.
    """

    messages: list[Stored]
    answers: list[tuple[AnsweredIncoming, Around]]
    more: bool
    told: list[tuple[Story, Around]]
    part: tuple[UnjoinedPart, Around] | None = None
    refusals: Sequence[Refusal] = ()


def _since(ctx: click.Context, parameter: click.Parameter, value: str | None) -> int:
    try:
        return int(time.time() - parse_duration(value)) if value else 0
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not {error}") from None


@click.command("trace")
@click.argument("what", metavar="ID|PHONE|REFERENCE")
@click.option("--json", "as_json", is_flag=True, help="Print JSON with all data.")
@click.option("--text", is_flag=True, help="Also show the text.")
@click.option(
    "--limit",
    type=WholeNumber(1, 10_000),
    default=20,
    show_default=True,
    help="Messages to print at most, the newest first.",
)
@click.option(
    "--since",
    metavar="DURATION",
    callback=_since,
    help='Search the messages of the last "24h", "7d" … [default: all that are kept]',
)
@config_option
def command(
    config: Path | None, what: str, as_json: bool, text: bool, limit: int, since: int
) -> int:
    """Show the story of a message: every attempt, status and receipt, and what comes next.

    ID is that of the message, of a part, of a submission, or the API's. REFERENCE is the client's,
    or the Message-ID of the mail. Several messages are listed; trace each by its id. It also finds
    messages from phones, refusals of a number, and the refused recipients of a submission. Exits
    with 0, with 66 if nothing is found, and with 69 if the store cannot be read.

    \b
    Examples:
      cascade-bridge trace 250072205885444
      cascade-bridge trace 0501234567 --since 24h
      cascade-bridge trace "<17.erp@example.com>" --json
    """
    found = asyncio.run(_read(load(config, secrets=False), what, as_json, limit, since))
    anything = found.messages or found.answers or found.part or found.refusals
    if as_json:
        documents = [document(story, around, text=text) for story, around in found.told]
        documents += [incoming_document(*answer, text=text) for answer in found.answers]
        documents += [part_document(*found.part)] if found.part else []
        documents += [_refusal_document(one) for one in found.refusals]
        click.echo(json.dumps(documents, indent=2, ensure_ascii=False))
        return Exit.OK if anything else Exit.NO_INPUT
    if not anything:
        raise Stop(Reason.NOT_FOUND.codes.text, Exit.NO_INPUT)
    if found.part:
        _print_part(*found.part)
    elif found.told:
        [(story, around)] = found.told
        _print(story, around, text=text)
    elif found.messages:
        _list(_COLUMNS, found.messages)
    if found.messages and found.answers:
        click.echo()
    if len(found.answers) == 1 and not found.messages:
        _print_answer(*found.answers[0], text=text)
    elif found.answers:
        _list(_FROM_PHONES, [answer for answer, _ in found.answers])
    if found.refusals:
        if found.messages or found.answers:
            click.echo()
        _list(_REFUSALS, found.refusals)
    if found.more:
        click.echo(f"\nand more: --limit {limit} was reached")
    return Exit.OK


def _refusal_document(refusal: Refusal) -> dict[str, Any]:
    return {"refused": refusal.kind, **refusal._asdict(), "at": utc(refusal.at)}


async def _read(settings: Settings, what: str, as_json: bool, limit: int, since: int) -> Found:
    async with reading(settings) as store:
        regions = {own.region for own in settings.accounts.values()}
        messages = list(reversed(await by_id(store, what)))
        answers: list[AnsweredIncoming] = []
        refusals: list[Refusal] = []
        troubles = troubles_of(settings)
        say = utc if as_json else _saying(time.time())
        if not messages and (part := await part_by_id(store, what)) is not None:
            around = await around_of(settings, store, part.account, say, troubles)
            return Found([], [], more=False, told=[], part=(part, around))
        if messages:
            submissions = sorted({one.message.submission_id for one in messages})
            refusals = await store.look_up(find_left_out, submissions)
        else:
            messages = await by_name(store, what, regions, limit + 1, since)
            answers = await from_phones(store, what, regions, limit + 1, since)
            refusals = await refusals_of(store, what, regions, limit, since)
        more = max(len(messages), len(answers)) > limit
        del messages[limit:], answers[limit:]
        told = []
        alone = len(messages) == 1 and not answers
        for one in messages if as_json or alone else ():
            around = await around_of(settings, store, one.message.account, say, troubles)
            told.append((await story_of(store, one), around))
        return Found(
            messages,
            [(one, await around_of(settings, store, one.incoming.account, say)) for one in answers],
            more,
            told,
            refusals=refusals,
        )


def _saying(now: float) -> Callable[[int], str]:
    """A time in a sentence; without the date if it is today."""
    today = local(int(now))[:10]

    def say(unix_time: int) -> str:
        said = local(unix_time)
        return said[11:19] if said.startswith(today) else said

    return say


def _list(columns: Mapping[str, Callable[[T], str]], found: Sequence[T]) -> None:
    rows = [list(columns), *([column(one) for column in columns.values()] for one in found)]
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        click.echo(printable("  ".join(cells).rstrip()))


def _print(story: Story, around: Around, *, text: bool) -> None:
    echo_rows(_details(story, text=text))
    waiting = [*outlook(story, around), *owed(story, around)]
    if none := why_none(story):
        kind = "report" if story.stored.message.protocol.value == "smtp" else "receipt"
        waiting.append(f"no {kind} so far: {none}")
    _tell(steps(story), waiting)


def _print_answer(answered: AnsweredIncoming, around: Around, *, text: bool) -> None:
    """Prints a message from a phone, and its receivers."""
    incoming = answered.incoming
    rows = [
        ("from phone", incoming.phone),
        ("message", str(incoming.id)),
        ("account", incoming.account),
        ("to", incoming.to),
        ("provider's id", incoming.uid),
    ]
    echo_rows([*rows, ("text", incoming.text)] if text else rows)
    waiting = incoming_owed(answered, around)
    if none := incoming_why_none(answered):
        waiting.append(f"nobody is notified: {none}")
    _tell(incoming_steps(answered), waiting)


def _print_part(part: UnjoinedPart, around: Around) -> None:
    """A part that leads to no message."""
    about = part.about
    rows = [
        ("part", f"{known_as(part.id)}, {about.number} of {about.total}, {part.state.value}"),
        ("account", part.account),
        ("from", "smpp"),
        ("to", about.phone),
    ]
    asked = ", ".join(wishes(about.receipts))
    rows += [
        (name, value) for name, value in (("sender", about.sender), ("receipts", asked)) if value
    ]
    echo_rows(rows)
    waiting = [*part_outlook(part, around), *part_owed(part, around)]
    if none := why_none_of_part(part):
        so_far = " so far" if part.notice is None else ""
        waiting.append(f"no receipt{so_far}: {none}")
    _tell(part_steps(part), waiting)


def _tell(happened: Sequence[Step], waiting: Sequence[str]) -> None:
    width = max(len(step.what) for step in happened)
    click.echo()
    for step in happened:
        click.echo(printable(f"{local(step.at)}  {step.what:<{width}}  {step.says}".rstrip()))
    if waiting:
        click.echo()
    for line in waiting:
        click.echo(printable(f"- {line}"))


def _details(story: Story, *, text: bool) -> list[Row]:
    """The details of the message."""
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
            ("read as", mail.reading),
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
