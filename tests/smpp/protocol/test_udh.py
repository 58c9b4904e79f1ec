"""User data headers and SAR TLVs: the part in a PDU."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.gsm0338 import Shifts
from bridge.smpp.protocol.pdu import Pdu, SubmitSm, Tlv
from bridge.smpp.protocol.tlvs import TLVS
from bridge.smpp.protocol.udh import Concatenation, UserDataHeader, read_header, sar_part


@pytest.mark.parametrize(
    ("user_data", "header"),
    [
        ("050003070201 41", UserDataHeader(6, Concatenation(7, 2, 1))),
        ("06080401070302 41", UserDataHeader(7, Concatenation(0x107, 3, 2))),
        ("0605040b8423f0 41", UserDataHeader(7, None, True)),
        ("04040223f0", UserDataHeader(5, None, True)),
        ("0b 05040b8423f0 0003070201 41", UserDataHeader(12, Concatenation(7, 2, 1), True)),
        (
            "0a 0003070201 0003080303 41",
            UserDataHeader(11, Concatenation(8, 3, 3)),
        ),  # the last counts
        ("03 240101 41", UserDataHeader(4, shifts=Shifts(0, 1))),
        ("03 25010d 41", UserDataHeader(4, shifts=Shifts(13, 0))),
        ("06 240102 250103 41", UserDataHeader(7, shifts=Shifts(3, 2))),
        (
            "0b 0003070201 240101 240104 41",
            UserDataHeader(12, Concatenation(7, 2, 1), shifts=Shifts(0, 4)),
        ),
        ("02 7000 41", UserDataHeader(3, for_sim=True)),
        ("03 700101 41", UserDataHeader(4)),  # an element for the SIM
        ("00 41", UserDataHeader(1)),
        ("050003070203 41", UserDataHeader(6)),  # part 3 of 2
        ("050003070200 41", UserDataHeader(6)),  # part 0
        ("050003070000 41", UserDataHeader(6)),
    ],
)
def test_a_header_is_read(user_data: str, header: UserDataHeader) -> None:
    assert read_header(bytes.fromhex(user_data)) == header


@pytest.mark.parametrize(
    "user_data",
    [
        "",
        "05",
        "0500030702",
        "05000307",
        "0400030702",  # the element exceeds the header
        "0100",
        "0400020702",  # a concatenation element of two octets
        "07080501070302ff",
    ],
)
def test_a_broken_header_is_an_error(user_data: str) -> None:
    with pytest.raises(ValueError):
        read_header(bytes.fromhex(user_data))


@given(st.binary(max_size=60))
def test_any_octets_are_a_header_or_a_value_error(user_data: bytes) -> None:
    try:
        header = read_header(user_data)
    except ValueError:
        return
    assert 1 <= header.length <= len(user_data)


def sar(**values: bytes) -> Pdu:
    tlvs = tuple(Tlv(TLVS[name].tag, value) for name, value in values.items())
    return Pdu("submit_sm", 1, SubmitSm(), tlvs)


def test_sar_tlvs_name_a_part() -> None:
    pdu = sar(sar_msg_ref_num=b"\x01\x02", sar_total_segments=b"\x03", sar_segment_seqnum=b"\x02")
    assert sar_part(pdu) == Concatenation(0x102, 3, 2)


def test_sar_tlvs_that_are_not_all_there_are_ignored() -> None:
    assert sar_part(sar(sar_msg_ref_num=b"\x01\x02", sar_total_segments=b"\x03")) is None
    assert sar_part(sar(sar_total_segments=b"\x03", sar_segment_seqnum=b"\x02")) is None
    assert sar_part(sar()) is None
