"""Jasmin's SMPP connector as a client: its own classes, without the queues around them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from bridge.model.message import Receipts
from tests.smpp.peer import FIRST_ID, FIRST_PART_ID, bridge
from tests.support import program

SCRIPT = r"""
import json, sys
from twisted.internet import defer, reactor
from jasmin.protocols.smpp.configs import SMPPClientConfig
from jasmin.protocols.smpp.factory import SMPPClientFactory
from jasmin.protocols.smpp.operations import SMPPOperationFactory
from smpp.pdu.pdu_types import RegisteredDelivery, RegisteredDeliveryReceipt

port, work, log = int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]
config = SMPPClientConfig(id='bridge', host='127.0.0.1', port=port, username='crm',
                          password='secret', log_file=log, reconnectOnConnectionLoss=False,
                          reconnectOnConnectionFailure=False)
answers = []

@defer.inlineCallbacks
def run():
    try:
        factory = SMPPClientFactory(config)
        yield factory.connectAndBind()
        for text, data_coding, split in work:
            submit = SMPPOperationFactory(config, 9, split).SubmitSM(
                source_addr=b'Shop', destination_addr=b'380501234567',
                short_message=bytes.fromhex(text), data_coding=data_coding,
                registered_delivery=RegisteredDelivery(
                    RegisteredDeliveryReceipt.SMSC_DELIVERY_RECEIPT_REQUESTED))
            result = yield factory.smpp.sendDataRequest(submit)
            response = result.response
            answers.append([response.status.name, response.params['message_id'].decode()])
        yield factory.smpp.unbindAndDisconnect()
    except Exception as error:
        answers.append(repr(error))
    finally:
        reactor.stop()

reactor.callWhenRunning(run)
reactor.run()
print(json.dumps(answers))
"""


async def jasmin(port: int, work: list[Any], folder: Path) -> list[Any]:
    """The answers to Jasmin for each text: status and id."""
    # Jasmin is in its own environment.
    python = Path(program("jasmind.py")).parent / "python"
    process = await asyncio.create_subprocess_exec(
        *(str(python), "-c", SCRIPT, str(port), json.dumps(work), str(folder / "jasmin.log")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    answers: list[Any] = json.loads(output)
    return answers


@pytest.mark.parametrize("split", ["udh", "sar"])
async def test_jasmin_sends_short_and_long_texts(split: str, tmp_path: Path) -> None:
    long = "довгий текст 😀 " * 12
    texts = [(b"Hello \x00 \x1b\x65", 0), (long.encode("utf-16-be"), 8)]
    async with bridge() as running:
        work = [(octets.hex(), data_coding, split) for octets, data_coding in texts]
        first, last = await jasmin(running.port, work, tmp_path)
        assert first == ["ESME_ROK", str(FIRST_ID)]
        # The id of a long text is that of its last part.
        parts = -(-len(long.encode("utf-16-be")) // 134)
        assert last == ["ESME_ROK", str(FIRST_PART_ID + parts - 1)]
        assert [s.text for s in running.relay.submissions] == ["Hello @ €", long]
        assert running.relay.submissions[0].receipts == Receipts.SUCCESS | Receipts.FAILURE
        assert {a.receipts for a in running.relay.aliases[1]} == {3}
