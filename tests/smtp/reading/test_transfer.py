"""Transfer encodings, also malformed ones."""

from __future__ import annotations

import base64

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
        b"SGVsbG8=IFdvcmxkIQ=3D=3D\n",
        b"SGVsbG8gV29ybGQh\n\n-- \nlist footer with words\n",
        b"SGVsbG8g!V29ybGQh",
    ],
)
def test_base64(body: bytes) -> None:
    assert decoded(body, b"base64;") == b"Hello World!"


@pytest.mark.parametrize("name", [b"base64, 8bit", b"x-base64", b"MIME base64", b"Base 64"])
def test_other_names_of_base64_are_understood(name: bytes) -> None:
    assert decoded(b"SGVsbG8gV29ybGQh", name) == b"Hello World!"


def test_a_text_that_is_only_labelled_base64_stays_as_it_is() -> None:
    assert decoded(b"12345\n", b"base64") == b"12345\n"
    assert decoded(b"UPS on battery", b"base64") == b"UPS on battery"


@pytest.mark.parametrize(
    "clear",
    [b"Alarm", b"Disk\nFull\n", b"https://example.com/a?b=1", b"+380501112233", b"PUMP.", b"ok!"],
)
def test_words_and_links_and_numbers_labelled_base64_stay_as_they_are(clear: bytes) -> None:
    assert decoded(clear, b"base64") == clear


def test_a_short_text_in_another_charset_may_look_like_a_word_in_base64() -> None:
    for octets in ("ąčę".encode("iso8859-4"), b"\xb2\xd0\x80"):
        assert decoded(base64.b64encode(octets), b"base64") == octets


def test_base64_with_the_letters_for_links_is_decoded() -> None:
    octets = "Ура! ~~~ ??? ".encode() * 9 + b"\xfb\xef\xbf"
    letters = base64.urlsafe_b64encode(octets)
    assert b"-" in letters
    assert decoded(letters + b"\n-- \nlist footer with words\n", b"base64") == octets
    assert decoded(letters.rstrip(b"="), b"base64") == octets


def test_uuencode() -> None:
    assert decoded(b"begin 644 x\n%2&5L;&\\\n`\nend\n", b"x-uuencode") == b"Hello"
    assert decoded(b"no such line", b"uuencode") == b"no such line"


def test_an_encoding_that_nobody_knows_is_refused_by_name() -> None:
    for body in (
        b"x",
        b"H4sIAAAAAAAAA0vOTw==",
        b"\x1f\x8b\x08\x00 a b",
        b"=ybegin line=128 size=5",
    ):
        with pytest.raises(Failure, match="unknown Content-Transfer-Encoding x-gzip"):
            decoded(body, b"x-gzip")


@pytest.mark.parametrize("name", [b"clear", b"no", b"unknown", b"0", b"x-foo", b"utf-16"])
def test_a_text_in_clear_is_read_under_any_name(name: bytes) -> None:
    for text in ("UPS on battery", "Тривога", "\nPump 3\n"):
        assert decoded(text.encode(), name) == text.encode()
