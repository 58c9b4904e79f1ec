"""Graphs as SVG, drawn by the server: lines over time, with their newest and highest values.

Colours and strokes are classes of the style sheet, for light and dark mode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from markupsafe import Markup, escape

WIDTH: Final = 600
HEIGHT: Final = 100
_TOP: Final = 4
_BOTTOM: Final = 96


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its name, its CSS class, and its values (``None``: unknown)."""

    name: str
    style: str
    values: Sequence[float | None]


def graph(
    title: str,
    times: Sequence[datetime],
    series: Sequence[Series],
    say: Callable[[float], str],
) -> Markup:
    """The lines as a figure. ``say`` formats a value with its unit."""
    highest = max((v for one in series for v in one.values if v is not None), default=0.0)
    top = highest or 1.0
    parts = [
        f'<line class="axis" x1="0" y1="{y}" x2="{WIDTH}" y2="{y}"/>'
        for y in (_TOP, (_TOP + _BOTTOM) / 2, _BOTTOM)
    ]
    parts += [_line(one, top) for one in series]
    ticks = ""
    if len(times) > 1:
        ticks = (
            f'<p class="ticks"><span>{_clock(times[0])}</span><span>{_clock(times[-1])}</span></p>'
        )
    legend = "".join(_key(one, say) for one in series)
    spoken = ", ".join(f"{one.name} {say(_last(one))}" for one in series)
    return Markup(  # noqa: S704 - every name is escaped
        f'<figure class="graph"><figcaption>{escape(title)}'
        f'<span class="peak">highest {escape(say(highest))}</span></figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" preserveAspectRatio="none" '
        f'aria-label="{escape(title)}: now {escape(spoken)}, highest {escape(say(highest))}">'
        f'{"".join(parts)}</svg>{ticks}<ul class="legend">{legend}</ul></figure>'
    )


def _last(one: Series) -> float:
    return next((value for value in reversed(one.values) if value is not None), 0.0)


def _key(one: Series, say: Callable[[float], str]) -> str:
    return (
        f'<li><span class="swatch {one.style}"></span>{escape(one.name)} '
        f"<b>{escape(say(_last(one)))}</b></li>"
    )


def _line(one: Series, top: float) -> str:
    """A line with gaps for unknown values."""
    step = WIDTH / max(len(one.values) - 1, 1)
    runs: list[list[str]] = [[]]
    for place, value in enumerate(one.values):
        if value is None:
            runs.append([])
            continue
        y = _BOTTOM - (_BOTTOM - _TOP) * value / top
        runs[-1].append(f"{place * step:.1f},{y:.1f}")
    return "".join(
        f'<polyline class="line {one.style}" points="{" ".join(run)}"/>'
        for run in runs
        if len(run) > 1
    )


def _clock(at: datetime) -> str:
    return at.astimezone().strftime("%H:%M")
