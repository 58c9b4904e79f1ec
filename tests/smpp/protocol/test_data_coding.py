"""Octets to text by data_coding."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model import gsm0338
from bridge.model.failure import Failure, Reason
from bridge.model.gsm0338 import Shifts
from bridge.smpp.protocol.data_coding import Encoded, decode_part, decode_parts, decode_text


def refused(data_coding: int, octets: bytes, **arguments: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        decode_text(Encoded(data_coding, octets, **arguments))
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
        # marked for deletion, and message waiting (3GPP TS 23.038 §4)
        (0x40, b"\x00", "@"),
        (0x53, b"\x00", "@"),
        (0x5C, b"\x00", "@"),
        (0x1F, b"\x00", "@"),
        (0x4B, "Привіт".encode("utf-16-be"), "Привіт"),
        (0x58, "Привіт".encode("utf-16-be"), "Привіт"),
        (0xC0, b"\x00", "@"),
        (0xD8, b"\x00", "@"),
        (0xE0, "Привіт".encode("utf-16-be"), "Привіт"),
        (0xEF, "Привіт".encode("utf-16-be"), "Привіт"),
        # Windows' extensions of the standards
        (5, b"\x87\x40\x94\xd4\xfa\xb1", "①番﨑"),
        (10, b"\x1b$B\x2d\x21F|\x79\x21\x1b(Ba\x1b(I12\x1b(B\xb1", "①日纊aｱｲｱ"),
        (13, b"\xad\xa1\xc6\xfc\xf9\xa1\x8e\xb1a", "①日纊ｱa"),
        (14, b"\x81\x41\xb0\xa1", "갂가"),
        (10, b"\x0e12\x0f5", "ｱｲ5"),
        (3, b"\x93q\x94 5 \x80 \xe9", "“q” 5 € é"),
        (4, b"It\x92s", "It’s"),
    ],
)
def test_each_alphabet_is_read(data_coding: int, octets: bytes, text: str) -> None:
    assert decode_text(Encoded(data_coding, octets)) == text


@pytest.mark.parametrize("data_coding", [2, 0x14, 0x17, 0x44, 0x57, 0xF4, 0xF7])
def test_binary_content_is_refused(data_coding: int) -> None:
    assert "binary" in refused(data_coding, b"text").detail


@pytest.mark.parametrize("data_coding", [9, 11, 12, 15, 0x20, 0x3F, 0x60, 0x7F, 0xF8, 0xFF])
def test_an_alphabet_that_nobody_reads_is_refused(data_coding: int) -> None:
    assert f"data_coding {data_coding}" in refused(data_coding, b"text").detail


@pytest.mark.parametrize(
    ("data_coding", "octets"),
    [
        (0, b"\x80"),
        (1, b"\xe9"),
        (5, b"\x81"),
        (8, b"\x04"),  # half a character
        (8, b"\xd8\x00"),  # unpaired surrogate
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
    assert decode_text(Encoded(0, octets, default_alphabet=alphabet)) == text
    assert decode_text(Encoded(0x10, octets, default_alphabet=alphabet)) == text


def test_the_accounts_alphabet_is_strict_too() -> None:
    refused(0, b"\xff", default_alphabet="utf8")
    refused(0, b"\xff", default_alphabet="ascii")


@pytest.mark.parametrize("header_length", range(15))
def test_packed_text_begins_on_a_septet_border_after_the_header(header_length: int) -> None:
    # 3GPP TS 23.040 §9.2.3.24: the header's octets count as septets, rounded up.
    septets = gsm0338.encode("hello there")
    assert septets is not None
    fill_bits = (7 - 8 * header_length % 7) % 7
    octets = gsm0338.pack(septets, fill_bits)
    text = decode_text(Encoded(0, octets, "gsm7-packed", header_length))
    assert text == "hello there"


@pytest.mark.parametrize("data_coding", [0, 3, 4])
def test_utf_8_that_a_client_called_latin_1_is_utf_8(data_coding: int) -> None:
    for text in ("Größe", "Ціна 5 €", "Привіт", "\ufeffCafé"):
        read = decode_text(Encoded(data_coding, text.encode(), "latin1"))
        assert read == text.removeprefix("\ufeff")
    for text in ("Größe", "CAFÉ»", "É°"):
        assert decode_text(Encoded(data_coding, text.encode("latin-1"), "latin1")) == text


def test_a_character_of_such_a_text_may_be_cut_between_two_parts() -> None:
    octets = "Größe".encode()
    parts = [Encoded(3, octets[:3]), Encoded(3, octets[3:])]
    assert decode_parts(parts) == "Größe"


def test_data_coding_4_is_octets_for_an_application_port() -> None:
    assert decode_text(Encoded(4, b"text", has_ports=False)) == "text"
    refused(4, b"text", has_ports=True)


@pytest.mark.parametrize("octets", [b"\1\6\3\xbe\xaf", b"5 \x1be", b"\x7fELF"])
def test_data_coding_4_with_controls_is_octets(octets: bytes) -> None:
    assert "binary" in refused(4, octets).detail


def test_line_ends_and_a_nul_at_the_end_are_text_in_data_coding_4() -> None:
    assert decode_text(Encoded(4, b"a\r\n\tb\0")) == "a\r\n\tb\0"


@pytest.mark.parametrize("data_coding", [0x80, 0x9F, 0xBF])
def test_reserved_groups_are_the_default_alphabet(data_coding: int) -> None:
    # 3GPP TS 23.038 §4
    assert decode_text(Encoded(data_coding, b"\0\x11")) == "@_"


def test_gsm_03_38_in_an_account_of_ascii_is_known_by_its_controls() -> None:
    assert decode_text(Encoded(0, b"a_b [5] $", "ascii")) == "a_b [5] $"
    assert decode_text(Encoded(0, b"5 \x1be, a\x11b", "ascii")) == "5 €, a_b"


def test_the_mark_of_utf_8_is_no_text() -> None:
    assert decode_text(Encoded(0, "\ufeffПривіт".encode(), "utf8")) == "Привіт"


def test_texts_are_not_trimmed() -> None:
    assert decode_text(Encoded(0, b" \n hi \r\n")) == " \n hi \r\n"
    assert decode_text(Encoded(8, "\u00a0 \n".encode("utf-16-be"))) == "\u00a0 \n"


@given(
    st.integers(0, 255),
    st.binary(max_size=40),
    st.sampled_from(["gsm7", "gsm7-packed", "latin1", "ascii", "utf8"]),
    st.integers(0, 20),
    st.builds(Shifts, st.integers(0, 15), st.integers(0, 15)),
)
def test_any_octets_are_a_text_or_a_failure(
    data_coding: int, octets: bytes, alphabet: str, header_length: int, shifts: Shifts
) -> None:
    try:
        encoded = Encoded(data_coding, octets, alphabet, header_length, shifts=shifts)
        text = decode_text(encoded)
    except Failure as failure:
        refusal = failure.reason
    else:
        text.encode()  # no lone surrogates
        return
    assert refusal is Reason.UNDECODABLE_TEXT


# --- national language tables ----------------------------------------------------------------


@pytest.mark.parametrize("alphabet", ["gsm7", "latin1", "ascii", "utf8"])
@pytest.mark.parametrize("data_coding", [0, 1, 0x10, 0xD0, 0xF1])
def test_a_header_with_a_national_table_says_that_the_text_is_gsm_03_38(
    data_coding: int, alphabet: str
) -> None:
    turkish = Encoded(data_coding, b"\x07\x0b\x1b\x53\x1b\x65", alphabet, 7, shifts=Shifts(1, 1))
    assert decode_text(turkish) == "ıĞŞ€"


def test_national_tables_say_nothing_of_other_alphabets() -> None:
    octets = "Iş".encode("utf-16-be")
    assert decode_text(Encoded(8, octets, header_length=4, shifts=Shifts(1, 0))) == "Iş"


@pytest.mark.parametrize("shifts", [Shifts(0, 1), Shifts(1, 0), Shifts(13, 13)])
def test_packed_text_may_be_in_national_tables_too(shifts: Shifts) -> None:
    header = 1 + 3 * len([language for language in shifts if language])
    packed = gsm0338.pack(b"\x10\x1b\x65A", -8 * header % 7)
    expected = gsm0338.decode_shifted(b"\x10\x1b\x65A", shifts)
    assert decode_text(Encoded(0, packed, "gsm7-packed", header, shifts=shifts)) == expected


def test_parts_with_other_tables_are_read_each_in_its_own() -> None:
    parts = [
        Encoded(0, b"\x07\x1b", header_length=9, shifts=Shifts(1, 0)),
        Encoded(0, b"\x65\x07", header_length=9, shifts=Shifts(1, 0)),
        Encoded(0, b"\x07", header_length=6),
    ]
    assert decode_parts(parts) == "ı€ıì"


def test_a_septet_without_a_character_is_refused() -> None:
    with pytest.raises(Failure) as caught:
        decode_text(Encoded(0, b"\x0c", header_length=4, shifts=Shifts(4, 0)))
    assert caught.value.reason is Reason.UNDECODABLE_TEXT


# --- parts -----------------------------------------------------------------------------------


#: Without byte-order marks, and without what is read in the other order.
_ORDERED = st.characters(codec="utf-8", exclude_characters="\ufeff\ufffe", max_codepoint=0xD7FF)


@given(st.text(_ORDERED, max_size=60), st.integers(0, 120))
def test_a_character_that_was_cut_at_the_border_survives(text: str, cut: int) -> None:
    text = "Ш" + text  # No letter of another order.
    for data_coding, alphabet, octets in (
        (8, "gsm7", text.encode("utf-16-be")),
        (0, "utf8", text.encode()),
        (0, "gsm7", gsm0338.encode(text)),
    ):
        if octets is not None:
            pieces = (octets[:cut], octets[cut:])
            parts = [Encoded(data_coding, piece, alphabet) for piece in pieces]
            assert decode_parts(parts) == text
            for part in parts:
                decode_part(part)


def test_parts_in_other_alphabets_are_read_each_in_its_own() -> None:
    parts = [
        Encoded(0, b"a \x1b"),
        Encoded(0, b"\x65 "),
        Encoded(8, "я \U0001f600".encode("utf-16-be")[:-2]),
        Encoded(8, "\U0001f600".encode("utf-16-be")[2:]),
        Encoded(3, b" \xe9"),
    ]
    assert decode_parts(parts) == "a € я \U0001f600 é"


def test_packed_parts_are_unpacked_each_behind_its_header() -> None:
    septets = gsm0338.encode("hello there, €")
    assert septets is not None
    cut = septets.index(0x1B) + 1
    parts = [
        Encoded(0, gsm0338.pack(piece, (7 - 8 * 6 % 7) % 7), "gsm7-packed", 6)
        for piece in (septets[:cut], septets[cut:])
    ]
    assert decode_parts(parts) == "hello there, €"


def test_parts_that_are_no_text_are_refused_alone_and_together() -> None:
    for parts in (
        [Encoded(0, b"\x80")],
        [Encoded(8, b"\xd8\x3d")],
        [Encoded(4, b"", has_ports=True)],
    ):
        with pytest.raises(Failure) as caught:
            decode_parts(parts)
        assert caught.value.reason is Reason.UNDECODABLE_TEXT
    with pytest.raises(Failure):
        decode_part(Encoded(0, b"\x80"))
    assert decode_part(Encoded(8, b"\xd8\x3d")) == "\ufffd"
