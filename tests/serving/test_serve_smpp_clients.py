"""Third-party SMPP clients in Python, from end to end: a text, and its receipt."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bridge.sandbox import Sandbox
from tests.serving.daemon import run, serving, write_config
from tests.support import missing

TEXT = "Ваш код: 4711 😀"

# Each gets the port and the text; it prints the id in the answer, and the receipt as it reads it.

AIOSMPPLIB = r"""
import asyncio, json, sys
from aiosmpplib import ESME, NPI, TON, AbstractHook, DeliverSm, PhoneNumber, SubmitSm, SubmitSmResp

port, text = int(sys.argv[1]), sys.argv[2]
done, heard = asyncio.Event(), {}

class Hook(AbstractHook):
    async def sending(self, smpp_message, pdu, client_id): pass
    async def send_error(self, smpp_message, error, client_id):
        print(repr(error))
        done.set()
    async def received(self, smpp_message, pdu, client_id):
        if isinstance(smpp_message, SubmitSmResp):
            heard["id"] = smpp_message.message_id
        elif isinstance(smpp_message, DeliverSm) and smpp_message.is_receipt():
            receipt = smpp_message.parse_receipt()
            heard["receipt"] = receipt["id"], receipt["stat"]
            done.set()

async def main():
    esme = ESME("127.0.0.1", port, "crm", "secret12", hook=Hook())
    await esme.broker.enqueue(SubmitSm(
        short_message=text, source=PhoneNumber("Shop", TON.ALPHANUMERIC, NPI.UNKNOWN),
        destination=PhoneNumber("380501234567", TON.INTERNATIONAL, NPI.ISDN),
        encoding="ucs2", log_id="one"))
    running = asyncio.create_task(esme.start())
    await asyncio.wait_for(done.wait(), 30)
    await esme.stop()
    running.cancel()
    print(json.dumps(heard))

asyncio.run(main())
"""

TWISTED = r"""
import json, sys
from smpp.pdu.operations import SubmitSM
from smpp.pdu.pdu_types import (AddrTon, DataCoding, DataCodingDefault, EsmClass, EsmClassMode,
    EsmClassType, RegisteredDelivery, RegisteredDeliveryReceipt)
from smpp.twisted.client import SMPPClientTransceiver
from smpp.twisted.config import SMPPClientConfig
from twisted.internet import defer, reactor

port, text = int(sys.argv[1]), sys.argv[2]
heard = {}
came = defer.Deferred()

def told(smpp, pdu):
    heard["receipt"] = pdu.params["short_message"].decode().split(" ")[0], \
        pdu.params["message_state"].name
    came.callback(None)

@defer.inlineCallbacks
def main():
    try:
        config = SMPPClientConfig(
            host="127.0.0.1", port=port, username="crm", password="secret12")
        smpp = yield SMPPClientTransceiver(config, told).connectAndBind()
        result = yield smpp.sendDataRequest(SubmitSM(
            source_addr=b"Shop", source_addr_ton=AddrTon.ALPHANUMERIC,
            destination_addr=b"380501234567", dest_addr_ton=AddrTon.INTERNATIONAL,
            short_message=text.encode("utf-16-be"),
            data_coding=DataCoding(schemeData=DataCodingDefault.UCS2),
            registered_delivery=RegisteredDelivery(
                RegisteredDeliveryReceipt.SMSC_DELIVERY_RECEIPT_REQUESTED)))
        heard["id"] = result.response.params["message_id"].decode()
        yield came
        yield smpp.unbindAndDisconnect()
        print(json.dumps(heard))
    except Exception as error:
        print(repr(error))
    finally:
        reactor.stop()

reactor.callWhenRunning(main)
reactor.run()
"""


class Served(NamedTuple):
    sandbox: Sandbox
    port: int


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A bridge with an API that delivers at once and is polled soon."""
    async with Sandbox(scheduled_for=0, processing_for=0) as sandbox:
        config = write_config(tmp_path, sandbox.url)
        config.write_text(config.read_text().replace("[store]", 'poll_after = "1s"\n[store]', 1))
        async with serving(config) as bridge:
            _, smpp = await bridge.ready()
            yield Served(sandbox, smpp.port)


def python_with(package: str) -> str:
    """The interpreter of the environment that `.ci/run` makes for these clients."""
    python = os.environ.get("SMPP_CLIENTS_PYTHON", "")
    if not Path(python).is_file():
        missing(f"an environment with {package}, named by SMPP_CLIENTS_PYTHON,")
    return python


def last_object(said: str) -> Any:
    """The last JSON object in its output."""
    objects = [line for line in said.splitlines() if line.startswith("{")]
    assert objects, said
    return json.loads(objects[-1])


async def test_aiosmpplib(served: Served) -> None:
    python = python_with("aiosmpplib")
    code, said = await run(python, "-c", AIOSMPPLIB, str(served.port), TEXT)
    assert code == 0, said
    heard = last_object(said)
    [message] = served.sandbox.messages
    assert (message.phone, message.text) == ("+380501234567", TEXT)
    assert heard == {"id": message.id, "receipt": [message.id, "DELIVRD"]}


async def test_smpp_twisted3(served: Served) -> None:
    python = python_with("smpp.twisted3")
    code, said = await run(python, "-c", TWISTED, str(served.port), TEXT)
    assert code == 0, said
    heard = last_object(said)
    [message] = served.sandbox.messages
    assert (message.phone, message.text) == ("+380501234567", TEXT)
    assert heard == {"id": message.id, "receipt": [f"id:{message.id}", "DELIVERED"]}
