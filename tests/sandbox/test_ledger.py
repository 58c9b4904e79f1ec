"""The ledger is limited, and recognises every repeat."""

from __future__ import annotations

import re

from bridge.sandbox.ledger import Ledger
from tests.sandbox.samples import batch, message


def filled(keep: int, *sizes: int) -> Ledger:
    ledger = Ledger(keep)
    for number, size in enumerate(sizes):
        items = [message(id=f"{number}-{n}") for n in range(size)]
        ledger.add(float(number), "async", ("X-Authorization-Key",), items)
        ledger.seen(float(number), "POST", "/", 200, size)
    return ledger


def test_messages_are_numbered_over_all_requests() -> None:
    ledger = filled(100, 2, 1, 3)
    assert [got.number for got in ledger.messages()] == [1, 2, 3, 4, 5, 6]
    assert [got.request for got in ledger.messages()] == [1, 1, 2, 3, 3, 3]
    assert [got.id for got in ledger.messages(since=4)] == ["2-1", "2-2"]
    assert list(ledger.messages(since=6)) == []


def test_every_message_is_found_by_its_id() -> None:
    ledger = filled(100, 2, 1, 3)
    for got in ledger.messages():
        assert re.fullmatch(
            r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}", got.message_id
        )
        assert ledger.find(got.message_id) == got
    assert ledger.find(f"{ledger.id_prefix}{7:012x}") is None
    assert ledger.find(f"{ledger.id_prefix}{0:012x}") is None
    assert ledger.find(next(filled(1, 1).messages()).message_id) is None


def test_only_the_last_messages_are_kept() -> None:
    ledger = filled(5, 3, 3, 3)
    assert [got.number for got in ledger.messages()] == [4, 5, 6, 7, 8, 9]
    assert [got.number for got in ledger.messages(since=1)] == [4, 5, 6, 7, 8, 9]
    assert ledger.find(f"{ledger.id_prefix}{3:012x}") is None
    assert ledger.messages_count == 9


def test_a_ledger_without_room_keeps_nothing_but_counts() -> None:
    ledger = filled(0, 3, 3)
    assert list(ledger.messages()) == []
    assert ledger.find(f"{ledger.id_prefix}{1:012x}") is None
    assert (ledger.messages_count, ledger.requests_count) == (6, 2)


def test_repeats_are_counted_within_and_across_requests() -> None:
    ledger = Ledger(0)
    ledger.add(0.0, "async", (), batch(10))
    ledger.add(0.0, "async", (), [message(id="bulk-3"), message(id="new"), message(id="new")])
    ledger.add(0.0, "tg-viber", (), [message(id="bulk-3")])
    assert ledger.duplicates_count == 3
    assert ledger.duplicates == {"bulk-3": 2, "new": 1}


def test_clearing_forgets_all_but_gives_no_message_id_again() -> None:
    ledger = filled(100, 2)
    before = {got.message_id for got in ledger.messages()}
    ledger.clear()
    assert list(ledger.messages()) == []
    assert ledger.requests == []
    ledger.add(0.0, "async", (), [message(id="0-0")])
    assert ledger.duplicates_count == 0
    assert before.isdisjoint(got.message_id for got in ledger.messages())


def test_statuses_and_sizes_are_counted() -> None:
    ledger = filled(0, 100, 100, 1)
    ledger.seen(0.0, "POST", "/", 401, 0, error="Invalid API key")
    assert ledger.statuses == {200: 3, 401: 1}
    assert ledger.sizes == {100: 2, 1: 1}
    assert ledger.requests[-1].error == "Invalid API key"
