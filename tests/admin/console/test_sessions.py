"""Sessions of the console: their lifetime and their number."""

from __future__ import annotations

from bridge.admin.console.sessions import IDLE, MOST, ConsoleSessions
from bridge.admin.tokens import Role


class Ticking:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_session_is_found_by_its_id_alone() -> None:
    sessions = ConsoleSessions()
    id = sessions.begin(Role.VIEW, "somebody", 1)
    found = sessions.find(id, 1)
    assert found is not None
    assert (found.role, found.by) == (Role.VIEW, "somebody")
    for other in ("", id[:-1], id.swapcase(), "\ud800"):
        assert sessions.find(other, 1) is None


def test_ids_are_long_and_never_the_same() -> None:
    sessions = ConsoleSessions()
    ids = {sessions.begin(Role.VIEW, "", 1) for _ in range(50)}
    assert len(ids) == 50
    assert min(map(len, ids)) >= 43


def test_a_session_ends_when_nobody_used_it_for_twelve_hours() -> None:
    clock = Ticking()
    sessions = ConsoleSessions(clock)
    id = sessions.begin(Role.VIEW, "", 1)
    clock.now += IDLE - 1
    assert sessions.find(id, 1)
    clock.now += IDLE - 1
    assert sessions.find(id, 1)
    clock.now += IDLE
    assert sessions.find(id, 1) is None


def test_an_automatic_refresh_does_not_count_as_use() -> None:
    clock = Ticking()
    sessions = ConsoleSessions(clock)
    id = sessions.begin(Role.VIEW, "", 1)
    clock.now += IDLE - 1
    assert sessions.find(id, 1, use=False)
    clock.now += 1
    assert sessions.find(id, 1, use=False) is None


def test_the_eleventh_session_ends_the_one_that_was_used_longest_ago() -> None:
    sessions = ConsoleSessions()
    ids = [sessions.begin(Role.VIEW, "", 1) for _ in range(MOST)]
    assert sessions.find(ids[0], 1)
    sessions.begin(Role.VIEW, "", 1)
    assert sessions.find(ids[1], 1) is None
    assert sessions.find(ids[0], 1)


def test_new_tokens_end_the_sessions_of_old_ones() -> None:
    sessions = ConsoleSessions()
    id = sessions.begin(Role.OPERATE, "", 1)
    assert sessions.find(id, 2) is None
    assert sessions.find(id, 1) is None


def test_logging_out_ends_the_session() -> None:
    sessions = ConsoleSessions()
    id = sessions.begin(Role.OPERATE, "", 1)
    sessions.end(id)
    sessions.end(id)
    assert sessions.find(id, 1) is None
