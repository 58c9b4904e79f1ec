"""ISO-2022-JP and EUC-JP as mail programs send them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.smtp.reading.japanese import decode_euc_jp, decode_iso_2022_jp


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("日本語 abc".encode("iso2022_jp"), "日本語 abc"),
        (b"\x1b$B-!\x1b(B", "①"),
        (b"\x1b(I1\x1b(B", "ｱ"),
        (b"\x0e1\x0fa", "ｱa"),
        (b"\x1b$BF|K\\\nabc", "日本\nabc"),
        (b"\xb1\xb2", "ｱｲ"),
    ],
)
def test_iso_2022_jp(octets: bytes, text: str) -> None:
    assert decode_iso_2022_jp(octets) == text


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        ("日本語 abc".encode("euc_jp"), "日本語 abc"),
        (b"\xad\xa1", "①"),
        (b"\x8e\xb1", "ｱ"),
    ],
)
def test_euc_jp(octets: bytes, text: str) -> None:
    assert decode_euc_jp(octets) == text


@given(st.binary(max_size=200))
def test_any_octets_are_a_text(octets: bytes) -> None:
    decode_iso_2022_jp(octets)
    decode_euc_jp(octets)
