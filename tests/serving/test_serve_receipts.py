"""Receipts through the whole bridge, from webhook to client, over restarts and kill -9."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from bridge.model.notice import MAIL, Incoming, receivers_of
from bridge.sandbox import Sandbox
from bridge.smpp.protocol.pdu import MessageIdResp, Pdu
from bridge.smpp.protocol.tlvs import RECEIPTED_MESSAGE_ID
from bridge.store.sqlite.engine import SqliteStore
from tests.serving.daemon import Bridge, serving, write_config
from tests.smpp.peer import Peer, a_submit
from tests.support import free_port

SECRET = "9f86d081884c7d659a2feaa0c55ad015"
WINDOW = 20
ROUNDS = int(os.environ.get("CASCADE_BRIDGE_KILL_ROUNDS", "3"))

#: The ids, as the client knows them, of receipts that are told.
ENDED = "SELECT known_as FROM notice WHERE ended_at > 0"


class Receiver:
    """A client that binds repeatedly, and records told and answered receipts.

    ``answers`` is the share of receipts that it answers.
    """

    def __init__(self, chance: random.Random) -> None:
        self.answers = 0.9
        self.told: Counter[bytes] = Counter()
        self.answered: Counter[bytes] = Counter()
        self.submitted: list[bytes] = []
        #: How often each was told up to when its answer was found durable.
        self.ended: dict[bytes, int] = {}
        self._chance = chance

    async def bind(self, port: int) -> None:
        self._peer = Peer(*await asyncio.open_connection("127.0.0.1", port))
        assert (await self._peer.bind(password=b"secret12")).command_status == 0

    async def submit(self, count: int) -> set[bytes]:
        """Submits this number of messages with receipts; returns their ids. Receipts of earlier
        ones may come meanwhile."""
        ids: list[bytes] = []
        for number in range(count):
            self._peer.write(Pdu("submit_sm", number + 2, a_submit(registered_delivery=1)))
            while (pdu := await self._peer.read()).command != "submit_sm_resp":
                self._take(pdu)
            assert isinstance(pdu.body, MessageIdResp)
            ids.append(pdu.body.message_id)
        self.submitted += ids
        return set(ids)

    async def take(self) -> None:
        """Reads receipts until the connection ends."""
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                self._take(await self._peer.read(60))

    def _take(self, pdu: Pdu) -> None:
        if pdu.command == "unbind":
            self._peer.write(Pdu("unbind_resp", pdu.sequence_number))
        elif pdu.command == "deliver_sm":
            id = (pdu.tlv(RECEIPTED_MESSAGE_ID) or b"").rstrip(b"\0")
            self.told[id] += 1
            if self._chance.random() < self.answers:
                self._peer.write(Pdu("deliver_sm_resp", pdu.sequence_number, MessageIdResp()))
                self.answered[id] += 1

    def note_ended(self, ids: Iterable[int]) -> None:
        """The answers to these are durable, and nothing more was sent since."""
        for id in ids:
            self.ended.setdefault(b"%d" % id, self.told[b"%d" % id])

    def told_again(self) -> list[bytes]:
        """Receipts that came again although their answers were durable."""
        return [id for id, times in self.ended.items() if self.told[id] != times]

    async def close(self) -> None:
        await self._peer.close()


@asynccontextmanager
async def bridge_with(folder: Path, api: str, hooks: int, account: str) -> AsyncIterator[Bridge]:
    table = f'[hooks]\nlisten = ["127.0.0.1:{hooks}"]\nsecret = "{SECRET}"'
    config = write_config(folder, api, account=f"{account}\n{table}")
    async with serving(config) as bridge:
        yield bridge


async def delivered(sandbox: Sandbox, hooks: int, ids: set[bytes]) -> None:
    """The API posts the delivery of these."""
    url = f"http://127.0.0.1:{hooks}/hooks/cascade/{SECRET}/status"
    statuses = [
        {"messageId": one.message_id, "deliverystatus": "delivered"}
        for one in sandbox.messages
        if one.id.encode() in ids
    ]
    assert len(statuses) == len(ids)
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        for start in range(0, len(statuses), 20):
            answer = await client.post(url, json=statuses[start : start + 20])
            assert answer.status_code == 200


@pytest.mark.parametrize("how", ["kill", "terminate"])
async def test_no_receipt_is_lost_and_only_unanswered_ones_are_repeated(
    how: str, tmp_path: Path
) -> None:
    chance = random.Random(how)
    hooks = free_port()
    receiver = Receiver(chance)
    window = f"receive_window = {WINDOW}"
    async with Sandbox() as sandbox:
        for _ in range(ROUNDS):
            async with bridge_with(tmp_path, sandbox.url, hooks, window) as bridge:
                _, smpp = await bridge.ready()
                await receiver.bind(smpp.port)
                ids = await receiver.submit(60)
                taking = asyncio.create_task(receiver.take())
                await delivered(sandbox, hooks, ids)
                await asyncio.sleep(chance.uniform(0.0, 0.1))  # in the middle of it
                if how == "kill":
                    await bridge.kill()
                else:
                    assert await bridge.terminate() == 0
                await taking
                await receiver.close()
            with contextlib.closing(sqlite3.connect(tmp_path / "bridge.db")) as connection:
                rows = connection.execute(ENDED).fetchall()
            receiver.note_ended(id for (id,) in rows)
        async with bridge_with(tmp_path, sandbox.url, hooks, window) as bridge:
            _, smpp = await bridge.ready()
            left = len(receiver.submitted) - len(receiver.answered)
            receiver.answers = 1.0
            await receiver.bind(smpp.port)
            taking = asyncio.create_task(receiver.take())
            async with asyncio.timeout(60):
                while receiver.answered.keys() != set(receiver.submitted):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            assert await bridge.terminate() == 0
            await taking
            await receiver.close()
    twice = sum(times - 1 for times in receiver.answered.values())
    words = f"{len(receiver.submitted)} owed, {left} left at the end, {twice} answered twice"
    print(f"\n{ROUNDS} × {how}: {words}")
    # An answered receipt is told again only if the process was killed before the answer was
    # durable.
    assert receiver.told_again() == []
    assert how == "kill" or twice == 0


async def test_mails_and_receipts_are_each_kept_for_their_own_time(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    now = int(time.time())
    said = Incoming(1 << 40, "uid", "crm", "+380501234567", "Shop", "Hi", now - 7200, now - 7200)
    store = SqliteStore(tmp_path / "bridge.db")
    await store.open()
    await store.take_incoming([(said, [receivers_of("crm"), MAIL])])
    await store.close()
    # A smarthost that never greets, so that the mail is not put off.
    silent = await asyncio.start_server(lambda *_: None, "127.0.0.1")
    port = silent.sockets[0].getsockname()[1]
    reports = f'[reports]\nkeep = "5d"\nsmarthost = "127.0.0.1:{port}"'
    account = f'incoming_to = "shop@shop.example"\n{reports}'
    config = write_config(tmp_path, sandbox.url, account=account)
    config.write_text(config.read_text().replace("[smpp]", '[smpp]\nreceipts_keep = "1h"'))
    async with serving(config) as bridge:
        assert (await bridge.event("notices_given_up"))["notices"] == 1
        await bridge.kill()
    silent.close()
    await (store := SqliteStore(tmp_path / "bridge.db")).open()
    try:
        assert not await store.claim_notices(receivers_of("crm"), now + 3600, 10)
        assert len(await store.claim_notices(MAIL, now + 3600, 10)) == 1
    finally:
        await store.close()
