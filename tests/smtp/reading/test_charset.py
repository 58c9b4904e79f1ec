"""The charset of octets."""

from __future__ import annotations

import pytest

from bridge.smtp.reading.charset import codec_of, decode, decoded, fallback_of
from bridge.smtp.reading.charset_labels import LABELS

#: WHATWG encoding → a character that distinguishes it from similar ones.
TELLTALES = {
    "iso-8859-1": (b"\x80", "€"),
    "latin1": (b"\x93", "“"),
    "iso-8859-2": (b"\xb1", "ą"),
    "iso-8859-9": (b"\x93\xdd", "“İ"),
    "iso-ir-144": (b"\xbf", "П"),
    "sun_eu_greek": (b"\xe1", "α"),
    "visual": (b"\xe0", "א"),
    "logical": (b"\xe0", "א"),
    "asmo-708": (b"\xc7", "ا"),
    "tis-620": (b"\xa1\x93", "ก“"),
    "koi8-ru": (b"\xa4", "є"),
    "x-mac-ukrainian": (b"\x80", "А"),
    "csibm866": (b"\x80", "А"),
    "x-cp1257": (b"\xe0", "ą"),
    "ks_c_5601-1989": (b"\x8c\x63", "똠"),
    "gb_2312-80": (b"\xe9\x46", "镕"),
    "x-x-big5": (b"\xba\xf2", "緊"),
    "ms_kanji": (b"\x87\x40", "①"),
    "windows-31j": (b"\xfb\xfc", "髙"),
    "cseucpkdfmtjapanese": (b"\xad\xa1", "①"),
    "csiso2022jp": (b"\x1b$B-!\x1b(B", "①"),
    "ucs-2": (b"A\0\x04\x04", "AЄ"),
    "unicodefffe": (b"\x04\x04\0A", "ЄA"),
    "x-unicode20utf8": (b"\xd0\x84", "Є"),
}


@pytest.mark.parametrize("label", TELLTALES)
def test_a_label_is_its_superset(label: str) -> None:
    octets, text = TELLTALES[label]
    assert decode(octets, label, "windows-1252") == text
    assert decode(octets, f' "{label.upper()}"; ', "windows-1252") == text


def test_every_label_of_the_standard_decodes() -> None:
    assert len(LABELS) >= 228
    for label, codec in LABELS.items():
        if codec and label not in ("ascii", "us-ascii", "ansi_x3.4-1968"):
            assert codec_of(label) == codec
        assert isinstance(decode(b"a\xc1\xe9\x81", label, "windows-1252"), str)


@pytest.mark.parametrize(
    ("written", "codec"),
    [
        ("win-1251", "cp1251"),
        ("x-windows-1251", "cp1251"),
        ("Windows_1251", "cp1251"),
        ("microsoft-cp1251", "cp1251"),
        ("CP-1251", "cp1251"),
        ("charset=windows-1251", "cp1251"),
        ("koi8_u", "koi8-u"),
        ("ISO 8859-5", "iso8859-5"),
        ("iso8859_15", "iso8859-15"),
        ("8859-1", "cp1252"),
        ("dos-866", "cp866"),
        ("utf8mb4", "utf-8"),
        ("UTF 8", "utf-8"),
        ("utf-8; format=flowed", "utf-8"),
        ("_iso-2022-jp$ESC", "iso-2022-jp"),
        ("cp437", "cp437"),
        ("Cyrillic (Windows-1251)", "cp1251"),
        ("windows-1251 (Cyrillic!)", "cp1251"),
        ("%WINDOWS-1251%", "cp1251"),
        ("cp850", "cp850"),
        ("", None),
        ("us-ascii", None),
        ("x-user-defined", None),
    ],
)
def test_labels_as_they_are_written(written: str, codec: str | None) -> None:
    assert codec_of(written) == codec


@pytest.mark.parametrize("label", ["windows-1251", "koi8-r", "iso-8859-1", "big5", "iso-2022-jp"])
def test_utf_8_is_utf_8_under_any_label(label: str) -> None:
    text = "故障 Увага 45 °C"
    assert decoded(text.encode(), label, "windows-1251") == (text, "utf-8")


@pytest.mark.parametrize(
    ("octets", "label", "text"),
    [
        ("Київ".encode() + b"\xd0", "utf-8", "Київ\ufffd"),
        ("Hätä ää ja ł".encode()[:-1] + b"\r\n", "windows-1251", "Hätä ää ja \ufffd\r\n"),
        ("45 °C, 機 機 機房".encode()[:-1], "iso-8859-1", "45 °C, 機 機 機\ufffd"),
        ("café".encode("cp1252"), "iso-8859-1", "café"),
        ("Київ".encode() + b"\xff", "", "Київ\ufffd"),
        ("Київ".encode() + b"\xff", "windows-1251", "Київ\ufffd"),
        ("系统".encode("gbk") + b"\xff", "gbk", "系统\ufffd"),
        (b"45 \xb0C", "utf-8", "45 °C"),
        ("Київ".encode("cp1251"), "utf-8", "Êè¿â"),
        (b"\xef\xbb\xbf\xed\xa0", "windows-1251", "\ufffd"),
    ],
)
def test_an_octet_that_does_not_fit_changes_no_other(octets: bytes, label: str, text: str) -> None:
    read = decode(octets, label, "windows-1252")
    assert read.replace("\ufffd\ufffd", "\ufffd") == text


@pytest.mark.parametrize("label", ["gb2312", "big5", "euc-kr", "shift_jis", "euc-jp"])
def test_utf_8_that_does_not_fit_its_label_is_utf_8(label: str) -> None:
    for text in (
        *(
            "Ваш код 5 — «да»",
            "Внимание! Няма ток",
            "Προσοχή! Διακοπή",
            "שים לב! הפסקת",
            "تنبيه! انقطاع",
        ),
        *("Nestalo struje, Đorđe čeka ćup", "Figyelem! Áramszünet a szobában"),
    ):
        assert decoded(text.encode(), label, "windows-1252") == (text, "utf-8")


@pytest.mark.parametrize("label", ["gb2312", "big5", "euc-kr", "shift_jis", "euc-jp"])
def test_a_few_characters_that_could_be_utf_8_are_what_the_label_says(label: str) -> None:
    for octets in (b"\xc4\xb3server", b"a\xc4\xb3b", b"\xce\xb2", b"\xc3\xbd\xc4"):
        assert decoded(octets, label, "windows-1252")[1] != "utf-8"


def test_a_text_in_utf_8_is_no_utf_16_whatever_its_label_says() -> None:
    for text in ("🔥 Fire in hall 3!", "Насос 3", "Größe 5 m, geöffnet"):
        assert decode(text.encode(), "utf-16", "windows-1252") == text
    for text in ("火事です", "Alarm", "한국어 경보"):
        for codec in ("utf-16-be", "utf-16-le"):
            assert decode(text.encode(codec), codec, "windows-1252") == text


def test_the_order_of_ucs_2_is_that_of_its_high_octets() -> None:
    for codec in ("utf-16-be", "utf-16-le"):
        for text in ("Тревога", "Alarm 5", "Προσοχή"):
            assert decode(text.encode(codec), "iso-10646-ucs-2", "windows-1252") == text


def test_a_short_text_in_utf_8_that_is_cut_is_utf_8() -> None:
    octets = "🔥 Run 🏃".encode()[:-1]
    for label in ("", "utf-8"):
        assert decoded(octets, label, "windows-1252") == ("🔥 Run \ufffd", "utf-8")
    assert decode(b"\xe9t\xe9", "utf-8", "windows-1252") == "été"


def test_a_text_of_several_octets_a_character_that_fits_its_label_stays_in_it() -> None:
    text = "您的验证码是 5"
    assert decoded(text.encode("gbk"), "gb2312", "windows-1252") == (text, "gb18030")


@pytest.mark.parametrize("label", ["", "us-ascii", "utf-8", "iso-2022-jp"])
def test_japanese_is_known_by_its_escapes(label: str) -> None:
    assert decode("認証 5".encode("iso2022_jp"), label, "windows-1252") == "認証 5"


def test_a_character_in_two_halves_is_one() -> None:
    assert decode(b"ok \xed\xa0\xbd\xed\xb8\x80", "utf-8", "windows-1252") == "ok 😀"


@pytest.mark.parametrize(("label", "end"), [("utf-16le", b"\r\n"), ("utf-16", b"\n")])
def test_a_line_end_of_single_octets_ends_a_text_in_utf_16(label: str, end: bytes) -> None:
    assert decode("Код 5".encode(label) + end, label, "windows-1252") == "Код 5"


def test_ukrainian_letters_under_koi8_r_are_letters() -> None:
    assert decode("Дім, їжак, ґанок".encode("koi8-u"), "koi8-r", "") == "Дім, їжак, ґанок"
    assert decode("│ Дом ├─┤".encode("koi8-r"), "koi8-r", "") == "│ Дом ├─┤"


def test_a_text_in_an_unreadable_charset_is_one_replacement_character() -> None:
    octets = b"\x1b$)A\x0e<:\x0f"
    assert decoded(octets, "iso-2022-cn", "windows-1252") == ("\ufffd", "replacement")
    assert decode(b"only ASCII", "iso-2022-cn", "windows-1252") == "only ASCII"


@pytest.mark.parametrize("label", ["", "utf-8", "us-ascii", "windows-1251", "x-foo", "utf-16be"])
@pytest.mark.parametrize("really", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["Увага! Насос №3 – стоп", "Pump 3 stopped"])
def test_utf_16_is_proved_by_its_high_octets(label: str, really: str, text: str) -> None:
    assert decode(text.encode(really), label, "windows-1252") == text


@pytest.mark.parametrize("text", ["а\nб\nв\n", "1\r\n2\r\n", "Pump\x00", "a\x01b\x02"])
def test_a_few_controls_make_no_utf_16(text: str) -> None:
    assert decode(text.encode("cp1251"), "", "windows-1251") == text


@pytest.mark.parametrize("label", ["utf-16", "utf-16le", "utf-16be", "ucs-2", "utf-32", "utf-7"])
def test_utf_8_under_the_label_of_another_unicode_is_utf_8(label: str) -> None:
    text = "Увага! Насос 3"
    assert decode(text.encode(), label, "windows-1252") == text


@pytest.mark.parametrize(
    ("label", "really", "text"),
    [
        ("iso-8859-2", "cp1250", "Šťastný žľab"),
        ("latin2", "cp1250", "„Zażółć”"),
        ("iso-8859-7", "cp1253", "“ναι”"),
        ("iso-8859-15", "cp1252", "5 €"),
        ("iso-8859-13", "cp1257", "„Žąsis”"),
        ("iso-8859-2", "iso8859-2", "Šťastný žľab"),
        ("iso-8859-15", "iso8859-15", "5 €"),
        ("cp950", "cp950", "緊急 5€"),
        ("big5", "big5hkscs", "緊急"),
    ],
)
def test_controls_under_an_iso_label_are_letters_of_windows(
    label: str, really: str, text: str
) -> None:
    assert decode(text.encode(really), label, "") == text


def test_ascii_under_the_label_of_a_mainframe_is_ascii() -> None:
    assert decode(b"Pump 3", "cp037", "") == "Pump 3"
    assert decode("Pump 3".encode("cp037"), "cp037", "") == "Pump 3"


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("uk_UA.KOI8-U", "koi8-u"),
        ("ru_RU.cp1251", "cp1251"),
        ("MS-CYRL", "cp1251"),
        ("csWindows1251", "cp1251"),
        ("`windows-1251`", "cp1251"),
        ('\\"koi8-u\\"', "koi8-u"),
        ("x-unicode-2-0-utf-7", "utf-7"),
    ],
)
def test_labels_of_systems(label: str, codec: str) -> None:
    assert codec_of(label) == codec


@pytest.mark.parametrize("label", ["replacement", "utf-16", "utf-8", "utf-7", "x-foo", ""])
def test_what_cannot_hold_single_octets_is_no_fallback(label: str) -> None:
    assert fallback_of(label, "koi8-u") == "koi8-u"
    assert fallback_of("windows-1251", "koi8-u") == "windows-1251"


@pytest.mark.parametrize(
    "text",
    [
        "Увага! Насос №3",
        "Größe übrig, Äpfel",
        "“Größe”",
        "Cădură, țări",
        "45 °C – 3 €",
        "機房",
        "Ďábel",
    ],
)
def test_utf_8_that_was_encoded_once_more_is_decoded_once_more(text: str) -> None:
    octets = text.encode()
    once = octets.decode("latin-1")
    of_windows = "".join(
        bytes([octet]).decode("cp1252") if octet not in b"\x81\x8d\x8f\x90\x9d" else chr(octet)
        for octet in octets
    )
    assert decode(once.encode(), "utf-8", "") == text
    assert decode(of_windows.encode(), "utf-8", "") == text


@pytest.mark.parametrize("text", ["Größe", "Ã¼ is ü", "NÃO à", "a Â°", "ÐÑ are letters"])
def test_utf_8_that_was_encoded_once_stays(text: str) -> None:
    assert decode(text.encode(), "utf-8", "") == text


def test_an_unpaired_surrogate_is_replaced() -> None:
    decode(b"+2AA-", "utf-7", "").encode()
    decode(b"\xd8\x00", "utf-16be", "").encode()


def test_japanese_runs_without_their_end() -> None:
    assert decode(b"\x1b$B%F%9%H\nabc", "iso-2022-jp", "") == "テスト\nabc"
    assert decode(b"\x0e\x43\x5e\x0f ok", "iso-2022-jp", "") == "ﾃﾞ ok"
    assert decode(b"\x1b$(D0!\x1b(B", "iso-2022-jp", "") == "丂"
    assert decode(b"\x8e\xc3\x8f\xb0\xa1a\xff", "euc-jp", "") == "ﾃ丂a\ufffd"


def test_octets_that_fit_nothing_are_replaced_in_the_fallback() -> None:
    assert decode(b"a\x98\xff", "utf-8", "windows-1251") == "a\ufffdя"
    assert decode(b"\xff", "us-ascii", "no-such-fallback") == "ÿ"
