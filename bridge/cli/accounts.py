"""``accounts``: configured accounts, hashes for passwords, tests of passwords."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import sys
from pathlib import Path
from typing import Any

import click

from bridge.accounts.accounts import Account, Accounts
from bridge.accounts.passwords import HASHER
from bridge.cli import Exit, Stop, config_option
from bridge.cli.daemon import (
    Daemon,
    DaemonRefused,
    NotRunning,
    daemon_options,
    echo_json,
    json_option,
    reach,
)
from bridge.cli.stored import echo_rows
from bridge.cli.tables import Columns, echo_table, number
from bridge.config import load
from bridge.config.settings import Log
from bridge.log import configure
from bridge.model.failure import Failure, Reason
from bridge.model.message import Protocol

#: Letters and digits that are easy to read out.
ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
#: The longest password that every SMPP client can send (SMPP 3.4 §5.2.2: nine octets with NUL).
SMPP_LENGTH = 8


@click.group()
def command() -> None:
    """List accounts, hash and test passwords."""


_COLUMNS: Columns = {
    "account": lambda row: row["name"],
    "protocols": lambda row: ", ".join(row["protocols"]),
    "sender": lambda row: row["sender"] or "-",
    "types": lambda row: ", ".join(row["message_types"]) or "any",
    "rate": lambda row: f"{row['rate']:g}/s" if row["rate"] else "unlimited",
    "networks": lambda row: ", ".join(row["networks"]) or "any",
    "countries": lambda row: ", ".join(row["countries"]) or "any",
}
#: Further columns if a daemon runs.
_USED: Columns = {
    "today": lambda row: (
        f"{number(row['accepted_today'])} of {number(row['daily_limit'])}"
        if row["daily_limit"]
        else number(row["accepted_today"])
    ),
    "binds": lambda row: f"{row['binds']} of {row['max_binds']}",
    "mail sessions": lambda row: str(row["mail_sessions"]),
    "held": lambda row: "held" if row["held"] else "-",
}


def _rows(daemon: Daemon, path: str, **arguments: Any) -> tuple[list[Any], bool]:
    """The accounts, and whether a daemon told their use."""
    try:
        found = daemon.ask("GET", path, **arguments)
    except NotRunning:
        if daemon.settings is None:
            raise
        rows = [_row(Account(name, own)) for name, own in daemon.settings.accounts.items()]
        if arguments:
            rows = [row for row in rows if row["name"] == arguments["name"]]
        return rows, False
    return (found if isinstance(found, list) else [found]), True


@command.command("list")
@json_option
@daemon_options
def list_accounts(daemon: Daemon, as_json: bool) -> None:
    """List the accounts with their limits and, if the daemon runs, their use.

    \b
    Examples:
      cascade-bridge accounts list
    """
    rows, used = _rows(daemon, "/accounts")
    if as_json:
        echo_json(rows)
    else:
        echo_table({**_COLUMNS, **_USED} if used else _COLUMNS, rows, "There are no accounts.")


@command.command("show")
@click.argument("name")
@json_option
@daemon_options
def show_account(daemon: Daemon, name: str, as_json: bool) -> None:
    """Show account NAME: its limits and their use.

    \b
    Examples:
      cascade-bridge accounts show crm
    """
    try:
        rows, used = _rows(daemon, "/accounts/{name}", name=name)
    except DaemonRefused as error:
        if error.failure.reason is not Reason.NOT_FOUND:
            raise
        rows = []
    if not rows:
        raise Stop(f"There is no account {name!r}.", Exit.NO_USER)
    [row] = rows
    if as_json:
        echo_json(row)
        return
    columns = {**_COLUMNS, **_USED} if used else _COLUMNS
    echo_rows([(head, fill(row)) for head, fill in columns.items()])


def _row(account: Account) -> dict[str, Any]:
    settings = account.settings
    trusted = [f"{network} (trusted)" for network in settings.trusted_networks]
    return {
        "name": account.name,
        "protocols": settings.protocols,
        "sender": settings.sender,
        "message_types": [kind.value for kind in settings.message_types],
        "rate": settings.rate,
        "networks": [*map(str, settings.networks), *trusted],
        "countries": settings.countries,
    }


def _ask(twice: bool) -> str:
    """The password, typed on a terminal without echo, or the first line of stdin."""
    if sys.stdin.isatty():
        password: str = click.prompt(
            "Password", hide_input=True, confirmation_prompt=twice, err=True
        )
        return password
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise Stop("There is no password on stdin.", Exit.DATA)
    return password


@command.command("hash-password")
@click.option("--generate", is_flag=True, help="Make a random password of 8 characters for SMPP.")
@click.option(
    "--smsc", is_flag=True, help="Also make smsc_password_hash, for clients that send the MD5."
)
def hash_password(generate: bool, smsc: bool) -> None:
    """Print the hash of a password for password_hash.

    The password is prompted for, or read from stdin.

    \b
    Examples:
      cascade-bridge accounts hash-password
      cascade-bridge accounts hash-password --generate
      cascade-bridge accounts hash-password --smsc < password.txt
    """
    if generate:
        password = "".join(secrets.choice(ALPHABET) for _ in range(SMPP_LENGTH))
        click.echo(f"password      {password}")
        click.echo(f"password_hash {HASHER.hash(password)}")
    else:
        password = _ask(twice=True)
        if len(password.encode("utf-8", "surrogatepass")) > SMPP_LENGTH:
            click.echo("Note: over 8 characters; many SMPP clients cannot send more.", err=True)
        click.echo(HASHER.hash(password))
    if smsc:
        md5 = hashlib.md5(password.encode("utf-8", "surrogatepass"), usedforsecurity=False)
        click.echo(f"smsc_password_hash {HASHER.hash(md5.hexdigest())}")


@command.command("test")
@click.argument("name")
@click.option(
    "--protocol",
    type=click.Choice([protocol.value for protocol in Protocol]),
    help="Test whether this protocol is allowed [default: the first allowed one].",
)
@click.option("--address", default="", help="Test whether this address is allowed.")
@click.option("--to", metavar="PHONE", help="Also send a message to this number.")
@click.option("--text", default="", help="The text of the message [default: that it is a test].")
@json_option
@config_option
def test(
    name: str,
    protocol: str | None,
    address: str,
    to: str | None,
    text: str,
    config: Path | None,
    as_json: bool,
) -> None:
    """Test the password of account NAME, prompted for or read from stdin.

    With --to the running bridge also sends a message in the account's name, by the same rules as
    any other.

    \b
    Examples:
      cascade-bridge accounts test crm < password.txt
      cascade-bridge accounts test crm --protocol smpp --address 192.0.2.7 < password.txt
      cascade-bridge accounts test crm --to +380501234567 < password.txt
    """
    configure(Log(level="error"))  # the answer has the details
    settings = load(config)
    if name not in settings.accounts:
        raise Stop(f"There is no account {name!r}.", Exit.NO_USER)
    own = settings.accounts[name]
    way = Protocol(protocol or own.protocols[0])
    if not address and own.networks:
        # Without an address only the password is tested.
        address = str(own.networks[0].network_address)
    try:
        asyncio.run(_try(Accounts(settings), name, _ask(twice=False), way, address))
    except Failure as failure:
        wrong = failure.reason in (Reason.WRONG_LOGIN, Reason.NOT_ALLOWED)
        code = Exit.NO_PERMISSION if wrong else Exit.TEMPORARY
        raise Stop(str(failure), code) from None
    if not as_json:
        click.echo(f"Password accepted for account {name}.")
    sent = _send(config, name, to, text or f"Test of the account {name}") if to else None
    if as_json:
        echo_json({"name": name, "protocol": way.value, "address": address, "sent": sent})
    elif sent is not None:
        queued = ", queued: the API has not answered yet" if sent["queued"] else ""
        click.echo(f"Message {sent['id']} accepted, {sent['parts']} SMS{queued}.")


def _send(config: Path | None, name: str, to: str, text: str) -> dict[str, Any]:
    """Has the running bridge send a message; what it answers."""
    with reach(config, None, None) as daemon:
        answer: dict[str, Any] = daemon.ask("POST", "/messages", account=name, to=to, text=text)
        return answer


async def _try(
    accounts: Accounts, name: str, password: str, protocol: Protocol, address: str
) -> None:
    try:
        await accounts.authenticate(name, password, protocol=protocol, address=address)
    finally:
        accounts.close()
