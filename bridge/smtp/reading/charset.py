"""Decodes octets of a mail: by the declared charset, or by another if that is proved wrong.

No guesses by frequencies of letters: in a short text they are wrong about as often as right. Only
proof counts: octets that are valid UTF-8 throughout are UTF-8 under any label, and a single invalid
octet is replaced, without changing the charset of the others.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

from bridge.smtp.reading import mislabelled
from bridge.smtp.reading.charset_labels import LABELS, REPLACEMENT, SQUEEZED, squeezed
from bridge.smtp.reading.japanese import decode_euc_jp, decode_iso_2022_jp

#: Python codecs that are character sets. Others (idna, unicode_escape, punycode) have other
#: meanings or need quadratic time.
_CHARSETS = frozenset(
    {"ascii", "utf-7", "utf-8", "utf-16", "utf-16-be", "utf-16-le", "utf-32", "utf-32-be"}
    | {"utf-32-le", "koi8-t", "kz1048", "ptcp154", "hz", "johab", "iso2022_kr"}
    | {"euc_jis_2004", "shift_jis_2004", "viscii", "tis-620", "big5", "big5hkscs", "gb18030"}
)
_CHARSET_FAMILIES = ("cp", "iso8859-", "mac-", "koi8-")
_OWN = {"iso-2022-jp": decode_iso_2022_jp, "euc-jp": decode_euc_jp}
#: The beginning of a character, at the end of a text that a program cut.
_CUT = re.compile(rb"(?:[\xc2-\xf4]|[\xe0-\xf4][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{2})\s*\Z")
#: A whole character of three or four octets.
_SEVERAL = re.compile(rb"[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xf0[\x90-\xbf][\x80-\xbf]{2}")
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_BINARY = re.compile(rb"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f]")
#: A character of UTF-8 that was encoded once more, up to its second octet.
_TWICE = re.compile(rb"\xc3[\x82-\xb4](?:\xc2[\x80-\xbf]|[\xc5\xc6\xcb\xe2][\x80-\xbf]{1,2})")
#: Characters of windows-1252 → their octets; the octets that it leaves free are Latin-1's.
_TO_OCTETS = {
    ord(octet.decode("cp1252")): octet[0]
    for octet in map(bytes, ([number] for number in range(0x80, 0xA0)))
    if octet not in (b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d")
}
_NOT_A_LABEL = re.compile(r"[^a-z0-9_.:+()-]")
#: The escape that switches to Japanese in ISO-2022-JP: no other charset has it.
_ESCAPED = b"\x1b$"
#: A character beyond the BMP as two encoded surrogates (CESU-8): Oracle's "UTF8".
_SURROGATE = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")
#: Letters of KOI8-U beside others: KOI8-R has lines of boxes there, which stand beside no letter.
_UKRAINIAN = re.compile(
    rb"[\xa4\xa6\xa7\xad\xb4\xb6\xb7\xbd][\xc0-\xff]|[\xc0-\xff][\xa4\xa6\xa7\xad\xb4\xb6\xb7\xbd]"
)
#: The Windows page that is meant by an ISO label if there are octets that are controls in ISO 8859.
_WINDOWS = {
    "iso8859-2": "cp1250",
    "iso8859-7": "cp1253",
    "iso8859-8": "cp1255",
    "iso8859-13": "cp1257",
    "iso8859-15": "cp1252",
}
_C1 = re.compile(rb"[\x80-\x84\x86-\x9f]")
#: ASCII under these labels is ASCII: their own letters are elsewhere.
_EBCDIC = frozenset({"cp037", "cp273", "cp424", "cp500", "cp875", "cp1026", "cp1140"})
_ASCII = b"\n\r\t" + bytes(range(0x20, 0x7F))
_NO_CONTROLS = b"\r\n" + bytes(range(0x20, 0x100))
#: A locale in place of a charset: "uk_UA.KOI8-U".
_LOCALE = re.compile(r"[a-z]{2,3}_[a-z]{2}\.")
#: Labels that programs use for any charset.
_SEVEN_BIT = frozenset({"ascii", "us-ascii", "ansi_x3.4-1968", "iso646-us", "7bit", "us"})


@lru_cache(maxsize=512)
def codec_of(charset: str) -> str | None:
    """The codec for a declared charset; ``None`` for an unknown, invalid or meaningless one.

    ``euc-jp`` and ``iso-2022-jp`` are our own codecs.
    """
    label = charset.strip("\"'<>;,=% \t\r\n_`\\\ufffd").lower()
    label = label.removeprefix("charset=")
    if locale := _LOCALE.match(label):
        label = label[locale.end() :]
    # Some clients append to the label: "utf-8; format=flowed", "iso-2022-jp$ESC".
    if wrong := _NOT_A_LABEL.search(label):
        label = label[: wrong.start()].rstrip("-_.:+(") if wrong[0] != " " else label
    if not label or not label.isascii() or len(label) > 40 or label in _SEVEN_BIT:
        return None
    if (known := LABELS.get(label)) is not None:
        return known or None
    if " (" in label:  # "Cyrillic (Windows-1251)"
        before, _, within = label.partition(" (")
        return codec_of(before if before[-1:].isdigit() else within.rstrip(")"))
    found = _python_codec(label.replace(" ", "-"))
    if not found:
        bare = squeezed(label)
        found = SQUEEZED.get(bare) or _python_codec(bare)
    return found or None


def _python_codec(label: str) -> str | None:
    try:
        name = codecs.lookup(label).name
    except (LookupError, ValueError):
        return None
    if name in LABELS and name not in _CHARSETS:
        return LABELS[name] or None
    return name if name in _CHARSETS or name.startswith(_CHARSET_FAMILIES) else None


def fallback_of(label: str, otherwise: str) -> str:
    """``label`` if octets that are no UTF-8 can be read in its charset."""
    codec = codec_of(label)
    usable = codec is not None and codec != REPLACEMENT and not codec.startswith("utf-")
    return label if usable else otherwise


def decode(octets: bytes, charset: str, fallback: str) -> str:
    """The text of ``octets``; never fails. ``charset`` is the declared one, or empty."""
    return decoded(octets, charset, fallback)[0]


def decoded(octets: bytes, charset: str, fallback: str) -> tuple[str, str]:
    """The text, and its codec.

    The codec is that of the declared charset, ``utf-8`` if the octets prove it, or the fallback.
    A text in a charset that cannot be read is one replacement character.
    """
    codec = codec_of(charset) if charset and charset != "utf-8" else None
    if codec is None or codec == "utf-8":
        try:
            text = octets.decode("utf-8")
        except UnicodeDecodeError:
            if unicode := utf_16_of(octets):
                return _of_unicode(octets, unicode), unicode
            return _damaged(octets, codec_of(fallback) or "cp1252")
        if 0x1B in octets and _ESCAPED in octets:  # One octet is found four times as fast.
            return decode_iso_2022_jp(octets), "iso-2022-jp"
        if 0 in octets and (unicode := utf_16_of(octets)):
            return _of_unicode(octets, unicode), unicode
        if (
            0xC3 in octets
            and (first := _TWICE.search(octets))
            and _TWICE.search(octets, first.end())
        ):
            text = _decoded_again(text)
        return text.removeprefix("\ufeff"), "utf-8"
    if octets.isascii() and codec.startswith(_CHARSET_FAMILIES) and 0 not in octets:
        return octets.decode("ascii" if codec in _EBCDIC else codec), codec
    if codec == "koi8-r" and _UKRAINIAN.search(octets):
        codec = "koi8-u"
    if _is_utf_8(octets, codec):
        return octets.decode("utf-8-sig", "replace"), "utf-8"
    if codec == REPLACEMENT:
        escaped = b"\x1b" in octets or b"\x0e" in octets
        return ("\ufffd", codec) if escaped else decoded(octets, "", fallback)
    if 0 in octets and (unicode := utf_16_of(octets)):
        return _of_unicode(octets, unicode), unicode
    if codec.startswith("utf-"):
        if _is_no_unicode(octets, codec):
            return decoded(octets, "", fallback)
        return _of_unicode(octets, codec), codec
    if own := _OWN.get(codec):
        return own(octets), codec
    if codec in _WINDOWS and _C1.search(octets):
        codec = _WINDOWS[codec]
    text = octets.decode(codec, "replace")
    if codec == "big5hkscs" and "\ufffd" in text and _decodes(octets, "cp950"):
        return octets.decode("cp950"), "cp950"  # Windows has the euro sign elsewhere.
    return text, codec


def utf_16_of(octets: bytes) -> str:
    """The codec of octets that prove to be UTF-16 under any label; empty for others.

    Every second octet is the high one of a character, which in most scripts is one that no text in
    octets has: a control.
    """
    if len(octets) < 4:
        return ""
    if octets.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-32" if octets.startswith(codecs.BOM_UTF32_LE) else "utf-16"
    even, odd = octets[::2], octets[1::2]
    high, low = _controls(even), _controls(odd)
    if high * 10 > 6 * len(even) and low * 5 < len(odd):
        return "utf-16-be"
    if low * 10 > 6 * len(odd) and high * 5 < len(even):
        return "utf-16-le"
    return ""


def is_binary(octets: bytes) -> bool:
    """Whether octets hold more controls than a text in any charset with a bell or two."""
    controls = b"\0" in octets or len(_BINARY.findall(octets)) > 1 + len(octets) // 50
    return controls and not utf_16_of(octets)


def _controls(octets: bytes) -> int:
    return len(octets.translate(None, _NO_CONTROLS))


def _is_no_unicode(octets: bytes, codec: str) -> bool:
    """Whether octets labelled as UTF-16, UTF-32 or UTF-7 prove to be something else."""
    if codec == "utf-7":
        return not octets.isascii()
    if codec.startswith("utf-32"):
        return not _decodes(octets, codec)
    if 0 in octets or octets.isascii() or octets.startswith(codecs.BOM_UTF16_LE):
        return False
    whole, broken = _characters(octets)
    mostly_ascii = len(octets) > 8 and len(octets.translate(None, _ASCII)) * 2 < len(octets)
    return not broken and (whole > 2 or (whole > 0 and mostly_ascii))


def _damaged(octets: bytes, fallback: str) -> tuple[str, str]:
    """Decodes octets that are not valid UTF-8: UTF-8 with some invalid octets, or another
    charset."""
    if _SURROGATE.search(octets):
        octets = _SURROGATE.sub(_one_character, octets)
    if _mostly_utf_8(octets):
        return octets.decode("utf-8", "replace"), "utf-8"
    if own := _OWN.get(fallback):
        return own(octets), fallback
    return octets.decode(fallback, "replace"), fallback


def _decoded_again(text: str) -> str:
    """A text that a program took for Latin-1 or windows-1252 and encoded once more."""
    try:
        return text.translate(_TO_OCTETS).encode("latin-1").decode()
    except UnicodeError:
        return text


def _one_character(halves: re.Match[bytes]) -> bytes:
    units = halves[0].decode("utf-8", "surrogatepass").encode("utf-16-le", "surrogatepass")
    return units.decode("utf-16-le").encode()


def _is_utf_8(octets: bytes, codec: str) -> bool:
    """Whether octets labelled as ``codec`` prove to be UTF-8, apart from some invalid octets."""
    if octets.startswith(codecs.BOM_UTF8):
        return True
    if codec.startswith("utf-") or octets.isascii():
        return False
    whole, broken = _characters(octets)
    if whole <= 3 * broken:
        return False
    return codec not in mislabelled.CODECS or mislabelled.is_utf_8(octets, codec, broken=broken > 0)


def _decodes(octets: bytes, codec: str) -> bool:
    try:
        octets.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _mostly_utf_8(octets: bytes) -> bool:
    whole, broken = _characters(octets)
    # A character of several octets proves more than a pair.
    return whole > broken or (0 < whole == broken and _SEVERAL.search(octets) is not None)


def _characters(octets: bytes) -> tuple[int, int]:
    """The numbers of valid and of invalid UTF-8 characters with several octets; behind several, a
    last one that is cut counts as neither."""
    text = octets.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    whole = sum(map("\x7f".__lt__, text)) - broken
    if broken and whole > 2 and _CUT.search(octets, max(0, len(octets) - 9)):
        broken -= 1
    return whole, broken


def _without_single_octets(octets: bytes, codec: str) -> bytes:
    """UTF-16 without a line end of ASCII that a program put behind it."""
    if len(octets) % 2:
        return octets.removesuffix(b"\n")
    # In this order U+0A0D, which is no character; in the other it is one.
    little = codec == "utf-16-le" or octets.startswith(codecs.BOM_UTF16_LE)
    return octets.removesuffix(b"\r\n") if little else octets


def _of_unicode(octets: bytes, codec: str) -> str:
    if codec in ("utf-16", "utf-16-be", "utf-16-le"):
        if octets.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)):
            codec = "utf-16"
        elif octets.isascii() and not _CONTROLS.search(octets):
            return octets.decode("ascii")  # Not UTF-16 in spite of the label.
        elif codec == "utf-16":
            # RFC 2781 §4.3 requires big-endian, Windows writes little-endian: high octets decide.
            big = octets[::2].count(0) > octets[1::2].count(0)
            codec = utf_16_of(octets) or ("utf-16-be" if big else "utf-16-le")
        octets = _without_single_octets(octets, codec)
    text = octets.decode(codec, "replace").removeprefix("\ufeff")
    if codec == "utf-7" and not text.isascii():
        # UTF-7 may contain an unpaired surrogate, which no other charset can encode.
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
