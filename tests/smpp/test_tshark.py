"""All traffic is well-formed for Wireshark's dissector."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, Outcome, State, Stored, Submission
from bridge.smpp.protocol.codec import encode
from bridge.smpp.protocol.layouts import COMMAND_IDS
from bridge.smpp.protocol.pdu import (
    Bind,
    Body,
    CancelSm,
    DataSm,
    DistributionList,
    Empty,
    Pdu,
    QuerySm,
    ReplaceSm,
    SmeAddress,
    SubmitMulti,
    Tlv,
)
from tests.samples import NOW, message
from tests.smpp.peer import Peer, a_submit, bridge
from tests.support import program

PORT = 2775
_CLIENT_PORT = 40_000


class Capture:
    """A conversation as a capture file: raw IPv4, one TCP segment per PDU."""

    def __init__(self) -> None:
        self._records = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 101)]
        self._sent = {True: 1, False: 1}

    def add(self, octets: bytes, *, ours: bool) -> None:
        ports = (PORT, _CLIENT_PORT) if ours else (_CLIENT_PORT, PORT)
        acknowledged = self._sent[not ours]
        tcp = struct.pack(">HHIIHHHH", *ports, self._sent[ours], acknowledged, 0x5018, 65_535, 0, 0)
        self._sent[ours] += len(octets)
        total = 20 + len(tcp) + len(octets)
        loopback = bytes((127, 0, 0, 1))
        ip = struct.pack(">BBHHHBBH", 0x45, 0, total, 0, 0, 64, 6, 0) + loopback * 2
        at = len(self._records)
        self._records.append(struct.pack("<IIII", at, 0, total, total) + ip + tcp + octets)

    def write(self, path: Path) -> None:
        path.write_bytes(b"".join(self._records))


async def talk(peer: Peer, capture: Capture, *pdus: Pdu) -> list[str]:
    """Sends requests one after the other; returns the commands of requests and responses."""
    commands = []
    for pdu in pdus:
        octets = encode(pdu)
        capture.add(octets, ours=False)
        peer.writer.write(octets)
        header = await asyncio.wait_for(peer.reader.readexactly(16), 30)
        length, command_id = struct.unpack_from(">II", header)
        capture.add(header + await peer.reader.readexactly(length - 16), ours=True)
        commands += [f"0x{COMMAND_IDS[pdu.command]:08x}", f"0x{command_id:08x}"]
    return commands


async def tshark(*arguments: str) -> list[str]:
    process = await asyncio.create_subprocess_exec(
        *(program("tshark"), "-n", "-d", f"tcp.port=={PORT},smpp", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    return output.decode().split("\n")[:-1]


def answer(submission: Submission) -> Outcome:
    if submission.text == "wrong":
        return Failure(Reason.PROHIBITED)
    refused = tuple((to, Failure(Reason.WRONG_PHONE)) for to in submission.recipients[1:])
    return Accepted(1, 1, refused=refused)


async def test_wireshark_finds_nothing_malformed_in_what_we_say(tmp_path: Path) -> None:
    program("tshark")
    many = (SmeAddress(1, 1, b"380501234567"), SmeAddress(1, 1, b"12"), DistributionList(b"staff"))
    requests: tuple[tuple[str, Body], ...] = (
        ("submit_sm", a_submit(b"hi")),
        ("submit_sm", a_submit(b"wrong")),
        ("submit_sm", a_submit(b"\5\0\3\7\2\1part", esm_class=0x40)),
        ("submit_multi", SubmitMulti(dest_address=many, short_message=b"hi")),
        ("data_sm", DataSm(destination_addr=b"380501234567")),
        ("query_sm", QuerySm(b"1")),
        ("query_sm", QuerySm(b"2")),
        ("cancel_sm", CancelSm(message_id=b"1")),
        ("cancel_sm", CancelSm(message_id=b"2")),
        ("replace_sm", ReplaceSm(b"1", short_message=b"new")),
        ("enquire_link", Empty()),
    )
    capture = Capture()
    commands: list[str] = []
    async with bridge() as running:
        running.relay.answer = answer
        running.relay.known[1] = [Stored(message(1), State.DELIVERED, "", NOW, "", "")]
        for version in (0x33, 0x34, 0x50):
            peer = await running.connect()
            pdus = [
                Pdu("bind_transmitter", 1, Bind(b"crm", b"wrong", interface_version=version)),
                Pdu("bind_transmitter", 2, Bind(b"crm", b"secret", interface_version=version)),
                *(
                    Pdu(command, number, body, (Tlv(0x0204, b"\0\7"),) if number == 3 else ())
                    for number, (command, body) in enumerate(requests, 3)
                ),
                Pdu("unbind", 99, Empty()),
            ]
            commands += await talk(peer, capture, *pdus)
    path = tmp_path / "smpp.pcap"
    capture.write(path)
    told = ("smpp.command_id", "_ws.malformed", "_ws.expert.message")
    fields = [argument for field in told for argument in ("-e", field)]
    decoded = await tshark("-r", str(path), "-T", "fields", *fields)
    assert decoded == [f"{command}\t\t" for command in commands]
