"""``cascade-bridge send``: sends one message through a running bridge, by SMTP or SMPP."""

from __future__ import annotations

import json
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bridge.cli import Exit, Stop, WholeNumber, config_option

if TYPE_CHECKING:
    from bridge.cli.clients import ServerReply, ToSend
    from bridge.config.settings import Endpoint, Settings

#: Message type → SMPP's service_type.
_SERVICE_TYPES = {
    "transaction": "TRANS",
    "promo": "PROMO",
    "viber_survey": "SURVY",
    "flashcall": "FLASH",
}


#: Options whose parameters have other names.
_OPTIONS = {"options": "option", "variables": "var"}


@click.command("send")
@click.argument("to", nargs=-1, required=True, metavar="NUMBER...")
@click.option("--text", "-t", default="-", help="The text; - reads it from standard input.")
@click.option("--template", metavar="NAME", help="By SMTP: use a template of the account as text.")
@click.option(
    "--var",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    help="A variable of the template; repeatable.",
)
@click.option("--name", help="By SMTP: send as a send-out with this name.")
@click.option(
    "--over", metavar="TIME", help="By SMTP: spread the send-out over this time, for instance 2h."
)
@click.option(
    "--by",
    type=click.Choice(["smtp", "smpp"]),
    default="smtp",
    show_default=True,
    help="The protocol.",
)
@click.option("--server", metavar="HOST:PORT", help="[default: from the configuration]")
@click.option("--domain", help="By SMTP: the bridge's domain. [default: from the configuration]")
@click.option("--account", "-a", metavar="NAME", help="[default: the only one configured]")
@click.option(
    "--password",
    metavar="SECRET",
    envvar="CASCADE_BRIDGE_PASSWORD",
    help="The password, or file:PATH, env:NAME. [default: from the configuration, or asked for]",
)
@click.option("--sender", help="The sender's name. [default: the account's]")
@click.option("--type", "message_type", type=click.Choice(list(_SERVICE_TYPES)), help="The type.")
@click.option("--option", "options", multiple=True, help="An answer of a survey; repeatable.")
@click.option("--ttl", metavar="SECONDS", type=WholeNumber(1), help="The validity.")
@click.option("--reference", help="Your own id of the message.")
@click.option("--tls", is_flag=True, help="By SMTP: use STARTTLS, and check the server's name.")
@click.option("--json", "as_json", is_flag=True, help="Print the replies as JSON.")
@config_option
def command(config: Path | None, as_json: bool, **options: Any) -> int:
    """Send one text to each NUMBER and print the bridge's reply verbatim.

    By SMTP the recipient can be a group: its name, or g<number>.

    Exits with 0 if the bridge accepted it, 65 if it refused, 75 if a later attempt may succeed, 77
    if it refused the login, and 69 if no bridge answered.

    \b
    Examples:
      cascade-bridge send +380501234567 --text "Your order is ready"
      cascade-bridge send +380501234567 --template ready --var name=Anna --var order=17
      cascade-bridge send "Night shift" --text "Call the office" --name alarm
      cascade-bridge send g7 --text "News" --name november --over 2h
    """
    from bridge.cli.clients import by_smpp, by_smtp

    settings = _settings(config)
    server = _server(options, settings)
    if options["by"] == "smpp":
        for name in ("options", "tls", "template", "variables", "name", "over"):
            if options[name]:
                raise click.UsageError(f"--{_OPTIONS.get(name, name)} goes with --by smtp")
    if options["variables"] and not options["template"]:
        raise click.UsageError("--var goes with --template")
    try:
        if options["by"] == "smtp":
            tls = ssl.create_default_context() if options["tls"] else None
            replies = [by_smtp(server, _sending(options, settings, options["to"]), tls=tls)]
        else:
            replies = [by_smpp(server, _sending(options, settings, (to,))) for to in options["to"]]
    except OSError as error:
        raise Stop(f"{server}: {error.strerror or error}", Exit.UNAVAILABLE) from None
    if as_json:
        told = [{"accepted": reply.accepted, "reply": reply.text} for reply in replies]
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        for reply in replies:
            click.echo(reply.text)
    return _exit(replies)


def _exit(replies: list[ServerReply]) -> Exit:
    from bridge.cli.clients import DeliveryVerdict

    codes = {
        DeliveryVerdict.ACCEPTED: Exit.OK,
        DeliveryVerdict.REFUSED: Exit.DATA,
        DeliveryVerdict.LOGIN: Exit.NO_PERMISSION,
        DeliveryVerdict.LATER: Exit.TEMPORARY,
    }
    return next((codes[r.verdict] for r in replies if not r.accepted), Exit.OK)


def _settings(config: Path | None) -> Settings | None:
    """The configuration, if there is one: ``send`` also works from another machine."""
    from bridge.cli.service_view import with_socket_units
    from bridge.config import load
    from bridge.config.settings import ConfigError

    try:
        return with_socket_units(load(config, secrets=False))
    except ConfigError:
        if config is not None:
            raise
        return None


def _server(options: dict[str, Any], settings: Settings | None) -> Endpoint:
    from bridge.config.settings import Endpoint, parse_endpoint

    if options["server"]:
        try:
            return parse_endpoint(options["server"])
        except ValueError as error:
            raise click.BadParameter(f"{options['server']!r} is not {error}") from None
    by: str = options["by"]
    listen = (settings.smtp if by == "smtp" else settings.smpp).listen if settings else []
    if not listen:
        raise click.UsageError(
            f"give --server: no configuration that this user can read has {by}.listen"
        )
    host, port = listen[0]
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not to listen on
    return Endpoint(local.get(host, host), port)


def _sending(options: dict[str, Any], settings: Settings | None, to: tuple[str, ...]) -> ToSend:
    from bridge.cli.clients import ToSend

    name = options["account"]
    accounts = settings.accounts if settings else {}
    if not name and len(accounts) == 1:
        name = next(iter(accounts))
    if not name:
        raise click.UsageError("give --account")
    domains = settings.smtp.domains if settings else []
    headers, fields = {}, {}
    if options["sender"]:
        headers["X-Cascade-Sender"] = fields["source_addr"] = options["sender"]
    if options["message_type"]:
        headers["X-Cascade-Type"] = options["message_type"]
        fields["service_type"] = _SERVICE_TYPES[options["message_type"]]
    if options["ttl"]:
        headers["X-Cascade-TTL"] = str(options["ttl"])
        fields["validity_period"] = _relative(options["ttl"])
    for option in ("template", "name", "over"):
        if options[option]:
            headers[f"X-Cascade-{option.capitalize()}"] = options[option]
    if options["reference"]:
        headers["X-Cascade-Reference"] = options["reference"]
    return ToSend(
        to=to,
        text=_text(options),
        account=name,
        password=_password(options, settings, name),
        domain=options["domain"] or (domains[0] if domains else _NO_DOMAIN),
        headers=headers,
        options=options["options"],
        variables=options["variables"],
        fields=fields,
    )


#: The default domain of the bridge, used without a configuration.
_NO_DOMAIN = "sms.example.com"


def _relative(seconds: int) -> str:
    """A relative validity_period (SMPP 3.4 §7.1.1)."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    months, day = divmod(days, 30)
    return f"00{months:02}{day:02}{hour:02}{minute:02}{second:02}000R"


def _text(options: dict[str, Any]) -> str:
    if options["template"] and options["text"] == "-":
        return ""
    if options["text"] == "-":
        # The last newline, which the shell adds, does not belong to the text.
        options["text"] = sys.stdin.read().removesuffix("\n")
    text: str = options["text"]
    return text


def _password(options: dict[str, Any], settings: Settings | None, name: str) -> str:
    from bridge.config.secret import read_secret
    from bridge.config.settings import is_unread

    if options["password"]:
        try:
            return read_secret(options["password"])
        except ValueError as error:
            raise click.BadParameter(f"--password needs {error}") from None
    account = settings.accounts.get(name) if settings else None
    own = account.password if account is not None else None
    if own is not None and not is_unread(own):
        return own.get_secret_value()
    options["password"] = click.prompt(f"Password of {name}", hide_input=True, err=True)
    password: str = options["password"]
    return password
