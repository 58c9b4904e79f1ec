"""``erase``: delete all data about a phone number."""

from __future__ import annotations

import sys

import click

from bridge.cli.daemon import Daemon, daemon_options, echo_json, json_option

_WORDS = {
    "messages": "ended messages",
    "incoming": "messages from it",
    "notices": "notices of parts and refused recipients",
    "refusals": "refusals",
    "contacts": "contacts",
}


@click.command()
@click.argument("phone")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@daemon_options
def command(daemon: Daemon, phone: str, yes: bool, as_json: bool) -> None:
    """Erase all data about PHONE: messages to it and from it, parts, refusals, contacts.

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
        for name, words in _WORDS.items():
            click.echo(f"{found[name]:>8}  {words}")
        if not sys.stdin.isatty():
            raise click.UsageError("Give --yes to erase them.")
        click.confirm("Erase them?", abort=True)
    if total:
        found = daemon.ask("DELETE", "/phones/{phone}", phone=phone)
    if as_json:
        echo_json(found)
        return
    done = ", ".join(f"{found[name]} {words}" for name, words in _WORDS.items() if found[name])
    click.echo(f"Erased: {done}." if done else "Nothing to erase.")
    if found["left"]:
        click.echo(f"{found['left']} messages are still on their way: trace and cancel them.")
