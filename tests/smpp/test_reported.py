"""PDUs that broke other software are read or refused, without ending the session."""

from __future__ import annotations

import pytest

from bridge.smpp.protocol.codec import decode, encode
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.layouts import RESPONSE
from bridge.smpp.protocol.pdu import Pdu, PduError
from tests.smpp.peer import a_submit, bridge
from tests.smpp.reported import REPORTED, Reported


@pytest.mark.parametrize("reported", REPORTED, ids=lambda reported: reported.about)
def test_each_is_read_or_refused_as_it_should_be(reported: Reported) -> None:
    if reported.status:
        with pytest.raises(PduError) as caught:
            decode(reported.octets)
        assert caught.value.status is reported.status
        return
    pdu = decode(reported.octets)
    read = {*(pdu.body or ()), *map(tuple, pdu.tlvs)}
    assert set(reported.fields) <= read
    # The decoded PDU is encoded correctly, and decoded again to the same.
    assert decode(encode(pdu)) == pdu


@pytest.mark.parametrize("reported", REPORTED, ids=lambda reported: reported.about)
async def test_a_session_answers_each_request_and_lives_on(reported: Reported) -> None:
    async with bridge() as running:
        peer = await running.bound()
        peer.writer.write(reported.octets)
        command_id = int.from_bytes(reported.octets[4:8], "big")
        if not command_id & RESPONSE:
            answer = await peer.read()
            assert answer.sequence_number == int.from_bytes(reported.octets[12:16], "big")
            if reported.status:
                assert answer.command_status == reported.status
        still = await peer.ask("submit_sm", a_submit(), number=4711)
        assert (still.command, still.sequence_number) == ("submit_sm_resp", 4711)
        assert still.command_status == CommandStatus.ESME_ROK


@pytest.mark.parametrize("command", ["submit_sm", "deliver_sm"])
@pytest.mark.parametrize("nuls", [1, 2, 3])
def test_nuls_behind_a_text_are_no_tlvs(command: str, nuls: int) -> None:
    pdu = Pdu(command, 1, a_submit(b"text"))
    octets = encode(pdu) + bytes(nuls)
    octets = len(octets).to_bytes(4, "big") + octets[4:]
    assert decode(octets) == pdu
