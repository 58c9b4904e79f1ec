"""The state of an upstream in a word and in a sentence."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bridge.admin.upstream_status import upstream_status
from bridge.config.settings import settings_from
from bridge.sending.upstream import UpstreamLine, upstream_lines
from tests.samples import NOW


@pytest.fixture
def line() -> UpstreamLine:
    [line] = upstream_lines(settings_from({"cascade": {"authorization_key": "k"}})).values()
    return line


def test_without_trouble_it_is_ok(line: UpstreamLine) -> None:
    status = upstream_status(line)
    assert (status.name, status.status, status.words) == ("cascade", "ok", "")
    assert (status.says, status.since, status.last, status.requests) == ("", None, None, 0)
    assert (status.in_flight, status.waiting) == (0, 0)


@pytest.mark.parametrize(
    ("meaning", "word"),
    [
        ("hold", "refused"),
        ("slow_down", "slowed down"),
        ("broken", "broken"),
        ("unknown", "unknown outcomes"),
    ],
)
def test_the_last_answer_of_the_api_is_a_word(line: UpstreamLine, meaning: str, word: str) -> None:
    line.note_trouble(meaning, "HTTP 401", NOW)
    line.note_trouble(meaning, "HTTP 403", NOW + 60)
    status = upstream_status(line)
    assert (status.status, status.says, status.requests) == (word, "HTTP 403", 2)
    assert status.since == datetime.fromtimestamp(NOW, UTC)
    assert status.last == datetime.fromtimestamp(NOW + 60, UTC)
    assert status.words.startswith("the API takes nothing since 20")
    assert status.words.endswith(f"({word}): HTTP 403; 0 messages wait")


def test_a_hold_of_an_operator_comes_before_the_trouble(line: UpstreamLine) -> None:
    line.note_trouble("broken", "HTTP 503", NOW)
    line.held = True
    line.in_flight = 2
    status = upstream_status(line)
    assert (status.status, status.says, status.in_flight) == ("held", "HTTP 503", 2)
