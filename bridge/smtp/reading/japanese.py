"""ISO-2022-JP and EUC-JP with the extensions that mail programs use.

ISO-2022-JP (RFC 1468) lacks half-width kana, and both lack the circled numbers and signs of NEC's
row 13; mail programs send them all. Shift_JIS has the same rows, so that each run is decoded by
cp932, which has all these characters.
"""

from __future__ import annotations

import re

#: Escape sequence → octets per character, and their decoder.
_JIS = re.compile(rb"\x1b(\$\([DCOPQ]|\$[@AB]|\([BJHI]|&@\x1b\$B|-[AF]|\.[AF]|N)|[\x0e\x0f]")
_KANJI = frozenset({b"$B", b"$@", b"&@\x1b$B", b"$(O", b"$(Q"})
_KANA = b"(I"
_SUPPLEMENT = b"$(D"
#: The further charsets of ISO-2022-JP-2 (RFC 1554), decoded by Python.
_FOREIGN = {b"$A": b"\x1b$A", b"$(C": b"\x1b$(C"}

_EUC = re.compile(
    rb"[\x00-\x7f]+|(?:[\xa1-\xfe][\xa1-\xfe])+|(?:\x8e[\xa1-\xdf])+|(?:\x8f[\xa1-\xfe]{2})+|."
    rb"",
    re.DOTALL,
)


def decode_iso_2022_jp(octets: bytes) -> str:
    """The text; what fits nothing is U+FFFD."""
    out: list[str] = []
    at = 0
    charset = before_shift = b"(B"
    for escape in _JIS.finditer(octets):
        out.append(_run(octets[at : escape.start()], charset))
        at = escape.end()
        if escape[0] == b"\x0e":
            before_shift, charset = charset, _KANA
        elif escape[0] == b"\x0f":
            charset = before_shift if before_shift != _KANA else b"(B"
        else:
            charset = escape[1]
    out.append(_run(octets[at:], charset))
    return "".join(out)


def _run(octets: bytes, charset: bytes) -> str:
    if not octets:
        return ""
    if charset in _KANJI:
        # The end of a line ends the run, even without an escape (RFC 1468).
        kanji, end, rest = octets.partition(b"\n")
        return _kanji(kanji) + (end + rest).decode("cp932", "replace")
    if charset == _KANA:
        return bytes(octet | 0x80 if 0x21 <= octet < 0x60 else octet for octet in octets).decode(
            "cp932", "replace"
        )
    if charset == _SUPPLEMENT:
        pairs = (octets[at : at + 2] for at in range(0, len(octets), 2))
        return b"".join(b"\x8f" + bytes(o | 0x80 for o in pair) for pair in pairs).decode(
            "euc-jp", "replace"
        )
    if charset in _FOREIGN:
        return (_FOREIGN[charset] + octets).decode("iso2022_jp_2", "replace")
    # Eight-bit half-width kana (JIS X 0201) are those of Shift_JIS.
    return octets.decode("cp932", "replace")


def _kanji(octets: bytes) -> str:
    """Pairs of seven-bit octets (JIS X 0208 with NEC's and IBM's rows)."""
    out = bytearray()
    at = 0
    while at < len(octets):
        first = octets[at]
        if not 0x21 <= first <= 0x7E:
            out.append(first)
            at += 1
            continue
        second = octets[at + 1] if at + 1 < len(octets) else 0
        at += 2
        out += _shift_jis(first, second) if 0x21 <= second <= 0x7E else b"\x81\xff"
    return out.decode("cp932", "replace")


def _shift_jis(first: int, second: int) -> bytes:
    row = first - 0x21
    lead = (row >> 1) + (0x81 if row < 0x3E else 0xC1)
    if row & 1:
        return bytes((lead, second + 0x7E))
    return bytes((lead, second + (0x1F if second < 0x60 else 0x20)))


def decode_euc_jp(octets: bytes) -> str:
    """The text; what fits nothing is U+FFFD."""
    out: list[str] = []
    for run in _EUC.finditer(octets):
        found = run[0]
        if found[0] < 0x80:
            out.append(found.decode("ascii"))
        elif found[0] >= 0xA1 and len(found) > 1:
            out.append(_kanji(bytes(octet & 0x7F for octet in found)))
        else:
            out.append(found.decode("euc-jp", "replace"))
    return "".join(out)
