"""The GSM alphabet, compared with a plain list of the rows of 3GPP TS 23.038."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.gsm0338 import (
    Shifts,
    count_parts,
    decode,
    decode_shifted,
    encode,
    encode_shifted,
    is_gsm,
    pack,
    unpack,
)
from bridge.model.national_languages import LOCKING, SINGLE

#: Language → the septets that have a character; the default alphabet is language 0.
SEPTETS = {0: [septet for septet in range(128) if septet != 0x1B]} | {
    language: [first + at for first, run in runs.items() for at in range(len(run))]
    for language, runs in LOCKING.items()
}

# The characters of §6.2.1, septet by septet, by name if they have a look-alike.
NAMED = {
    0x00: "\N{COMMERCIAL AT}",
    0x01: "\N{POUND SIGN}",
    0x02: "\N{DOLLAR SIGN}",
    0x03: "\N{YEN SIGN}",
    0x04: "\N{LATIN SMALL LETTER E WITH GRAVE}",
    0x05: "\N{LATIN SMALL LETTER E WITH ACUTE}",
    0x06: "\N{LATIN SMALL LETTER U WITH GRAVE}",
    0x07: "\N{LATIN SMALL LETTER I WITH GRAVE}",
    0x08: "\N{LATIN SMALL LETTER O WITH GRAVE}",
    0x09: "\N{LATIN CAPITAL LETTER C WITH CEDILLA}",
    0x0A: "\n",
    0x0B: "\N{LATIN CAPITAL LETTER O WITH STROKE}",
    0x0C: "\N{LATIN SMALL LETTER O WITH STROKE}",
    0x0D: "\r",
    0x0E: "\N{LATIN CAPITAL LETTER A WITH RING ABOVE}",
    0x0F: "\N{LATIN SMALL LETTER A WITH RING ABOVE}",
    0x10: "\N{GREEK CAPITAL LETTER DELTA}",
    0x11: "\N{LOW LINE}",
    0x12: "\N{GREEK CAPITAL LETTER PHI}",
    0x13: "\N{GREEK CAPITAL LETTER GAMMA}",
    0x14: "\N{GREEK CAPITAL LETTER LAMDA}",
    0x15: "\N{GREEK CAPITAL LETTER OMEGA}",
    0x16: "\N{GREEK CAPITAL LETTER PI}",
    0x17: "\N{GREEK CAPITAL LETTER PSI}",
    0x18: "\N{GREEK CAPITAL LETTER SIGMA}",
    0x19: "\N{GREEK CAPITAL LETTER THETA}",
    0x1A: "\N{GREEK CAPITAL LETTER XI}",
    0x1C: "\N{LATIN CAPITAL LETTER AE}",
    0x1D: "\N{LATIN SMALL LETTER AE}",
    0x1E: "\N{LATIN SMALL LETTER SHARP S}",
    0x1F: "\N{LATIN CAPITAL LETTER E WITH ACUTE}",
    0x24: "\N{CURRENCY SIGN}",
    0x40: "\N{INVERTED EXCLAMATION MARK}",
    0x5B: "\N{LATIN CAPITAL LETTER A WITH DIAERESIS}",
    0x5C: "\N{LATIN CAPITAL LETTER O WITH DIAERESIS}",
    0x5D: "\N{LATIN CAPITAL LETTER N WITH TILDE}",
    0x5E: "\N{LATIN CAPITAL LETTER U WITH DIAERESIS}",
    0x5F: "\N{SECTION SIGN}",
    0x60: "\N{INVERTED QUESTION MARK}",
    0x7B: "\N{LATIN SMALL LETTER A WITH DIAERESIS}",
    0x7C: "\N{LATIN SMALL LETTER O WITH DIAERESIS}",
    0x7D: "\N{LATIN SMALL LETTER N WITH TILDE}",
    0x7E: "\N{LATIN SMALL LETTER U WITH DIAERESIS}",
    0x7F: "\N{LATIN SMALL LETTER A WITH GRAVE}",
}
BASIC = {code: NAMED.get(code, chr(code)) for code in range(0x80) if code != 0x1B}
EXTENDED = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
WRITTEN = {char: bytes([code]) for code, char in BASIC.items()} | {
    char: bytes([0x1B, code]) for code, char in EXTENDED.items()
}

gsm_texts = st.text(alphabet=sorted(WRITTEN))


def septets_of(text: str) -> bytes:
    return b"".join(WRITTEN[char] for char in text)


def parts_of(units: list[list[object]], single: int, part: int) -> int:
    """Greedy filling with units that must stay together; the oracle of count_parts."""
    if sum(map(len, units)) <= single:
        return 1
    parts, room = 1, part
    for unit in units:
        if len(unit) > room:
            parts, room = parts + 1, part
        room -= len(unit)
    return parts


@pytest.mark.parametrize("char", sorted(WRITTEN))
def test_every_character_is_written_as_the_specification_says_and_read_back(char: str) -> None:
    assert encode(char) == WRITTEN[char]
    assert decode(WRITTEN[char]) == char


@given(gsm_texts)
def test_a_text_in_the_alphabet_round_trips(text: str) -> None:
    assert is_gsm(text)
    assert encode(text) == septets_of(text)
    assert decode(septets_of(text)) == text


@given(st.text())
def test_a_text_is_gsm_when_each_of_its_characters_is(text: str) -> None:
    expected = all(char in WRITTEN for char in text)
    assert is_gsm(text) is expected
    assert (encode(text) is not None) is expected


@pytest.mark.parametrize("text", ["`", "\x1b", "ç", "Ђ", "a\x1be", "\t", "\ufffe", "\ud800"])
def test_what_is_in_neither_table_is_not_encoded(text: str) -> None:
    assert encode(text) is None
    assert not is_gsm(text)


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"\x1b\x1b", " "),
        (b"a\x1b\x1bb", "a b"),
        (b"\x1b\x1b\x65", " e"),
        (b"\x1b\x41", "A"),
        (b"\x1b\x0d", "\r"),
        (b"a\x1b", "a"),
        (b"\x1b\x1b\x1b", " "),
        (b"", ""),
    ],
)
def test_escapes_are_read_leniently(octets: bytes, text: str) -> None:
    assert decode(octets) == text


@given(st.binary(), st.integers(0x80, 0xFF), st.binary())
def test_an_octet_above_127_is_an_error(before: bytes, octet: int, after: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        decode(before + bytes([octet]) + after)


@given(st.lists(st.integers(0, 0x7F)).map(bytes))
def test_any_septets_decode_to_a_text_that_encodes_again(septets: bytes) -> None:
    text = decode(septets)
    assert len(text) <= len(septets)
    assert decode(encode(text) or b"") == text


def test_packing_gives_the_octets_of_the_classic_example() -> None:
    assert pack(b"hellohello") == bytes.fromhex("e8329bfd4697d9ec37")
    assert unpack(bytes.fromhex("e8329bfd4697d9ec37")) == b"hellohello"


@given(st.lists(st.integers(0, 0x7F), max_size=300).map(bytes), st.integers(0, 6))
def test_packed_septets_come_back(septets: bytes, fill_bits: int) -> None:
    packed = pack(septets, fill_bits)
    assert len(packed) == -(-(7 * len(septets) + fill_bits) // 8)
    back = unpack(packed, fill_bits)
    padded = len(packed) * 8 - fill_bits - 7 * len(septets) == 7
    ambiguous = (
        not padded and septets[-1:] in (b"\x00", b"\r") and (len(packed) * 8 - fill_bits) % 7 == 0
    )
    assert back == (septets[:-1] if ambiguous else septets)


def test_seven_spare_bits_are_no_character() -> None:
    assert unpack(pack(b"1234567")) == b"1234567"
    assert unpack(pack(b"1234567\r")) == b"1234567"
    assert unpack(pack(b"12345678")) == b"12345678"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 152 + "€" + "b" * 153, 3),  # the escape moves whole into the second part
        ("a" * 151 + "€" + "b" * 153, 2),
        ("я" * 70, 1),
        ("я" * 71, 2),
        ("я" * 134, 2),
        ("я" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("я" * 66 + "😀" + "я" * 66, 3),
        ("я" * 65 + "😀" + "я" * 67, 2),
        ("`" * 71, 2),
        ("a" * 70 + "`", 2),
    ],
)
def test_parts_are_counted_at_the_borders(text: str, parts: int) -> None:
    assert count_parts(text) == parts


@given(
    st.text(alphabet="ab€[é", min_size=140, max_size=700)
    | st.text(alphabet="aя😀\ud800", min_size=30, max_size=300)
    | st.text(max_size=300)
)
def test_parts_are_counted_as_greedy_filling_does(text: str) -> None:
    if all(char in WRITTEN for char in text):
        expected = parts_of([list(WRITTEN[char]) for char in text], 160, 153)
    else:
        # A lone high surrogate before a lone low one is a pair on the wire.
        wire = text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "surrogatepass")
        expected = parts_of([[0] * (2 if char > "\uffff" else 1) for char in wire], 70, 67)
    assert abs(count_parts(text) - expected) <= ("\ud800" in text)


# --- national language tables ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("shifts", "septets", "text"),
    [
        (Shifts(1, 0), b"\x04\x07\x0b\x0c\x1b\x65", "€ıĞğ€"),
        (Shifts(3, 3), b"\x05\x1b\x05\x12\x1b\x65", "éêª€"),
        (Shifts(0, 2), b"\x1b\x61\x1b\x41\x1b\x09", "áÁç"),
        (Shifts(6, 6), b"\x01\x2c\x1b\x1b\x7f", "ं, ॿ"),
        (Shifts(13, 13), b"\x00\x01\x02", "اآب"),
        (Shifts(0, 1), b"\x1ba\x1b", "a"),  # missing septets mean their own character
        (Shifts(2, 14), b"\x00\x1b\x65", "@€"),  # languages without such a table
    ],
)
def test_septets_are_read_in_the_tables_that_a_header_names(
    shifts: Shifts, septets: bytes, text: str
) -> None:
    assert decode_shifted(septets, shifts) == text


@pytest.mark.parametrize("language", sorted(LOCKING))
def test_a_locking_table_holds_letters_of_its_script_digits_and_commas(language: int) -> None:
    characters = {
        decode_shifted(bytes((septet,)), Shifts(language, 0)) for septet in SEPTETS[language]
    }
    assert set(" 0123456789,.?!\n\r") <= characters
    assert len(characters) >= 100


@given(st.sampled_from(sorted(LOCKING)), st.sampled_from(sorted(SINGLE)), st.data())
def test_every_text_of_the_tables_is_read_as_it_was_written(
    locking: int, single: int, data: st.DataObject
) -> None:
    for shifts in (Shifts(locking, locking), Shifts(0, single), Shifts(locking, 0)):
        septet = st.sampled_from(SEPTETS[shifts.locking]).map(lambda octet: bytes((octet,)))
        escaped = st.sampled_from([0x0A, 0x14, 0x65, 0x3C]).map(lambda octet: bytes((0x1B, octet)))
        septets = b"".join(data.draw(st.lists(septet | escaped, max_size=30)))
        text = decode_shifted(septets, shifts)
        written = {tables: octets for octets, tables in encode_shifted(text)}
        assert decode_shifted(written[shifts], shifts) == text


def test_what_no_table_has_is_not_written() -> None:
    assert not list(encode_shifted("ЁЂ"))
