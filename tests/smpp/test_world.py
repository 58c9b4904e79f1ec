"""PDUs of real-world software, and their results: ``world.json``.

Each entry is an example of a kind. ``version`` is that of the bind, 0 if the entry is the bind
itself; ``status`` is that of the last response, ``texts`` are sent to phones. ``decision`` is the
reason if the specification is silent or the bridge deviates from it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.model.message import Submission
from tests.smpp.peer import Peer, bridge

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("world.json").read_text())


async def said(peer: Peer, octets: bytes) -> int:
    """The status of the response to a raw PDU."""
    peer.writer.write(octets)
    answer = await peer.read()
    assert answer.sequence_number == int.from_bytes(octets[12:16], "big")
    return answer.command_status


def texts_of(submissions: list[Submission]) -> list[str]:
    return [submission.text for submission in submissions for _ in submission.recipients]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
async def test_what_the_world_sends_is_understood(case: dict[str, Any]) -> None:
    async with bridge(account={"password": "password"}) as running:
        peer = await running.connect()
        if case["version"]:
            bound = await peer.bind(password=b"password", interface_version=case["version"])
            assert bound.command_status == 0
        statuses = [await said(peer, bytes.fromhex(pdu)) for pdu in case["pdus"]]
        assert statuses[-1] == int(case["status"], 0)
        if case["texts"] is None:
            assert len(texts_of(running.relay.submissions)) == case["pdus"][0].count("3338303530")
        else:
            assert texts_of(running.relay.submissions) == case["texts"]
