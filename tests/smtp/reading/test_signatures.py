"""Signatures, advertisements and footers below a text."""

from __future__ import annotations

import pytest

from bridge.smtp.reading.signatures import cut_footer, cut_mobile, cut_signature


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("text\n-- \nme", "text\n"),
        ("text\n--\nme", "text\n--\nme"),
        ("a -- b", "a -- b"),
        ("-- \nall of it", "-- \nall of it"),
    ],
)
def test_a_signature(text: str, left: str) -> None:
    assert cut_signature(text) == left


@pytest.mark.parametrize(
    "line",
    [
        "Sent from my iPhone",
        "Sent from my Wiko RIDGE FAB 4G",
        "Sent using the mail.com mail app",
        "Gesendet mit der Telekom Mail App",
        "Get the new AOL app: mail.mobile.aol.com",
        "Sent from Mailspring (https://example.com/), the best free email app for work",
        "Sent from Mail https://go.example.com/fwlink/?LinkId=5 for Windows",
        "Sent using Newton Mail ( https://example.com/k/d/mailapp )",
        "Sent via BlackBerry from T-Mobile",
        "Sent with [Proton Mail](https://proton.me/) secure email.",
        "Get Outlook for iOS https://aka.ms/o0ukef",
        "Отправлено с iPhone",
        "Надіслано з пристрою Galaxy",
        "Отправлено из мобильной Почты Mail.ru",
        "Отправлено с мобильного устройства",
        "Отправлено из Почты для Windows 10",
        "Надіслано з мобільного",
        "Von meinem iPhone gesendet",
        "Envoyé de mon iPhone",
        "Envoyé depuis mon mobile Orange",
        "Obtener Outlook para Android",
        "Outlook voor iOS downloaden",
        "Získat Outlook pro Android",
        "Android için Outlook’u edinin",
        "Diese Nachricht wurde von meinem Android-Gerät mit K-9 Mail gesendet.",
        "Изпратено от моя iPhone",
        "Enviat des del meu iPhone",
        "発信元: iPhone",
        "ส่งจาก iPhone ของฉัน",
        "Enviado desde mi iPhone",
        "Enviado do meu iPhone",
        "Inviato da iPhone",
        "Verstuurd vanaf mijn iPhone",
        "Wysłane z iPhone'a",
        "Odesláno z iPhonu",
        "Elküldve az iPhone-omról",
        "Lähetetty iPhonesta",
        "Skickat från min iPhone",
        "Trimis de pe iPhone-ul meu",
        "Στάλθηκε από το iPhone μου",
        "iPhone'umdan gönderildi",
        "iPhoneから送信",
        "发自我的iPhone",
        *("Sent via Superhuman", "Obtenir Outlook pour iOS", "Скачать Outlook для Android"),
        *("Завантажити Outlook для iOS", "Hanki Outlook Androidille", "Outlook for iOS を入手"),
        *("Galaxy cihazımdan gönderildi", "iPhone-omról küldve", "Đã gửi từ iPhone của tôi"),
        *("Відправлено з мобільного застосунку I.UA", 'Отправлено из "Почты" для Windows'),
        *("Послато са мог iPhone-а", "أرسلت من هاتف Samsung Galaxy الذكي.", "取得 iOS 版 Outlook"),
        "Zdobądź Outlook na iOS <https://aka.ms/o0ukef>",
        *("Получить Outlook для Android", "Baixar o Outlook para iOS", "Odesláno z iPadu"),
        *(
            "Envoyé à partir d’Outlook pour iOS",
            "Sent from FairEmail",
            "Securely sent with Tutanota",
        ),
        "나의 iPhone에서 보냄",
        "נשלח מה-iPhone שלי",
    ],
)
def test_the_line_of_a_mobile_program(line: str) -> None:
    assert cut_mobile(f"Yes.\n\n{line}\n").rstrip() == "Yes."
    assert cut_mobile(line) == line


@pytest.mark.parametrize(
    "line",
    [
        "Sent from my desk, is much easier than my mobile phone.",
        "sent from Kyiv",
        "Sent from the machine room",
        "Отправлено с телефона +380501112233",
        "Get your Samsung at the shop",
        "iPhone 15 is ready for you",
        "Отправлено через Почту России",
        "Відправлено через Нову Пошту",
        "Отправлено с мобильного склада",
        "Sent from Windows server DB1",
        "Gesendet von Handy-Shop Berlin",
        "Get Outlook working again: restart android phone",
        "Outlook outage on iOS: https://aka.ms/status",
        "Sent from front desk",
        *("Получить заказ до 18:00", "Отримати Android-планшет", "Stáhnout výpis z účtu"),
    ],
)
def test_own_last_lines_stay(line: str) -> None:
    assert cut_mobile(f"Yes.\n\n{line}") == f"Yes.\n\n{line}"


@pytest.mark.parametrize(
    "footer",
    [
        "_" * 47 + "\nops mailing list\nops@example.com\nhttps://example.com/mailman/listinfo/ops",
        "-" * 69 + "\nTo unsubscribe, e-mail: ops-unsubscribe@example.com",
        "#" * 72 + "\n\nTo unsubscribe from the OPS list, click the following link:\nhttps://e.com",
        "--\nYou received this message because you are subscribed to the Google Groups group.\n"
        "To unsubscribe, send an email to x+unsubscribe@googlegroups.com.",
        "---\nThis email has been checked for viruses by Avast antivirus software.\nwww.avast.com",
        "--\nЭто сообщение проверено на вирусы антивирусом",
        "_" * 10
        + " Інформація від ESET, версія 5 "
        + "_" * 10
        + "\n\nПеревірено.\n\nhttp://www.eset.com",
        "-----\nNo virus found in this message.\nChecked by AVG - www.avg.com\nVersion: 2016",
        "—\nReply to this email directly, view it on GitHub, or unsubscribe.",
        "-=" * 12 + "-\nGroups.io Links: https://groups.io/g/x/message/1\n" + "-=" * 12 + "-",
    ],
)
def test_the_footer_of_a_list(footer: str) -> None:
    assert cut_footer(f"text\n{footer}\n") == "text"
    assert cut_footer(footer) == footer


@pytest.mark.parametrize(
    "text",
    [
        *("Door open\n--\nZone 3", "Sale\n--\nReply STOP to unsubscribe"),
        *("Threat found\n-----\nAntivirus: ESET NOD32\nFile: x", "Alert\n---\nAvast is off on PC5"),
        "Вирус\n---\nАнтивирус выключен",
    ],
)
def test_two_dashes_alone_are_no_footer(text: str) -> None:
    assert cut_footer(text) == text


@pytest.mark.parametrize(
    "below",
    [
        "Рассылка остановлена: 5 ошибок",
        "Розсилка 7: надіслано 100",
        "Mailing list full",
        "unsubscribe: 3",
        "unsubscribe failed: a@e.com",
    ],
)
def test_a_text_about_lists_below_a_rule_is_no_footer(below: str) -> None:
    assert cut_footer(f"Report\n{'=' * 30}\n{below}") == f"Report\n{'=' * 30}\n{below}"


def test_a_rule_alone_is_no_footer() -> None:
    text = "Total\n" + "-" * 40 + "\n25 items"
    assert cut_footer(text) == text


@pytest.mark.parametrize("dashes", ["--", "---", "—", "*--*"])
def test_the_dashes_above_the_line_of_a_mobile_program_go_with_it(dashes: str) -> None:
    assert cut_mobile(f"yes\n\n{dashes}\nОтправлено из Mail для Android").strip() == "yes"
    assert cut_mobile(f"{dashes}\nSent from my iPhone").startswith(dashes)
