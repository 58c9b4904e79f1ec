"""Transfer encodings, also malformed ones."""

from __future__ import annotations

import pytest

from bridge.model.failure import Failure
from bridge.smtp.reading.transfer import decoded


@pytest.mark.parametrize(
    "name",
    [
        *(
            b"",
            b"7-bit",
            b"8 bit",
            b"BINARY",
            b"plain",
            b"7bit;",
            b"none",
            b"7bit, 8bit",
            b"x-8bit",
        ),
        *(b"utf-8bit", b"default", b"unicode", b"plain text", b'"8bit"', b"8BITMIME"),
    ],
)
def test_names_that_change_nothing(name: bytes) -> None:
    assert decoded(b"a=20b", name) == b"a=20b"


@pytest.mark.parametrize(
    "name",
    [
        *(b"Quoted Printable", b"quoted-printable;", b"QUOTED-PRINTABLE (x)", b"quoted-printeable"),
        *(b"x-quoted-printable", b"quoted-printable, 8bit", b"quoted_printable"),
    ],
)
def test_quoted_printable(name: bytes) -> None:
    assert decoded(b"a=20b= \nc", name) == b"a bc"
    assert decoded(b"one=0A\ntwo=0D=0A\n", name) == b"one\ntwo\n"
    assert decoded(b"one\ntwo=0A\nthree\nfour\n", name) == b"one\ntwo\n\nthree\nfour\n"


@pytest.mark.parametrize(
    "body",
    [
        b"SGVsbG8gV29ybGQh",
        b"SGVsbG8gV29ybGQhA",
        b"SGVs\nbG8gV29y\n\nbGQh\n",
        b" SGVs bG8".replace(b" ", b"\t") + b"gV29ybGQh",
        b"SGVsbG8=IFdvcmxkIQ==",
        b"SGVsbG8gV29ybGQh\n\n-- \nlist footer with words\n",
        b"SGVsbG8g!V29ybGQh",
    ],
)
def test_base64(body: bytes) -> None:
    assert decoded(body, b"base64;") == b"Hello World!"


@pytest.mark.parametrize("name", [b"base64, 8bit", b"x-base64", b"MIME base64", b"Base 64"])
def test_base64_by_feeling(name: bytes) -> None:
    assert decoded(b"SGVsbG8gV29ybGQh", name) == b"Hello World!"


def test_what_is_only_labelled_base64() -> None:
    assert decoded(b"12345\n", b"base64") == b"12345\n"
    assert decoded(b"UPS on battery", b"base64") == b"UPS on battery"


def test_uuencode() -> None:
    assert decoded(b"begin 644 x\n%2&5L;&\\\n`\nend\n", b"x-uuencode") == b"Hello"
    assert decoded(b"no such line", b"uuencode") == b"no such line"


def test_an_encoding_that_nobody_knows_is_refused_by_name() -> None:
    with pytest.raises(Failure, match="unknown Content-Transfer-Encoding x-gzip"):
        decoded(b"x", b"x-gzip")
