"""TLVs behind a body: their order, unknown ones, lengths, stray octets."""

from __future__ import annotations

import struct

import pytest

from bridge.smpp.protocol.codec import decode, encode
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.layouts import BODIES
from bridge.smpp.protocol.pdu import Pdu, PduError, SmeAddress, SubmitMulti, Tlv
from bridge.smpp.protocol.tlv_codec import decode_tlvs, encode_tlv
from bridge.smpp.protocol.tlvs import READ, TLVS

READ_BY_SUBMITS = {name for name, _ in READ["submit_sm"].values()}
SOME = (Tlv(0x020C, b"9\2"), Tlv(0x020E, b"\1"), Tlv(0x001D, b"a\0"), Tlv(0x1500, b"PROMO"))


def written(*tlvs: Tlv) -> bytes:
    return b"".join(encode_tlv(*tlv) for tlv in tlvs)


def read(octets: bytes) -> tuple[Tlv, ...]:
    """The TLVs of a submit_sm."""
    return decode_tlvs("submit_sm", octets, 0)


def refused(octets: bytes) -> CommandStatus:
    with pytest.raises(PduError) as caught:
        read(octets)
    return CommandStatus(caught.value.status)


def test_a_tlv_is_its_tag_its_length_and_its_value() -> None:
    assert encode_tlv(0x0423, b"\x03\x00\x00") == b"\x04\x23\x00\x03\x03\x00\x00"
    assert encode_tlv(0x1500, b"") == b"\x15\x00\x00\x00"
    with pytest.raises(ValueError, match="0x1500 of 65536 octets"):
        encode_tlv(0x1500, b"x" * 65_536)


def test_unknown_and_repeated_tlvs_are_kept_in_their_order() -> None:
    tlvs = (
        Tlv(0x1501, b"yes"),
        Tlv(0x3FFF, b""),
        Tlv(0x1501, b"no"),
        Tlv(TLVS["receipted_message_id"].tag, b"1\0"),  # not one of submit_sm's own
        Tlv(TLVS["source_addr_subunit"].tag, b"\x01"),
        Tlv(TLVS["user_message_reference"].tag, b"\x01\x02"),
    )
    assert read(written(*tlvs)) == tlvs


def test_a_pdu_is_read_from_where_its_body_ends() -> None:
    octets = b"the body" + written(*SOME)
    assert decode_tlvs("submit_sm", octets, 8) == SOME
    assert decode_tlvs("submit_sm", octets, len(octets)) == ()


@pytest.mark.parametrize("name", sorted(TLVS.keys() - READ_BY_SUBMITS))
@pytest.mark.parametrize("value", [b"", b"\xff", b"a\0b\0", b"\0" * 300])
def test_a_tlv_that_the_command_does_not_read_may_have_any_value(name: str, value: bytes) -> None:
    tlv = Tlv(TLVS[name].tag, value)
    assert read(written(tlv)) == (tlv,)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("user_message_reference", b"\7"),  # of one octet, as python-smpp writes it
        ("source_subaddress", b"\x80\xff\x00\x01"),
        ("message_payload", b"x" * 65_535),
        ("alert_on_message_delivery", b""),
        ("alert_on_message_delivery", b"\1"),
        ("network_error_code", b"\x03\x00\x00"),
    ],
)
def test_a_value_that_clients_write_is_read_and_what_follows_it(name: str, value: bytes) -> None:
    tlvs = (Tlv(TLVS[name].tag, value), Tlv(0x1503, b"ref"))
    assert read(written(*tlvs)) == tlvs


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"\x02\x04\x00", CommandStatus.ESME_RINVOPTPARSTREAM),  # half a header
        (b"\x02\x04\x00\x09\x00\x01", CommandStatus.ESME_RINVOPTPARSTREAM),  # beyond the end
        (written(Tlv(0x0204, b"\0\0\1")), CommandStatus.ESME_RINVPARLEN),  # too long
        (written(Tlv(0x020E, b"")), CommandStatus.ESME_RINVPARLEN),  # no octets
        (written(Tlv(0x020E, b"\0")), CommandStatus.ESME_RINVOPTPARAMVAL),  # no segments
    ],
)
def test_a_malformed_tlv_is_refused_with_the_status_that_fits(
    octets: bytes, status: CommandStatus
) -> None:
    assert refused(octets) is status
    assert refused(b"\0" + octets) is status


@pytest.mark.parametrize("command", ["submit_sm", "submit_multi", "replace_sm", "data_sm"])
@pytest.mark.parametrize("nuls", range(1, 12))
def test_uncounted_nuls_are_skipped(command: str, nuls: int) -> None:
    body = (
        SubmitMulti(dest_address=(SmeAddress(1, 1, b"1"),)) if command == "submit_multi" else None
    )
    frame, stray, octets = encode(Pdu(command, 1, body)), b"\0" * nuls, written(*SOME)
    tails = (
        (stray, ()),
        (stray + octets, SOME),
        (octets + stray, SOME),
        (stray + octets + stray, SOME),
    )
    for tail, tlvs in tails:
        pdu = decode(struct.pack(">I", len(frame) + len(tail)) + frame[4:] + tail)
        assert pdu.body == decode(frame).body
        assert tuple(tlv for tlv in pdu.tlvs if tlv.tag) == tlvs


def test_a_vendor_tlv_of_no_octets_behind_a_nul_is_not_read_as_another() -> None:
    assert read(b"\0" + b"\x15\0\0\0") == (Tlv(0x1500, b""),)


@pytest.mark.parametrize(
    "command", ["enquire_link", "unbind", "bind_transceiver", "query_sm", "cancel_sm"]
)
@pytest.mark.parametrize("stray", [*(b"\0" * n for n in range(1, 6)), b"x", b"\1\2\3\4", b"\0\1"])
def test_octets_behind_a_request_that_reads_no_tlv_are_skipped(command: str, stray: bytes) -> None:
    frame = encode(Pdu(command, 1)) + stray
    assert decode(struct.pack(">I", len(frame)) + frame[4:]).body == BODIES[command]()


def test_a_pdu_may_have_thousands_of_tlvs() -> None:
    many = (Tlv(0x3000, b""),) * 16_000
    assert read(written(*many)) == many
