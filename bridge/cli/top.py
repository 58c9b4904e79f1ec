"""``top``: the state of the bridge on one screen."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click

from bridge.cli.daemon import Daemon, daemon_options, echo_json, json_option
from bridge.cli.tables import duration, number, printable, when

#: How often the screen is refreshed (seconds).
_EVERY = 2.0


@click.command()
@click.option("--once", is_flag=True, help="Print it once and exit.")
@click.option(
    "--history",
    type=click.Choice(["hour", "day"]),
    help="Print the history of the last hour or day.",
)
@json_option
@daemon_options
def command(daemon: Daemon, once: bool, history: str | None, as_json: bool) -> None:
    """Show rates, queue, upstreams, sessions, warnings and errors, refreshed.

    Rates are messages per second. In a pipe, or with --once, it is printed once.

    \b
    Examples:
      cascade-bridge top
      cascade-bridge top --once
      cascade-bridge top --history hour
    """
    if history is not None:
        samples = daemon.ask("GET", "/history")[history]
        if as_json:
            echo_json(samples)
        else:
            for line in _past(samples):
                click.echo(line)
        return
    if as_json:
        echo_json(daemon.ask("GET", "/overview"))
    elif once or not sys.stdout.isatty():
        for line in lines(daemon.ask("GET", "/overview")):
            click.echo(line)
    else:
        _refresh(daemon)


def _refresh(daemon: Daemon) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(console=Console(), screen=True, auto_refresh=False) as live:
        while True:
            live.update(Text("\n".join(lines(daemon.ask("GET", "/overview")))), refresh=True)
            time.sleep(_EVERY)


def lines(overview: dict[str, Any]) -> Iterator[str]:
    """The lines of the screen; each begins with a word for grep."""
    now = overview["now"]
    nodes = f", node {overview['node']} of {overview['nodes']}" if overview["nodes"] > 1 else ""
    yield f"bridge    {overview['version']}{nodes}, since {when(overview['started'])}"
    for missing in overview["missing"] or ["ready"]:
        yield f"health    {missing}"
    for node in overview["others"]:
        rates = f", accepted {node['now']['accepted']:g}/s" if node["now"] else ""
        health = "; ".join(node["missing"]) or "ready"
        yield f"node      {node['node']} {node['host']} {health}{rates}"
    yield (
        f"rate      accepted {now['accepted']:g}/s, sent {now['sent']:g}/s, "
        f"delivered {now['delivered']:g}/s, failed {now['failed']:g}/s"
    )
    for state in overview["queue"]:
        age = f", the oldest for {duration(state['oldest_age'])}" if state["count"] else ""
        yield f"queue     {state['state']} {number(state['count'])}{age}"
    for upstream in overview["upstreams"]:
        since = f" since {when(upstream['since'])}" if upstream["since"] else ""
        says = f": {upstream['says']}" if upstream["says"] else ""
        yield f"upstream  {upstream['name']} {upstream['status']}{since}{says}"
    for account in overview["held_accounts"]:
        yield f"held      account {account}, nothing of it is sent"
    yield (
        f"times     API {_seconds(now['upstream_latency'])}, "
        f"store {_seconds(now['commit_time'])}, loop lag {_seconds(now['loop_lag'])}"
    )
    for owed in overview["owed"]:
        age = duration(owed["oldest_age"])
        yield f"owed      {owed['kind']} {number(owed['count'])}, the oldest for {age}"
    for session in overview["sessions"]:
        kind = " ".join(filter(None, (session["protocol"], session["bind"])))
        yield f"sessions  {kind} {session['count']}"
    if overview["blocked"]:
        addresses = "address" if overview["blocked"] == 1 else "addresses"
        yield f"blocked   {overview['blocked']} {addresses} after wrong passwords"
    for used in overview["limits"]:
        today, limit = used["accepted_today"], used["daily_limit"]
        share = f"{100 * today / limit:.0f} %"
        yield f"limit     {used['account']} {number(today)} of {number(limit)} today, {share}"
    for listener, end in overview["certificates"].items():
        word = "expired" if datetime.fromisoformat(end) < datetime.now(UTC) else "expires"
        yield f"{word}   the certificate of {listener} at {when(end)}"
    for event in overview["trouble"]:
        about = f" {event['about']}" if event["about"] else ""
        says = f": {event['says']}" if event["says"] else ""
        count = f" ({event['count']} times)" if event["count"] > 1 else ""
        text = f"look      {when(event['last'])} {event['event']}{about}{says}{count}"
        yield printable(text)


def _past(samples: list[dict[str, Any]]) -> Iterator[str]:
    yield (
        f"{'time':<19}  {'accepted':>9}  {'sent':>9}  {'failed':>9}  {'waiting':>9}  "
        f"{'oldest':>8}  {'API':>9}  {'store':>9}  {'loop lag':>9}"
    )
    for one in samples:
        yield (
            f"{when(one['at']):<19}  {one['accepted']:>7g}/s  {one['sent']:>7g}/s  "
            f"{one['failed']:>7g}/s  {one['waiting']:>9}  {duration(one['oldest_age']):>8}  "
            f"{_seconds(one['upstream_latency']):>9}  {_seconds(one['commit_time']):>9}  "
            f"{_seconds(one['loop_lag']):>9}"
        )


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.1f} s"
