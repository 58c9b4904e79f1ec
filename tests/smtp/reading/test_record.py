"""The record of a mail's reading."""

from __future__ import annotations

from bridge.smtp.reading.record import Cutting, Record


def test_a_cut_is_recorded_with_its_length_without_blanks_at_the_end() -> None:
    record = Record()
    assert record.cut("text\n-- \nAnna", "text\n", "signature") == "text\n"
    assert record.cuts == [Cutting("signature", 9)]
    record.cut("text \n", "text", "footer")
    assert len(record.cuts) == 1


def test_the_summary_is_one_line() -> None:
    record = Record()
    record.part, record.place, record.charset = "text/plain", "1.2", "utf-8"
    record.note("HTML alone")
    record.note("HTML alone")
    record.cut("abc", "a", "quotation")
    assert record.summary() == (
        "text/plain (part 1.2); utf-8; HTML alone; cut: quotation (2 characters)"
    )
    assert Record().summary() == ""
