"""Mails without quotations that look as if they had one."""

from __future__ import annotations

import html

import pytest

from bridge.config.settings import AccountSettings, Smtp
from bridge.model.message import Recipient
from bridge.smtp.reading.mail import read_mail

REPLY = "In-Reply-To: <1@example.com>\nReferences: <1@example.com>\n"
GENERATED = "Auto-Submitted: auto-generated\n"

#: Texts of contact forms, voicemails and bookings, by language.
FORMS = {
    "de": "Name: Jan Müller\nE-Mail: jan@example.com\nDatum: 26.11.2026 10:04\nNachricht: Rückruf",
    "fr": "De: Jean <jean@example.com>\nDate: 26/11/2026 10:04\nTéléphone: 06010\nMessage: appel",
    "es": "De: Juan\nFecha: 26/11/2026\nAsunto: cita\nMensaje: llámame",
    "it": "Da: Mario <m@example.com>\nData: 26/11/2026 10:04\nOggetto: preventivo\nMessaggio: ciao",
    "pl": "Od: Jan <j@example.com>\nData: 26.11.2026 10:04\nTemat: oferta\nTreść: proszę o telefon",
    "tr": "Kimden: Ali <a@example.com>\nTarih: 26.11.2026 10:04\nKonu: fiyat\nMesaj: arayın",
    "ja": "差出人: 山田 <y@example.com>\n日時: 2026年11月26日 10:04\n件名: 見積\n内容: 電話",
    "zh": "发件人: 王 <w@example.com>\n日期: 2026-11-26 10:04\n主题: 报价\n内容: 请回电",
    "ar": "من: علي <a@example.com>\nالتاريخ: 26/11/2026 10:04\nالموضوع: سعر\nالرسالة: اتصل",
    "cs": "Od: Jan <j@example.com>\nDatum: 26. 11. 2026 10:04\nPředmět: nabídka\nZpráva: zavolejte",
    "pt": "De: João <j@example.com>\nData: 26/11/2026 10:04\nAssunto: orçamento\nMensagem: ligue",
    "uk": "Від: Іван <i@example.com>\nДата: 26.11.2026 10:04\nТема: замовлення\nТекст: дзвоніть",
    "flight": "From: KBP <ops@example.com>\nDate: 26.11.2026 10:04\nTo: LHR\nSeat: 12A",
    "voicemail": "Von: 0301234567\nDatum: 26.11.2026 10:04\nDauer: 0:12",
}
#: Prefixes of forwarded subjects.
FORWARDS = [
    *(
        "FW:",
        "FW：",
        "Fwd:",
        "WG:",
        "TR:",
        "TRANS:",
        "RV:",
        "I:",
        "ENC:",
        "PD:",
        "VS:",
        "VB:",
        "FS:",
    ),
    *("İLT:", "转发:", "轉寄:", "転送:", "Пересл:", "ПЕР:", "Doorst:", "Továbbítás:"),
]
TEXTS = {
    "commit": (
        "Author: Jan <j@example.com>\nDate: Thu Nov 26 10:04:11 2026 +0200\n\n    fix\n\n"
        "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-a\n+b"
    ),
    "diff": "1c1\n< a\n---\n> b",
    "more than": "CPU\n> 90 %",
    "table": "Rows where\n> 5: 3\n> 10: 1",
    "saying": "As the poet said:\n\n> to be or not",
    "menu": "Press\n> 1 for yes\n> 2 for no",
    "bounce": "The message to <jan@example.com> failed on 26.11.2026 10:04:\n\nmailbox full",
    "log": "root@db1 2026-11-26 10:04:\n> error one\n> error two",
    "alarm": "From monitor@db1.example.com at 2026-11-26 10:04:11:\nDisk full on /var\nAct now",
    "invitation": "When: Thu 26 Nov 2026 10:00\nWhere: Room 5\nWho: jan@example.com\nWhat: review",
    "letter": "In his letter of 26.11.2026 jan@example.com wrote:\nWe agree.\nPlease confirm.",
    "dashes": "Wash\n--\nDry\n--\nIron",
    "signed line": "Name: Jan\n____________________\nunsigned form",
}
ANSWERS = {
    "answers within": "On Thu, 26 Nov 2026, Jan <j@example.com> wrote:\n> one?\nyes\n> two?\nno",
    "answer below": "On Thu, 26 Nov 2026, Jan <j@example.com> wrote:\n> one?\n\nyes, at ten",
    "list": "Bring:\n- bread\nCall Jan <j@example.com> by 26.11.2026:\n1. price\n2. date",
    "table": "Details:\nPrice: 5\nDate: 26.11.2026\nTo: Kyiv\nThanks",
    "rules": "Part one\n-----\nPart two\n----------\nPart three",
    "stars": "Menu\n***** Lunch *****\nsoup\n***** Dinner *****\nfish",
    "titles": "---- Agenda ----\n1. a\n---- Minutes ----\n2. b",
    "ticket": "Ticket: 5\nFrom: Jan\nDate: 26.11.2026 10:04\nStatus: open\nPIN: 1234",
}


def text(body: str, subject: str, fields: str = "", kind: str = "plain") -> str:
    mail = (
        f"From: a@example.com\nSubject: {subject}\n{fields}MIME-Version: 1.0\n"
        f"Content-Type: text/{kind}; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{body}"
    )
    to = (Recipient("380501234567"),)
    return read_mail(mail.encode(), to, smtp=Smtp(), account=AccountSettings()).text


@pytest.mark.parametrize("form", FORMS)
def test_the_rows_of_a_form_stay(form: str) -> None:
    plain = "New message\n\n" + FORMS[form]
    assert text(plain, "New message") == plain
    assert text(plain, "New message", "References: <t@e.com>\n" + GENERATED) == plain
    assert text(plain, "Re: [Form] message", GENERATED) == plain
    rows = [html.escape(row).split(": ", 1) for row in FORMS[form].split("\n")]
    table = "".join(f"<tr><td>{label}:</td><td>{value}</td></tr>" for label, value in rows)
    shown = text(f"<p>New message</p><hr><table>{table}</table>", "New message", kind="html")
    assert shown.split() == plain.split()


@pytest.mark.parametrize("prefix", FORWARDS)
@pytest.mark.parametrize("fields", ["", REPLY], ids=["alone", "in a thread"])
def test_a_forwarded_mail_stays_in_the_text(prefix: str, fields: str) -> None:
    body = (
        "FYI\n\nVon: Jan <j@example.com>\nGesendet: Donnerstag, 26. November 2026 10:04\n"
        "An: b@example.com\nBetreff: Rechnung\n\nBitte zahlen."
    )
    assert text(body, f"{prefix} Rechnung", fields) == body


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_is_no_answer_stays(name: str) -> None:
    assert text(TEXTS[name], "Report") == TEXTS[name]
    assert text(TEXTS[name], "Report", "References: <t@example.com>\n" + GENERATED) == TEXTS[name]


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_stays(name: str) -> None:
    assert text(ANSWERS[name], "Re: Order", REPLY) == ANSWERS[name]


def test_a_comment_in_a_thread_stays() -> None:
    comment = "Jan Novák commented on OPS-7:\n\n> Please restart\n\nDone."
    assert text(comment, "[JIRA] (OPS-7)", REPLY) == comment


def test_a_programs_reply_is_not_cut_by_its_marks_alone() -> None:
    output = "Tests failed:\n1c1\n< a\n---\n> b"
    assert text(output, "Re: patch", GENERATED) == output
    assert text("ok\n\nOn 26.11.2026 Jan <j@e.com> wrote:\n> q", "Re: q", GENERATED) == "ok"


@pytest.mark.parametrize(
    "field", ["X-JIRA-FingerPrint", "X-GitLab-Project", "X-RT-Loop-Prevention"]
)
def test_the_rows_of_a_tracker_stay_in_a_thread(field: str) -> None:
    rows = "Updated.\n\nFrom: Jan <j@example.com>\nDate: 26.11.2026 10:04\nSubject: x\n\ny"
    assert text(rows, "[Ticket 5] x", f"References: <t@e.com>\n{field}: 1\n") == rows


def test_answers_within_what_gmail_quotes_stay() -> None:
    page = (
        '<div dir="ltr">see below<br><br><div class="gmail_quote"><div class="gmail_attr">On Thu, '
        "Nov 26, 2026 at 10:04 AM Jan &lt;j@example.com&gt; wrote:<br></div>"
        '<blockquote class="gmail_quote">one?</blockquote><div>yes</div>'
        '<blockquote class="gmail_quote">two?</blockquote><div>no</div></div></div>'
    )
    shown = text(page, "Re: q", REPLY, "html")
    assert [line for line in shown.split("\n") if line][-4:] == ["one?", "yes", "two?", "no"]
