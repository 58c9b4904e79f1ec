"""The text of a header field: encoded words and raw octets."""

from __future__ import annotations

import pytest

from bridge.smtp.reading.encoded_words import text_of


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain", "plain"),
        (b" folded\n  value ", "folded  value"),
        (b"=?utf-8?q?a=5Fb_c?=", "a_b c"),
        (b"=?utf-8?Q?a?= =?utf-8?Q?b?=", "ab"),
        (b"=?utf-8?Q?a?=\n =?koi8-r?B?8A==?= c", "aП c"),
        (b"x =?utf-8?Q?a?= y", "x a y"),
        (b"=?utf-8*uk?Q?=D0=87?=", "Ї"),
        (b"=? koi8-r? B?8A==?= =? koi8-r? Q? c?=", "П c"),
        (b"=?no-such?Q?=D0=87?=", "Ї"),
        (b"=?utf-8?B?0J/RgNC40LI?=", "Прив"),  # padding forgotten
        (b"=?utf-8?q?a=0D=0Ab?=", "a b"),
        (b"=?utf-8?x?a?=", "=?utf-8?x?a?="),
        # Cut after 3, 6 and 7 letters, and with the last word's padding only.
        (b"=?windows-1251?B?0+L?= =?windows-1251?B?g4+A=?=", "Увага"),
        (b"=?windows-1251?B?0+Lg4+?=\n =?windows-1251?B?AgNQ==?=", "Увага 5"),
        (b"=?windows-1251?B?0+Lg4+A?= =?windows-1251?B?gNQ==?=", "Увага 5"),
        # Each without its padding.
        (b"=?windows-1251?B?0+I?= =?windows-1251?B?4OPg?=", "Увага"),
        (b"=?windows-1251?B?0w?= =?windows-1251?B?4uDj4A?=", "Увага"),
        ("Київ".encode(), "Київ"),
        ("Київ".encode("cp1251"), "Київ"),
    ],
)
def test_the_text_of_a_field(raw: bytes, text: str) -> None:
    assert text_of(raw, "windows-1251") == text


def test_raw_octets_of_a_header_are_never_in_utf_16() -> None:
    assert text_of("Réunion".encode(), "windows-1252", "utf-16le") == "Réunion"
