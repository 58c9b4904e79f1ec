"""``status``: the state of a message, as text or in SMSC's forms."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from bridge.cli import Exit, Stop, WholeNumber, config_option
from bridge.cli.daemon import echo_json, json_option, reach
from bridge.cli.stored import echo_rows, local, reading
from bridge.cli.top import lines
from bridge.config import load
from bridge.config.settings import Settings
from bridge.model.failure import Failure, Reason, render_failure
from bridge.model.message import Stored
from bridge.model.notice import UnjoinedPart
from bridge.model.state_names import render_status, smsc_status, smsc_status_of_part, telling
from bridge.trace.finding import by_id, by_reference, part_by_id
from bridge.trace.part_story import cause_of_part, part_outlook
from bridge.trace.story import Around, cause_of, known_as


@click.command("status")
@click.argument("id", required=False)
@click.option(
    "--fmt",
    type=WholeNumber(0, 3),
    help="Print SMSC's form: 0 text, 1 numbers, 2 XML, 3 JSON.",
)
@json_option
@config_option
def command(config: Path | None, id: str | None, fmt: int | None, as_json: bool) -> int:
    """Show the state of a message, a part or a submission by its ID, or by the reference of its
    client; without an ID, the state of the bridge.

    A part that was not joined to a message has its own state.

    A submission has the state of one of its messages: one on its way, else the worst end. Exits
    with 0, with 66 if there is no such message, and with 69 if the store cannot be read.

    \b
    Examples:
      cascade-bridge status 250072205885444
      cascade-bridge status 250072205885444 --fmt 1
      cascade-bridge status
    """
    if id is None:
        with reach(config, None, None) as daemon:
            overview = daemon.ask("GET", "/overview")
        if as_json:
            echo_json(overview)
            return Exit.OK
        for line in lines(overview):
            click.echo(line)
        return Exit.OK
    settings = load(config, secrets=False)
    if fmt is None:
        found = asyncio.run(_find(settings, id))
        if not found:
            raise Stop(Reason.NOT_FOUND.codes.text, Exit.NO_INPUT)
        rows = _part_rows(found, settings) if isinstance(found, UnjoinedPart) else _rows(found)
        if as_json:
            echo_json({name.replace(" ", "_"): says for name, says in rows})
        else:
            echo_rows(rows)
        return Exit.OK
    try:
        found = asyncio.run(_find(settings, id))
    except Stop:
        _answer(render_failure(Failure(Reason.OPERATION_FAILED), fmt), fmt)
        raise
    if not found:
        _answer(render_failure(Failure(Reason.NOT_FOUND), fmt), fmt)
        return Exit.NO_INPUT
    if isinstance(found, UnjoinedPart):
        status = smsc_status_of_part(found.state, found.changed_at)
    else:
        status = smsc_status(telling(found))
    _answer(render_status(status, fmt), fmt)
    return Exit.OK


async def _find(settings: Settings, id: str) -> list[Stored] | UnjoinedPart | None:
    async with reading(settings) as store:
        found = await by_id(store, id) or await part_by_id(store, id)
        return found or await by_reference(store, id)


def _answer(text: str, fmt: int) -> None:
    # One element per line, as in SMSC's answers.
    click.echo(text.replace("><", ">\n<") if fmt == 2 else text)


def _rows(found: Sequence[Stored]) -> list[tuple[str, str]]:
    stored = telling(found)
    message = stored.message
    rows = [
        ("message", str(message.id)),
        ("state", stored.state.value),
        ("since", local(stored.changed_at or message.accepted_at)),
    ]
    if cause := cause_of(stored):
        rows.append(("cause", cause))
    if stored.upstream_id:
        rows.append(("upstream id", stored.upstream_id))
    if stored.status:
        rows.append(("the API says", f"{stored.status}, {local(stored.status_at)}"))
    if len(found) > 1:
        counts = Counter(one.state.value for one in found)
        several = ", ".join(f"{count} {state}" for state, count in counts.most_common())
        rows = [("submission", f"{message.submission_id}, {len(found)} messages: {several}"), *rows]
    return rows


def _part_rows(part: UnjoinedPart, settings: Settings) -> list[tuple[str, str]]:
    """A part that was not joined to a message."""
    around = Around(int(time.time()), local, parts_timeout=int(settings.smpp.parts_timeout))
    rows = [
        ("part", f"{known_as(part.id)}, {part.about.number} of {part.about.total}"),
        ("state", part.state.value),
        ("since", local(part.changed_at)),
    ]
    if cause := cause_of_part(part):
        rows.append(("cause", cause))
    return [*rows, *(("next", said) for said in part_outlook(part, around))]
