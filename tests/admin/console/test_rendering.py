"""Formats of times, ages and numbers on pages."""

from __future__ import annotations

import re

import pytest

from bridge.admin.console import rendering


def test_times_in_a_sentence_are_those_of_this_machine_and_the_rest_is_escaped() -> None:
    said = rendering.sentence("it goes <b> at 2026-11-26T08:23:22Z after <i>")
    assert said.startswith('it goes &lt;b&gt; at <time datetime="2026-11-26T08:23:22Z">2026-11-2')
    assert said.endswith("</time> after &lt;i&gt;")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.4, "59 s"), (90, "1.5 min"), (3600, "1 h"), (90_000, "1 d"), (None, "–")],
)
def test_an_age_is_told_in_its_unit(seconds: float | None, words: str) -> None:
    assert rendering.age(seconds) == words


def test_numbers_keep_together() -> None:
    assert re.sub(r"\s", " ", rendering.number(1234567)) == "1 234 567"
    assert rendering.number(0.25) == "0.2"
    assert rendering.milliseconds(0.0123) == "12.3 ms"


def test_only_files_of_the_console_are_given_out() -> None:
    assert rendering.asset("console.css") is not None
    for name in ("", "..", "../rendering.py", "none.css", "/etc/passwd"):
        assert rendering.asset(name) is None
