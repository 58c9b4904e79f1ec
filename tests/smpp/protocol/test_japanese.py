"""Characters that Windows adds to Japanese encodings."""

from __future__ import annotations

import pytest

import bridge.smpp.protocol.japanese as japanese


@pytest.mark.parametrize(
    ("octets", "codec", "text"),
    [
        (b"\xad\xa1", "euc_jp", "①"),
        (b"\x1b$B-!\x1b(B", "iso2022_jp", "①"),
        (b"\xa4\xa2\xad\xea", "euc_jp", "あ㈱"),
    ],
)
def test_the_rows_of_nec_are_read(octets: bytes, codec: str, text: str) -> None:
    with pytest.raises(UnicodeDecodeError):
        octets.decode(codec)
    assert octets.decode(codec, japanese.NEC_ROWS) == text


@pytest.mark.parametrize("octets", [b"\xa9\xa1", b"\xad", b"\xff\xff"])
def test_octets_that_windows_does_not_know_either_are_errors(octets: bytes) -> None:
    with pytest.raises(UnicodeDecodeError):
        octets.decode("euc_jp", japanese.NEC_ROWS)
