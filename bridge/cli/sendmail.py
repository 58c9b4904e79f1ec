"""``sendmail``: replaces /usr/sbin/sendmail; has no queue of its own."""

from __future__ import annotations

import getpass
import re
import smtplib
import socket
import sys
from email import message_from_bytes, policy
from email.utils import formataddr, getaddresses
from pathlib import Path

import click

from bridge.cli import Exit, Stop, config_option
from bridge.cli.service_view import socket_units, with_socket_units
from bridge.config import load
from bridge.config.settings import ConfigError, Endpoint, Smtp, parse_endpoint

#: Time limit for the bridge's answer (seconds).
_TIMEOUT = 60.0


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": ["-h", "--help"]}
)
@click.option("-t", "from_header", is_flag=True, help="Read the recipients from To, Cc and Bcc.")
@click.option("-i", "whole", is_flag=True, help="A line with only a dot does not end the mail.")
@click.option("-f", "-r", "sender", metavar="ADDRESS", help="The return path.")
@click.option("-F", "full_name", metavar="NAME", help="The name in From, if the mail has none.")
@click.option(
    "-o",
    "options",
    multiple=True,
    metavar="OPTION",
    help="The option -oi means -i; others are ignored.",
)
@click.option(
    "-b", "mode", metavar="MODE", default="m", help="m: a mail on stdin; s: SMTP on stdin."
)
@click.argument("recipients", nargs=-1)
@click.option(
    "--server", metavar="HOST:PORT", help="[default: from the configuration, or 127.0.0.1:2525]"
)
@config_option
def command(
    config: Path | None,
    server: str | None,
    from_header: bool,
    whole: bool,
    sender: str | None,
    full_name: str | None,
    options: tuple[str, ...],
    mode: str,
    recipients: tuple[str, ...],
) -> int:
    """Hand a mail from standard input to the bridge, as sendmail does.

    For programs that call /usr/sbin/sendmail. It does not log in: this machine's address must be in
    an account's trusted_networks. Exits with 0 if the bridge accepted the mail, 65 if it refused,
    and 75 if it does not answer.

    \b
    Examples:
      echo "Server down" | cascade-bridge sendmail 380501234567@sms.example.com
      cascade-bridge sendmail -t -i < mail.eml
    """
    host, port = _server(server, config)
    if mode == "s":
        return _talk(host, port)
    if mode != "m":
        raise click.UsageError(f"-b{mode} is not offered: -bm and -bs are.")
    mail = _read(whole or "i" in options)
    parsed = message_from_bytes(mail, policy=policy.compat32)
    found = list(recipients)
    if from_header:
        fields = [str(one) for name in ("to", "cc", "bcc") for one in parsed.get_all(name, [])]
        found += [address for _, address in getaddresses(fields) if address]
        del parsed["bcc"]
    if not found:
        raise Stop("There is no recipient.", Exit.USAGE)
    if parsed["from"] is None:
        user = f"{getpass.getuser()}@{socket.gethostname()}"
        parsed["From"] = formataddr((full_name or "", user))
    _, address = getaddresses([str(parsed["from"])])[0]
    return _send(host, port, sender if sender is not None else address, found, parsed.as_bytes())


def _server(server: str | None, config: Path | None) -> Endpoint:
    """The bridge's address. Callers of sendmail often cannot read the configuration."""
    if server is not None:
        try:
            return parse_endpoint(server)
        except ValueError as error:
            raise click.BadParameter(f"{server!r} is not {error}") from None
    try:
        listen = with_socket_units(load(config, secrets=False)).smtp.listen
    except ConfigError:
        if config is not None:
            raise
        listen = socket_units().get("smtp.listen") or Smtp().listen
    if not listen:
        raise Stop("smtp.listen names no address.", Exit.CONFIG)
    host, port = listen[0]
    return Endpoint({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port)  # noqa: S104


def _read(whole: bool) -> bytes:
    """The mail; without -i it ends with a line that has only a dot."""
    mail = sys.stdin.buffer.read()
    if whole:
        return mail
    head, dot, _ = (b"\n" + mail.replace(b"\r\n", b"\n")).partition(b"\n.\n")
    return (head + b"\n" if dot else head)[1:]


def _send(host: str, port: int, sender: str, recipients: list[str], mail: bytes) -> int:
    plain = all(address.isascii() for address in (sender, *recipients))
    options = () if plain else ("SMTPUTF8",)  # RFC 6531
    # With CRLF, so that the bridge takes away the dots that smtplib doubles (RFC 5321 §4.5.2).
    lines = re.sub(rb"\r?\n", b"\r\n", mail)
    try:
        with smtplib.SMTP(host, port, timeout=_TIMEOUT) as smtp:
            refused = smtp.sendmail(sender.strip("<>"), recipients, lines, options)
    except smtplib.SMTPRecipientsRefused as error:
        refused = error.recipients
    except smtplib.SMTPResponseException as error:
        said = error.smtp_error
        words = said.decode(errors="replace") if isinstance(said, bytes) else said
        code = Exit.DATA if error.smtp_code >= 500 else Exit.TEMPORARY
        raise Stop(f"{error.smtp_code} {words}", code) from None
    except (OSError, smtplib.SMTPException) as error:
        raise Stop(f"{host}:{port}: {error.strerror or error}", Exit.TEMPORARY) from None
    for recipient, (status, text) in refused.items():
        click.echo(f"{recipient}: {status} {text.decode(errors='replace')}", err=True)
    if any(status < 500 for status, _ in refused.values()):
        return Exit.TEMPORARY
    return Exit.DATA if refused else Exit.OK


def _talk(host: str, port: int) -> int:
    """Passes an SMTP dialogue on standard input and output to the bridge."""
    try:
        connection = socket.create_connection((host, port), _TIMEOUT)
    except OSError as error:
        raise Stop(f"{host}:{port}: {error.strerror or error}", Exit.TEMPORARY) from None
    with connection, connection.makefile("rb") as replies:
        while True:
            while line := replies.readline():
                sys.stdout.buffer.write(line)
                sys.stdout.buffer.flush()
                if line[3:4] != b"-":
                    break
            if not line or line.startswith(b"221"):
                return Exit.OK
            data = line.startswith(b"354")
            while asked := sys.stdin.buffer.readline():
                connection.sendall(asked)
                if not data or asked.strip() == b".":
                    break
            if not asked:
                return Exit.OK
