"""Any octets become a submission or a Failure, in short time."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.config.settings import AccountSettings, Smtp
from bridge.model.failure import Failure, Reason
from bridge.model.message import Recipient, Submission
from bridge.smtp.reading.mail import MAX_TEXT, read_mail

SMTP, ACCOUNT = Smtp(), AccountSettings(long_text="truncate")
ONE = (Recipient("380501234567"),)


def read(mail: bytes, recipients: tuple[Recipient, ...] = ONE) -> Submission:
    return read_mail(mail, recipients, smtp=SMTP, account=ACCOUNT, peer="192.0.2.1")


PIECES = st.sampled_from(
    [
        b"Content-Type: multipart/mixed; boundary=b\r\n",
        b"Content-Type: text/html; charset=",
        b"Content-Type: text/plain; charset=utf-7; format=flowed\r\n",
        b"Content-Type: message/rfc822\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n",
        b"Content-Disposition: attachment\r\n",
        b"Subject: =?utf-8?B?",
        b"=?koi8-r?q?=F0?= =?x?b?",
        b"X-Cascade-TTL: ",
        b"X-Cascade-Schedule: ",
        b"Message-ID: <[a>\r\n",
        b"\r\n--b\r\n",
        b"\r\n--b--\r\n",
        b"\r\n\r\n",
        b"\r\n",
        b"\n-- \n",
        b"\n> ",
        b"On x wrote:\n",
        b"<p hidden>&#xD800;&#0;",
        b"+2AA-",
    ]
)
MAILS = st.lists(PIECES | st.binary(max_size=20), max_size=25).map(b"".join)


@settings(max_examples=400, deadline=2000)
@given(MAILS)
@example(b"Content-Type: text/plain; charset=utf-7\n\n+2AA-+3AA-")
@example(b"Content-Type: text/html\n\n&#xD800;x")
def test_octets_are_a_submission_or_a_failure(mail: bytes) -> None:
    try:
        submission = read(mail)
    except Failure:
        return
    submission.text.encode()  # No lone surrogates.
    submission.sender.encode()
    assert submission.text == submission.text.strip()
    assert "\r" not in submission.text
    assert "\n\n\n" not in submission.text


def multipart(levels: int) -> bytes:
    opened = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(levels)
    )
    return opened + b"\ntext\n"


@pytest.mark.parametrize(
    "mail",
    [
        multipart(5000),
        b"Content-Type: message/rfc822\n\n" * 5000,
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 10_000,
        b"Subject: " + b"x" * 200_000 + b"\n\ntext",
        b"Subject: x\n" * 20_000 + b"\ntext",
        b"Content-Type: text/html\n\n" + b"<div>" * 400_000,
    ],
    ids=["levels", "forwarded", "parts", "long field", "many fields", "big html"],
)
def test_a_bomb_is_refused_quickly(mail: bytes) -> None:
    start = time.process_time()
    with pytest.raises(Failure) as refused:
        read(mail)
    assert refused.value.reason in (Reason.BAD_PARAMETER, Reason.TEXT_TOO_LONG)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    "mail",
    [
        b"Subject: " + b"=?utf-8?q?" * 6000 + b"\n\n",
        b"Subject: " + b"=?utf-8?b?0J8=?= " * 3500 + b"\n\n",
        b"Content-Type: text/plain; " + b"charset=" * 8000 + b"\n\nx",
        b"\n" + b"> \n" * 100_000 + b"On x wrote:\n> ",
        b"\n" + b"wrote" * 100_000 + b"\n> q",
        b"Content-Type: text/html\n\n" + b"<div>" * 19_000 + b"x",
        b"Content-Type: text/plain; format=flowed\n\n" + b"word \n" * 100_000,
        b"\n" + b" \n" * 300_000 + b"x",
        b"\n" + b"-- " * 300_000,
        b"\n" + b"-----BEGIN PGP SIGNED MESSAGE-----\n" * 30_000,
        b"\nx\n" + b"From: x\n" * 100_000,
        b"\nx\n" + b"_" * 500_000 + b"\n",
        b"\n" + b"[cid:" * 100_000,
        b"Content-Type: text/plain; charset=idna\n\n" + b"xn--a." * 50_000,
        multipart(15),
        multipart(1) + b"--b0\n" + b"Content-Type: message/rfc822\n\n" * 5000,
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"\n" * 1_000_000,
    ],
)
def test_hostile_but_readable_mails_take_little_time(mail: bytes) -> None:
    start = time.process_time()
    read(mail)
    assert time.process_time() - start < 1.5


def test_a_text_that_no_account_may_send_is_not_counted() -> None:
    mail = b"\r\n" + b"x" * 50_000
    assert len(read(mail).text) == MAX_TEXT
    with pytest.raises(Failure) as refused:
        read_mail(mail, ONE, smtp=SMTP, account=AccountSettings())
    assert refused.value.reason is Reason.TEXT_TOO_LONG


def test_a_mail_that_comes_again_is_known_by_its_message_id() -> None:
    assert read(b"Message-ID: <1@x>\r\n\r\ntext\r\n").repeat_key == b"<1@x>"
    assert read(b"\r\ntext\r\n").repeat_key == b""


def test_a_subject_that_is_the_text_has_characters_in_place_of_references() -> None:
    assert read(b"Subject: You&#39;re in &amp; out\n\n").text == "You're in & out"
    assert read(b"Subject: AT&T\n\n").text == "AT&T"
