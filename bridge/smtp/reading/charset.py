"""Octets of a mail to text: which declared charsets are believed, and what happens to the rest.

The order is: the declared charset strictly, UTF-8 strictly, the configured fallback with
replacement characters. Nothing is guessed from the octets, since a guess over the length of a
short message is wrong about as often as it is right.
"""

from __future__ import annotations

import codecs
from functools import lru_cache

#: Labels that clients write and Python does not know, or reads as something narrower.
ALIASES = {
    "koi8": "koi8-r",
    "koi8r": "koi8-r",
    "koi8u": "koi8-u",
    "win-1251": "cp1251",
    "win1251": "cp1251",
    "cp-1251": "cp1251",
    "x-cp1251": "cp1251",
    "x-cp1252": "cp1252",
    "x-mac-cyrillic": "mac-cyrillic",
    "utf": "utf-8",
    "utf-8mb4": "utf-8",
    "unicode-1-1-utf-8": "utf-8",
    "x-unknown": "utf-8",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "iso-8859-8-i": "iso-8859-8",
    "tis-620": "cp874",
    # What is labelled Latin-1 is in practice its superset (WHATWG Encoding §4.2).
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
}

#: Python codecs that are character sets. Others decode too (idna, unicode_escape, punycode), with
#: other meanings or in quadratic time.
_CHARSETS = frozenset(
    {"ascii", "utf-7", "utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-16-le", "utf-32"}
    | {"utf-32-be", "utf-32-le", "koi8-r", "koi8-u", "koi8-t", "kz1048", "ptcp154", "hz"}
    | {"big5", "big5hkscs", "euc_jp", "euc_kr", "gb18030", "johab", "shift_jis", "tis-620"}
    | {"euc_jis_2004", "shift_jis_2004", "iso2022_jp", "iso2022_kr", "iso2022_jp_2"}
)
_CHARSET_FAMILIES = ("cp", "iso8859-", "mac-")


@lru_cache(maxsize=256)
def codec_of(charset: str) -> str | None:
    """The Python codec for a declared charset; ``None`` for one that is unknown or is none."""
    label = charset.strip().strip("\"'").lower()
    if not label.isascii() or len(label) > 40:
        return None
    try:
        name = codecs.lookup(ALIASES.get(label, label)).name
    except (LookupError, ValueError):
        return None
    known = name in _CHARSETS or name.startswith(_CHARSET_FAMILIES)
    return name if known else None


def decode(octets: bytes, charset: str, fallback: str) -> str:
    """Text out of ``octets``; never fails. ``charset`` is the declared one, or empty."""
    codec = codec_of(charset) if charset else None
    if codec is not None and codec != "utf-8":
        try:
            # Another charset's label on UTF-8 or the reverse is found by strictness alone.
            return octets.decode(codec)
        except (UnicodeError, ValueError):
            pass
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode(codec_of(fallback) or "cp1252", "replace")
