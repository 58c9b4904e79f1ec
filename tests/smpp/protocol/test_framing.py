"""PDUs are found in the stream, however it is cut; an impossible length ends it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.smpp.protocol.codec import encode
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.framing import MAX_LENGTH, Framer
from bridge.smpp.protocol.pdu import DataSm, Empty, Pdu, PduError, SubmitSm, Tlv

#: PDUs of different lengths.
SENT = [
    Pdu("enquire_link", 1, Empty()),
    Pdu("submit_sm", 2, SubmitSm(destination_addr=b"380501234567", short_message=b"x" * 254)),
    Pdu("data_sm", 3, DataSm(), (Tlv(0x0424, b"\0" * 1000),)),
    Pdu("submit_sm_resp", 4, None, (), CommandStatus.ESME_RTHROTTLED),
]


def frames(framer: Framer) -> list[bytes]:
    found = []
    while (frame := framer.next()) is not None:
        found.append(frame)
    return found


@given(st.lists(st.sampled_from(SENT), max_size=5), st.data())
def test_pdus_are_found_however_the_stream_is_cut(sent: list[Pdu], data: st.DataObject) -> None:
    stream = b"".join(map(encode, sent))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    framer, found = Framer(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        framer.feed(stream[start:end])
        if data.draw(st.booleans()):  # during a bind PDUs wait
            found += frames(framer)
    found += frames(framer)
    assert found == [encode(pdu) for pdu in sent]


def test_a_framer_is_empty_as_soon_as_no_complete_pdu_waits() -> None:
    framer, one = Framer(), encode(Pdu("enquire_link", 1, Empty()))
    framer.feed(one + one + one[:7])
    assert framer.next() == one
    assert not framer.empty
    assert framer.next() == one
    assert framer.next() is None
    assert framer.empty
    framer.feed(one[7:])
    assert framer.next() == one
    assert framer.empty


def test_a_large_pdu_octet_by_octet_costs_no_quadratic_time() -> None:
    frame = encode(Pdu("data_sm", 1, DataSm(), (Tlv(0x0424, b"x" * 65_000),)))
    framer = Framer()
    for index in range(len(frame)):
        framer.feed(frame[index : index + 1])
        found = framer.next()
        assert (found is None) is (index < len(frame) - 1)
    assert found == frame


@pytest.mark.parametrize("length", [0, 15, MAX_LENGTH + 1, 0x16030100])
def test_an_impossible_length_loses_the_framing(length: int) -> None:
    framer = Framer()
    good = encode(Pdu("enquire_link", 1, Empty()))
    framer.feed(good + struct.pack(">IIII", length, 4, 0, 99) + b"junk")
    assert framer.next() == good
    with pytest.raises(PduError) as caught:
        framer.next()
    assert caught.value.status is CommandStatus.ESME_RINVCMDLEN
    assert (caught.value.command, caught.value.sequence_number) == ("", 99)


def test_an_impossible_length_is_known_from_four_octets() -> None:
    framer = Framer()
    framer.feed(b"GET ")
    with pytest.raises(PduError):
        framer.next()
