from __future__ import annotations

import pytest

from bridge.cascade.answers import HttpAnswer, judge
from bridge.sending.pace import BREAKER_AFTER, Pace, doubling, retry_delay

GOOD = judge(HttpAnswer(200, b"[]"))
BROKEN = judge(HttpAnswer(503))
HELD = judge(HttpAnswer(401, b'{"error": "Unauthorized"}'))
SLOW = judge(HttpAnswer(429))
UNKNOWN = judge(HttpAnswer(0, sent=True, trouble="timed out"))


@pytest.fixture
def pace() -> Pace:
    return Pace(rate=100, burst=150, max_batch=1000, now=0.0)


def test_the_burst_goes_at_once_and_then_the_rate_counts(pace: Pace) -> None:
    for _ in range(150):
        assert pace.wait(0.0) == 0
        pace.take(0.0)
    assert pace.wait(0.0) == pytest.approx(0.01)
    assert pace.wait(0.01) == 0


def test_splitting_takes_at_most_half_of_the_rate(pace: Pace) -> None:
    taken = 0
    for tick in range(1000):
        now = tick / 100
        while pace.wait(now, split=True) == 0:
            pace.take(now, split=True)
            taken += 1
    assert taken <= 75 + 10 * 50 + 1


def test_a_held_upstream_is_probed_ever_more_rarely_until_it_answers(pace: Pace) -> None:
    now, waits = 0.0, []
    for _ in range(8):
        pace.note(HELD, 1, now)
        waits.append(pace.wait(now))
        now += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert pace.probing
    assert pace.held
    assert not pace.clear(now)
    pace.note(GOOD, 1, now)
    assert not pace.probing
    assert pace.clear(now)


def test_the_breaker_opens_after_five_in_a_row(pace: Pace) -> None:
    for _ in range(BREAKER_AFTER - 1):
        pace.note(BROKEN, 100, 0.0)
    assert not pace.probing
    pace.note(GOOD, 100, 0.0)
    for _ in range(BREAKER_AFTER):
        assert not pace.probing
        pace.note(BROKEN, 100, 0.0)
    assert pace.probing
    assert pace.wait(0.0) == 1


def test_unknown_outcomes_open_the_breaker_too(pace: Pace) -> None:
    for _ in range(BREAKER_AFTER):
        assert not pace.open
        pace.note(UNKNOWN, 100, 0.0)
    assert pace.open
    assert pace.wait(0.0) == 1
    pace.note(GOOD, 1, 1.0)
    assert not pace.probing


def test_after_an_unknown_outcome_only_single_messages_go_until_one_is_answered(
    pace: Pace,
) -> None:
    pace.note(UNKNOWN, 100, 0.0)
    assert pace.probing
    assert pace.wait(0.0) == 0
    assert pace.clear(0.0), "one lost connection makes nobody wait less"
    pace.note(UNKNOWN, 1, 0.0)
    assert not pace.clear(0.0)
    pace.note(GOOD, 1, 0.0)
    assert not pace.probing


def test_too_many_requests_slow_everybody_down(pace: Pace) -> None:
    waits = []
    for _ in range(8):
        pace.note(SLOW, 10, 0.0)
        waits.append(pace.wait(0.0))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    pace.note(judge(HttpAnswer(429, retry_after="7")), 10, 0.0)
    assert pace.wait(0.0) == 7
    assert not pace.probing


def test_the_size_that_was_too_large_becomes_the_limit(pace: Pace) -> None:
    pace.note(judge(HttpAnswer(413)), 800, 0.0)
    assert pace.max_batch == 400
    pace.note(judge(HttpAnswer(413)), 1, 0.0)
    assert pace.max_batch == 400


def test_waits_double_up_to_their_limit() -> None:
    assert [doubling(1, 60, n) for n in (1, 2, 3, 7, 1000)] == [1, 2, 4, 60, 60]
    assert retry_delay(3, 1.0) == 4
    assert retry_delay(3, 0.0) == 2
    assert retry_delay(50, 1.0) == 300
