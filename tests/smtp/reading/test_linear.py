"""Reading takes linear time: eight times the input, about eight times the work, for every pattern
and library call."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest

from bridge.config.settings import AccountSettings, Smtp
from bridge.model.failure import Failure, Reason
from bridge.model.message import Recipient
from bridge.smtp.reading.mail import read_mail

TO = (Recipient("380501234567"),)
SMTP, ACCOUNT = Smtp(), AccountSettings(long_text="truncate")

REPLY = b"Subject: Re: x\nIn-Reply-To: <1@e>\n\n"
HTML = b"Subject: Re: x\nContent-Type: text/html\n\n"
PARTS = b"Content-Type: multipart/mixed; boundary=b\n\n"


def _text(unit: bytes, end: bytes = b"") -> Callable[[int], bytes]:
    return lambda size: REPLY + b"own\n" + unit * (size // len(unit)) + end


def _html(unit: bytes, start: bytes = b"", end: bytes = b"") -> Callable[[int], bytes]:
    return lambda size: HTML + start + unit * (size // len(unit)) + end


def _field(unit: bytes, name: bytes = b"Subject: ", end: bytes = b"") -> Callable[[int], bytes]:
    # The header has a limit as a whole.
    return lambda size: name + unit * (size // 8 // len(unit)) + end + b"\n\ntext"


def _parts(unit: bytes, head: bytes = PARTS) -> Callable[[int], bytes]:
    return lambda size: head + unit * (size // len(unit))


def _charset(label: str) -> Callable[[int], bytes]:
    head = f"Content-Type: text/plain; charset={label}\n\n".encode()
    return lambda size: head + b"\x1b$B\x8f\xff+A" * (size // 7)


MISLABELLED = b"Content-Type: text/plain; charset=gb2312\n\n"
CHARSETS = ("utf-8", "utf-7", "idna", "iso-2022-jp", "euc-jp", "gbk", "utf-16", "hz")

INPUTS: dict[str, Callable[[int], bytes]] = {
    # Text: lines, quotations, attributions, header blocks, signatures, footers.
    "blanks in a line": _text(b" ", b"c"),
    "blanks in a line and behind it": _text(b" ", b"c \nd"),
    "blanks at line ends": _text(b"a   \n"),
    "blank lines": _text(b" \n", b"x"),
    "mails passed on": _text(b"---- Forwarded ----\nFrom: a@b.c\n"),
    "words of forwards": _text(b"Begin forwarded message:\n"),
    "GroupWise": _text(b">>> A <a@b.c> 6.1.2025 >>>\n", b"x"),
    "marked headers": _text(b"> From: A <a@b.c>\n> Date: 6.1.2025 10:00\n> Subject: x\n>\nq\n"),
    "Postbox": _text(b"A <a@b.c>\n6 January 2025 10:0\n"),
    "help desks": _text(b"##- reply above the line ", b"x"),
    "Notes": _text(b"A <a@b.c>\n6.1.2025 10:00\n"),
    "Yahoo": _text(b"a@b.c 2025 10:00 wrote:   "),
    "signatures in quotations": _text(b"> a\n--\n"),
    "armour": _text(b"-----BEGIN PGP MESSAGE-----\n"),
    "pictures described": _text(b"[a description automatically "),
    "addresses with stars": _text(b"https://urldefense.com/v3/__https://a*b__;Lw "),
    "comments without an end": _html(b"<!--"),
    "titles without an end": _html(b"<title>"),
    "heads": _html(b"<head>a<p>"),
    "selectors by attribute": _html(b"[class=a]", b"<style>", b"{display:none}</style>"),
    "elements in a text": _text(b"<p </p>"),
    "comments before a document": _text(b"<!-- -->", b"<br>"),
    "character references": _text(b"&#1059;&#"),
    "octets quoted": _text(b"=D0=\n"),
    "colours": _text(b"\x1b[3"),
    "struck over": _text(b"a\x08"),
    "UTF-8 encoded twice": _text(b"\xc3\x90\xc2\xa3", b"\xc4\x80"),
    "octets of UTF-16": lambda size: b"Content-Type: text/plain\n\n" + b"a\0" * (size // 2),
    "UTF-8 under another label": lambda size: MISLABELLED + "é abcdefgh".encode() * (size // 11),
    "no UTF-8 under another label": lambda size: MISLABELLED + b"\xc3 abcdefgh" * (size // 10),
    "carriage returns": lambda size: b"Subject: x\r\r\n" + b"\r" * size + b"\n" + b"\r" * size,
    "fields below a blank line": lambda size: b"\n\n" + b"MIME-Version: 1\n" * (size // 16),
    "quoted": _text(b"> \n", b"wrote:\n> "),
    "quoted and not": _text(b"> a\nb\n"),
    "links in quotes": _text(b"> a\nhttps://e.com/x?a=b\n", b"x"),
    "attributions": _text(b"On 6 Jan 2025 A <a@b.c> wrote:\n"),
    "open lines": _text(b"a@b.c 2025\n", b":\n> q"),
    "colons": _text(b"a:\n"),
    "labels": _text(b"From: x\n"),
    "labels of many": _text(b"Abc def: x 12:00\n"),
    "labels without end": _text(b"abc "),
    "labels of one line": _text(b"a b c d e f g h ", b":"),
    "separators": _text(b"----- a -----\n"),
    "attributions below a mark": lambda size: (
        REPLY + b"own\n> q\na\n" + b"On 6 Jan 2025 A <a@b.c> wrote:\n" * (size // 31)
    ),
    "attributions above a mark": _text(b"On 6 Jan 2025 A <a@b.c> wrote:\n", b"x\n> q\nend"),
    "attributions below blank lines": lambda size: (
        REPLY + b"\n" * (size // 2) + b"a@b.c 2025 10:00:\n" * (size // 36)
    ),
    "labels below blank lines": lambda size: (
        REPLY + b"own\n" + (b"\n" * 50 + b"From: x\n") * (size // 58)
    ),
    "half separators": _text(b"-- a "),
    "rules": _text(b"_" * 30 + b"\n"),
    "one rule": _text(b"_", b"\n"),
    "dashes and blanks": _text(b"- ", b"x"),
    "dashes": _text(b"-", b"\nFrom: x"),
    "signatures": _text(b"-- \n"),
    "marks": _text(b"-- "),
    "sent from": _text(b"sent from ", b"\n\nsent from my x"),
    "mobile": _text(b"\n\nSent from my iPhone"),
    "footers": _text(b"_" * 40 + b"\nmailing list\n"),
    "clear-signed": _text(b"-----BEGIN PGP SIGNED MESSAGE-----\n"),
    "armour headers": lambda size: (
        REPLY
        + b"-----BEGIN PGP SIGNED MESSAGE-----\n"
        + b"a: b\n" * (size // 5)
        + b"\n-----BEGIN PGP SIGNATURE-----"
    ),
    "pictures": _text(b"[cid:"),
    "picture addresses": _text(b"[https://a/"),
    "logos": _text(b"[logo"),
    "brackets": _text(b"<https://"),
    "bracketed links": _text(b"a<https://e.com>"),
    "bracketed without blanks": _text(b"x<https://e.com/>y"),
    "wrapped links": _text(b"https://safelinks.protection.outlook.com/?url=https%3A%2F%2Fe "),
    "one long link": lambda size: (
        REPLY + b"own\nhttps://www.google.com/url?q=" + b"a&" * (size // 2)
    ),
    "breaks in text": _text(b"<br>"),
    "markup in text": lambda size: b"\n<p " + b"a " * (size // 2),
    "flowed": lambda size: b"Content-Type: text/plain; format=flowed\n\n" + b"w \n" * (size // 3),
    "enriched": lambda size: b"Content-Type: text/enriched\n\n" + b"<a" * (size // 2),
    # HTML: tags, attributes, style sheets, elements that never end.
    "attributes": _html(b"a=1 ", b"<p "),
    "many attributes": _html(b"a", b"<p ", b"=1 b=2>x"),
    "quotes in tags": _html(b"a=' ", b"<p "),
    "tags": _html(b"<p>"),
    "nested": _html(b"<div>", end=b"</x>" * 20),
    "ends": _html(b"</x>", b"<div>"),
    "ends of what is open": _html(b"<div></x>"),
    "comments": _html(b"<!--"),
    "declarations": _html(b"<!a"),
    "angles": _html(b"<"),
    "empty ends": _html(b"</>"),
    "styles": _html(b"<style>"),
    "rules of styles": _html(b".a{display:none}", b"<style>"),
    "comments of styles": _html(b"/*", b"<style>"),
    "selectors": _html(b".a,", b"<style>", b"{display:none}</style>"),
    "selectors within": _html(
        b"<div class=a><p class=b>x", b"<style>.z .b{display:none}.a .a .a .z{display:none}</style>"
    ),
    "rules within": lambda size: (
        HTML
        + b"<style>"
        + b".a .q .b{display:none}" * (size // 44)
        + b"</style>"
        + b"<i class='a b'>" * (size // 30)
    ),
    "inline style": _html(b"a:b;", b"<p style='"),
    "inline blanks": _html(b" ", b"<p style='", b"'>x"),
    "cells": _html(b"<td><p>x"),
    "rows": _html(b"<tr><td>x"),
    "items": _html(b"<li>"),
    "anchors": _html(b"<a href=https://e.com>x"),
    "entities": _html(b"&#"),
    "entity names": _html(b"&amp"),
    "quotations": _html(b"<blockquote>x"),
    "classes": _html(b"a ", b"<p class='"),
    "charsets": _html(b"<meta "),
    "pictures within": lambda size: HTML + b"<img src='data:image/png;base64," + b"A" * size * 8,
    # Header fields.
    "words": _field(b"=?utf-8?q?"),
    "base64 words": _field(b"=?utf-8?b?0J8=?= "),
    "charsets of words": _field(b"=?utf"),
    "question marks": _field(b"?", b"Subject: =?utf-8?q?"),
    "parameters": _field(b"charset=", b"Content-Type: text/plain; "),
    "semicolons": _field(b";", b"Content-Type: text/plain"),
    "blanks of parameters": _field(b" ", b"Content-Type: text/plain;", b"charset"),
    "letters of parameters": _field(b"a", b"Content-Type: text/plain;"),
    "pieces of parameters": _field(b"; a*1*=b", b"Content-Type: text/plain"),
    "quotes of parameters": _field(b'"', b"Content-Type: text/plain; a="),
    "slashes": _field(b"/ ", b"Content-Type: text"),
    "folds": _field(b"\n a", b"Content-Type: text/plain"),
    "dispositions": _field(b";filename=", b"Content-Disposition: inline"),
    "encodings": _field(b"-", b"Content-Transfer-Encoding: base"),
    "tags of subjects": lambda size: b"Subject: " + b"[x] " * (size // 32) + b"\n\na\nb:\n> c",
    "prefixes": lambda size: b"Subject: " + b"Re " * (size // 24) + b"\n\na\nb:\n> c",
    "references": lambda size: b"References: " + b"\n " * (size // 16) + b"\n\na\nb:\n> c",
    "broken lines": _field(b"no field\n", b"Subject: x\n", b"MIME-Version: 1.0"),
    "broken places": _field(b"no field\nTo: y\n", b"Subject: x\n", b"MIME-Version: 1.0"),
    "blank before": lambda size: b"\n" * size + b"Subject: x\nMIME-Version: 1.0\n\nx",
    # Parts and encodings.
    "lines like boundaries": _parts(b"--bb\n"),
    "boundaries of others": _parts(b"--c\n"),
    "boundaries before fields": _parts(b"--c\ncontent-type\n", b"Content-Type: text/plain\n\n"),
    "hyphens": _parts(b"--"),
    "blank boundaries": _parts(b"--b " + b" " * 50 + b"x\n"),
    "no boundary": _parts(b"\n", b"Content-Type: multipart/mixed\n\n"),
    "base64": lambda size: b"Content-Transfer-Encoding: base64\n\n" + b"QUJD=" * (size // 5),
    "no base64": lambda size: b"Content-Transfer-Encoding: base64\n\n" + b"!" * size,
    "quoted-printable": lambda size: (
        b"Content-Transfer-Encoding: quoted-printable\n\n" + b"=0A\n" * (size // 4)
    ),
    "soft breaks": lambda size: (
        b"Content-Transfer-Encoding: quoted-printable\n\n" + b"= " * (size // 2)
    ),
    "uuencoded": lambda size: (
        b"Content-Transfer-Encoding: x-uuencode\n\n" + b"begin 644 " * (size // 10)
    ),
    "files in a text": lambda size: b"\n\n" + b"begin 644 x\nMA\n\n" * (size // 17),
    "a file without an end": lambda size: b"\n\nbegin 644 x\n" + b"M\n" * (size // 2),
    "a text before the parts": lambda size: (
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"word " * (size // 5) + b"\n--b\n\n"
    ),
    # Character sets.
    **{charset: _charset(charset) for charset in CHARSETS},
}


def _seconds(mail: bytes) -> float:
    """The least of three readings, in seconds of CPU."""
    spent = []
    for _ in range(3):
        began = time.process_time()
        with contextlib.suppress(Failure):
            read_mail(mail, TO, smtp=SMTP, account=ACCOUNT)
        spent.append(time.process_time() - began)
    return min(spent)


def test_one_tag_of_any_number_of_attributes_is_a_tag() -> None:
    attributes = b" ".join(b"a%d=1" % number for number in range(40_000))
    mail = HTML + b"<p " + attributes + b">x"
    assert read_mail(mail, TO, smtp=SMTP, account=ACCOUNT).text == "x"


def test_more_tags_than_a_message_has_are_refused_at_once() -> None:
    with pytest.raises(Failure) as refused:
        read_mail(HTML + b"<p>" * 100_000, TO, smtp=SMTP, account=ACCOUNT)
    assert refused.value.reason is Reason.TEXT_TOO_LONG


def test_a_header_broken_in_thousands_of_places_is_read() -> None:
    mail = b"Subject: x\n" + b"no field\nTo: y\n" * 2000 + b"MIME-Version: 1.0\n\nbody"
    assert read_mail(mail, TO, smtp=SMTP, account=ACCOUNT).text.endswith("body")


@pytest.mark.parametrize("name", INPUTS)
def test_eight_times_the_input_is_about_eight_times_the_work(name: str) -> None:
    made = INPUTS[name]
    small, large = _seconds(made(8_000)), _seconds(made(64_000))
    # Quadratic work would take 64 times as long. Times that are too short are not compared.
    assert large < max(24 * small, 0.05)
