"""The sender's own text of a reply."""

from __future__ import annotations

import pytest

from bridge.config.settings import AccountSettings, Smtp
from bridge.model.message import Recipient
from bridge.smtp.reading.mail import read_mail
from bridge.smtp.reading.quotes import Reply, cut_quotes


def kept(text: str, reply: Reply) -> str:
    return cut_quotes(text, lambda: reply)[0]


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("yes\n\n> q\n> q", "yes"),
        ("yes\nOn Mon, 6 Jan 2025, A <a@b> wrote:\n> q", "yes"),
        ("See you at 5.\nOn Mon, A <a@b> wrote:\n\n> q\n", "See you at 5."),
        ("так\n6 січня 2025 р., Марія <m@e>\nнаписала:\n> q", "так"),
        ("ok\nA wrote:\n> q", "ok"),
        ("ok\n----- Original Message -----\nFrom: x\n", "ok"),
        ("ok\n---- On Mon, 6 Jan 2025 A <a@b.c> wrote ----\ntext", "ok"),
        ("ok\n2025-01-06 10:00 GMT+01:00 A <a@b.c>:\n> q", "ok"),
        ("ok\nOn Mon, Jan 6, 2025 A <a@b.c> wrote:\nunquoted\ntext", "ok"),
        ("ok\n> long https://example.com/\nhttps://example.com/x?a=b\n> more", "ok"),
        ("ok On Mon, Jan 6, 2025 at 10:00, a@b.c wrote:\n> q", "ok"),
        (
            "ok\n________________________________\nVon: A\nAn: B\nDatum: 6.1.2025\nBetreff: x\nq",
            "ok",
        ),
        ("ok\n\n*-------- Original Message --------*\n\ntext", "ok"),
        (
            'ok\n\n-----"Novák, Jan (IT)" <jan.novak@long.example.com> wrote: -----\nTo: me@e.com\n'
            'From: "Novák, Jan" <j@e.com>\nDate: 26.11.2026 15:19\nSubject: x\n\nq',
            "ok",
        ),
        (
            "ok\n\n---- Am Do, 26 Nov 2026 15:19:22 +0100 Jan <jan@e.com> schrieb\n----\n\n> q",
            "ok",
        ),
        (
            "ok\n\nJan Novák ---11/26/2026 03:19:22 PM---Will you\ncome?\n\nFrom:\tJan Novák/ACME\n"
            "To:\tme@e.com\nDate:\t11/26/2026 03:19 PM\nSubject:\tx\n\nq",
            "ok",
        ),
        ("ok\n\nJan Novák <j@e.com> 於 2026年11月26日 下午03:19 [GMT+8] 寫道﹕\n\nq", "ok"),
        (
            "ok\n\x02----- Original -----\nFrom: A\nDate: 26.11.2026 15:19\nTo: b\nSubject: x\n\nq",
            "ok",
        ),
        ("ok\n\nOn Wed, 14 Nov 2026 08:14:43 -0200 A <a@b.c> wrote\n\ntext", "ok"),
        ("ok\nMystery: A <a@b.c>\nWhen: 6 Jan 2025 10:00\nTopic: x\n\nq", "ok"),
        ("ok\n\nJan Novak <j@e.com>\n26.11.2026 15:19\n\nAn\nme@e.com\n\nThema\nx\n\nq", "ok"),
        ("ok\n\nJan Novak\n11/26/2026 10:04 AM\nTo: Me/ACME@ACME\ncc:\nSubject: x\n\nq", "ok"),
        ("ok\n\nJan <j@e.com> on 11/26/2026 10:04:11 AM\nTo: me\ncc:\nSubject: x\n\nq", "ok"),
        (
            "ok\n\nJan <j@e.com>\n11/26/2026 10:04\nPlease respond to\nj@e.com\n\nTo\nme\ncc\n\nq",
            "ok",
        ),
        ("ok\n\n>>> Jan <j@e.com> 26.11.2026 15:19 >>>\nplain quotation", "ok"),
        ("ok\n\n>>> On 26.11.2026 at 15:19, Jan <j@e.com> wrote:\nplain quotation", "ok"),
        ("ok\n\n  On Thu, 26 Nov 2026 at 15:19, Jan<j@e.com> wrote:   quoted\ntext", "ok"),
        ("ok\n\n‐‐‐‐‐‐‐ Original Message ‐‐‐‐‐‐‐\nOn 26.11.2026 Jan <j@e.com> wrote:\n> q", "ok"),
        ('好\n\n------------------&nbsp;原始邮件&nbsp;------------------\n发件人: "王"', "好"),
        ("ok\n\n__From:__ Jan <j@e.com>\n__Sent:__ 26.11.2026 15:19\n__To:__ me\nq", "ok"),
        ("ok\n\nOn Thu, 26 Nov 2026 at 15:19, Jan <j@e.com>\n\nwrote:\n\n> q", "ok"),
        ("ja\n\nEnvoyé le: 26.11.2026 15:19\n\nDe: Jan <j@e.com>\n\nObjet: x\n\nq", "ja"),
        # BlackBerry and IceWarp write the heading without rules.
        (
            "ok\n\n  Original Message  \nFrom: Jan\nSent: Thursday, November 26, 2026 3:19 PM\n"
            "To: Me\nSubject: x\n\nq",
            "ok",
        ),
        (
            "ja\n\nOriginalnachricht\n\nVon: Jan\n\nGesendet: 26.11.2026 15:19\n\nAn: Ich\n\n"
            "Betreff: x\n\nq",
            "ja",
        ),
        ("好\n\n======= 2026-11-26 15:19:22 您在来信中写道：=======\n\nq\n\n= = = = = =", "好"),
        (
            "ok\n\n---- Replied Message ----\n| From | Jan<j@e.com> |\n| Date | 26.11.2026 |\nq",
            "ok",
        ),
        ("ok\n\nJan Novak <mailto:j@e.com>\nNovember 26, 2026 at 3:19 PM\nq\nq", "ok"),
        ("ja\n\nJan Novak <j@e.com>\nDonnerstag, 26. November 2026 um 15:19 Uhr\n\nq", "ja"),
        ("sí\n\nCitando Jan Novák <j@e.com>:\n\nq\nq", "sí"),
        ("ja\n\nZitat von Jan <j@e.com>:\n\nq\nq", "ja"),
        (
            "oui\n\n====\n\nMessage du : 26/11/2026 15:19\nDe : Jan <j@e.com>\nA : me\n\nq",
            "oui",
        ),
        # Centrum marks the header alone.
        (
            'ano\n\n__________________________________\n> Od: "Jan" <j@e.com>\n> Komu: me@e.com\n'
            "> Datum: 26.11.2026 15:19\n> Předmět: x\n>\nq",
            "ano",
        ),
        (
            "ok\n\n##- Bitte geben Sie Ihre Antwort oberhalb dieser Zeile ein. -##\n\nTicket 5\nq",
            "ok",
        ),
        ("ok\n\n--- Reply above this line ---\n\nAnna, Nov 26, 2026\nq", "ok"),
    ],
)
def test_the_tail_of_a_reply_is_cut(text: str, own: str) -> None:
    assert kept(text, Reply.SURE) == own


@pytest.mark.parametrize(
    "text",
    [
        "> q\nanswer\n> q2\nanswer 2",
        "On Mon, Jan 6, 2025 A <a@b.c> wrote:\n> q\nanswer\n> q2\nanswer 2",
        "> only\n> quotation",
        "A wrote:\n> only",
        "2 > 1",
        "he wrote: yes",
        "-----Original Message-----\nall of it",
        "FYI\n\n---------- Forwarded message ---------\nFrom: A <a@b.c>\nDate: 6 Jan 2025\nTo: x",
        "FYI\n\n-------- Weitergeleitete Nachricht --------\nVon: <a@b.c>\nDatum: 6.1.2025\nAn: x",
        "He puts it well:\n> a saying",
        "Times: 10:00\nPlace: here\nCost: 5",
        "Flights\nFrom: Kyiv\nTo: Lviv\nDate: 26.11.2026 10:00\nSeat: 5",
        "Details:\nName: Jan <jan@e.com>\nDate: 26.11.2026\nRoom: 5",
        "see\n---- Message for Jan ----\ncall 5",
        "Write to jan@e.com before 26.11.2026:\n- name\n- room",
        "ok\nSend to jan@e.com by 26.11.2026 15:00:\n- passport\n- photo",
        "ok\n----- Jan <j@e.com>, hall 5 -----\ncall him",
        "ok\nJan ---5 pieces--- and more",
        "Pump 3\n26.11.2026 10:04\nstopped\nTo do: restart",
        "Sale\n\n----- Original price -----\n100\n----- New price -----\n90",
        "See the drawing\n======= 26.11.2026 =======\nnew",
        "Call him:\nJan Novak <jan@e.com>\n26.11.2026 in room 5\nat ten",
        "On duty:\nJan Novak <jan@e.com>\n26.11.2026 08:00\nAnna <anna@e.com>\n26.11.2026 20:00",
        "ok\n> Od: Jan <j@e.com>\n> Datum: 26.11.2026\n> Předmět: x\n> q\nans",
        "Sign the form above this line\n\nand send it back",
        "##- Please type your reply above this line -##\n\nAnna, 26.11.2026 10:04:\nq",
    ],
)
def test_own_text_stays_in_a_reply_too(text: str) -> None:
    assert kept(text, Reply.SURE) == text


@pytest.mark.parametrize(
    "text",
    [
        "used 93 %\nlimit\n> 90 %",
        "Today:\n> 10:00 dentist\n> 15:00 school",
        "Anna commented on OPS-7:\n\n> Please restart",
        "Anna commented on 26.11.2026:\n\n> Please restart",
        "New request\n\nFrom: Ivan <i@e.com>\nDate: 26.11.2026 10:04\nPhone: 1\nText: call me",
        "diff\n--- a/x 2026-11-26\n+++ b/x\n> 1",
        "----- Original Message -----\nFrom: x",
        "news\n-----Original Message-----\nFrom: x\nTo: y\nSubject: z",
    ],
)
def test_nothing_is_cut_from_what_is_no_reply(text: str) -> None:
    assert kept(text, Reply.NO) == text


QUOTATION = "On 26.11.2026 15:19, Jan <j@e.com> wrote:\n> one\n> two"


#: Headers of quoted mails whose lines are marked.
HEADERS = [
    "From: Jan <j@e.com>\nSent: 26.11.2026 15:19\nTo: me\nSubject: x",
    "Von: Jan <j@e.com>\nDatum: 26.11.2026 15:19\nAn: me\nBetreff: a long subject that is\nwrapped",
    "----- Original Message -----\nFrom: Jan <j@e.com>\nDate: 26.11.2026\nTo: me\nSubject: x",
    '------ Original Message ------\nFrom "Jan" <j@e.com>\nDate 26.11.2026 15:19\nSubject x',
    "-------- Original Message --------\nOn 26.11.2026 Jan <j@e.com> wrote:",
    "---- On Thu, 26 Nov 2026 Jan <j@e.com> wrote ----",
]


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("gap", ["\n", "\n\n"])
def test_answers_among_marked_lines_below_a_header_stay(header: str, gap: str) -> None:
    for below in ("> one\n\nyes\n\n> two\n\nno", "> one\n> two\n\nyes", "> one\nyes\n> two"):
        text = f"ok\n\n{header}{gap}{below}"
        assert kept(text, Reply.SURE) == text
    assert kept(f"ok\n\n{header}{gap}> one\n>\n> two", Reply.SURE) == "ok"
    assert kept(f"ok\n\n{header}\n\none\n\n> older\n\ntwo", Reply.SURE) == "ok"


@pytest.mark.parametrize("dashes", ["--", "---", "—"])
@pytest.mark.parametrize("gap", ["\n", "\n\n"])
def test_a_signature_below_the_quotation_goes_with_it(dashes: str, gap: str) -> None:
    text = f"ok\n\n{QUOTATION}{gap}{dashes}\nAnna\nTel. 5"
    assert kept(text, Reply.SURE) == "ok"
    assert kept(text, Reply.NO) == text


def test_the_answer_to_a_mail_that_was_passed_on_loses_it() -> None:
    passed_on = "> ---------- Forwarded message ---------\n> From: I <i@e.com>\n> \n> text"
    assert kept(f"ok\n\nOn 26.11.2026 Jan <j@e.com> wrote:\n\n{passed_on}", Reply.SURE) == "ok"
    assert kept(f"see\n\n{passed_on}", Reply.SURE) == f"see\n\n{passed_on}"


def test_two_dashes_in_the_own_text_are_no_signature() -> None:
    assert kept(f"wash\n--\ndry\n\n{QUOTATION}", Reply.SURE) == "wash\n--\ndry"
    below = f"{QUOTATION}\n\nyes\n--\nAnna"
    assert kept(below, Reply.SURE) == below


@pytest.mark.parametrize(
    "forwarded",
    [
        '-------- Пересылаемое сообщение --------\n26.11.2026, 15:19, "I" <i@e.com>:\n\ntext',
        '-------- Пересылаемое сообщение --------\n26.11.2026, 15:19, "I" <i@e.com>:\n\n> text',
        "-------- Перенаправленное сообщение --------\nТема: x\nДата: 26.11.2026\nОт: I <i@e.com>",
        "Початок листа, що пересилається:\n\nВід: I <i@e.com>\nТема: x\nДата: 26.11.2026\n\ntext",
        "---- Forwarded Message ----\nFrom: Jan <j@e.com>\nDate: 26.11.2026\nSubject: x\ntext",
        "--- Weitergeleitete Nachricht ---\nVon: Jan <j@e.com>\nDatum: 26.11.26\nBetreff: x\ntext",
        "----- Forwarded by Jan/ACME on 26.11.2026 10:04 -----\n\nI <i@e.com>\n26.11.2026\n\ntext",
        "Begin forwarded message:\n\n> From: Jan <j@e.com>\n> Date: 26.11.2026\n> \n> text",
        "Начало переадресованного сообщения:\n\n> От: Иван <i@e.com>\n> Дата: 26.11.2026\n> text",
        "---------- Forwarded message ---------\nFrom: Jan <j@e.com>\n\ntext\n\n> quoted there",
    ],
)
def test_a_mail_that_an_answer_passes_on_stays(forwarded: str) -> None:
    assert kept(f"see\n\n{forwarded}", Reply.SURE) == f"see\n\n{forwarded}"
    assert kept(forwarded, Reply.SURE) == forwarded


@pytest.mark.parametrize(
    "forwarded",
    [
        "---------- Forwarded message ---------\nFrom: Jan <j@e.com>\n\ntext",
        "Anfang der weitergeleiteten Nachricht:\n\n> Von: Jan <j@e.com>\n> text",
        "From: Jan <j@e.com>\nSent: 26.11.2026 15:19\nTo: me\nSubject: x\n\ntext",
    ],
)
def test_a_signature_above_a_mail_that_is_passed_on_does_not_take_it_away(forwarded: str) -> None:
    mail = f"Subject: Server\n\nsee\n-- \nAnna\n\n{forwarded}".encode()
    to = (Recipient("380501234567"),)
    for header in (b"", b"References: <1@e.com>\n"):
        if header and forwarded.startswith("From"):
            continue  # In a reply, that is a quotation.
        text = read_mail(header + mail, to, smtp=Smtp(), account=AccountSettings()).text
        assert text.endswith(forwarded)


@pytest.mark.parametrize("text", ["limit\n> 90 %", "WHERE x\n> 5\n> 3", "$ df\n> 90 % used"])
def test_a_line_or_two_right_below_the_own_text_are_its_own(text: str) -> None:
    assert kept(text, Reply.SURE) == text


def test_the_rows_of_a_form_are_no_attribution() -> None:
    text = "Name: Jan\nFrom: j@e.com\nDate: 26.11.2026 15:19\nSubject: x\nMessage:\n\ncall me"
    assert kept(text, Reply.SURE) == text


def test_an_attribution_with_address_and_date_is_enough() -> None:
    text = "так\nпн, 6 січ. 2025 р. о 10:00 Марія <m@example.com>\nпише:\n> q"
    assert kept(text, Reply.NO) == "так"
    assert kept(text, Reply.PERHAPS) == "так"


def test_whether_it_is_a_reply_is_asked_only_where_that_matters() -> None:
    def never() -> Reply:
        raise AssertionError

    assert cut_quotes("one line > 5", never) == ("one line > 5", "")
    assert cut_quotes("two\nlines", never) == ("two\nlines", "")
