from __future__ import annotations

from bridge.store.ended import Ended


def test_what_ended_not_long_ago_is_known_and_the_oldest_is_forgotten() -> None:
    ended = Ended(100)
    ended.add((f"up-{id}", id) for id in range(100))
    assert ended.find(["up-0", "up-99", "unknown"]) == [0, 99]
    for id in range(100, 1000):
        ended.add([(f"up-{id}", id)])
        known = ended.find(f"up-{n}" for n in range(1000))
        assert known[-75:] == list(range(id - 74, id + 1))
        assert len(known) <= 100
