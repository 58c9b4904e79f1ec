"""Recorded sessions of clients that CI does not install: the bridge gives each answer."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from bridge.smpp.protocol.codec import decode
from bridge.smpp.protocol.pdu import MessageIdResp, SubmitSm
from bridge.smpp.protocol.tlvs import RECEIPTED_MESSAGE_ID
from tests.smpp.delivering import Served, served
from tests.smpp.outbound.test_receipt import words

RECORDED = Path(__file__).with_name("recorded.txt").read_text(encoding="utf-8")


class Session(NamedTuple):
    """One client's connections, and the texts that reached the API."""

    client: str
    connections: list[list[str]]
    texts: list[str]


def sessions() -> list[Session]:
    found: list[Session] = []
    for line in RECORDED.splitlines():
        mark, _, rest = line.partition(" ")
        if mark == "==":
            found.append(Session(rest, [], []))
        elif mark == "--":
            found[-1].connections.append([])
        elif mark in ("<", ">"):
            found[-1].connections[-1].append(line)
        elif mark == "=":
            found[-1].texts.append(json.loads(rest))
    return found


class Replay:
    """Sends what the client sent, and compares each answer octet by octet."""

    def __init__(self, serving: Served) -> None:
        self.serving = serving
        self.ids: list[bytes] = []
        self.told = False

    async def run(self, connection: list[str]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.serving.port)
        try:
            for line in connection:
                match line.split():
                    case [">", "close"]:
                        writer.write_eof()
                    case [">", octets]:
                        writer.write(self._with_ids(octets))
                    case ["<", "close"]:
                        assert await asyncio.wait_for(reader.read(), 30) == b""
                    case ["<", "receipt"]:
                        await self._receipt(reader)
                    case ["<", octets]:
                        self._compare(await frame(reader), octets)
        finally:
            writer.close()

    def _with_ids(self, octets: str) -> bytes:
        """The octets of a PDU, with the ids of this run."""
        filled = re.sub(r"\{(\d+)\}", lambda slot: self.ids[int(slot[1]) - 1].hex(), octets)
        pdu = bytes.fromhex(filled)
        return pdu if filled == octets else len(pdu).to_bytes(4, "big") + pdu[4:]

    def _compare(self, answer: bytes, recorded: str) -> None:
        if recorded.endswith(f"{{{len(self.ids) + 1}}}00"):
            body = decode(answer).body
            assert isinstance(body, MessageIdResp)
            self.ids.append(body.message_id)
        assert answer.hex() == self._with_ids(recorded).hex()

    async def _receipt(self, reader: asyncio.StreamReader) -> None:
        id = self.ids[0]
        if not self.told:
            self.told = True
            await self.serving.ended(id)
        pdu = decode(await frame(reader))
        assert (pdu.command, pdu.command_status, pdu.sequence_number) == ("deliver_sm", 0, 1)
        said = words(pdu)
        assert (said["id"], said["stat"], said["err"]) == (id.decode(), "DELIVRD", "000")
        assert pdu.tlv(RECEIPTED_MESSAGE_ID) == id + b"\0"
        body = pdu.body
        assert isinstance(body, SubmitSm)
        assert (body.esm_class, body.source_addr, body.destination_addr) == (
            4,
            b"380501234567",
            b"Shop",
        )


async def frame(reader: asyncio.StreamReader) -> bytes:
    length = await asyncio.wait_for(reader.readexactly(4), 30)
    return length + await reader.readexactly(int.from_bytes(length, "big") - 4)


@pytest.mark.parametrize("session", sessions(), ids=lambda session: session.client)
async def test_a_recorded_client_gets_every_answer(session: Session, tmp_path: Path) -> None:
    async with served(tmp_path) as serving:
        replay = Replay(serving)
        for connection in session.connections:
            await replay.run(connection)
        messages = serving.running.sandbox.messages
        assert [message.text for message in messages] == session.texts
        assert {message.phone for message in messages} == {"+380501234567"}
        assert len(set(replay.ids)) == len(replay.ids)
        await serving.nothing_left()
