"""Header fields and parts of the bridge's own mails, whatever stands in them."""

from __future__ import annotations

from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.smtp.outbound.mime import (
    address,
    address_field,
    date,
    entity,
    field,
    message_id,
    multipart,
    plain_field,
    text_part,
)
from tests.samples import NOW


@given(st.text(max_size=300))
def test_a_value_stays_in_its_field(value: str) -> None:
    octets = field("Subject", value)
    parsed = message_from_bytes(octets + b"\r\nbody")
    assert parsed.keys() == ["Subject"]
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    assert octets.isascii()
    read = str(make_header(decode_header(parsed["Subject"])))
    written = "".join(char if char.isprintable() else " " for char in value)
    if not any("\ud800" <= char <= "\udfff" for char in value):
        assert read.split() == written.split()


def test_a_long_value_is_folded_at_its_blanks() -> None:
    lines = plain_field("Diagnostic-Code", "word " * 40).split(b"\r\n")
    assert len(lines) > 2
    assert all(len(line) <= 78 for line in lines)
    assert all(line.startswith(b" ") for line in lines[1:-1])


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("erp@shop.example", "erp@shop.example"),
        ("two words@shop.example", '"two words"@shop.example'),
        ('a"b@shop.example', '"a\\"b"@shop.example'),
        ("@shop.example", ""),
        ("a@b c", ""),
        ("a@b\r\nBcc: x@y", ""),
    ],
)
def test_an_address_is_quoted_or_left_out(written: str, form: str) -> None:
    assert address(written) == form


def test_a_display_name_is_quoted() -> None:
    assert address_field("From", ["a@b.c"], 'A "B"') == b'From: "A \\"B\\"" <a@b.c>\r\n'


def test_only_a_valid_message_id_is_used() -> None:
    assert message_id("<1@shop.example>") == "<1@shop.example>"
    for wrong in ("1@shop.example", "<1>", "<a b@c>", "<1@x>\r\nBcc: y", f"<{'x' * 260}@y>"):
        assert message_id(wrong) == ""


def test_a_date_is_in_utc() -> None:
    assert date(NOW) == "Thu, 01 Jan 2026 00:00:00 +0000"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_a_text_comes_through_a_multipart(text: str) -> None:
    octets = multipart("multipart/report", "=_b", [text_part(text), text_part("second")])
    first, second = message_from_bytes(octets, policy=SMTP).iter_parts()
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    said = first.get_payload(decode=True)
    assert isinstance(said, bytes)
    lines = said.decode().replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")
    expected = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")
    assert lines == expected
    assert second.get_content().strip() == "second"


def test_a_part_names_its_encoding() -> None:
    assert b"Content-Transfer-Encoding: quoted-printable\r\n" in entity(text_part("x"))
