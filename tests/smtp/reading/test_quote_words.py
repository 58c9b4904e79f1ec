"""The words that mark quotations, each in a line as mail programs write it."""

from __future__ import annotations

import pytest

from bridge.smtp.reading.quote_words import LABELS, ORIGINAL, PASSED_ON, WROTE

ATTRIBUTIONS = [
    "On Thu, Jan wrote:",
    "Am Donnerstag schrieb Jan:",
    "Le jeudi, Jan a écrit :",
    "El jueves, Jan escribió:",
    "Il giorno giovedì Jan ha scritto:",
    "Op donderdag schreef Jan:",
    "W dniu czwartek Jan napisał(a):",
    "У четвер, Іван пише:",
    "четверг, Иван написал:",
    "Στις Πέμπτη, ο Γιάννης έγραψε:",
    "2026年11月26日 Jan 写道：",
]


@pytest.mark.parametrize("line", ATTRIBUTIONS)
def test_an_attribution_says_that_somebody_wrote(line: str) -> None:
    assert WROTE.search(line)
    assert WROTE.search(line.upper())


@pytest.mark.parametrize("line", ["Jan rewrote it:", "the typewriter", "Handschrift", "написанное"])
def test_a_word_within_another_says_nothing(line: str) -> None:
    assert not WROTE.search(line)


@pytest.mark.parametrize(
    ("label", "meaning"),
    [
        ("from", "from"),
        ("von", "from"),
        ("від", "from"),
        ("差出人", "from"),
        ("sent", "date"),
        ("gesendet", "date"),
        ("надіслано", "date"),
        ("to", "to"),
        ("cc", "to"),
        ("кому", "to"),
        ("subject", "subject"),
        ("betreff", "subject"),
        ("тема", "subject"),
    ],
)
def test_a_label_has_its_meaning(label: str, meaning: str) -> None:
    assert LABELS[label] == meaning


def test_every_label_is_one_that_a_line_can_have() -> None:
    assert set(LABELS.values()) == {"from", "date", "to", "subject"}
    for label in LABELS:
        # As labels are compared: :func:`bridge.smtp.reading.quoted_headers.label_of`.
        assert label == label.strip().casefold()
        assert "\n" not in label


@pytest.mark.parametrize(
    "words",
    ["Original Message", "Ursprüngliche Nachricht", "Исходное сообщение", "Message d'origine"],
)
def test_a_rule_names_the_original(words: str) -> None:
    assert ORIGINAL.search(words)
    assert not PASSED_ON.search(words)


@pytest.mark.parametrize(
    "words",
    ["Forwarded Message", "Weitergeleitete Nachricht", "Пересылаемое сообщение", "転送メッセージ"],
)
def test_a_rule_names_a_mail_that_is_passed_on(words: str) -> None:
    assert PASSED_ON.search(words)
    assert not ORIGINAL.search(words)


def test_a_rule_of_the_own_text_names_neither() -> None:
    for words in ("Sale", "Today only", "Акція", "Rechnung"):
        assert not ORIGINAL.search(words)
        assert not PASSED_ON.search(words)
