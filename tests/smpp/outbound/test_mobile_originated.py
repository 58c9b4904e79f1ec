"""Messages from phones as deliver_sm: alphabets, lengths, parts, payload."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bridge.config.settings import AccountSettings
from bridge.model.gsm0338 import Shifts, count_parts
from bridge.model.notice import Incoming
from bridge.smpp.outbound.deliver_pdu import Style
from bridge.smpp.outbound.mobile_originated import incoming_pdus
from bridge.smpp.protocol.codec import decode
from bridge.smpp.protocol.data_coding import Encoded, decode_parts, decode_text
from bridge.smpp.protocol.pdu import Pdu, SubmitSm
from bridge.smpp.protocol.tlvs import MESSAGE_PAYLOAD
from bridge.smpp.protocol.udh import Concatenation, read_header
from tests.smpp.owed import incoming

ALPHABETS = ["gsm7", "gsm7-packed", "latin1", "ascii", "utf8"]


def style(version: int = 0x34, **settings: Any) -> Style:
    account = AccountSettings.model_validate({"password": "x", **settings})
    return Style.of(account, version, account.default_alphabet)


def said(text: str, how: Style | None = None, **fields: Any) -> list[Pdu]:
    """The PDUs as a client reads them."""
    about: Incoming | None = incoming(text, **fields).incoming
    assert about is not None
    return [decode(pdu.frame(n)) for n, pdu in enumerate(incoming_pdus(about, how or style()), 1)]


def body(pdu: Pdu) -> SubmitSm:
    assert isinstance(pdu.body, SubmitSm)
    return pdu.body


def read(pdus: list[Pdu], alphabet: str) -> str:
    """The text, decoded like texts of clients."""
    encoded = []
    for number, pdu in enumerate(pdus, 1):
        fields = body(pdu)
        octets = pdu.tlv(MESSAGE_PAYLOAD) or fields.short_message
        if not fields.esm_class:
            return decode_text(Encoded(fields.data_coding, octets, alphabet))
        header = read_header(octets)
        part = header.part or Concatenation(0, 1, 1)
        assert (part.total, part.number) == (len(pdus), number)
        text = octets[header.length :]
        encoded.append(
            Encoded(fields.data_coding, text, alphabet, header.length, shifts=header.shifts)
        )
    return decode_parts(encoded)


def test_a_short_text_comes_from_the_phone_to_the_sender() -> None:
    [pdu] = said("Yes @ 5€")
    assert pdu.command == "deliver_sm"
    assert pdu.body == SubmitSm(
        source_addr_ton=1,
        source_addr_npi=1,
        source_addr=b"380501234567",
        dest_addr_ton=5,
        destination_addr=b"Shop",
        short_message=b"Yes \x00 5\x1be",
    )
    assert pdu.tlvs == ()


@pytest.mark.parametrize(
    ("text", "alphabet", "data_coding", "octets"),
    [
        ("Так", "gsm7", 8, "Так".encode("utf-16-be")),
        ("é", "gsm7", 0, b"\x05"),
        ("é", "latin1", 0, b"\xe9"),
        ("é", "ascii", 8, b"\0\xe9"),
        ("Так", "utf8", 0, "Так".encode()),
        ("hellohello", "gsm7-packed", 0, bytes.fromhex("e8329bfd4697d9ec37")),
        ("", "gsm7", 0, b""),
        ("\ud83d", "gsm7", 8, b"\xd8\x3d"),
    ],
)
def test_data_coding_0_is_used_if_it_has_the_characters(
    text: str, alphabet: str, data_coding: int, octets: bytes
) -> None:
    [pdu] = said(text, style(default_alphabet=alphabet))
    assert (body(pdu).data_coding, body(pdu).short_message) == (data_coding, octets)


@pytest.mark.parametrize(("unit", "single"), [("a", 160), ("€", 80), ("ї", 70), ("😀", 35)])
def test_a_text_is_cut_where_a_short_message_ends(unit: str, single: int) -> None:
    [whole] = said(unit * single)
    assert body(whole).esm_class == 0
    parts = said(unit * (single + 1))
    assert len(parts) == 2
    assert all(body(part).esm_class == 0x40 for part in parts)
    assert all(len(body(part).short_message) <= 159 for part in parts)


@pytest.mark.parametrize("alphabet", ALPHABETS)
@pytest.mark.parametrize(
    "text", ["long text {with} €uros; " * 20, "довгий текст 😀 " * 30, "plain ascii text " * 40]
)
def test_parts_make_the_text_again(text: str, alphabet: str) -> None:
    pdus = said(text, style(default_alphabet=alphabet))
    assert len(pdus) > 1
    assert read(pdus, alphabet) == text


@given(st.text(max_size=1200), st.sampled_from(ALPHABETS))
def test_every_text_comes_through(text: str, alphabet: str) -> None:
    pdus = said(text, style(default_alphabet=alphabet))
    # Seven spare bits at the end of packed septets look like these (3GPP TS 23.038 §6.1.2.3.1).
    assume(alphabet != "gsm7-packed" or not text.endswith(("@", "\r")))
    # Controls of Latin-1 are read as the characters that windows-1252 has there.
    assume(alphabet != "latin1" or not any("\x80" <= one <= "\x9f" for one in text))
    # A byte-order mark, of either order, says how to read what follows.
    assume("\ufeff" not in text and "\ufffe" not in text)
    # Controls that IA5 texts do not have are read as GSM 03.38, which some clients write instead.
    assume(alphabet != "ascii" or not any(one < " " or one == "\x7f" for one in text))
    assert read(pdus, alphabet) == text
    if alphabet == "gsm7":
        assert len(pdus) <= count_parts(text)


@pytest.mark.parametrize("alphabet", ["gsm7", "gsm7-packed"])
@pytest.mark.parametrize(
    ("text", "shifts", "parts", "in_ucs2"),
    [
        ("Şifreniz hazır, lütfen kimseyle paylaşmayın. " * 3, Shifts(0, 1), 1, 3),
        ("Código de segurança: não, é só você. Atenção, já! " * 2, Shifts(0, 3), 1, 2),
        ("ışığı " * 60, Shifts(1, 0), 3, 6),
        ("नमस्ते, आपका कोड तैयार है. " * 5, Shifts(6, 0), 1, 3),
        ("नमस्ते, आपका कोड तैयार है। " * 5, Shifts(6, 6), 1, 3),
        ("ЁЂ" * 60, None, 2, 2),  # no table has these
        ("Kısa ş", None, 1, 1),  # one part in UCS-2 too
    ],
)
def test_national_tables_are_used_where_they_make_fewer_parts(
    text: str, shifts: Shifts | None, parts: int, in_ucs2: int, alphabet: str
) -> None:
    pdus = said(text, style(default_alphabet=alphabet))
    assert (len(pdus), count_parts(text)) == (parts, in_ucs2)
    assert read(pdus, alphabet) == text
    for pdu in pdus:
        if shifts is None:
            assert body(pdu).data_coding == 8
        else:
            assert read_header(body(pdu).short_message).shifts == shifts
    assert all(body(pdu).data_coding == 8 for pdu in said(text, style(default_alphabet="ascii")))


def test_parts_of_a_message_have_a_reference_of_their_own() -> None:
    references = {body(pdu).short_message[3] for pdu in said("x" * 500, id=0x1234)}
    assert references == {0x34}


def test_a_long_text_may_come_whole_in_message_payload() -> None:
    text = "long text " * 50
    [pdu] = said(text, style(incoming_long="payload"))
    assert (body(pdu).short_message, pdu.tlv(MESSAGE_PAYLOAD)) == (b"", text.encode())
    [short] = said("short", style(incoming_long="payload"))
    assert (body(short).short_message, short.tlvs) == (b"short", ())


@pytest.mark.parametrize(("length", "pdus"), [(0xFFFF // 2, 1), (0xFFFF // 2 + 1, 255)])
def test_a_text_too_long_for_a_payload_comes_in_parts(length: int, pdus: int) -> None:
    assert len(said("я" * length, style(incoming_long="payload"))) == pdus


def test_3_3_knows_of_no_payload() -> None:
    assert len(said("long text " * 50, style(0x33, incoming_long="payload"))) == 4
