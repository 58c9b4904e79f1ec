"""``erase``: delete all data about a phone number."""

from __future__ import annotations

import sys

import click

from bridge.cli.daemon import Daemon, daemon_options, echo_json, json_option
from bridge.cli.tables import number

#: What is erased: one, and several.
_WORDS = {
    "messages": ("ended message", "ended messages"),
    "incoming": ("message from it", "messages from it"),
    "notices": (
        "notice of a part or a refused recipient",
        "notices of parts and refused recipients",
    ),
    "refusals": ("refusal", "refusals"),
    "contacts": ("contact", "contacts"),
    "mentions": ("mention in another record", "mentions in other records"),
}


def _counts(found: dict[str, int]) -> list[tuple[int, str]]:
    return [
        (found[name], one if found[name] == 1 else several)
        for name, (one, several) in _WORDS.items()
    ]


@click.command()
@click.argument("phone")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@daemon_options
def command(daemon: Daemon, phone: str, yes: bool, as_json: bool) -> None:
    """Erase all data about PHONE: messages to it and from it, parts, refusals, contacts.

    It is also cut out of other contacts, comments and files that are being imported. Names of
    groups, templates and send-outs with it are listed: only you can change them. Texts of messages
    to other numbers are not searched. A PHONE that may be in several countries needs its country
    code.

    It first shows the numbers of records, and asks. Messages that are still on their way are not
    erased: they must end or be cancelled first. A black-list entry stays: without it the number
    would get messages again. The log records the erasure, with the number masked.

    \b
    Examples:
      cascade-bridge erase +380501234567
      cascade-bridge erase 0501234567 --yes
    """
    found = daemon.ask("DELETE", "/phones/{phone}", phone=phone, dry_run=True)
    total = sum(found[name] for name in _WORDS)
    if total and not yes:
        if not as_json:
            for count, words in _counts(found):
                click.echo(f"{number(count):>8}  {words}")
        if as_json or not sys.stdin.isatty():
            raise click.UsageError("Give --yes to erase them.")
        click.confirm("Erase them?", abort=True)
    if total:
        found = daemon.ask("DELETE", "/phones/{phone}", phone=phone)
    if as_json:
        echo_json(found)
        return
    done = ", ".join(f"{number(count)} {words}" for count, words in _counts(found) if count)
    click.echo(f"Erased: {done}." if done else "There is nothing to erase.")
    if left := found["left"]:
        are = "message is" if left == 1 else "messages are"
        click.echo(f"{number(left)} {are} still on the way: trace and cancel what must not go out.")
    for name in found["elsewhere"]:
        click.echo(f"It is still named in: {name}.")
