"""``check``: mistakes of a configuration, and a summary."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import click

from bridge.cli import Exit, config_option
from bridge.cli.daemon import echo_json, json_option
from bridge.cli.service_view import find_unreachable, with_socket_units
from bridge.config import load, warnings
from bridge.config.settings import ConfigError, Mistake, Settings


@click.command()
@click.option(
    "--connect",
    is_flag=True,
    help="Also test listeners, certificates, the API and its key, smarthost, store and disk.",
)
@json_option
@config_option
def command(config: Path | None, connect: bool, as_json: bool) -> int:
    """Check the configuration and show a summary.

    Exits with 0 if the bridge would start, with 78 if not, and with 69 if a test of --connect
    fails. Nothing is sent. As root it finds files that the service's user cannot open, and shows
    the sockets that systemd listens on.

    \b
    Examples:
      cascade-bridge check --config bridge.toml
      cascade-bridge check --connect
    """
    try:
        settings = with_socket_units(load(config))
        if unreachable := find_unreachable(settings):
            raise ConfigError(unreachable)
    except ConfigError as error:
        if as_json:
            echo_json({"mistakes": [one._asdict() for one in error.mistakes]})
        else:
            _print_mistakes(error.mistakes)
        return Exit.CONFIG
    if as_json:
        return _as_json(settings, connect=connect)
    _print_summary(settings)
    found = warnings(settings)
    if found:
        click.echo(f"\n{_count(len(found), 'warning')}:")
        for warning in found:
            click.echo(f"  {warning}")
    click.echo("\nThe configuration is good.")
    return _connect(settings) if connect else Exit.OK


def _as_json(settings: Settings, *, connect: bool) -> int:
    from bridge.cli.connect import try_all

    tried = list(try_all(settings)) if connect else []
    echo_json(
        {
            "mistakes": [],
            "files": list(map(str, settings.files)),
            "summary": [{"what": name, "says": says} for name, says in _summary(settings)],
            "warnings": list(map(str, warnings(settings))),
            "tried": [one._asdict() for one in tried],
        }
    )
    return Exit.OK if all(one.good for one in tried) else Exit.UNAVAILABLE


def _connect(settings: Settings) -> int:
    """Tests the services that the configuration names, and prints each result at once."""
    from bridge.cli.connect import try_all

    click.echo()
    bad = 0
    for tried in try_all(settings):
        bad += not tried.good
        click.echo(f"  {'good' if tried.good else 'BAD':<4}  {tried.what}: {tried.says}")
    click.echo(f"\n{_count(bad, 'thing')} to mend." if bad else "\nEverything works.")
    return Exit.UNAVAILABLE if bad else Exit.OK


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _print_mistakes(mistakes: list[Mistake]) -> None:
    for file, group in groupby(mistakes, key=lambda mistake: mistake.file):
        click.echo(file)
        for mistake in group:
            click.echo(f"  {mistake.key or 'the file'}")
            click.echo(f"    found    {mistake.found}")
            click.echo(f"    allowed  {mistake.allowed}")
    click.echo(f"\n{_count(len(mistakes), 'mistake')}: the bridge would not start.")


def _summary(settings: Settings) -> list[tuple[str, str]]:
    """The summary, as rows of a word and its meaning."""
    smtp, smpp, hooks = settings.smtp, settings.smpp, settings.hooks
    admin, smsc = settings.admin, settings.smsc
    tls = "STARTTLS" if smtp.certificate and smtp.starttls != "off" else ""
    listeners = [
        ("smtp", smtp.listen, tls),
        ("smtp", smtp.tls_listen, "TLS"),
        ("lmtp", smtp.lmtp_listen, ""),
        ("smpp", smpp.listen, ""),
        ("smpp", smpp.tls_listen, "TLS"),
        ("hooks", hooks.listen if hooks.secret else [], "TLS" if hooks.certificate else ""),
        ("admin", admin.listen, "TLS" if admin.certificate else ""),
        ("smsc", smsc.listen, ""),
        ("smsc", smsc.tls_listen, "TLS"),
    ]
    rows = [
        (name, f"{endpoint} {note}".strip())
        for name, endpoints, note in listeners
        for endpoint in endpoints
    ]
    scheme, _, rest = settings.store.url.partition("://")
    # The URL of a database may contain a password, as a part or a parameter.
    database = rest.partition("?")[0].rpartition("@")[2]
    rows.append(("store", rest[1:] if scheme == "sqlite" else database))
    rows.append(("upstream", f"{settings.cascade.base_url}, {settings.cascade.route.value}"))
    rows.append(("domains", ", ".join(smtp.domains)))
    rows += [
        (f"account {name}", f"{', '.join(own.protocols)}; sender {own.sender or '(none)'}")
        for name, own in settings.accounts.items()
    ]
    return rows


def _print_summary(settings: Settings) -> None:
    rows = _summary(settings)
    width = max(len(name) for name, _ in rows)
    click.echo(", ".join(map(str, settings.files)))
    for name, meaning in rows:
        click.echo(f"  {name:<{width}}  {meaning}")
