"""``python -m tests.benchmarks``: both protocols from end to end, beside peers in the same run.

Servers are started once and loaded in turn, so that other load on the machine affects all of them
alike; medians are shown. TMPDIR sets the store's disk.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from statistics import median

import click

from tests.benchmarks import (
    console_cases,
    directory_cases,
    hooks_cases,
    paths,
    peers,
    postgres_cases,
    queue_cases,
    receipts_cases,
    relay_cases,
    smpp_peers,
    smsc_cases,
    store_cases,
)
from tests.benchmarks.harness import Figures, Served, bridge
from tests.benchmarks.harness import run as harness_run
from tests.benchmarks.profile import Profile
from tests.benchmarks.smpp_load import Load

TO = "380501234567@sms.example.com"
#: One measurement of so many messages.
Run = Callable[[int], Figures]


@dataclass(frozen=True)
class Way:
    """One path through the bridge, and its default number of messages per run."""

    says: str
    count: int
    smpp: tuple[int, int] | None = None
    sessions: int = 0
    limit: str = ""
    kept: bool = False
    account: str = ""


#: Polling for statuses would take a twentieth of a core and more.
NO_POLLS = "poll = false"
#: A request carries as many messages as clients send at once: with few, the default rate of 100
#: requests a second would be measured.
NO_LIMIT = f"requests_per_second = 10000\nburst = 10000\n{NO_POLLS}"

PATHS = {
    "smpp": Way("submit_sm, 10 binds × window 100", 30_000, smpp=(10, 100)),
    "smpp-latency": Way(
        "submit_sm, one at a time",
        1_000,
        smpp=(1, 1),
        limit=NO_LIMIT,
    ),
    "smpp-queued": Way(
        "submit_sm, one at a time, queued",
        2_000,
        smpp=(1, 1),
        limit=NO_LIMIT,
        account='answer = "queued"',
    ),
    "smpp-10": Way("submit_sm, 1 bind × window 10", 10_000, smpp=(1, 10), limit=NO_LIMIT),
    "smtp": Way("mails, 50 sessions kept", 10_000, sessions=50, kept=True, limit=NO_LIMIT),
    "smtp-10": Way("mails, 10 sessions kept", 5_000, sessions=10, kept=True, limit=NO_LIMIT),
    "smtp-1": Way("mails, 1 session kept", 1_000, sessions=1, kept=True, limit=NO_LIMIT),
    "smtp-new": Way("mails, a connection each", 5_000, sessions=50, limit=NO_LIMIT),
    "smtp-new-10": Way("mails, a connection each, 10", 5_000, sessions=10, limit=NO_LIMIT),
    "smtp-new-1": Way("mails, a connection each, 1", 1_000, sessions=1, limit=NO_LIMIT),
}
#: The default measurements.
USUAL = ("smpp", "smpp-latency", "smtp", "smtp-new")
PEERS = {
    "aiosmtpd, empty handler": peers.aiosmtpd,
    "Postfix, into its queue": peers.postfix,
    "smtp-sink": peers.smtp_sink,
    "mailrise": peers.mailrise,
}
CASES = (
    relay_cases.CASES
    | store_cases.CASES
    | hooks_cases.CASES
    | receipts_cases.CASES
    | postgres_cases.CASES
    | smsc_cases.CASES
    | directory_cases.CASES
    | queue_cases.CASES
    | console_cases.CASES
)
#: Messages before the measurement, to warm up both sides.
WARM_UP = 500


@dataclass(frozen=True)
class Row:
    """A server on a path: its runs' medians."""

    path: str
    server: str
    rate: float
    cpu_us: float
    p50: float | None
    p99: float | None

    @classmethod
    def of(cls, path: str, server: str, runs: list[Figures]) -> Row:
        known = all(run.latencies for run in runs)
        return cls(
            path,
            server,
            median(run.rate for run in runs),
            median(run.cpu_us for run in runs),
            median(run.quantile(0.5) for run in runs) if known else None,
            median(run.quantile(0.99) for run in runs) if known else None,
        )


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([*PATHS, *CASES]), metavar="[NAME]...")
@click.option("--count", type=click.IntRange(1, 1_000_000), help="Messages in one run.")
@click.option("--runs", type=click.IntRange(1, 100), default=3, show_default=True)
@click.option("--alone", is_flag=True, help="Without other servers beside the bridge.")
@click.option("--profile", is_flag=True, help="Tell where the bridge's CPU goes; implies --alone.")
def main(names: tuple[str, ...], count: int | None, runs: int, alone: bool, profile: bool) -> None:
    """Measure NAME (default: the first four): smpp, smpp-latency, smtp, smtp-new, end to end;
    smpp-10, smpp-queued, submits by one client; smtp-1, smtp-10, smtp-new-1, smtp-new-10, mails by
    fewer sessions at once; smsc, calls of send.php; postgres, submits on PostgreSQL, and beside
    those who get in its way; verbs, verbs on a large queue; console, what looking costs; and
    store, relay, backlog, hooks, receipts, the parts behind."""
    chosen = {name: PATHS[name] for name in names or USUAL if name in PATHS}
    if any(path.sessions for path in chosen.values()) and peers.which("smtp-source") is None:
        message = "smtp-source is missing: it comes with Postfix. Without it: smpp smpp-latency"
        raise click.ClickException(message)
    click.echo(
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, CPython "
        f"{platform.python_version()}, load {os.getloadavg()[0]:.1f} before, median of {runs}"
    )
    for name in names:
        if name in CASES:
            usual, case = CASES[name]
            for cells in chain([relay_cases.HEAD], case(count or usual, runs)):
                click.echo(f"{cells[0]:<40}{cells[1]:>10}{cells[2]:>8}  {cells[3]}".rstrip())
    if not chosen:
        return
    with tempfile.TemporaryDirectory(prefix="cascade-bridge-") as folder, ExitStack() as stack:
        alone = alone or profile
        sampled = Profile(Path(folder))
        under = sampled.under if profile else ()
        served = stack.enter_context(bridge(Path(folder), cascade=NO_POLLS, under=under))

        def around(pid: int) -> Callable[[int], AbstractContextManager[None]]:
            return partial(sampled.during, pid) if profile else lambda _: nullcontext()

        others = {
            name: stack.enter_context(peer(Path(folder)))
            for name, peer in PEERS.items()
            if not alone and any(path.sessions for path in chosen.values()) and peers.can_run(peer)
        }
        _print(("path", "server", "per s", "CPU µs", "p50 ms", "p99 ms", "bridge ×"))
        for name, path in chosen.items():
            with ExitStack() as own:
                under_test = served
                if path.limit:
                    own_folder = Path(folder, name)
                    own_folder.mkdir()
                    under_test = own.enter_context(
                        bridge(own_folder, cascade=path.limit, account=path.account, under=under)
                    )
                servers = {"bridge": _bridge(under_test, path, Path(folder))}
                if path.sessions:
                    for says, peer in others.items():
                        servers[says] = partial(_peer, peer, path, Path(folder))
                for says, start in smpp_peers.PEERS.items() if path.smpp and not alone else ():
                    if smpp_peers.can_run(start):
                        own_folder = Path(folder, f"{name}-{start.__name__}")
                        own_folder.mkdir()
                        beside = own.enter_context(start(own_folder))
                        servers[says] = partial(_smpp_peer, beside, path.smpp)
                for row in _measure(
                    path, servers, count or path.count, runs, around(under_test.pid)
                ):
                    _print(row)
                for line in sampled.lines() if profile else ():
                    click.echo(line)


def _bridge(served: Served, path: Way, folder: Path) -> Run:
    if path.smpp:
        binds, window = path.smpp
        return lambda count: paths.smpp(served, count, min(binds, count), window)
    return lambda count: paths.smtp(served, count, path.sessions, kept=path.kept, folder=folder)


def _peer(peer: peers.Peer, path: Way, folder: Path, count: int) -> Figures:
    before = peer.cpu()
    sessions, kept = path.sessions, path.kept
    seconds = paths.smtp_source(peer.port, count, sessions, kept=kept, to=TO, folder=folder)
    return Figures(count, seconds, peer.cpu() - before)


def _smpp_peer(peer: peers.Peer, smpp: tuple[int, int] | None, count: int) -> Figures:
    assert smpp is not None
    binds, window = smpp
    before = peer.cpu()
    load = Load(peer.port, count, min(binds, count), window, paths.BODIES)
    seconds = harness_run(load.run())
    assert load.statuses == {0: count}, f"refused: {load.statuses}"
    return Figures(count, seconds, peer.cpu() - before, tuple(load.latencies))


def _measure(
    path: Way,
    servers: dict[str, Run],
    count: int,
    runs: int,
    around: Callable[[int], AbstractContextManager[None]],
) -> Iterator[tuple[str, ...]]:
    """The rows of a path: all servers in turn, repeatedly; ``around`` each run of so many."""
    figures: dict[str, list[Figures]] = {name: [] for name in servers}
    for run in servers.values():
        run(min(count, WARM_UP))
    for _ in range(runs):
        for name, run in servers.items():
            with around(count):
                figures[name].append(run(count))
    rows = [Row.of(path.says, name, found) for name, found in figures.items()]
    for row in rows:
        yield (
            row.path,
            row.server,
            f"{row.rate:,.0f}",
            f"{row.cpu_us:,.0f}",
            "" if row.p50 is None else f"{row.p50:.1f}",
            "" if row.p99 is None else f"{row.p99:.1f}",
            "" if row is rows[0] else f"{rows[0].rate / row.rate:.2f}",
        )


def _print(cells: tuple[str, ...]) -> None:
    widths = (34, 24, -8, -8, -8, -8, -9)
    row = "".join(
        f"{c:<{w}}" if w > 0 else f"{c:>{-w}}" for c, w in zip(cells, widths, strict=True)
    )
    click.echo(row.rstrip())


if __name__ == "__main__":
    sys.exit(main())
