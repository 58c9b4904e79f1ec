"""What a client sends by SMPP costs as much as it is long, in every coding and every field."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from bridge.model.failure import Failure
from bridge.smpp.inbound.submit import Origin, submission_from
from bridge.smpp.protocol.codec import decode, encode
from bridge.smpp.protocol.data_coding import DATA_CODINGS, Encoded, decode_parts, decode_text
from bridge.smpp.protocol.framing import Framer
from bridge.smpp.protocol.pdu import Pdu, PduError, SmeAddress, SubmitMulti, SubmitSm, Tlv
from bridge.smpp.protocol.tlvs import MESSAGE_PAYLOAD
from tests.linear import assert_linear
from tests.samples import NOW

#: The length of a PDU has 16 bits where it counts.
MOST = 32_000
PIECES = [
    b"a",
    b"\x1b",
    b"\x1be",
    b"\x0e1\x0f",
    b"\x1b$B",
    b"\xff\xfe",
    b"\x04\x30",
    b"\0",
    b"\xe3\x81",
]


@pytest.mark.parametrize("data_coding", sorted({code for code in DATA_CODINGS if code < 0x10}))
@pytest.mark.parametrize("piece", PIECES, ids=repr)
def test_decoding_a_text_takes_linear_time(data_coding: int, piece: bytes) -> None:
    def work(size: int) -> None:
        octets = piece * (size // len(piece))
        with suppress(Failure):
            decode_text(Encoded(data_coding, octets))
        with suppress(Failure):
            decode_parts(
                [Encoded(data_coding, octets[at : at + 134]) for at in range(0, size, 134)]
            )

    assert_linear(work, MOST)


def payload(size: int) -> Pdu:
    return Pdu(
        "submit_sm", 1, SubmitSm(destination_addr=b"1"), (Tlv(MESSAGE_PAYLOAD, b"a" * size),)
    )


def tlvs(size: int) -> Pdu:
    return Pdu("submit_sm", 1, SubmitSm(destination_addr=b"1"), (Tlv(0x1401, b"a"),) * (size // 5))


def options(size: int) -> Pdu:
    return Pdu("submit_sm", 1, SubmitSm(destination_addr=b"1"), (Tlv(0x1501, b"a"),) * (size // 5))


def destinations(size: int) -> Pdu:
    many = (SmeAddress(1, 1, b"380501234567"),) * min(255, size // 16 + 1)
    return Pdu("submit_multi", 1, SubmitMulti(dest_address=many, short_message=b"a"))


@pytest.mark.parametrize("made", [payload, tlvs, options, destinations])
def test_reading_a_pdu_takes_linear_time(made: Callable[[int], Pdu]) -> None:
    frames: dict[int, bytes] = {}

    def work(size: int) -> None:
        frame = frames.get(size) or frames.setdefault(size, encode(made(size)))
        with suppress(PduError, Failure):
            submission_from(decode(frame), Origin("192.0.2.1:1"), NOW)

    assert_linear(work, MOST)


@pytest.mark.parametrize("piece", [1, 16, 1000])
def test_cutting_a_stream_takes_linear_time(piece: int) -> None:
    stream = encode(Pdu("enquire_link", 1))

    def work(size: int) -> None:
        framer = Framer()
        octets = stream * (size // len(stream) + 1)
        for at in range(0, len(octets), piece):
            framer.feed(octets[at : at + piece])
            while framer.next() is not None:
                pass

    assert_linear(work)
