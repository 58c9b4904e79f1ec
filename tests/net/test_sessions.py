"""The list of open sessions."""

from __future__ import annotations

from datetime import UTC, datetime

from bridge.net.sessions import SessionInfo, oldest_first


def test_sessions_are_listed_by_their_numbers() -> None:
    now = datetime.now(UTC)
    found = [SessionInfo(f"smpp-{n}", "smpp", "", "", "", now) for n in (10, 9, 100)]
    assert [info.id for info in oldest_first(found)] == ["smpp-9", "smpp-10", "smpp-100"]
