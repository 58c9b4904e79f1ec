"""deliver_sm and data_sm, composed directly, read back by the layouts."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bridge.smpp.outbound.deliver_pdu import Style, addresses, data_sm, deliver_sm, tlv
from bridge.smpp.protocol.codec import decode
from bridge.smpp.protocol.pdu import DataSm, Pdu, SubmitSm, Tlv
from bridge.smpp.protocol.tlvs import MESSAGE_PAYLOAD
from tests.samples import account

FROM_PHONE = addresses("+380501234567", "Shop")


def style(version: int = 0x34, **settings: Any) -> Style:
    return Style.of(account(**settings).settings, version, "gsm7")


def test_a_deliver_sm_is_read_as_it_was_composed() -> None:
    sent = deliver_sm(FROM_PHONE, 4, 8, b"text", tlv(0x0427, b"\2") + tlv(0x1400, b""))
    assert decode(sent.frame(9)) == Pdu(
        "deliver_sm",
        9,
        SubmitSm(
            source_addr_ton=1,
            source_addr_npi=1,
            source_addr=b"380501234567",
            dest_addr_ton=5,
            destination_addr=b"Shop",
            esm_class=4,
            data_coding=8,
            short_message=b"text",
        ),
        (Tlv(0x0427, b"\2"), Tlv(0x1400, b"")),
    )


def test_a_data_sm_has_its_text_behind_the_other_tlvs() -> None:
    sent = data_sm(FROM_PHONE, 4, 8, b"x" * 300, tlv(0x0427, b"\2"))
    assert decode(sent.frame(0x7FFF_FFFF)) == Pdu(
        "data_sm",
        0x7FFF_FFFF,
        DataSm(b"", 1, 1, b"380501234567", 5, 0, b"Shop", 4, 0, 8),
        (Tlv(0x0427, b"\2"), Tlv(MESSAGE_PAYLOAD, b"x" * 300)),
    )


@pytest.mark.parametrize(
    ("name", "ton", "npi", "address"),
    [
        ("Shop", 5, 0, b"Shop"),
        ("380441234567", 1, 1, b"380441234567"),
        ("1234567", 1, 1, b"1234567"),
        ("123456", 0, 1, b"123456"),
        ("٣٤٥", 5, 0, "٣٤٥".encode()),
        ("", 5, 0, b""),
        ("x" * 21, 5, 0, b"x" * 20),
        ("x" * 19 + "Я", 5, 0, b"x" * 19),  # no half of a character
    ],
)
def test_a_sender_is_addressed_as_a_name_a_phone_or_a_short_number(
    name: str, ton: int, npi: int, address: bytes
) -> None:
    body = decode(deliver_sm(addresses("+1", name), 0, 0, b"").frame(1)).body
    assert isinstance(body, SubmitSm)
    assert (body.dest_addr_ton, body.dest_addr_npi, body.destination_addr) == (ton, npi, address)


def test_the_style_is_that_of_the_account() -> None:
    assert style() == Style(0x34)
    ours: dict[str, Any] = {
        "receipt_pdu": "data_sm",
        "receipt_id": "hex",
        "receipt_dates": "seconds",
        "receipt_zone": "Europe/Kyiv",
        "receipt_text": False,
        "incoming_long": "payload",
    }
    assert style(**ours) == Style(
        0x34,
        data_sm=True,
        hex_ids=True,
        date_format="%y%m%d%H%M%S",
        zone=ZoneInfo("Europe/Kyiv"),
        with_text=False,
        payload=True,
    )


def test_a_client_of_3_3_gets_neither_data_sm_nor_payloads() -> None:
    old = style(0x33, receipt_pdu="data_sm", incoming_long="payload")
    assert (old.data_sm, old.payload) == (False, False)
