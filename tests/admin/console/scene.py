"""A running bridge with data: messages of two accounts, a refusal, a phone's answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from bridge.sandbox import Sandbox
from bridge.smpp.protocol.pdu import MessageIdResp
from tests.running import Running, running
from tests.serving.daemon import write_config
from tests.smpp.peer import Peer, a_submit

PHONE = "+380501234567"
TEXT = b"Your code is 4711"
_ACCOUNTS = """
    daily_limit = 1000
    [accounts.shop]
    password = "secret12"
    sender = "Shop"
    [hooks]
    listen = ["127.0.0.1:0"]
    secret = "a-secret-of-hooks"
    incoming = "crm"
"""


class Scene(NamedTuple):
    """``url`` is the console's address; ``sent`` is the id of a message to :data:`PHONE`."""

    bridge: Running
    sandbox: Sandbox
    url: str
    crm: Peer
    shop: Peer
    sent: int

    async def say(self, text: str, secret: str = "a-secret-of-hooks") -> int:
        """Posts a message from the phone; returns the HTTP status of the webhook."""
        hooks = (await self.bridge.event("ready"))["hooks"][0]
        said = {
            "idUuid": text,
            "alphaName": "Shop",
            "phoneNumber": PHONE.lstrip("+"),
            "text": text,
            "dt": int(time.time()),
        }
        async with httpx.AsyncClient(timeout=30) as client:
            url = f"http://{hooks}/hooks/cascade/{secret}/incoming"
            return (await client.post(url, json=said)).status_code

    async def submit(self, peer: Peer, *phones: str, kind: bytes = b"") -> list[int]:
        return [await _submit(peer, phone, kind) for phone in phones]


async def _submit(peer: Peer, phone: str, kind: bytes = b"") -> int:
    body = a_submit(TEXT, phone.lstrip("+").encode(), service_type=kind)
    answer = await peer.ask("submit_sm", body)
    assert answer.command_status == 0
    assert isinstance(answer.body, MessageIdResp)
    return int(answer.body.message_id)


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Scene]:
    """One message of ``crm`` is sent, one refused; twenty of the held account ``shop`` wait."""
    async with Sandbox() as sandbox:
        config = write_config(folder, sandbox.url, account=_ACCOUNTS)
        async with running(config) as bridge:
            _, smpp = await bridge.ready()
            peers = []
            for name in (b"crm", b"shop"):
                peer = Peer(*await asyncio.open_connection(*smpp))
                assert (await peer.bind(name=name, password=b"secret12")).command_status == 0
                peers.append(peer)
            crm, shop = peers
            id = await _submit(crm, PHONE)
            await sandbox.wait_for(1)
            refused = await crm.ask("submit_sm", a_submit(to=b"12"))
            assert refused.command_status
            assert (await bridge.command("hold", "account", "shop"))[0] == 0
            scene = Scene(bridge, sandbox, await bridge.api(), crm, shop, id)
            promo = [f"+38067{n:07}" for n in range(20)]
            await scene.submit(shop, *promo, kind=b"PROMO")
            yield scene
            await crm.close()
            await shop.close()


@asynccontextmanager
async def logged_in(url: str, token: str) -> AsyncIterator[httpx.AsyncClient]:
    """A logged-in client with a browser's headers."""
    headers = {"Sec-Fetch-Site": "same-origin"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
        answer = await client.post("/console/login", data={"token": token})
        assert answer.status_code == 303, answer.text
        yield client
