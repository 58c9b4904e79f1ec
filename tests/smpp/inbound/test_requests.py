"""Each request of a bound session, and its response, on the wire."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, MessageType, Outcome, Receipts, State, Submission
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.pdu import (
    DataSm,
    DistributionList,
    MessageIdResp,
    Pdu,
    QuerySm,
    QuerySmResp,
    SmeAddress,
    SubmitMulti,
    SubmitMultiResp,
    Tlv,
    UnsuccessSme,
)
from bridge.smpp.protocol.tlvs import ADDITIONAL_STATUS_INFO_TEXT, CONGESTION_STATE, TLVS
from tests.smpp.peer import FIRST_ID, FIRST_PART_ID, FIRST_SHORT_ID, a_submit, bridge, stored

UDHI = 0x40


def part(number: int, octets: bytes, *, total: int = 2, reference: int = 7, **fields: Any) -> Any:
    """A submit_sm with an 8-bit reference."""
    header = bytes((5, 0, 3, reference, total, number))
    return a_submit(header + octets, esm_class=UDHI, **fields)


def sar(number: int, *, total: int = 2, reference: int = 7) -> tuple[Tlv, ...]:
    return (
        Tlv(TLVS["sar_msg_ref_num"].tag, reference.to_bytes(2, "big")),
        Tlv(TLVS["sar_total_segments"].tag, bytes((total,))),
        Tlv(TLVS["sar_segment_seqnum"].tag, bytes((number,))),
    )


# --- parts -----------------------------------------------------------------------------------


async def test_parts_are_answered_each_with_its_id_and_are_one_message() -> None:
    async with bridge() as running:
        peer = await running.bound()
        first = await peer.ask("submit_sm", part(1, b"Hello \x1b"))
        assert first.body == MessageIdResp(b"%d" % FIRST_PART_ID)
        assert running.relay.submissions == []
        last = await peer.ask("submit_sm", part(2, b"\x65 more", registered_delivery=1))
        assert last.body == MessageIdResp(b"%d" % (FIRST_PART_ID + 1))
        [submission] = running.relay.submissions
        assert submission.text == "Hello € more"
        assert submission.receipts == Receipts.ALIASES
        assert [(a.id, a.receipts) for a in running.relay.aliases[0]] == [
            (FIRST_PART_ID, 0),
            (FIRST_PART_ID + 1, 3),
        ]


async def test_parts_may_come_by_two_sessions_in_any_order() -> None:
    async with bridge() as running:
        one, two = await running.bound("bind_transmitter"), await running.bound()
        octets = "до 😀 кінця".encode("utf-16-be")
        cut = octets.index("\ud83d".encode("utf-16-be", "surrogatepass")) + 2
        second = part(2, octets[cut:], data_coding=8)
        assert (await one.ask("submit_sm", second)).command_status == 0
        resp = await two.ask("submit_sm", part(1, octets[:cut], data_coding=8))
        assert resp.command_status == 0
        assert [s.text for s in running.relay.submissions] == ["до 😀 кінця"]


@pytest.mark.parametrize(
    "header",
    [
        "05 0003 07 0201",
        "06 0804 0007 0201",
        "09 7002 0102 0003 07 0201",  # after an unknown element
    ],
)
async def test_references_of_8_and_16_bits_among_other_elements(header: str) -> None:
    octets = bytes.fromhex(header)
    async with bridge() as running:
        peer = await running.bound()
        await peer.ask("submit_sm", a_submit(octets + b"one ", esm_class=UDHI))
        await peer.ask("submit_sm", a_submit(octets[:-1] + b"\2two", esm_class=UDHI))
        assert [s.text for s in running.relay.submissions] == ["one two"]


async def test_sar_tlvs_name_parts_too_also_of_payloads_and_of_data_sm() -> None:
    async with bridge() as running:
        peer = await running.bound()
        payload = Tlv(TLVS["message_payload"].tag, b"a" * 300)
        await peer.ask("submit_sm", a_submit(b""), payload, *sar(1, total=3))
        body = DataSm(dest_addr_ton=1, destination_addr=b"380501234567")
        resp = await peer.ask(
            "data_sm", body, Tlv(TLVS["message_payload"].tag, b"b"), *sar(2, total=3)
        )
        assert resp.command == "data_sm_resp"
        await peer.ask("submit_sm", a_submit(b"c"), *sar(3, total=3))
        assert [s.text for s in running.relay.submissions] == ["a" * 300 + "bc"]


async def test_parts_in_other_data_codings_are_read_each_in_its_own() -> None:
    async with bridge(account={"default_alphabet": "gsm7"}) as running:
        peer = await running.bound()
        await peer.ask("submit_sm", part(1, b"\x00 "))
        await peer.ask("submit_sm", part(2, "я".encode("utf-16-be"), data_coding=8))
        assert [s.text for s in running.relay.submissions] == ["@ я"]


async def test_a_part_that_comes_again_has_the_id_that_it_had() -> None:
    async with bridge() as running:
        peer = await running.bound()
        first = await peer.ask("submit_sm", part(1, b"one"), number=5)
        again = await peer.ask("submit_sm", part(1, b"one"), number=6)
        assert first.body == again.body


async def test_a_part_that_is_wrong_is_refused_at_once() -> None:
    async with bridge(account={"max_parts": 3}) as running:
        peer = await running.bound()
        for body, status in (
            (part(1, b"x", to=b"12"), CommandStatus.ESME_RINVDSTADR),
            (part(1, b"x", source_addr=b"Other"), CommandStatus.ESME_RINVSRCADR),
            (part(1, b"x", data_coding=2), CommandStatus.ESME_RSUBMITFAIL),
            (part(1, b"x", total=4), CommandStatus.ESME_RINVMSGLEN),
            (part(1, b"x", validity_period=b"soon"), CommandStatus.ESME_RINVEXPIRY),
        ):
            assert (await peer.ask("submit_sm", body)).command_status == status
        assert (await peer.ask("submit_sm", part(1, b"x"))).command_status == CommandStatus.ESME_ROK


async def test_the_part_that_completes_carries_the_outcome_and_may_come_again() -> None:
    async with bridge() as running:
        running.relay.answer = lambda _: Failure(Reason.TOO_FAST)
        peer = await running.bound()
        await peer.ask("submit_sm", part(1, b"one "))
        resp = await peer.ask("submit_sm", part(2, b"two"))
        assert resp.command_status == CommandStatus.ESME_RTHROTTLED
        running.relay.answer = running.relay.accept
        resp = await peer.ask("submit_sm", part(2, b"two"))
        assert resp.body == MessageIdResp(b"%d" % (FIRST_PART_ID + 1))


async def test_the_first_part_decides_all_but_the_text() -> None:
    async with bridge() as running:
        peer = await running.bound()
        await peer.ask("submit_sm", part(2, b"two", service_type=b"PROMO"))
        first = part(1, b"one ", service_type=b"TRANS", validity_period=b"000000010000000R")
        await peer.ask("submit_sm", first, Tlv(0x1503, b"order 1"))
        [submission] = running.relay.submissions
        assert submission.message_type is MessageType.TRANSACTION
        assert (submission.ttl, submission.reference) == (3600, "order 1")


# --- submit_multi ----------------------------------------------------------------------------

TO = (
    SmeAddress(1, 1, b"380501234567"),
    SmeAddress(0, 0, b"12"),
    DistributionList(b"staff"),
    DistributionList(b"17   "),
    SmeAddress(1, 1, b""),
)


async def test_submit_multi_tells_which_destinations_got_nothing() -> None:
    def refuse(submission: Submission) -> Outcome:
        refused = tuple(
            (to, Failure(Reason.NOT_FOUND if to.address[-1:].isalnum() else Reason.WRONG_PHONE))
            for to in submission.recipients[1:]
        )
        return Accepted(FIRST_ID, 1, refused=refused)

    async with bridge() as running:
        running.relay.answer = refuse
        peer = await running.bound()
        resp = await peer.ask("submit_multi", SubmitMulti(dest_address=TO, short_message=b"hi"))
        assert resp.body == SubmitMultiResp(
            b"%d" % FIRST_ID,
            (
                UnsuccessSme(0, 0, b"12", CommandStatus.ESME_RINVDSTADR),
                UnsuccessSme(0, 0, b"staff", CommandStatus.ESME_RINVDSTADR),
                UnsuccessSme(0, 0, b"17   ", CommandStatus.ESME_RINVDSTADR),
                UnsuccessSme(1, 1, b"", CommandStatus.ESME_RINVDSTADR),
            ),
        )
        [submission] = running.relay.submissions
        addresses = [recipient.address for recipient in submission.recipients]
        assert addresses == ["+380501234567", "12", "staff", "g17", ""]
        assert submission.text == "hi"


async def test_submit_multi_that_nobody_gets_has_an_error_status() -> None:
    async with bridge() as running:
        running.relay.answer = lambda _: Failure(Reason.WRONG_PHONE)
        peer = await running.bound()
        resp = await peer.ask("submit_multi", SubmitMulti(dest_address=TO[1:2]))
        empty = SubmitMultiResp()
        assert resp == Pdu("submit_multi_resp", 1, empty, (), CommandStatus.ESME_RINVDSTADR)


# --- data_sm ---------------------------------------------------------------------------------


async def test_data_sm_is_a_submit_whose_text_and_validity_are_tlvs() -> None:
    async with bridge() as running:
        peer = await running.bound()
        resp = await peer.ask(
            "data_sm",
            DataSm(b"PROMO", 5, 0, b"Shop", 1, 1, b"380501234567", 0, 2, 8),
            Tlv(TLVS["message_payload"].tag, "Привіт".encode("utf-16-be")),
            Tlv(TLVS["qos_time_to_live"].tag, (600).to_bytes(4, "big")),
        )
        assert (resp.command, resp.body) == ("data_sm_resp", MessageIdResp(b"%d" % FIRST_ID))
        [submission] = running.relay.submissions
        assert (submission.text, submission.sender, submission.ttl) == ("Привіт", "Shop", 600)
        assert submission.message_type is MessageType.PROMO
        assert submission.receipts == Receipts.FAILURE


# --- replace_if_present_flag -----------------------------------------------------------------


async def test_replace_if_present_is_part_of_what_is_submitted() -> None:
    async with bridge() as running:
        peer = await running.bound()
        for flag in (0, 1):
            body = a_submit(b"newer", source_addr=b"Shop", replace_if_present_flag=flag)
            assert (await peer.ask("submit_sm", body)).command_status == CommandStatus.ESME_ROK
        asked = [submission.replace_if_present for submission in running.relay.submissions]
        assert asked == [False, True]


# --- versions --------------------------------------------------------------------------------


async def test_3_3_has_short_ids_and_no_tlvs() -> None:
    async with bridge(account={"failure_text": True}) as running:
        peer = await running.bound("bind_transmitter", interface_version=0x33)
        resp = await peer.ask("submit_sm", a_submit(registered_delivery=1))
        assert resp == Pdu("submit_sm_resp", 1, MessageIdResp(b"0BADCAFE"))
        assert running.relay.submissions[0].receipts == Receipts.ALIASES
        [[alias]] = running.relay.aliases
        assert (alias.id, alias.receipts) == (FIRST_SHORT_ID, 3)
        resp = await peer.ask("submit_sm", part(1, b"x"))
        assert resp.body == MessageIdResp(b"0BADCAFF")
        running.relay.known[FIRST_SHORT_ID] = [stored(State.REJECTED, "REFUSED")]
        resp = await peer.ask("query_sm", QuerySm(b"0badcafe"))
        assert resp.body == QuerySmResp(b"0badcafe", b"260101000000000+", 5, 255)
        running.relay.answer = lambda _: Failure(Reason.WRONG_PHONE)
        resp = await peer.ask("submit_sm", a_submit())
        empty = MessageIdResp()
        assert resp == Pdu("submit_sm_resp", 1, empty, (), CommandStatus.ESME_RINVDSTADR)


@pytest.mark.parametrize("interface_version", [0, 3, 0x22, 0x32, 0x33])
async def test_a_transceiver_speaks_3_4_whatever_it_says_below_that(interface_version: int) -> None:
    async with bridge() as running:
        peer = await running.bound("bind_transceiver", interface_version=interface_version)
        resp = await peer.ask("submit_sm", a_submit())
        assert resp.body == MessageIdResp(b"%d" % FIRST_ID)


async def test_34_in_decimal_is_3_4_for_a_transmitter_too() -> None:
    async with bridge() as running:
        peer = await running.bound("bind_transmitter", interface_version=34)
        resp = await peer.ask("submit_sm", a_submit())
        assert resp.body == MessageIdResp(b"%d" % FIRST_ID)


@pytest.mark.parametrize(("congested", "told"), [(0, 0), (42, 42), (100, 99)])
async def test_5_0_hears_how_busy_the_bridge_is(congested: int, told: int) -> None:
    async with bridge() as running:
        running.relay.congested = congested
        peer = await running.bound(interface_version=0x50)
        resp = await peer.ask("submit_sm", a_submit())
        assert resp.tlvs == (Tlv(CONGESTION_STATE, bytes((told,))),)
        running.relay.answer = lambda _: Failure(Reason.TOO_FAST)
        resp = await peer.ask("submit_sm", a_submit())
        assert [tag for tag, _ in resp.tlvs] == [ADDITIONAL_STATUS_INFO_TEXT, CONGESTION_STATE]
        resp = await peer.ask("submit_sm", a_submit(esm_class=4))
        assert resp.command_status == CommandStatus.ESME_RINVESMCLASS
        assert [tag for tag, _ in resp.tlvs] == [CONGESTION_STATE]


# --- how many at once ------------------------------------------------------------------------


async def test_other_requests_pass_beside_a_full_window_but_not_without_end() -> None:
    async with bridge(account={"window": 1}) as running:
        running.relay.answer = lambda _: None
        running.relay.known[1] = [stored()]
        peer = await running.bound()
        peer.write(Pdu("submit_sm", 1, a_submit()))
        assert (await peer.ask("query_sm", QuerySm(b"1"), number=2)).command_status == 0
        peer.write(*(Pdu("query_sm", number, QuerySm(b"1")) for number in range(3, 33)))
        answers = [await peer.read() for _ in range(30)]
        throttled = [a for a in answers if a.command_status == CommandStatus.ESME_RTHROTTLED]
        assert len(throttled) == 20
        assert all(a.command == "query_sm_resp" for a in answers)
