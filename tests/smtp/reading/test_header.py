"""Fields of raw header sections."""

from __future__ import annotations

import pytest

from bridge.model.failure import Failure
from bridge.smtp.reading.encoded_words import text_of
from bridge.smtp.reading.header import MAX_HEADER, split


def test_only_the_fields_that_matter_are_read() -> None:
    fields, body = split(
        b"From: a\nSUBJECT : one\n two\nX-Cascade-Option: a\nx-cascade-option: b\n\nB"
    )
    assert fields == {b"subject": [b" one\n two"], b"x-cascade-option": [b" a", b" b"]}
    assert body == b"B"


def test_a_line_that_is_no_field_ends_the_header() -> None:
    fields, body = split(b"Subject: x\nHello there\nTo: y\n\nz")
    assert list(fields) == [b"subject"]
    assert body == b"Hello there\nTo: y\n\nz"


def test_an_mbox_line_before_the_header_is_passed_over() -> None:
    assert split(b"From a@b Mon Jan 6\nSubject: x\n\nbody")[1] == b"body"


def test_fields_below_a_blank_line_too_many_are_fields() -> None:
    fields, body = split(b"Subject: x\n\nMIME-Version: 1.0\nContent-Type: text/html\n\n<p>B")
    assert (fields[b"content-type"], body) == ([b" text/html"], b"<p>B")
    for text in (b"Content-Type: x", b"Content-Type: x\nand more\n\ntext", b"Content: y\n\ntext"):
        assert split(b"Subject: x\n\n" + text)[1] == text
    labelled = b"Content-Type: text/plain\n\nContent-Type: text/html\n\n<p>B"
    assert split(labelled)[1] == b"Content-Type: text/html\n\n<p>B"


def test_a_byte_order_mark_begins_a_header_even_of_one_field() -> None:
    assert split(b"\xef\xbb\xbfSubject: x\n\ntext")[1] == b"text"
    assert split(b"\xef\xbb\xbfCode: 5\n\ntext")[1] == b"\xef\xbb\xbfCode: 5\n\ntext"


def test_a_header_without_a_body() -> None:
    fields, body = split(b"Subject: x")
    assert fields[b"subject"] == [b" x"]
    assert body == b""


def test_a_header_above_the_limit_is_refused() -> None:
    split(b"Subject: " + b"x" * (MAX_HEADER - 20) + b"\n\n")
    with pytest.raises(Failure):
        split(b"Subject: " + b"x" * MAX_HEADER + b"\n\n")


@pytest.mark.parametrize("line", [b"X-A: b\n", b"X-Long-Name: " + b"v" * 1000 + b"\n", b"A:\n b\n"])
@pytest.mark.parametrize("over", range(0, 20, 3))
def test_a_header_that_goes_on_beyond_the_limit_is_refused(line: bytes, over: int) -> None:
    section = b"Subject: x\n" + line * (MAX_HEADER // len(line) + over)
    too_long = len(section) > MAX_HEADER
    try:
        body = split(section + b"\nbody\n")[1]
    except Failure:
        assert too_long
    else:
        assert not too_long
        assert body == b"body\n"


def test_a_body_may_begin_at_the_limit_of_the_header() -> None:
    section = b"Subject: x\n" + b"X-A: b\n" * 9000
    body = b"no field here\n" * 1000
    assert split(section + body)[1] == body


def test_a_line_that_a_script_broke_goes_on_with_its_field() -> None:
    fields, body = split(b"Subject: one\ntwo\nthree\nMIME-Version: 1.0\n\nbody")
    assert (text_of(fields[b"subject"][0], ""), body) == ("one two three", b"body")


@pytest.mark.parametrize(
    "before",
    [
        *(b"\n", b" \n\n", b"\xef\xbb\xbf"),
        *(b"\nFrom a@example.com Thu Nov 26 10:04:11 2026\n", b"\xef\xbb\xbf>From x\nFrom y\n"),
    ],
)
def test_a_header_may_have_blank_lines_or_a_mark_before_it(before: bytes) -> None:
    fields, body = split(before + b"Subject: x\nMIME-Version: 1.0\n\nbody")
    assert (fields, body) == ({b"subject": [b" x"]}, b"body")


@pytest.mark.parametrize("text", [b"\nFrom: 0501112233\nDate: 26 Nov\n", b"\nSubject: x\n\ny"])
def test_a_text_that_looks_like_fields_stays_a_text(text: bytes) -> None:
    assert split(text) == ({}, text[1:])


@pytest.mark.parametrize("first", [b"this is no field", b"Subject Alarm", b"=?x"])
def test_a_first_line_that_is_no_field_does_not_make_a_text_of_the_header(first: bytes) -> None:
    header = b"From: a@example.com\nMessage-ID: <1@e>\nContent-Type: text/html\n"
    fields, body = split(first + b"\n" + header + b"\n<p>x")
    assert (fields[b"content-type"], body) == ([b" text/html"], b"<p>x")


@pytest.mark.parametrize(
    "text",
    [b"Alarm\nFrom: 0501112233\nDate: 26 Nov\nSubject: x\n\ny", b"Alarm\nMessage-ID: 5\nx: 1\n\ny"],
)
def test_a_text_with_rows_below_its_first_line_stays_a_text(text: bytes) -> None:
    if b"From" not in text:
        assert split(text) == ({}, text)


def test_a_header_below_a_blank_line_and_the_fields_of_a_relay_is_the_header() -> None:
    header = b"Subject: x\nFrom: a@example.com\nContent-Type: text/html\n"
    for above in (b"Received: by relay\nMessage-ID: <1@e>\nDate: Thu, 26 Nov\n", b"X-Relay: 1\n"):
        fields, body = split(above + b"\n" + header + b"\n<p>x")
        assert (fields[b"subject"], body) == ([b" x"], b"<p>x")
    for text in (b"Subject: x\n\ny", b"Subject: x\nFrom: me\n\ny"):
        assert split(b"Message-ID: <1@e>\n\n" + text)[1] == text


def test_fields_of_mime_below_several_blank_lines_are_of_the_header() -> None:
    above = b"Subject: x\nMIME-Version: 1.0\n"
    for blank in (b"\n", b"\n\n", b"\n\n\n\n"):
        fields, body = split(above + blank + b"Content-type: text/html\n\n<p>x")
        assert (fields[b"content-type"], body) == ([b" text/html"], b"<p>x")
    for text in (b"\n\ntext", b"\n\nContent: five\n\ntext"):
        assert split(above + b"\n" + text)[1] == text
