"""Quoted headers of mail programs, in many languages."""

from __future__ import annotations

import html

import pytest

from bridge.smtp.reading.html import text_of_html
from bridge.smtp.reading.quoted_headers import (
    header_block,
    is_of_notes,
    label_of,
    line_above,
)
from bridge.smtp.reading.quotes import Reply, cut_quotes

#: From, sent, to and subject.
LABELS = [
    ("From", "Sent", "To", "Subject"),
    ("Von", "Gesendet", "An", "Betreff"),
    ("De ", "Envoyé ", "À ", "Objet "),
    ("De", "Enviado", "Para", "Asunto"),
    ("Da", "Inviato", "A", "Oggetto"),
    ("De", "Enviada em", "Para", "Assunto"),
    ("De", "Enviado", "Para", "Assunto"),
    ("Van", "Verzonden", "Aan", "Onderwerp"),
    ("Od", "Wysłane", "Do", "Temat"),
    ("Od", "Data", "Do", "Temat"),
    ("Od", "Odesláno", "Komu", "Předmět"),
    ("Od", "Odoslané", "Komu", "Predmet"),
    ("Šalje", "Poslano", "Prima", "Predmet"),
    ("Od", "Poslano", "Za", "Predmet"),
    ("Od", "Poslano", "Za", "Zadeva"),
    ("Од", "Послато", "За", "Тема"),
    ("Od", "Poslato", "Za", "Tema"),
    ("От", "Изпратено", "До", "Относно"),
    ("Από", "Στάλθηκε", "Προς", "Θέμα"),
    ("Saatja", "Saadetud", "Adressaat", "Teema"),
    ("No", "Nosūtīts", "Kam", "Tēma"),
    ("Nuo", "Išsiųsta", "Kam", "Tema"),
    ("Từ", "Đã gửi", "Đến", "Chủ đề"),
    ("Người gửi", "Ngày gửi", "Tới", "Tiêu đề"),
    ("De la", "Expediat", "Pentru", "Subiect"),
    ("ვისგან", "თარიღი", "ვის", "თემა"),
    ("发件人", "发送时间", "收件人", "主\u3000题"),
    ("จาก", "ส่ง", "ถึง", "เรื่อง"),
    ("Dari", "Dikirim", "Kepada", "Subjek"),
    ("Daripada", "Dihantar", "Kepada", "Subjek"),
    ("प्रेषक", "भेजा गया", "प्रति", "विषय"),
    ("Кімнен", "Жіберілді", "Кімге", "Тақырыбы"),
    ("De", "Enviat", "Per a", "Assumpte"),
    ("Nork", "Bidalia", "Nori", "Gaia"),
    ("De la", "Trimis", "Către", "Subiect"),
    ("מאת", "נשלח", "אל", "נושא"),
    ("من", "تاريخ الإرسال", "إلى", "الموضوع"),
    ("من", "تم الإرسال", "إلى", "الموضوع"),
    ("از", "ارسال شده", "به", "موضوع"),
    ("Fra", "Sendt", "Til", "Emne"),
    ("Från", "Skickat", "Till", "Ämne"),
    ("Från", "Datum", "Till", "Ämne"),
    ("Lähettäjä", "Lähetetty", "Vastaanottaja", "Aihe"),
    ("Feladó", "Elküldve", "Címzett", "Tárgy"),
    ("Kimden", "Gönderildi", "Kime", "Konu"),
    ("Gönderen", "Gönderilme zamanı", "Alıcı", "Konu"),
    ("От", "Отправлено", "Кому", "Тема"),
    ("От", "Дата", "Кому", "Тема"),
    ("Від", "Надіслано", "Кому", "Тема"),
    ("Від", "Дата", "Кому", "Тема"),
    ("Від", "Відправлено", "Кому", "Тема"),
    ("Ад", "Адпраўлена", "Каму", "Тэма"),
    ("გამგზავნი", "გაგზავნილი", "ადრესატი", "თემა"),
    ("发件人", "发送时间", "收件人", "主题"),
    ("发件人", "日期", "收件人", "主题"),
    ("寄件者", "寄件日期", "收件者", "主旨"),
    ("보낸 사람", "보낸 날짜", "받는 사람", "제목"),
    ("보낸 사람", "보냄", "받는 사람", "제목"),
    ("差出人", "送信日時", "宛先", "件名"),
    ("From", "Date", "To", "Subject"),
    ("Frá", "Sent", "Til", "Efni"),
    ("Ó", "Seolta", "Chuig", "Ábhar"),
    ("Oddi wrth", "Anfonwyd", "At", "Pwnc"),
    ("Од", "Испратено", "До", "Предмет"),
    ("Nga", "Dërguar", "Për", "Subjekti"),
    ("Kimdən", "Göndərildi", "Kimə", "Mövzu"),
    ("Ումից", "Ուղարկվել է", "Ում", "Թեմա"),
    ("Kimdan", "Yuborildi", "Kimga", "Mavzu"),
]
#: Rows that a program writes, or a person copies: a mail's header has no other labels before or
#: between its own.
ROWS = {
    "form": "Имя: Иван\nТелефон: 1\nОт: i@example.com\nДата: 26.11.2026 10:04\nТема: вызов",
    "commit": "Author: Jan <j@e.com>\nDate: Thu Nov 26 10:04:11 2026 +0200\nSubject: fix",
    "invoice": "Von: Firma GmbH\nAn: Kunde\nDatum: 26.11.2026\nBetrag: 120 EUR\nBetreff: Wartung",
    "bounce": "To: jan@example.com\nSubject: x\nSent: Thu, 26 Nov 2026 10:04:11 +0200",
    "job": "From: backup@db1\nDate: 26.11.2026\nrsync: failed",
}
#: Languages that are not in the tables.
UNKNOWN = [("Aloha", "Lā", "Iā", "Kumuhana"), ("Whakarongo", "Rā", "Ki", "Kaupapa")]
DATES = ["Thursday, November 26, 2026 10:04 AM", "26. november 2026. 10:04", "2026年11月26日 10:04"]
OWN = "ok, see you"


def own(text: str) -> str:
    return cut_quotes(text, lambda: Reply.SURE)[0].strip()


def rows(labels: tuple[str, ...], date: str, *, address: bool) -> list[str]:
    who = "Jan Novák <jan@example.com>" if address else "Jan Novák"
    values = (who, date, "Help Desk", "RE: Order 7")
    return [f"{label}: {value}" for label, value in zip(labels, values, strict=True)]


@pytest.mark.parametrize("labels", LABELS, ids="/".join)
def test_it_is_known_in_plain_text(labels: tuple[str, ...]) -> None:
    for date in DATES:
        for address in (True, False):
            block = "\n".join(rows(labels, date, address=address))
            assert own(f"{OWN}\n\n{block}\n\nWill you come?") == OWN


@pytest.mark.parametrize("labels", UNKNOWN, ids="/".join)
def test_an_address_and_a_date_tell_what_unknown_labels_do_not(labels: tuple[str, ...]) -> None:
    for date in DATES:
        block = "\n".join(rows(labels, date, address=True))
        assert own(f"{OWN}\n\n{block}\n\nWill you come?") == OWN


@pytest.mark.parametrize("labels", [*LABELS, *UNKNOWN], ids="/".join)
def test_it_is_known_by_the_rule_of_outlook(labels: tuple[str, ...]) -> None:
    for date in DATES:
        block = rows(labels, date, address=False)
        plain = "\n".join(block)
        assert own(f"{OWN}\n{'_' * 32}\n{plain}\n\nWill you come?") == OWN
        lines = "<br>".join(html.escape(line) for line in block)
        for begins in (
            "<div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm'>",
            '<hr style="width:98%"><div id="x_divRplyFwdMsg" dir="ltr">',
            '<div style="border-top-color: #e5e5e5; border-top-style: solid;">',
        ):
            page = f"<p>{OWN}</p>{begins}{lines}</div><p>Will you come?</p>"
            assert own(text_of_html(page, signatures=False, marks=True)) == OWN


@pytest.mark.parametrize("labels", UNKNOWN, ids="/".join)
def test_rows_alone_are_own_text(labels: tuple[str, ...]) -> None:
    text = "\n".join([OWN, "-" * 32, *rows(labels, DATES[0], address=False)])
    assert own(text) == text


# --- where it begins and ends


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("From: Jan", "from"),
        ("> *Sent:* today", "sent"),
        ("  Enviada em: hoje", "enviada em"),
        ("发件人：Jan", "发件人"),
        ("Subject:", "subject"),
        ("Note to self: buy milk", "note to self"),
        ("at 10:04", ""),
        ("https://example.com", ""),
        ("jan@example.com: hello", ""),
        ("a line without a colon", ""),
        ("x" * 30 + ": far too long", ""),
    ],
)
def test_a_label_stands_before_a_colon(line: str, label: str) -> None:
    assert label_of(line) == label


HEADER = ["From: Jan <jan@example.com>", "Sent: Thursday, November 26, 2026 10:04 AM"]
REST = ["To: Help Desk", "Subject: RE: Order 7"]


@pytest.mark.parametrize(
    ("lines", "ends", "found"),
    [
        ([*HEADER, *REST, "", "Will you come?"], 4, True),
        ([HEADER[0], "", HEADER[1], "", *REST, "", "text"], 6, True),  # converted HTML
        (["From: Jan Novák", "<jan@example.com>", HEADER[1], *REST, "text"], 5, True),
        ([*HEADER, "To: Help Desk; a second line of", "the same value", REST[1], "text"], 5, True),
        (HEADER[:1], 1, False),
        (["Room: 12", "Time: ten", "text"], 2, False),
        (["From: Kyiv", "To: Lviv", "Date: 26.11.2026", "text"], 3, False),  # a journey
        ([*HEADER, "text"], 2, True),
        ([HEADER[0], "", "", HEADER[1]], 2, False),
    ],
)
def test_a_header_ends_with_its_last_label(lines: list[str], ends: int, found: bool) -> None:
    end, is_header = header_block(lines, 0)
    assert is_header is found
    if found:
        assert lines[:end][-1] == lines[ends - 1]


@pytest.mark.parametrize(
    ("lines", "begins"),
    [
        (["Jan Novák", "26.11.2026 10:04", "To: Help Desk", "Subject: Order 7"], True),
        (["Jan", "11/26/2026 10:04 AM", "To", "Help Desk", "cc", "Subject", "Order 7"], True),
        (["Jan <jan@example.com> on 11/26/2026 10:04:22 AM", "To: Help", "Subject: Order"], True),
        (["Jan Novák ---11/26/2026 03:19:22 PM---Will you come?"], True),
        (["Jan Novák", "26.11.2026 10:04", "To: Help Desk", "Thanks"], False),
        (["Jan Novák", "yesterday", "To: Help Desk", "Subject: Order 7"], False),
        (["From: Jan", "26.11.2026 10:04", "To: Help", "Subject: Order"], False),
        (["Jan on 11/26/2026 10:04:22 AM", "To: Help", "Subject: Order"], False),
        ([], False),
    ],
)
def test_notes_writes_the_sender_the_date_and_then_labels(lines: list[str], begins: bool) -> None:
    assert is_of_notes([*lines, ""], 0) is begins


def test_the_line_above_is_the_last_that_is_not_blank() -> None:
    lines = ["own", "", "", "From: Jan"]
    assert line_above(lines, 3) == 0
    assert line_above(lines, 0) == -1
    assert line_above(["", ""], 1) == -1


@pytest.mark.parametrize("name", ROWS)
def test_rows_with_other_labels_are_no_header(name: str) -> None:
    text = f"New order\n{ROWS[name]}\n\ncall back"
    assert own(text) == text


def test_recipient_and_subject_above_an_attribution_are_part_of_the_quotation() -> None:
    above = "Кому: Help (h@example.com);\nТема: Order;"
    assert own(f"{OWN}\n\n{above}\n26.11.2026, 10:04, Jan <j@example.com>:\n\nq") == OWN
