"""Third-party receivers: smpplib, node-smpp and Net::SMPP; and Wireshark's reading."""

from __future__ import annotations

import asyncio
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from smpplib.client import Client

from bridge.model.message import State
from bridge.smpp.outbound.deliver_pdu import Style
from bridge.smpp.outbound.mobile_originated import incoming_pdus
from bridge.smpp.outbound.receipt import receipt
from tests.smpp.delivering import Served, incoming, served
from tests.smpp.owed import incoming as phone_says
from tests.smpp.owed import owed
from tests.smpp.test_net_smpp import perl
from tests.smpp.test_tshark import Capture, tshark
from tests.support import node_package, program

LONG = "Довга відповідь 😀 " * 12

NODE = r"""
const smpp = require('smpp');
const [port, count] = [process.argv[1], Number(process.argv[2])];
const told = [];
const session = smpp.connect({url: 'smpp://127.0.0.1:' + port}, () => {
  session.bind_receiver({system_id: 'crm', password: 'secret'}, () => console.error('bound'));
});
session.on('deliver_sm', (pdu) => {
  const udh = pdu.short_message.udh;
  told.push({esm_class: pdu.esm_class, source: pdu.source_addr, to: pdu.destination_addr,
             text: pdu.short_message.message, parts: udh ? udh.length : 0,
             id: pdu.receipted_message_id, state: pdu.message_state});
  session.send(pdu.response());
  if (told.length === count) session.unbind(() => {
    console.log(JSON.stringify(told)); session.close();
  });
});
session.on('error', (error) => { console.error(error); process.exit(1); });
"""

PERL = r"""
use strict; use warnings;
use Net::SMPP; use JSON::PP;
my ($port, $count) = @ARGV;
my ($smpp, $bound) = Net::SMPP->new_receiver('127.0.0.1', port => $port,
    smpp_version => 0x34, interface_version => 0x34, system_id => 'crm', password => 'secret')
  or die "no connection: $!";
print STDERR "bound\n";
my @told;
while (@told < $count) {
  my $pdu = $smpp->read_pdu() or die "no PDU";
  push @told, {source => $pdu->{source_addr}, to => $pdu->{destination_addr},
    text => unpack('H*', $pdu->{short_message}),
    id => $pdu->{receipted_message_id}};
  $smpp->deliver_sm_resp(message_id => '', seq => $pdu->{seq}, status => 0);
}
$smpp->unbind();
print encode_json(\@told);
"""


async def told_to(serving: Served, ids: list[bytes], *command: str) -> list[dict[str, Any]]:
    """The requests to a client after its bind: two receipts and a message from a phone."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stderr is not None
        assert await asyncio.wait_for(process.stderr.readline(), 30) == b"bound\n"
        await speak(serving, ids)
        output, errors = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    heard: list[dict[str, Any]] = json.loads(output)
    return heard


async def speak(serving: Served, ids: list[bytes]) -> None:
    await serving.ended(ids[0])
    await serving.ended(ids[1], state=State.UNDELIVERABLE, err=6)
    await incoming(serving, "Yes, please")


async def submitted(serving: Served) -> list[bytes]:
    sender = await serving.bound("bind_transmitter")
    return [await serving.submit(sender, text=b"text") for _ in range(2)]


def stats(texts: list[str]) -> set[str]:
    return {text.partition("stat:")[2][:7] for text in texts if "stat:" in text}


async def test_node_smpp_hears_receipts_and_phones(tmp_path: Path) -> None:
    node = node_package("smpp")
    async with served(tmp_path) as serving:
        ids = await submitted(serving)
        heard = await told_to(serving, ids, node, "-e", NODE, str(serving.port), "3")
        await serving.nothing_left()
    receipts = [one for one in heard if one["esm_class"] == 4]
    assert {one["id"].encode() for one in receipts} == set(ids)
    assert stats([one["text"] for one in receipts]) == {"DELIVRD", "UNDELIV"}
    assert {one["state"] for one in receipts} == {2, 5}
    [said] = [one for one in heard if not one["esm_class"]]
    assert (said["source"], said["to"], said["text"]) == ("380501234567", "Shop", "Yes, please")


async def test_net_smpp_hears_receipts_and_phones(tmp_path: Path) -> None:
    async with served(tmp_path) as serving:
        ids = await submitted(serving)
        heard = await told_to(serving, ids, perl(), "-e", PERL, str(serving.port), "3")
        await serving.nothing_left()
    texts = [bytes.fromhex(one["text"]).decode() for one in heard]
    assert stats(texts) == {"DELIVRD", "UNDELIV"}
    assert "Yes, please" in texts
    assert {(one["source"], one["to"]) for one in heard} == {("380501234567", "Shop")}


async def test_smpplib_hears_receipts_and_long_texts_of_phones(tmp_path: Path) -> None:
    heard: list[Any] = []

    def hear(pdu: Any) -> None:
        heard.append(pdu)

    def run(client: Client, count: int) -> None:
        while len(heard) < count:
            client.read_once()
        client.unbind()
        client.disconnect()

    async with served(tmp_path) as serving:
        ids = await submitted(serving)
        client = Client("127.0.0.1", serving.port, timeout=30, allow_unknown_opt_params=True)
        client.set_message_received_handler(hear)
        await asyncio.to_thread(client.connect)
        await asyncio.to_thread(client.bind_receiver, system_id="crm", password="secret")
        running = asyncio.create_task(asyncio.to_thread(run, client, 7))
        await speak(serving, ids)
        await incoming(serving, LONG)
        await asyncio.wait_for(running, 30)
    receipts = [pdu for pdu in heard if pdu.esm_class == 4]
    assert {pdu.receipted_message_id.rstrip(b"\0") for pdu in receipts} == set(ids)
    assert stats([pdu.short_message.decode() for pdu in receipts]) == {"DELIVRD", "UNDELIV"}
    parts = [pdu for pdu in heard if pdu.esm_class == 0x40]
    assert [pdu.short_message[5] for pdu in parts] == [1, 2, 3, 4]
    text = b"".join(pdu.short_message[6:] for pdu in parts).decode("utf-16-be")
    assert text == LONG


@pytest.mark.parametrize("version", [0x33, 0x34, 0x50])
async def test_wireshark_finds_nothing_malformed_in_what_we_tell(
    version: int, tmp_path: Path
) -> None:
    program("tshark")
    final = (State.DELIVERED, State.UNDELIVERABLE, State.REJECTED, State.EXPIRED, State.SENT)
    plain = Style(version)
    pdus = [receipt(owed(state), plain) for state in final]
    if version > 0x33:
        pdus.append(receipt(owed(), plain._replace(data_sm=True, hex_ids=True)))
    for text in ("Yes", "Так", LONG):
        about = phone_says(text).incoming
        assert about is not None
        pdus += incoming_pdus(about, plain)
        if version > 0x33:
            pdus += incoming_pdus(about, plain._replace(payload=True))
    capture = Capture()
    for number, pdu in enumerate(pdus, 1):
        frame = pdu.frame(number)
        capture.add(frame, ours=True)
        answer = struct.pack(">IIII", 17, pdu.command_id | 0x80000000, 0, number) + b"\0"
        capture.add(answer, ours=False)
    path = tmp_path / "smpp.pcap"
    capture.write(path)
    told = ("smpp.command_id", "_ws.malformed", "_ws.expert.message")
    fields = [argument for field in told for argument in ("-e", field)]
    decoded = await tshark("-r", str(path), "-T", "fields", *fields)
    commands = [f"0x{c:08x}" for pdu in pdus for c in (pdu.command_id, pdu.command_id | 2**31)]
    # Wireshark joins a long text, and shows it with its last part.
    assert [line.split("\t")[0] for line in decoded] == commands
    assert not [line for line in decoded if line.split("\t")[1]]
    states = await tshark(
        *("-r", str(path), "-Y", "smpp.receipted_message_id", "-T", "fields"),
        *("-e", "smpp.message_state", "-e", "smpp.error_code"),
    )
    assert len(states) == (0 if version == 0x33 else len(final) + 1)
