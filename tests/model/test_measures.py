"""Counters and histograms."""

from __future__ import annotations

from bridge.model.measures import Histogram, Tally


def test_a_tally_counts_by_its_labels_and_sums_over_the_others() -> None:
    tally = Tally("kind", "outcome")
    tally.add("status", "taken")
    tally.add("status", "taken", n=2)
    tally.add("incoming", "taken")
    tally.add("status", "refused")
    assert tally.counts["status", "taken"] == 3
    assert tally.total(kind="status") == 4
    assert tally.total(outcome="taken") == 4
    assert tally.total(kind="incoming", outcome="refused") == 0
    assert tally.total() == 5


def test_a_value_counts_in_the_first_bound_that_holds_it() -> None:
    histogram = Histogram((1, 5))
    for value in (0.5, 1, 1.5, 5, 6):
        histogram.observe(value)
    assert histogram.counts == [2, 2, 1]
    assert (histogram.count, histogram.sum) == (5, 14.0)
