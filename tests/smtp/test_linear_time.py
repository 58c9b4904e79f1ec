"""Input takes linear time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from bridge.model.failure import Failure
from bridge.smtp.address import parse_path, parse_recipient
from bridge.smtp.inbound.transaction import MAIL_PARAMETERS, RCPT_PARAMETERS, parse_parameters
from bridge.smtp.outbound.mime import field
from bridge.smtp.reading.smsc_line import find_line, parse_line
from bridge.smtp.reply import Refused
from tests.linear import assert_linear
from tests.samples import NOW


def line_of(text: str) -> object:
    return parse_line(find_line(text), now=NOW, max_recipients=1000)


def path(argument: str) -> object:
    return parse_path.__wrapped__(argument)


def recipient(local: str) -> object:
    return parse_recipient.__wrapped__(local)


def mail(parameters: str) -> object:
    return parse_parameters(parameters, MAIL_PARAMETERS)


def rcpt(parameters: str) -> object:
    return parse_parameters(parameters, RCPT_PARAMETERS)


#: The reader, the repeated piece, the prefix, and the suffix.
INPUTS: list[tuple[Callable[[str], object], str, str, str]] = [
    (line_of, "12345 ,", "l:p:1:0:0,0::\n", "x"),
    (line_of, "12345 ,", "l:p:1:0:0,0::\n", ""),
    (line_of, "12345,", "l:p:1:0:0,0::\n", "1234:x"),
    (line_of, "12345;", "l:p:1:0:0,0::\n", "x"),
    (line_of, "1 ", "l:p:1:0:0,0::\n", "x"),
    (line_of, " ", "l:p:1:0:0,0::\n", "12345"),
    (line_of, " ", "l:p:1:0:0,0::\n12345", "x"),
    (line_of, " ", "l:p:1:0:0,0::\n12345", "x:text"),
    (line_of, " ", "l:p:1:0:0,0::\n12345", "x;text"),
    (line_of, "12345 ,", "l:p:1:0:0,0::\n", "x:text"),
    (line_of, "G1 ,", "l:p:1:0:0,0::\n", "x"),
    (line_of, ",", "l:p:1:0:0,0::\n", ":x"),
    (line_of, "\n", "l:p:1:0:0,0::", "x"),
    (line_of, "12345:x\n", "l:p:1:0:0,0::\n", ""),
    (line_of, "12345,", "l:p:1:0:0,0:", ":x"),
    (line_of, " ", "l:p:1:01.02.26", "12:00:0,0:12345:x"),
    (line_of, "[text]", "", ""),
    (line_of, "[/text]", "", ""),
    (line_of, "[", "", "text]"),
    (line_of, ":", "", ""),
    (line_of, ",", "l:p:1:0:", ":12345:x"),
    (line_of, "0", "l:p:", ":0:0,0:12345:x"),
    (line_of, "0", "l:p:1:", ":0,0:12345:x"),
    (line_of, "x", "l:p:1:0:0,0,", ":12345:x"),
    (path, "a", "<", ""),
    (path, "<", "", ""),
    (path, ">", "<a@b", ""),
    (path, " ", "<a@b>", "\n"),
    (path, " ", "<", ">"),
    (path, "@a:", "<", "b@c>"),
    (path, '"', "", "<a@b>"),
    (path, '\\"', '"', "<a@b>"),
    (path, "\\", '<"', '"@b>'),
    (path, " ", '"x"', "a"),
    (path, "a", "", "@"),
    (recipient, "1", "", "x"),
    (recipient, " ", "1", "x"),
    (recipient, "+", "1", ""),
    (recipient, "+promo", "1", ""),
    (recipient, "_", "", "a"),
    (mail, "+2B", "ENVID=", ""),
    (mail, "+", "ENVID=", ""),
    (mail, "A=1 ", "", ""),
    (mail, " ", "", "x"),
    (mail, "1", "BY=", ";R"),
    (mail, "1", "HOLDUNTIL=2026-01-01T00:00:00.", "Z"),
    (rcpt, "a", "ORCPT=rfc822;", ""),
    (rcpt, ";", "ORCPT=", ""),
    (rcpt, "SUCCESS,", "NOTIFY=", ""),
    (lambda text: field("Subject", text), ". ", "", ""),
    (lambda text: field("Subject", text), "ж", "", ""),
    (lambda text: field("Message-ID", text), "a.", "<", "@"),
]


@pytest.mark.parametrize("number", range(len(INPUTS)))
def test_work_grows_with_the_input_and_no_faster(number: int) -> None:
    read, piece, before, behind = INPUTS[number]

    def work(size: int) -> None:
        with suppress(Failure, Refused):
            read(before + piece * (size // len(piece) + 1) + behind)

    assert_linear(work)
