"""The text part of a mail, and refusals of unreadable mails."""

from __future__ import annotations

import pytest

from bridge.config.settings import AccountSettings, Smtp
from bridge.model.failure import Failure, Reason
from bridge.model.message import Envelope, Recipient
from bridge.smtp.reading.mail import read_mail
from bridge.smtp.reading.record import Record

TO = (Recipient("380501234567"),)


def read(mail: bytes, record: Record | None = None) -> str:
    return read_mail(mail, TO, smtp=Smtp(), account=AccountSettings(), record=record).text


def parts(*of: bytes, kind: bytes = b"mixed") -> bytes:
    head = b"Subject: x\nContent-Type: multipart/" + kind + b"; boundary=b\n\n"
    return head + b"".join(b"--b\n" + part + b"\n" for part in of) + b"--b--\n"


TEXT = b"Content-Type: text/plain\n\nown"
PDF = b"Content-Type: application/pdf\n\nx"


@pytest.mark.parametrize(
    ("mail", "reason", "rule"),
    [
        (parts(TEXT, kind=b"encrypted"), Reason.UNDECODABLE_TEXT, "multipart/encrypted"),
        (
            b"Content-Type: application/pkcs7-mime\n\nx",
            Reason.UNDECODABLE_TEXT,
            "encrypted or signed by S/MIME",
        ),
        (
            b"Subject: x\nContent-Type: text/plain; charset=ISO-2022-CN\n\n\x1b$)A\x0e<:\x0f",
            Reason.UNDECODABLE_TEXT,
            "charset iso-2022-cn",
        ),
        (
            b"\n-----BEGIN PGP MESSAGE-----\nx",
            Reason.UNDECODABLE_TEXT,
            "encrypted (OpenPGP)",
        ),
        (
            b"Content-Transfer-Encoding: x-gzip\n\nx",
            Reason.UNDECODABLE_TEXT,
            "unknown Content-Transfer-Encoding x-gzip",
        ),
        (parts(*[TEXT] * 300), Reason.BAD_PARAMETER, "more than 250 parts"),
        (b"A: " + b"x" * 70_000 + b"\n\nx", Reason.BAD_PARAMETER, "headers of more than"),
        (
            b"Content-Type: text/html\n\n" + b"<p>" * 30_000,
            Reason.TEXT_TOO_LONG,
            "more than 20000 tags",
        ),
        (parts(PDF).replace(b"Subject: x\n", b""), Reason.NO_TEXT, "only application/pdf"),
    ],
)
def test_a_mail_that_cannot_be_read_is_told_the_rule(
    mail: bytes, reason: Reason, rule: str
) -> None:
    with pytest.raises(Failure) as refused:
        read(mail)
    assert refused.value.reason is reason
    assert rule in refused.value.description


def test_the_record_says_what_was_chosen() -> None:
    record = Record()
    html = b"Content-Type: text/html; charset=koi8-r\n\n<p>\xcf\xcb</p>"
    mail = parts(b"Content-Type: text/plain\n\n \n", html, kind=b"alternative")
    assert read(mail, record) == "ок"
    assert (record.part, record.place, record.charset) == ("text/html", "2", "koi8-r")
    assert record.summary() == "text/html (part 2); koi8-r"


def test_how_a_mail_was_read_is_kept_with_the_message() -> None:
    def kept(mail: bytes) -> str:
        read = read_mail(
            mail, TO, smtp=Smtp(), account=AccountSettings(), envelope=Envelope("a@b.cd")
        )
        return read.reading

    assert kept(b"Subject: x\n\ntext\n") == "text/plain; utf-8"
    koi8 = b"Content-Type: text/plain; charset=koi8-r\n\n\xcf\xcb\n"
    assert kept(koi8) == "text/plain; koi8-r"
    cut = kept(b"Subject: Re: x\n\nyes\n\n> secret\n")
    assert cut == "text/plain; utf-8; cut: quoted lines at the end (10 characters)"
    assert kept(b"Subject: x\n\n") == "text/plain; utf-8; no text of its own: the subject"


def test_nothing_of_another_part_is_read() -> None:
    log = b"Content-Type: text/plain; name=a.log\n\nlog"
    assert read(parts(TEXT, log)) == "own"
    assert read(parts(log, TEXT)) == "log\nown"
    assert read(parts(PDF, log)) == "log"
    inner = b"Content-Type: message/rfc822\n\nSubject: y\n\ninner"
    assert read(parts(TEXT, inner)) == "own"
    assert read(parts(b"\n \n", inner)) == "inner"


def test_every_level_of_parts_is_read() -> None:
    nested = TEXT
    for level in range(15):
        boundary = b"b%d" % level
        nested = (
            b"Content-Type: multipart/mixed; boundary="
            + boundary
            + b"\n\n--"
            + boundary
            + b"\n"
            + nested
            + b"\n--"
            + boundary
            + b"--"
        )
    assert read(nested) == "own"


def test_of_alternatives_the_one_that_can_be_read_is_read() -> None:
    chinese = b"Content-Type: text/plain; charset=iso-2022-cn\n\n\x1b$)A\x0e<:\x0f"
    html = b"Content-Type: text/html; charset=utf-8\n\n<p>own"
    assert read(parts(chinese, html, kind=b"alternative")) == "own"
    assert read(parts(TEXT, chinese)) == "own"
