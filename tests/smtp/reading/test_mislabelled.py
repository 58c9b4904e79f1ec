"""Short texts in UTF-8 under the label of an East Asian charset, and texts really in it."""

from __future__ import annotations

import pytest

from bridge.smtp.reading.charset import decoded
from bridge.smtp.reading.mislabelled import is_utf_8

LABELS = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "euc-jp": "euc-jp",
}
#: By language, or by the sign that is the only one beyond ASCII.
IN_UTF_8 = {
    "pl": "Błąd łącza",
    "cs": "Čas vypršel",
    "uk": "Дім",
    "ru": "Сбой: насос 3",
    "bg": "Ток!",
    "el": "Φως",
    "de": "Tür öffnen",
    "fr": "Défaut réseau",
    "es": "¿Qué pasó?",
    "pt": "Atenção",
    "it": "È caduto",
    "tr": "Şifre: 4821 için",
    "sv": "Fel på dörr",
    "ro": "Oră",
    "lt": "Įėjimas",
    "vi": "Lỗi máy chủ",
    "zh": "警报",
    "degrees": "45 °C",
    "quotation mark": "It’s down",
    "dash": "Pump 3 – stopped",
    "picture": "Pump 🔥",
    "name": "José",
}
IN_THE_CHARSET = {
    "gb2312": [
        "知识",
        "目录",
        "谢谢",
        "同一",
        "状态通知",
        "系统状态",
        "要一些",
        "某server",
        "没wifi",
        "5号",
    ],
    "gbk": ["类别", "追踪", "专注", "约一小时", "db1故障"],
    "big5": ["翻譯", "警報", "驗證碼4821", "停電"],
    "euc-kr": ["호환", "체크", "친화", "튜트", "인증번호 4821"],
    "shift_jis": ["障害", "ﾅｼ", "ﾗｼﾞｵ", "ｱﾗｰﾑ", "認証コード4821"],
    "euc-jp": ["障害", "の短い", "天気", "ッドをスワイ"],
}


@pytest.mark.parametrize("name", IN_UTF_8)
@pytest.mark.parametrize("label", LABELS)
def test_a_text_with_letters_of_one_script_in_words_is_utf_8(label: str, name: str) -> None:
    text = IN_UTF_8[name]
    assert decoded(text.encode(), label, "windows-1252") == (text, "utf-8")


@pytest.mark.parametrize("label", LABELS)
def test_a_text_in_the_charset_is_read_in_it_although_it_may_be_valid_utf_8(label: str) -> None:
    for text in IN_THE_CHARSET[label]:
        codec = {"euc-jp": "euc_jp"}.get(label, LABELS[label])
        assert decoded(text.encode(codec), label, "windows-1252")[0] == text


@pytest.mark.parametrize("label", LABELS)
def test_a_text_far_behind_in_a_page_counts_too(label: str) -> None:
    for text in ("Дім", "警报", "Größe", "Ńą"):
        page = "<p>" * 500 + f" alarm {text} hall " + "<b>" * 500 + " 5 °C"
        assert decoded(page.encode(), label, "windows-1252") == (page, "utf-8")


def test_damaged_octets_are_utf_8_if_several_characters_have_three_octets() -> None:
    assert is_utf_8("警报 5\ufffd".encode(), "gb18030", broken=True)
    assert not is_utf_8("é".encode() + b"\xc4", "gb18030", broken=True)
