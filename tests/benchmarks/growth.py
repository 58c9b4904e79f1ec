"""Growth curves: what a message costs as something grows, drawn as SVG.

    python -m tests.benchmarks.growth [NAME]... [--into docs/growth]

Each curve takes a bridge, lets one thing grow, and measures submits over ten binds: the bridge's
CPU time a message, the median of three runs.
"""

from __future__ import annotations

import contextlib
import math
import os
import platform
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from statistics import median
from typing import NamedTuple

import click

from bridge.model.contact import Blocks
from tests.benchmarks import paths
from tests.benchmarks.harness import Served, bridge, cpu_seconds, run
from tests.benchmarks.relay_cases import fill
from tests.benchmarks.smpp_load import Load, Paced, submit_body

NO_POLLS = "poll = false\nrequests_per_second = 10000\nburst = 10000"
OTHER = '[accounts.other]\npassword = "other"\nsender = "Other"'
TEXT = "Ваш код 000000. Нікому його не кажіть. "
RUNS = 3


class Point(NamedTuple):
    """What grew, and what a message cost: microseconds of CPU, and messages a second."""

    x: int
    cpu_us: float
    rate: float


class Curve(NamedTuple):
    title: str
    axis: str
    at: tuple[int, ...]
    measure: Callable[[int, Path], tuple[float, float]]


def _measured(served: Served, count: int, bodies: list[bytes], binds: int, window: int) -> Point:
    runs = []
    for _ in range(RUNS):
        load = Load(served.smpp, count, binds, window, bodies)
        cpu = cpu_seconds(served.pid)
        seconds = run(load.run())
        runs.append(((cpu_seconds(served.pid) - cpu) / count * 1e6, count / seconds))
        assert load.statuses == {0: count}, load.statuses
    return Point(0, median(cpu for cpu, _ in runs), median(rate for _, rate in runs))


def backlog(waiting: int, folder: Path) -> tuple[float, float]:
    """Messages of another account that wait."""
    fill(folder / "bridge.db", waiting)
    more = "backlog_limit = 2_000_000"
    with bridge(folder, account=OTHER, store=more, cascade=NO_POLLS) as served:
        _, cpu, rate = _measured(served, 10_000, paths.BODIES, 10, 100)
    return cpu, rate


def sessions(idle: int, folder: Path) -> tuple[float, float]:
    """Binds that only keep their session."""

    async def beside(served: Served) -> tuple[float, float]:
        async with Paced(served.smpp, idle, 0):
            runs = []
            for _ in range(RUNS):
                load = Load(served.smpp, 10_000, 10, 100, paths.BODIES)
                cpu = cpu_seconds(served.pid)
                seconds = await load.run()
                runs.append(((cpu_seconds(served.pid) - cpu) / 10_000 * 1e6, 10_000 / seconds))
        return median(cpu for cpu, _ in runs), median(rate for _, rate in runs)

    with bridge(folder, cascade=NO_POLLS) as served:
        figures: tuple[float, float] = run(beside(served))
    return figures


def in_flight(window: int, folder: Path) -> tuple[float, float]:
    """Submits unanswered at a time, which share commits and requests to the API."""
    binds = min(10, window)
    with bridge(folder, cascade=NO_POLLS) as served:
        count = min(20_000, 500 * window)
        _, cpu, rate = _measured(served, count, paths.BODIES, binds, window // binds)
    return cpu, rate


def batch(most: int, folder: Path) -> tuple[float, float]:
    """Messages that one request to the API may carry."""
    with bridge(folder, cascade=f"{NO_POLLS}\nmax_batch = {most}") as served:
        _, cpu, rate = _measured(served, min(20_000, 2_000 * most), paths.BODIES, 10, 100)
    return cpu, rate


def text_length(characters: int, folder: Path) -> tuple[float, float]:
    """Texts in UCS-2, up to a short message of 70 characters; longer ones in message_payload."""
    text = (TEXT * 20)[:characters].encode("utf-16-be")
    if len(text) <= 140:
        body = submit_body("380501234567", text, 8)
    else:
        payload = b"\x04\x24" + len(text).to_bytes(2) + text
        body = submit_body("380501234567", b"", 8) + payload
    with bridge(folder, cascade=NO_POLLS, account="max_parts = 255") as served:
        _, cpu, rate = _measured(served, 10_000, [body], 10, 100)
    return cpu, rate


def black_list(entries: int, folder: Path) -> tuple[float, float]:
    """Numbers that the account does not write to."""
    with bridge(folder, cascade=NO_POLLS):
        pass  # makes the schema
    with contextlib.closing(sqlite3.connect(folder / "bridge.db")) as connection, connection:
        connection.executemany(
            "INSERT INTO black_list (account, phone, blocks, comment) VALUES ('bench', ?, ?, '')",
            ((f"+48{n:09}", Blocks.ALL) for n in range(entries)),
        )
    with bridge(folder, cascade=NO_POLLS) as served:
        _, cpu, rate = _measured(served, 10_000, paths.BODIES, 10, 100)
    return cpu, rate


MILLION = (0, 1_000, 10_000, 100_000, 1_000_000)
CURVES = {
    "backlog": Curve("Other messages wait", "messages", MILLION, backlog),
    "sessions": Curve("Idle sessions", "binds", (1, 10, 100, 500, 1_000, 2_000), sessions),
    "in-flight": Curve("Submits at a time", "submits", (1, 3, 10, 30, 100, 300, 1_000), in_flight),
    "batch": Curve("Messages in a request", "messages at most", (1, 3, 10, 30, 100, 1_000), batch),
    "text-length": Curve(
        "Length of the text", "characters", (10, 35, 70, 140, 350, 700), text_length
    ),
    "black-list": Curve("Black list", "entries", MILLION, black_list),
}

# --- the drawing ---------------------------------------------------------------------------------

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 60, 620, 40, 250


def draw(title: str, axis: str, points: list[Point], below: str) -> str:
    """An SVG with a logarithmic axis; µs a message from zero."""
    highest = max(point.cpu_us for point in points)
    top = next(step for step in _steps() if step >= highest)
    first, last = math.log10(max(1, points[0].x)), math.log10(points[-1].x)

    def place(point: Point) -> tuple[float, float]:
        at = (math.log10(max(1, point.x)) - first) / (last - first)
        return LEFT + at * (RIGHT - LEFT), BOTTOM - point.cpu_us / top * (BOTTOM - TOP)

    placed = [place(point) for point in points]
    grid = [
        f'<path d="M{LEFT} {y:.0f}H{RIGHT}" stroke="#ccc"/>'
        f'<text x="{LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{top * part / 4:,.0f}</text>'
        for part in range(5)
        for y in [BOTTOM - part / 4 * (BOTTOM - TOP)]
    ]
    marks = [
        f'<circle cx="{x:.0f}" cy="{y:.0f}" r="4" fill="#2166ac"/>'
        f'<text x="{x:.0f}" y="{y - 9:.0f}" text-anchor="middle">{point.cpu_us:,.0f}</text>'
        f'<text x="{x:.0f}" y="{BOTTOM + 18}" text-anchor="middle">{point.x:,}</text>'
        for point, (x, y) in zip(points, placed, strict=True)
    ]
    line = " ".join(f"{x:.0f},{y:.0f}" for x, y in placed)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            'font-family="sans-serif" font-size="12" fill="#333">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
            f'<text x="{LEFT}" y="20" font-size="15">{escape(title)}: µs of CPU a message</text>',
            *grid,
            f'<polyline points="{line}" fill="none" stroke="#2166ac" stroke-width="2"/>',
            *marks,
            f'<text x="{RIGHT}" y="{BOTTOM + 34}" text-anchor="end">{escape(axis)}</text>',
            f'<text x="{LEFT}" y="{HEIGHT - 6}" font-size="10">{escape(below)}</text>',
            "</svg>",
            "",
        ]
    )


def _steps() -> Iterator[float]:
    for power in range(9):
        yield from (step * 10.0**power for step in (1, 2, 4, 8))


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cascade-bridge-") as name:
        yield Path(name)


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([*CURVES]), metavar="[NAME]...")
@click.option("--into", type=click.Path(path_type=Path), help="A folder for the SVG files.")
def main(names: tuple[str, ...], into: Path | None) -> None:
    """Measure and draw NAME: backlog, sessions, in-flight, batch, text-length, black-list; or
    all."""
    below = (
        f"{os.cpu_count()} cores of a virtual machine, client and API beside, CPython "
        f"{platform.python_version()}, SQLite, {datetime.now(UTC):%Y-%m-%d}, median of {RUNS} runs"
    )
    for name in names or CURVES:
        curve, points = CURVES[name], []
        for x in curve.at:
            with ExitStack() as stack:
                began = time.monotonic()
                cpu, rate = curve.measure(x, stack.enter_context(_folder()))
            points.append(Point(x, cpu, rate))
            took = time.monotonic() - began
            click.echo(f"{name:<12}{x:>10,}{cpu:>8,.0f} µs{rate:>10,.0f}/s   ({took:.0f} s)")
        if into is not None:
            into.mkdir(exist_ok=True, parents=True)
            (into / f"{name}.svg").write_text(draw(curve.title, curve.axis, points, below), "utf-8")


if __name__ == "__main__":
    main()
