"""The octet order of UCS-2 texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.smpp.protocol.ucs2 import decode, join

TEXTS = ["Ваш код 4821", "Hello, world", "Привіт", "Київ 2026: 15°C", "日本語テスト"]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("codec", ["utf-16-be", "utf-16-le"])
def test_a_mark_tells_the_order_and_is_no_text(text: str, codec: str) -> None:
    assert decode("\ufeff".encode(codec) + text.encode(codec)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("Ваш код 4821", "Hello, world", "Привіт", "code: 12", "123", "Grüße", "Код «5» — так 😀"),
        *("رمزك هو ١٢٣٤", "הקוד שלך", "Ο κωδικός σας", "आपका कोड 1234", "আপনার কোড", "உங்கள் குறி"),
        *("รหัสของคุณ", "თქვენი კოდი", "Ձեր կոդը", "የእርስዎ ኮድ", "លេខកូដ", "Mã của bạn là 1234"),
    ],
)
def test_letters_in_the_other_order_are_known_without_a_mark(text: str) -> None:
    assert decode(text.encode("utf-16-le")) == text


@pytest.mark.parametrize(
    "text",
    [
        *(
            "一一一一",
            "ЀЀЀЀ",
            "ЄЄЄЄЄЄ",
            "а",
            "Hi",
            "…",
            "\u2000\u3100\u2c00",
            "РРРР",
            "ĀĀȀȀĀ",
            "ー",
            "№1",
        ),
        *(
            "中文短信",
            "一一",
            "「一」",
            "АБВГҐ",
            "ΑΒΓ",
            "ا ب ت",
            "ㄱㄴㄷㄹ",
            "Ԁ Ԁ Ԁ",
            "␀␀␀␀",
            "नमस्ते",
        ),
        *("您的验证码是1234", "認証コード1234", "인증번호 1234", "Ваш «код» — 5", "שלום"),
    ],
)
def test_what_may_be_big_endian_is(text: str) -> None:
    assert decode(text.encode("utf-16-be")) == text


@given(st.text(st.characters(codec="utf-16-be", exclude_characters="\ufeff\ufffe"), max_size=40))
def test_nearly_every_text_is_read_as_the_specification_says(text: str) -> None:
    octets = text.encode("utf-16-be")
    high = {0, *range(0x20), *range(0x20, 0x23), 0x2D, *range(0xD8, 0xE0), 0xFB, 0xFE}
    read = decode(octets)
    assert read == text or high.issuperset(octets[1::2]) or read.encode() == octets


@pytest.mark.parametrize(
    "text",
    [
        *("Hello!", "4821", "Code: 12", "Your code is 4821", "https://example.com/a1"),
        *(
            "Привіт",
            "Код 4821",
            "Größe: 5 m",
            "Zażółć gęślą",
            "Προσοχή!",
            "שלום",
            "Das Café ist zu",
        ),
    ],
)
def test_a_text_that_the_client_did_not_convert_is_known_by_its_words(text: str) -> None:
    assert decode(text.encode()) == text


@pytest.mark.parametrize(
    "text",
    [
        "…警告",
        "※注意",
        "ㅋㅋㅋ",
        "ㄱㄴㄷㄹ",
        "あいう",
        "㈱山田",
        "僅顯示",
        "立錯",
        "타이틀",
        "확인",
        "桥汬潷潲汤",
    ],
)
def test_a_text_whose_octets_may_be_ascii_or_utf_8_by_chance_is_in_ucs_2(text: str) -> None:
    assert decode(text.encode("utf-16-be")) == text


@pytest.mark.parametrize("codec", ["utf-16-be", "utf-16-le"])
@pytest.mark.parametrize("marked", [(0,), (0, 1, 2)])
def test_parts_have_the_order_of_the_first_mark(codec: str, marked: tuple[int, ...]) -> None:
    parts = [text.encode(codec) for text in ("Часть 1, ", "часть 2, ", "третья")]
    mark = "\ufeff".encode(codec)
    parts = [mark + part if number in marked else part for number, part in enumerate(parts)]
    assert decode(join(parts)) == "Часть 1, часть 2, третья"


def test_a_character_that_was_cut_in_two_survives() -> None:
    octets = "Привіт".encode("utf-16-be")
    assert decode(join([octets[:3], octets[3:]])) == "Привіт"
