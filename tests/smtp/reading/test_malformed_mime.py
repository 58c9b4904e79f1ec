"""Mails whose MIME is not as the standards have it, and whose text is plain to see all the same."""

from __future__ import annotations

import base64
import quopri

import pytest

from bridge.config.settings import AccountSettings, Smtp
from bridge.model.failure import Failure
from bridge.model.message import Recipient
from bridge.smtp.reading.mail import read_mail

TEXT = "Код 5"
PLAIN = f"Content-Type: text/plain; charset=utf-8\n\n{TEXT}"
HTML = "Content-Type: text/html; charset=utf-8\n\n<p>Код <b>5</b></p>"
PDF = (
    "Content-Type: application/pdf; name=x.pdf\nContent-Disposition: attachment; filename=x.pdf\n"
    "Content-Transfer-Encoding: base64\n\nJVBERi0="
)
MAIL = f"From: x@example.com\nSubject: inner\n{PLAIN}"
PICTURE = "Content-Type: image/png\nContent-ID: <i>\n\nx"


def text(mail: str) -> str:
    to = (Recipient("380501234567"),)
    return read_mail(mail.encode(), to, smtp=Smtp(), account=AccountSettings()).text


def mail(kind: str, body: str, encoding: str = "8bit") -> str:
    return (
        f"From: a@example.com\nSubject: S\nMIME-Version: 1.0\nContent-Type: {kind}\n"
        f"Content-Transfer-Encoding: {encoding}\n\n{body}"
    )


def parts(*of: str, boundary: str = "b", end: bool = True) -> str:
    body = "".join(f"--{boundary}\n{part}\n" for part in of)
    return body + (f"--{boundary}--\n" if end else "")


def encoded(of: str) -> str:
    return base64.encodebytes(of.encode()).decode()


def quoted(of: str) -> str:
    return quopri.encodestring(of.encode()).decode()


def within(field: str, part: str) -> str:
    return part.replace("\n\n", f"\n{field}\n\n", 1)


@pytest.mark.parametrize(
    "kind",
    [
        *("text", "TEXT/PLAIN", "text/", "/plain", "plain", "text/text", "text / plain", "x", ""),
        *(
            "text/plain;;charset=utf-8",
            'text/plain;charset = "utf-8" ;',
            "text/plain charset=utf-8",
        ),
        *("text/plain, charset=utf-8", 'text/plain; charset="utf-8', "text/plain; charset='utf-8'"),
        *("text/plain; charset:utf-8", '"text/plain"', "text/plain\n ;charset=utf-8", "*/*"),
        *("text/markdown", "text/csv", "text/x-log", "text/yaml", "text/unknown", "message/plain"),
        *("application/x-unknown", "application/json", "application/xml", "unknown/unknown"),
        *("multipart/mixed", "multipart/mixed; boundary=", "application/octet-stream"),
        *("text/plain;\ncharset=utf-8", "text/plain\n; charset=utf-8"),
    ],
)
def test_the_only_text_is_read_whatever_its_type(kind: str) -> None:
    assert text(mail(kind, TEXT)) == TEXT


NESTED = "Content-Type: multipart/alternative; boundary={b}\n\n" + "{parts}"
MULTIPARTS = {
    "whole": mail("multipart/mixed; boundary=b", parts(PLAIN, PDF)),
    "no end": mail("multipart/mixed; boundary=b", parts(PLAIN, PDF, end=False)),
    "half quoted": mail('multipart/mixed; boundary="b', parts(PLAIN, PDF)),
    "wrong quotes": mail("multipart/mixed; boundary='b'", parts(PLAIN, PDF)),
    "folded": mail('multipart/mixed;\n\tboundary="b"', parts(PLAIN, PDF)),
    "not folded": mail('multipart/mixed;\nboundary="b"', parts(PLAIN, PDF)),
    "blanks": mail('multipart/mixed; boundary = "b"', parts(PLAIN, PDF)),
    "no semicolon": mail('multipart/mixed boundary="b"', parts(PLAIN, PDF)),
    "comma": mail('multipart/mixed, boundary="b"', parts(PLAIN, PDF)),
    "another": mail('multipart/mixed; boundary="other"', parts(PLAIN, PDF)),
    "none": mail("multipart/mixed", parts(PLAIN, PDF)),
    "no subtype": mail("multipart; boundary=b", parts(PLAIN, PDF)),
    "unknown subtype": mail("multipart/x-foo; boundary=b", parts(PLAIN, PDF)),
    "as text": mail("text/plain; boundary=b", parts(PLAIN, PDF)),
    "as HTML": mail("text/html; boundary=b", parts(HTML, PDF)),
    "in pieces": mail(
        'multipart/mixed; boundary*0="b"; boundary*1="b"', parts(PLAIN, boundary="bb")
    ),
    "percent": mail("multipart/mixed; boundary*=us-ascii''b", parts(PLAIN, PDF)),
    "signs": mail("multipart/mixed; boundary=--=_P_1.3", parts(PLAIN, boundary="--=_P_1.3")),
    "with hyphens": mail('multipart/mixed; boundary="--b"', parts(PLAIN, PDF)),
    "base64": mail("multipart/mixed; boundary=b", encoded(parts(PLAIN, PDF)), "base64"),
    "quoted-printable": mail(
        "multipart/mixed; boundary=b",
        quoted(parts(within("Content-Transfer-Encoding: 8bit", PLAIN), PDF)),
        "quoted-printable",
    ),
    "quoted-printable twice": mail(
        "multipart/mixed; boundary=b",
        quoted(parts("Content-Transfer-Encoding: quoted-printable\n\n" + quoted(TEXT), PDF)),
        "quoted-printable",
    ),
    "only said base64": mail("multipart/mixed; boundary=b", parts(PLAIN), "base64"),
    "only said QP": mail("multipart/mixed; boundary=b", parts(PLAIN), "quoted-printable"),
    "HTML first": mail("multipart/alternative; boundary=b", parts(HTML, PLAIN)),
    "HTML alone": mail("multipart/alternative; boundary=b", parts(HTML)),
    "nothing visible": mail(
        "multipart/alternative; boundary=b",
        parts("Content-Type: text/plain; charset=utf-8\n\n\xa0\u200b\n", HTML),
    ),
    "one begins as the other": mail(
        "multipart/mixed; boundary=b",
        parts(NESTED.format(b="b-1", parts=parts(PLAIN, HTML, boundary="b-1")), PDF),
    ),
    "inner without an end": mail(
        "multipart/mixed; boundary=b",
        parts(NESTED.format(b="c", parts=parts(PLAIN, HTML, boundary="c", end=False)), PDF),
    ),
    "start": mail(
        'multipart/related; boundary=b; start="<r>"',
        parts(PICTURE, within("Content-ID: <r>", HTML)),
    ),
    "start of a picture": mail('multipart/related; boundary=b; start="<i>"', parts(PICTURE, HTML)),
    "start of none": mail('multipart/related; boundary=b; start="<z>"', parts(PICTURE, HTML)),
    "named": mail("multipart/mixed; boundary=b", parts(PLAIN.replace("8\n", "8; name=x.txt\n", 1))),
    "inline with a name": mail(
        "multipart/mixed; boundary=b",
        parts(within("Content-Disposition: inline; filename=body.txt", PLAIN), PDF),
    ),
    "attachment first": mail("multipart/mixed; boundary=b", parts(PDF, PLAIN)),
    "part without a header": mail("multipart/mixed; boundary=b", parts(f"\n{TEXT}", PDF)),
    "part not folded": mail(
        "multipart/mixed; boundary=b",
        parts(f"Content-Type: text/plain;\ncharset=utf-8\n\n{TEXT}", PDF),
    ),
    "lines in the part's header that are no fields": mail(
        "multipart/mixed; boundary=b", parts(f"one\ntwo words\n{HTML}", PDF)
    ),
    "octets": mail(
        "multipart/mixed; boundary=b", parts(f"Content-Type: application/octet-stream\n\n{TEXT}")
    ),
    "a mail": mail("message/rfc822", MAIL),
    "a mail encoded": mail("message/rfc822", encoded(MAIL), "base64"),
    "a mail in UTF-8": mail("message/global", MAIL),
    "a mail attached": mail(
        "multipart/mixed; boundary=b",
        parts("Content-Type: text/plain\n\n", f"Content-Type: message/rfc822\n\n{MAIL}"),
    ),
    "blank line above the part's header": mail("multipart/mixed; boundary=b", parts(f"\n{PLAIN}")),
    "no blank line above the parts": mail("multipart/mixed; boundary=b", "").rstrip()
    + "\n"
    + parts(PLAIN, PDF),
    "text and HTML beside each other": mail("multipart/mixed; boundary=b", parts(PLAIN, HTML)),
    "a text that only says HTML": mail(
        "multipart/alternative; boundary=b",
        parts("Content-Type: text/plain\n\nYour program cannot show HTML mails.", HTML),
    ),
    "binary under the label of a text": mail(
        "multipart/mixed; boundary=b",
        parts("Content-Type: text/plain; name=x.gif\n\nGIF89a\0\1\2", PLAIN),
    ),
    "digest": mail("multipart/digest; boundary=b", parts(f"\n{MAIL}")),
}


@pytest.mark.parametrize("name", MULTIPARTS)
def test_the_text_of_a_multipart_is_found(name: str) -> None:
    assert text(MULTIPARTS[name]) == TEXT


@pytest.mark.parametrize(
    "header",
    [
        "\ufeffFrom: a@example.com\nSubject: S\n",
        "\n\nFrom: a@example.com\nSubject: S\n",
        "From a@example.com Thu Nov 26 10:04:11 2026\nSubject: S\n",
        "Subject: one\ntwo words\nMIME-Version: 1.0\n",
        "Subject: S\n: x\nMIME-Version: 1.0\n",
        "Subject: S\nX Mailer: x\nMIME-Version: 1.0\n",
        "Subject: S\nТема: x\nMIME-Version: 1.0\n",
        "Subject : S\nContent-Type : text/plain\n",
        " From: a@example.com\nSubject: S\nMIME-Version: 1.0\n",
    ],
)
def test_a_header_that_is_none_by_the_letter(header: str) -> None:
    assert text(f"{header}\n{TEXT}") == TEXT


@pytest.mark.parametrize("charset", ["charset:windows-1251", "charset=charset=windows-1251"])
def test_a_charset_that_is_said_in_other_words(charset: str) -> None:
    octets = f"Content-Type: text/plain; {charset}\n\n{TEXT}".encode("cp1251")
    to = (Recipient("380501234567"),)
    assert read_mail(octets, to, smtp=Smtp(), account=AccountSettings()).text == TEXT


def test_a_body_without_a_charset_is_in_that_of_the_subject() -> None:
    octets = b"Subject: =?windows-1251?Q?=CA=EE=E4?=\n\n" + TEXT.encode("cp1251")
    to = (Recipient("380501234567"),)
    assert read_mail(octets, to, smtp=Smtp(), account=AccountSettings()).text == TEXT


@pytest.mark.parametrize("label", ["", "; charset=utf-8", "; charset=us-ascii", "; charset=x"])
@pytest.mark.parametrize("says", ["<meta charset=windows-1251>", '<?xml encoding="windows-1251"?>'])
def test_html_that_is_not_in_its_label_is_in_the_charset_that_it_says(
    label: str, says: str
) -> None:
    octets = f"Subject: S\nContent-Type: text/html{label}\n\n{says}<p>{TEXT}".encode("cp1251")
    to = (Recipient("380501234567"),)
    assert read_mail(octets, to, smtp=Smtp(), account=AccountSettings()).text == TEXT


@pytest.mark.parametrize("charset", ["replacement", "utf-16", "x-foo"])
def test_a_charset_of_the_subject_that_is_none_changes_nothing(charset: str) -> None:
    octets = f"Subject: =?{charset}?Q?=CA?= \xca\n\n".encode("latin-1") + b"5 \x80"
    to = (Recipient("380501234567"),)
    assert read_mail(octets, to, smtp=Smtp(), account=AccountSettings()).text == "5 €"
    read_mail(octets[:-3], to, smtp=Smtp(), account=AccountSettings())


@pytest.mark.parametrize("encoding", ["", "7bit", "8bit"])
def test_quoted_printable_without_its_label_is_decoded(encoding: str) -> None:
    quoted = "=D0=9A=D0=BE=D0=B4 =\n5"
    assert text(mail("text/plain; charset=utf-8", quoted, encoding)) == TEXT
    twice = quoted.replace("=", "=3D").replace("=3D\n", "=\n")
    assert text(mail("text/plain; charset=utf-8", twice, "quoted-printable")) == TEXT
    for own in ("x=AB y=CD", "a=5 =D0=9A", "=D0=9A=zz"):
        assert text(mail("text/plain", own, encoding)) == own


@pytest.mark.parametrize("field", ["", "Content-Encoding: base64", "Transfer-Encoding: base64"])
def test_base64_without_its_label_is_decoded(field: str) -> None:
    for own in (f"{TEXT}, насос", "Pump 3 stopped in the hall. " * 3):
        body = encoded(own)
        assert text(f"Subject: S\n{field}\n\n{body}".replace("\n\n\n", "\n\n")) == own.strip()
    for own in (
        "cGFzc3dvcmQ=",
        encoded("user:password of the vault"),
        "k3yWithoutAnyBlankInside1234",
    ):
        assert text(f"Subject: S\n\n{own}") == own.strip()


def test_of_two_transfer_encodings_the_one_that_changes_the_octets_counts() -> None:
    for other in ("7bit", "8bit"):
        field = f"Content-Transfer-Encoding: {other}\nContent-Type: text/plain; charset=utf-8"
        assert text(mail("text/plain", encoded(TEXT), f"base64\n{field}")) == TEXT
        swapped = mail("text/plain", encoded(TEXT), f"{other}\nContent-Transfer-Encoding: base64")
        assert text(swapped) == TEXT


def test_an_encrypted_mail_whose_container_a_relay_changed_is_refused() -> None:
    control = "Content-Type: application/pgp-encrypted\n\nVersion: 1"
    octets = "Content-Type: application/octet-stream; name=encrypted.asc\n\nx"
    with pytest.raises(Failure, match="OpenPGP"):
        text(mail("multipart/mixed; boundary=b", parts(control, octets)))
    assert text(mail("multipart/mixed; boundary=b", parts(PLAIN, control, octets))) == TEXT


def test_a_body_that_calls_itself_an_attachment_is_read() -> None:
    attached = within("Content-Disposition: attachment; filename=body.txt", PLAIN)
    assert text(f"Subject: S\n{attached}") == TEXT


@pytest.mark.parametrize("kind", ["text/plain", "text/html"])
def test_what_is_readable_among_armour_is_read(kind: str) -> None:
    armoured = "-----BEGIN PGP {0}-----\n\nhQEM\n-----END PGP {0}-----\n"
    key = armoured.format("PUBLIC KEY BLOCK")
    assert text(mail(kind, f"<pre>\n{TEXT}\n{key}</pre>" if "html" in kind else TEXT + key)) == TEXT
    with pytest.raises(Failure, match="OpenPGP"):
        text(mail(kind, armoured.format("MESSAGE")))


def test_what_stands_before_the_parts_is_read_if_they_have_no_text() -> None:
    kind = "multipart/mixed; boundary=b"
    assert text(mail(kind, f"{TEXT}\n{parts(PDF)}")) == TEXT
    assert text(mail(kind, f"before\n{parts(PLAIN)}")) == TEXT
    notice = "This is a multi-part message in MIME format.\n"
    assert text(mail(kind, notice + parts(PDF))) == "S"
    assert text(f"Content-Type: text/plain; charset=utf-8\n{mail(kind, parts(PLAIN))}") == TEXT
    assert text(f"Content-Type: text/plain\n{mail('text/html', TEXT)}") == TEXT


def test_octets_with_a_bell_are_a_text_and_with_a_nul_not() -> None:
    bell = mail("application/octet-stream", "CRITICAL disk 98%\a")
    assert text(bell) == "CRITICAL disk 98%"
    assert text(mail("application/octet-stream", "CRITICAL\0disk 98%")) == "S"


def test_carriage_returns_alone_end_lines_where_nothing_else_does() -> None:
    assert text(f"From: a@example.com\rSubject: S\r\r{TEXT}\rx\r\n") == f"{TEXT}\nx"


@pytest.mark.parametrize("name", ["whole", "HTML first", "a mail"])
def test_line_ends_that_were_doubled_are_line_ends(name: str) -> None:
    assert text(MULTIPARTS[name].replace("\n", "\r\r\n")) == TEXT
    assert text(MULTIPARTS[name].replace("\n", "\r\r\r\r\n")) == TEXT


@pytest.mark.parametrize("body", ["Time: 10:00\nPlace: Kyiv", "Alarm: fire\nZone: 3\n\nCall 101"])
def test_lines_with_labels_and_no_field_of_any_mail_are_a_text(body: str) -> None:
    assert text(body) == body


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (mail("text/plain", "eJwrSS0uAQAEXQHB", "x-foo"), "x-foo"),
        (mail("application/pkcs7-mime", "x", "base64"), "S/MIME"),
        (parts(PDF), "application/pdf"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_rule(broken: str, rule: str) -> None:
    if broken.startswith("--"):
        broken = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n" + broken
    with pytest.raises(Failure, match=rule):
        text(broken)
