"""Octets to text by data_coding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import gsm0338
from bridge.failure import Failure, Reason
from bridge.smpp.data_coding import decode_text


def refused(data_coding: int, octets: bytes, **arguments: object) -> Failure:
    with pytest.raises(Failure) as caught:
        decode_text(data_coding, octets, **arguments)  # type: ignore[arg-type]  # any of them
    assert caught.value.reason is Reason.UNDECODABLE_TEXT
    return caught.value


@pytest.mark.parametrize(
    ("data_coding", "octets", "text"),
    [
        (0, b"Hi \x00 \x1b\x65", "Hi @ €"),
        (1, b"Hi @\t\r\n[$_]", "Hi @\t\r\n[$_]"),
        (1, b"a\x11b\x00c \x1b\x65", "a_b@c €"),  # GSM 03.38 under a wrong name
        (3, b"\xe9t\xe9", "été"),
        (4, b"\xe9t\xe9", "été"),
        (5, "日本".encode("shift_jis"), "日本"),
        (6, "Привет".encode("iso8859-5"), "Привет"),
        (7, "שלום".encode("iso8859-8"), "שלום"),
        (8, "Привіт 😀".encode("utf-16-be"), "Привіт 😀"),
        (10, "日本".encode("iso2022_jp"), "日本"),
        (13, "丂日本".encode("euc_jp"), "丂日本"),
        (14, "한국".encode("euc_kr"), "한국"),
        (0x10, b"flash \x02", "flash $"),
        (0x18, "Привіт".encode("utf-16-be"), "Привіт"),
        (0xF0, b"\x00", "@"),
        (0xF1, b"\x00", "@"),
    ],
)
def test_each_alphabet_is_read(data_coding: int, octets: bytes, text: str) -> None:
    assert decode_text(data_coding, octets) == text


@pytest.mark.parametrize("data_coding", [2, 0x14, 0x17, 0xF4, 0xF7])
def test_binary_content_is_refused(data_coding: int) -> None:
    assert "binary" in refused(data_coding, b"text").detail


@pytest.mark.parametrize("data_coding", [9, 11, 12, 15, 0x1C, 0x20, 0xC0, 0xE0, 0xF8, 0xFF])
def test_an_alphabet_that_nobody_reads_is_refused(data_coding: int) -> None:
    assert f"data_coding {data_coding}" in refused(data_coding, b"text").detail


@pytest.mark.parametrize(
    ("data_coding", "octets"),
    [
        (0, b"\x80"),
        (1, b"\xe9"),
        (5, b"\x81"),
        (8, b"\x04"),  # half a character
        (8, b"\xd8\x00"),  # half a surrogate pair
        (10, b"\xff"),
        (13, b"\xff\xff"),
        (14, b"\xff\xff"),
        (0xF0, b"\x80"),
    ],
)
def test_octets_that_are_no_text_are_refused(data_coding: int, octets: bytes) -> None:
    refused(data_coding, octets)


@pytest.mark.parametrize(
    ("alphabet", "octets", "text"),
    [
        ("gsm7", b"\x00", "@"),
        ("latin1", b"\xe9@", "é@"),
        ("ascii", b"e@", "e@"),
        ("utf8", "é@я".encode(), "é@я"),
        ("gsm7-packed", bytes.fromhex("e8329bfd4697d9ec37"), "hellohello"),
    ],
)
def test_the_account_says_what_data_coding_0_is(alphabet: str, octets: bytes, text: str) -> None:
    assert decode_text(0, octets, default_alphabet=alphabet) == text
    assert decode_text(0x10, octets, default_alphabet=alphabet) == text


def test_what_the_account_says_is_strict_too() -> None:
    refused(0, b"\xff", default_alphabet="utf8")
    refused(0, b"\xff", default_alphabet="ascii")


@pytest.mark.parametrize("header_length", range(15))
def test_packed_text_begins_on_a_septet_border_after_the_header(header_length: int) -> None:
    # 3GPP TS 23.040 §9.2.3.24: the header's octets count as septets, rounded up.
    septets = gsm0338.encode("hello there")
    assert septets is not None
    fill_bits = (7 - 8 * header_length % 7) % 7
    octets = gsm0338.pack(septets, fill_bits)
    text = decode_text(0, octets, default_alphabet="gsm7-packed", header_length=header_length)
    assert text == "hello there"


def test_data_coding_4_is_octets_where_the_header_names_a_port() -> None:
    assert decode_text(4, b"text", has_ports=False) == "text"
    refused(4, b"text", has_ports=True)


def test_texts_are_not_trimmed() -> None:
    assert decode_text(0, b" \n hi \r\n") == " \n hi \r\n"
    assert decode_text(8, "\u00a0 \n".encode("utf-16-be")) == "\u00a0 \n"


@given(
    st.integers(0, 255),
    st.binary(max_size=40),
    st.sampled_from(["gsm7", "gsm7-packed", "latin1", "ascii", "utf8"]),
    st.integers(0, 20),
)
def test_any_octets_are_a_text_or_a_failure(
    data_coding: int, octets: bytes, alphabet: str, header_length: int
) -> None:
    try:
        text = decode_text(
            data_coding, octets, default_alphabet=alphabet, header_length=header_length
        )
    except Failure as failure:
        refusal = failure.reason
    else:
        text.encode()  # no lone surrogates
        return
    assert refusal is Reason.UNDECODABLE_TEXT
