"""Graphs that the server draws."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

from bridge.admin.console.graphs import Series, graph

START = datetime(2026, 11, 26, 8, tzinfo=UTC)
TIMES = [START + timedelta(seconds=10 * n) for n in range(5)]


def drawn(*series: Series, title: str = "Rate") -> ElementTree.Element:
    return ElementTree.fromstring(graph(title, TIMES, series, lambda value: f"{value:.0f}/s"))


def test_a_graph_says_in_words_what_it_shows() -> None:
    figure = drawn(Series("sent", "c1", [1, 2, 8, 4, 3]))
    svg = figure.find("svg")
    assert svg is not None
    assert svg.get("aria-label") == "Rate: now sent 3/s, highest 8/s"
    assert svg.get("role") == "img"


def test_a_gap_stands_for_missing_values() -> None:
    figure = drawn(Series("API", "c1", [1, 2, None, 4, 3]))
    assert len(figure.findall(".//polyline")) == 2


def test_without_a_value_there_is_no_line() -> None:
    figure = drawn(Series("API", "c1", [None] * 5), Series("store", "c2", []))
    assert figure.findall(".//polyline") == []


def test_the_highest_value_is_at_the_top_and_nothing_at_the_bottom() -> None:
    [line] = drawn(Series("sent", "c1", [0, 5, 10, 5, 0])).findall(".//polyline")
    heights = [float(point.split(",")[1]) for point in str(line.get("points")).split()]
    assert heights[2] == min(heights)
    assert heights[0] == heights[4] == max(heights)


def test_names_are_escaped_and_nothing_is_inline() -> None:
    text = graph("<b>", TIMES, [Series('"&', "c1", [1] * 5)], str)
    ElementTree.fromstring(text)
    assert "<b>1" not in text.partition("<ul")[0]
    assert "style=" not in text
