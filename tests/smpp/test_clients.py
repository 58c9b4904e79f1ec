"""Third-party clients: smpplib and node-smpp."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from smpplib.client import Client
from smpplib.exceptions import PDUError

from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, Receipts
from bridge.smpp.protocol.command_status import CommandStatus
from tests.smpp.peer import FIRST_ID, bridge
from tests.smpp.programs import answers_of
from tests.support import node_package

TEXTS = [
    # data_coding, the text, its octets
    (0, "Hello @ {1}", b"Hello \x00 \x1b\x281\x1b\x29"),
    (3, "Café", b"Caf\xe9"),
    (4, "Café", b"Caf\xe9"),
    (8, "Привіт 😀", "Привіт 😀".encode("utf-16-be")),
]


def smpplib_client(port: int) -> tuple[Client, list[Any]]:
    client = Client("127.0.0.1", port, timeout=30, allow_unknown_opt_params=True)
    answers: list[Any] = []
    client.set_message_sent_handler(lambda pdu: answers.append(pdu))
    client.connect()
    return client, answers


async def test_smpplib_binds_submits_and_reads_ids() -> None:
    def run(port: int) -> list[Any]:
        client, answers = smpplib_client(port)
        client.bind_transceiver(system_id="crm", password="secret")
        for data_coding, _, octets in TEXTS:
            client.send_message(
                source_addr="Shop",
                dest_addr_ton=1,
                destination_addr="380501234567",
                registered_delivery=1,
                data_coding=data_coding,
                short_message=octets,
            )
            client.read_once()
        client.send_message(
            destination_addr="380501234567",
            data_coding=8,
            message_payload=("довго " * 100).encode("utf-16-be"),
        )
        client.read_once()
        client.unbind()
        client.disconnect()
        return answers

    async with bridge() as running:
        answers = await asyncio.to_thread(run, running.port)
        assert [a.status for a in answers] == [0] * 5
        assert [a.message_id for a in answers] == [b"%d" % (FIRST_ID + n) for n in range(5)]
        submissions = running.relay.submissions
        assert [s.text for s in submissions] == [*(text for _, text, _ in TEXTS), "довго " * 100]
        assert submissions[0].recipients[0].address == "+380501234567"
        assert submissions[0].receipts == Receipts.SUCCESS | Receipts.FAILURE


async def test_smpplib_hears_of_a_wrong_password_and_of_a_refused_submit() -> None:
    def run(port: int) -> tuple[int, list[Any]]:
        client, answers = smpplib_client(port)
        with pytest.raises(PDUError) as refused:
            client.bind_transmitter(system_id="crm", password="wrong")
        client.disconnect()
        client, answers = smpplib_client(port)
        client.set_error_pdu_handler(answers.append)
        client.bind_transmitter(system_id="crm", password="secret")
        client.send_message(destination_addr="123", short_message=b"hi")
        client.read_once()
        client.unbind()
        client.disconnect()
        return refused.value.args[1], answers

    async with bridge() as running:
        running.relay.answer = lambda _: Failure(Reason.WRONG_PHONE)
        status, answers = await asyncio.to_thread(run, running.port)
        assert status == CommandStatus.ESME_RINVPASWD
        assert answers[0].status == CommandStatus.ESME_RINVDSTADR


NODE = """
const smpp = require('smpp');
const [port, work] = [process.argv[1], JSON.parse(process.argv[2])];
const answers = [];
const session = smpp.connect({url: 'smpp://127.0.0.1:' + port}, () => {
  session.bind_transceiver(work.bind, (bound) => {
    answers.push({command_status: bound.command_status, system_id: bound.system_id,
                  text: bound.additional_status_info_text});
    if (bound.command_status) return session.close();
    let waiting = work.submits.length;
    for (const submit of work.submits) {
      for (const name of ['short_message', 'message_payload'])
        if (submit[name + '_hex'] !== undefined) {
          submit[name] = Buffer.from(submit[name + '_hex'], 'hex');
          delete submit[name + '_hex'];
        }
      session.submit_sm(submit, (resp) => {
        answers.push({sequence_number: resp.sequence_number,
                      command_status: resp.command_status, message_id: resp.message_id,
                      text: resp.additional_status_info_text});
        if (!--waiting) session.unbind(() => session.close());
      });
    }
  });
});
session.on('close', () => { console.log(JSON.stringify(answers)); process.exit(0); });
session.on('error', (error) => { console.error(error); process.exit(1); });
"""


async def node_smpp(port: int, **work: Any) -> list[dict[str, Any]]:
    """The answers to node-smpp's bind and submits, in their order."""
    node = node_package("smpp")
    return await answers_of(node, "-e", NODE, str(port), json.dumps(work))


CREDENTIALS = {"system_id": "crm", "password": "secret"}
TO = {"destination_addr": "380501234567", "dest_addr_ton": 1}


async def test_node_smpp_submits_every_alphabet_and_reads_ids() -> None:
    async with bridge() as running:
        submits: list[dict[str, Any]] = [
            {**TO, "data_coding": coding, "short_message_hex": octets.hex()}
            for coding, _, octets in TEXTS
        ]
        submits.append({**TO, "short_message": "node's own choice: ЇЄ"})
        submits.append({**TO, "short_message": "plain [text] €"})
        payload = ("довго " * 100).encode("utf-16-be").hex()
        submits.append({**TO, "data_coding": 8, "message_payload_hex": payload})
        answers = await node_smpp(running.port, bind=CREDENTIALS, submits=submits)
        assert answers[0]["command_status"] == 0
        assert answers[0]["system_id"] == "cascade-bridge"
        assert [a["command_status"] for a in answers[1:]] == [0] * 7
        ids = [str(FIRST_ID + n) for n in range(7)]
        assert sorted(a["message_id"] for a in answers[1:]) == ids
        assert [s.text for s in running.relay.submissions] == [
            *(text for _, text, _ in TEXTS),
            "node's own choice: ЇЄ",
            "plain [text] €",
            "довго " * 100,
        ]


async def test_node_smpp_matches_answers_that_come_out_of_order() -> None:
    node_package("smpp")  # skips here, not in the task
    async with bridge() as running:
        running.relay.answer = lambda _: None
        submits = [{**TO, "short_message": f"text {number}"} for number in range(3)]
        client = asyncio.create_task(node_smpp(running.port, bind=CREDENTIALS, submits=submits))
        await asyncio.wait_for(asyncio.shield(running.relay.until(3)), 30)
        for number in (2, 0, 1):
            running.relay.futures[number].set_result(Accepted(100 + number, 1))
        answers = (await client)[1:]
        assert [a["message_id"] for a in answers] == ["102", "100", "101"]
        first = min(a["sequence_number"] for a in answers)
        assert [a["sequence_number"] - first for a in answers] == [2, 0, 1]


async def test_node_smpp_reads_why_a_submit_and_a_bind_were_refused() -> None:
    async with bridge() as running:
        running.relay.answer = lambda _: Failure(Reason.PROHIBITED)
        newer = {**CREDENTIALS, "interface_version": 0x50}
        submits = [{**TO, "short_message": "text"}]
        _, refused = await node_smpp(running.port, bind=newer, submits=submits)
        assert refused["command_status"] == CommandStatus.ESME_RPROHIBITED
        assert refused["text"] == "ERROR = 6 (message prohibited)"
        (bind,) = await node_smpp(
            running.port, bind={**newer, "password": "wrong"}, submits=submits
        )
        assert bind["command_status"] == CommandStatus.ESME_RINVPASWD
        assert bind["text"] == "ERROR = 2 (wrong login or password)"


async def test_node_smpp_sends_a_reference() -> None:
    async with bridge() as running:
        submits = [{**TO, "short_message": "text", "user_message_reference": 513}]
        await node_smpp(running.port, bind=CREDENTIALS, submits=submits)
        assert running.relay.submissions[0].reference == "513"
