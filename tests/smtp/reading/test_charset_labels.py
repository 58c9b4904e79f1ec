"""Labels that name no character set."""

from __future__ import annotations

import pytest

from bridge.smtp.reading.charset import codec_of, decode


@pytest.mark.parametrize(
    "label", ["idna", "punycode", "unicode_escape", "rot13", "base64", "no-such", "", "a\0b", "é"]
)
def test_what_is_no_character_set_is_not_believed(label: str) -> None:
    assert codec_of(label) is None
    assert decode("Ґ".encode(), label, "cp1252") == "Ґ"
