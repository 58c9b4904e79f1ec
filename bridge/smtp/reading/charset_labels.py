"""The labels of character sets in mails, and the Python codec for each.

Labels and encodings are those of the WHATWG Encoding Standard §4.2, which browsers and mail
programs follow: a label means the superset that is really used (``iso-8859-1`` is windows-1252,
``shift_jis`` is cp932, ``gb2312`` is gb18030).
"""

from __future__ import annotations

#: The codec of charsets that cannot be read.
REPLACEMENT = "replacement"

#: Codec → its labels. ``euc-jp`` and ``iso-2022-jp`` are those of
#: :mod:`bridge.smtp.reading.japanese`.
_ENCODINGS = (
    (
        "utf-8",
        "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8",
    ),
    ("cp866", "866 cp866 csibm866 ibm866"),
    (
        "iso8859-2",
        "csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2",
    ),
    (
        "iso8859-3",
        "csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3",
    ),
    (
        "iso8859-4",
        "csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4",
    ),
    (
        "iso8859-5",
        "csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 "
        "iso_8859-5 iso_8859-5:1988",
    ),
    (
        "iso8859-6",
        "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 "
        "iso-8859-6 iso-8859-6-e iso-8859-6-i iso-ir-127 iso8859-6 iso88596 "
        "iso_8859-6 iso_8859-6:1987",
    ),
    (
        "iso8859-7",
        "csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 "
        "iso8859-7 iso88597 iso_8859-7 iso_8859-7:1987 sun_eu_greek",
    ),
    (
        "iso8859-8",
        "csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 "
        "iso8859-8 iso88598 iso_8859-8 iso_8859-8:1988 visual",
    ),
    ("iso8859-8", "csiso88598i iso-8859-8-i logical"),
    ("iso8859-10", "csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6"),
    ("iso8859-13", "iso-8859-13 iso8859-13 iso885913"),
    ("iso8859-14", "iso-8859-14 iso8859-14 iso885914"),
    ("iso8859-15", "csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9"),
    ("iso8859-16", "iso-8859-16"),
    ("koi8-r", "cskoi8r koi koi8 koi8-r koi8_r"),
    ("koi8-u", "koi8-ru koi8-u"),
    ("mac-roman", "csmacintosh mac macintosh x-mac-roman"),
    ("cp874", "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874"),
    ("cp1250", "cp1250 windows-1250 x-cp1250"),
    ("cp1251", "cp1251 windows-1251 x-cp1251"),
    (
        "cp1252",
        "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 "
        "iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252",
    ),
    ("cp1253", "cp1253 windows-1253 x-cp1253"),
    (
        "cp1254",
        "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 "
        "iso_8859-9:1989 l5 latin5 windows-1254 x-cp1254",
    ),
    ("cp1255", "cp1255 windows-1255 x-cp1255"),
    ("cp1256", "cp1256 windows-1256 x-cp1256"),
    ("cp1257", "cp1257 windows-1257 x-cp1257"),
    ("cp1258", "cp1258 windows-1258 x-cp1258"),
    ("mac-cyrillic", "x-mac-cyrillic x-mac-ukrainian"),
    (
        "gb18030",
        "chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk",
    ),
    ("gb18030", "gb18030"),
    ("big5hkscs", "big5 big5-hkscs cn-big5 csbig5 x-x-big5"),
    ("euc-jp", "cseucpkdfmtjapanese euc-jp x-euc-jp"),
    ("iso-2022-jp", "csiso2022jp iso-2022-jp"),
    ("cp932", "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis"),
    (
        "cp949",
        "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 "
        "ks_c_5601-1989 ksc5601 ksc_5601 windows-949",
    ),
    ("utf-16-be", "unicodefffe utf-16be"),
    ("utf-16", "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le"),
    # The standard replaces these by U+FFFD, because in browsers text may be a script. Here they are
    # decoded.
    ("iso2022_kr", "csiso2022kr iso-2022-kr"),
    ("hz", "hz-gb-2312"),
    # Several Chinese sets in one text, which no mail program writes any more. The standard replaces
    # the whole text; the bridge refuses it.
    (REPLACEMENT, "iso-2022-cn iso-2022-cn-ext replacement"),
    # No codec: the meaning is known only to the sender's system.
    ("", "x-user-defined"),
)

#: Further labels of clients.
_OTHERS = (
    ("koi8-r", "koi8r"),
    ("koi8-u", "koi8u"),
    ("utf-8", "utf utf-8mb4 utf-8-sig x-unknown unknown unknown-8bit 65001 cp65001"),
    ("utf-16", "utf-16-le"),
    ("utf-7", "unicode-2-0-utf-7 x-unicode-2-0-utf-7 csunicode11utf7"),
    ("cp1250", "1250 ansi-1250"),
    ("cp1250", "ms-ee"),
    ("cp1251", "1251 ansi-1251 windows-cyrillic ms-cyrl"),
    ("cp1253", "ms-greek"),
    ("cp1254", "ms-turk"),
    ("cp1255", "ms-hebr"),
    ("cp1256", "ms-arab"),
    ("cp1257", "winbaltrim"),
    ("cp1252", "1252 ansi ansi-1252 windows-latin1"),
    ("cp1254", "1254"),
    ("mac-latin2", "x-mac-ce x-mac-centraleurroman mac-centraleurope"),
    ("koi8-r", "20866"),
    ("koi8-u", "21866"),
    ("mac-cyrillic", "x-mac-cyrillic-ext"),
    ("cp932", "cp932 cp943 cp943c sjis-win ms-kanji mskanji"),
    ("cp949", "cp949 uhc ks-c-5601 ksx1001 x-windows-949 ms949"),
    ("gb18030", "cp936 ms936 euc-cn windows-936 csgbk gb-18030"),
    ("big5hkscs", "cp950 windows-950 big5-eten ms950"),
    ("euc-jp", "eucjp eucjp-ms eucjp-win cp51932 ujis"),
    ("iso-2022-jp", "iso-2022-jp-1 iso-2022-jp-2 iso-2022-jp-3 iso-2022-jp-ms jis csiso2022jp2"),
    ("iso-2022-jp", "cp50220 cp50221 cp50222 iso-2022-jp-ext"),
)

#: Label → codec.
LABELS = {label: codec for codec, labels in (*_ENCODINGS, *_OTHERS) for label in labels.split()}


def squeezed(label: str) -> str:
    """A label without separators and prefixes, which clients vary: ``win-1251``, ``KOI8_R``,
    ``x-windows-1251``, ``iso 8859 5``."""
    letters = "".join(char for char in label if char.isalnum())
    if letters.startswith("8859"):
        letters = "iso" + letters
    letters = letters.removeprefix("cs") or letters
    for prefix in ("xwindows", "microsoftcp", "windows", "xcp", "win", "dos", "x"):
        if letters.startswith(prefix) and len(letters) > len(prefix):
            letters = letters.removeprefix(prefix)
            if letters.isdigit() and prefix != "x":
                letters = "cp" + letters
            break
    return letters


#: Squeezed label → codec.
SQUEEZED: dict[str, str] = {}
for _label, _codec in LABELS.items():
    SQUEEZED.setdefault(squeezed(_label), _codec)
