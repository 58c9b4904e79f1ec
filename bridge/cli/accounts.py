"""``accounts``: what is configured, hashes for new passwords, a password's trial."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import sys
from pathlib import Path

import click

from bridge.accounts.accounts import HASHER, Account, Accounts
from bridge.cli import Exit, Stop, config_option
from bridge.config import load
from bridge.config.settings import Log
from bridge.log import configure
from bridge.model.failure import Failure, Reason
from bridge.model.message import Protocol

#: Letters and digits that nobody confuses on the phone.
ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
#: The longest password that every SMPP client can send (SMPP 3.4 §5.2.2: nine octets with NUL).
SMPP_LENGTH = 8


@click.group()
def command() -> None:
    """List accounts, hash and test passwords."""


@command.command("list")
@config_option
def list_accounts(config: Path | None) -> None:
    """List the configured accounts."""
    header = ("account", "protocols", "sender", "types", "rate", "networks", "countries")
    rows = [_row(Account(name, own)) for name, own in load(config, secrets=False).accounts.items()]
    if not rows:
        click.echo("There are no accounts.")
        return
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _row(account: Account) -> tuple[str, ...]:
    settings = account.settings
    networks = [
        *map(str, settings.networks),
        *(f"{n} (trusted)" for n in settings.trusted_networks),
    ]
    types = [kind.value for kind in settings.message_types]
    return (
        account.name,
        ", ".join(settings.protocols),
        settings.sender or "-",
        ", ".join(types) or "any",
        f"{settings.rate:g}/s" if settings.rate else "unlimited",
        ", ".join(networks) or "any",
        ", ".join(settings.countries) or "any",
    )


def _ask(twice: bool) -> str:
    """The password from a terminal, unseen, or the first line of stdin."""
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

    The password is asked for, or read from stdin.
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
    help="Test whether it may come in by this [default: the first that it may use].",
)
@click.option("--address", default="", help="Test whether it may come in from this address.")
@config_option
def test(name: str, protocol: str | None, address: str, config: Path | None) -> None:
    """Check the password of account NAME, asked for or read from stdin."""
    configure(Log(level="error"))  # the answer says it all
    settings = load(config)
    if name not in settings.accounts:
        raise Stop(f"There is no account {name!r}.", Exit.NO_USER)
    own = settings.accounts[name]
    way = Protocol(protocol or own.protocols[0])
    if not address and own.networks:
        # Without an address only the password is asked about.
        address = str(own.networks[0].network_address)
    try:
        asyncio.run(_try(Accounts(settings), name, _ask(twice=False), way, address))
    except Failure as failure:
        wrong = failure.reason in (Reason.WRONG_LOGIN, Reason.NOT_ALLOWED)
        code = Exit.NO_PERMISSION if wrong else Exit.TEMPORARY
        raise Stop(str(failure), code) from None
    click.echo(f"The password of {name} is right.")


async def _try(
    accounts: Accounts, name: str, password: str, protocol: Protocol, address: str
) -> None:
    try:
        await accounts.authenticate(name, password, protocol=protocol, address=address)
    finally:
        accounts.close()
