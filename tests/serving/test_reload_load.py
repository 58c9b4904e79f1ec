"""Reloads under load: a hundred binds and mails go on, and each change counts at once.

"At once" is meant: what comes after the answer to the reload meets the new settings.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import httpx

from bridge.sandbox import Sandbox
from tests.serving.clients import change, connect
from tests.serving.daemon import OPERATE, Bridge, serving, write_config
from tests.smpp.peer import Peer, a_submit
from tests.smtp.client import MAIL, connected

BINDS, MAILERS = 100, 4
#: What each client has sent before anything changes, and between two changes.
SUBMITS = 2
#: Pause of a client between two submissions (seconds).
PAUSE = 0.2

CRM = '[accounts.crm]\n        password = "secret12"'
ERP = """
        [accounts.erp]
        password = "secret12"
        sender = "Shop"
        """


class Clients:
    """Clients that submit again and again, and what they heard."""

    def __init__(self) -> None:
        self.heard: Counter[str] = Counter()
        self._more = asyncio.Condition()
        self._rounds = 0
        self.stop = False

    async def _hear(self, answer: str) -> None:
        async with self._more:
            self.heard[answer] += 1
            self._more.notify_all()

    async def some(self) -> None:
        """Until all of them were answered some more times."""
        wanted = self.heard.total() + SUBMITS * (BINDS + MAILERS)
        async with asyncio.timeout(120), self._more:
            await self._more.wait_for(lambda: self.heard.total() >= wanted)

    async def submit(self, peer: Peer) -> None:
        while not self.stop:
            answer = await peer.ask("submit_sm", a_submit())
            await self._hear(f"{answer.command} {answer.command_status:#x}")
            await asyncio.sleep(PAUSE)
        await peer.close()

    async def mail(self, port: int) -> None:
        async with connected(port) as client:
            assert (await client.ask("AUTH PLAIN AGNybQBzZWNyZXQxMg==")).startswith("235")
            while not self.stop:
                await client.ask("MAIL FROM:<erp@example.com>")
                await client.ask("RCPT TO:<380501234567@sms.example.com>")
                await client.ask("DATA")
                client.send(MAIL)
                await self._hear((await client.reply())[:3])
                await asyncio.sleep(PAUSE)


async def reload(bridge: Bridge, *changed: str) -> None:
    headers = {"Authorization": f"Bearer {OPERATE}"}
    async with httpx.AsyncClient(
        headers=headers, base_url=await bridge.api(), timeout=30
    ) as client:
        answer = await client.post("/api/v1/reload", timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.json()["changed"] == list(changed)


async def bind(bridge: Bridge, name: bytes, password: bytes = b"secret12") -> int:
    """The status of one more bind."""
    peer = await connect(bridge)
    status = (await peer.bind(name=name, password=password)).command_status
    await peer.close()
    return status


async def test_reloads_under_load_end_no_session_and_apply_at_once(tmp_path: Path) -> None:
    account = f'max_binds = {BINDS + 10}\nanswer = "queued"\nrate = 0'
    async with Sandbox() as sandbox:
        config = write_config(tmp_path, sandbox.url, account=account)
        config.write_text(config.read_text() + ERP)
        async with serving(config) as bridge:
            smtp, _ = await bridge.ready()
            clients = Clients()
            peers = []
            for _ in range(BINDS):
                peers.append(await connect(bridge))
                assert (await peers[-1].bind(password=b"secret12")).command_status == 0
            other = await connect(bridge)
            assert (await other.bind(name=b"erp", password=b"secret12")).command_status == 0
            async with asyncio.TaskGroup() as tasks:
                for peer in peers:
                    tasks.create_task(clients.submit(peer))
                for _ in range(MAILERS):
                    tasks.create_task(clients.mail(smtp.port))
                await clients.some()

                # A limit is lowered.
                erp = ERP.rstrip() + "\n        rate = 0.001\n"
                change(bridge, (ERP.rstrip(), erp.rstrip()))
                await reload(bridge, "accounts.erp.rate")
                assert (await other.ask("submit_sm", a_submit())).command_status == 0
                assert (await other.ask("submit_sm", a_submit())).command_status == 0x58
                await clients.some()

                # An account is added.
                assert await bind(bridge, b"desk") == 0x0E
                config.write_text(config.read_text() + ERP.replace("erp", "desk"))
                await reload(bridge, "accounts.desk")
                assert await bind(bridge, b"desk") == 0
                await clients.some()

                # A password is changed; whoever is connected stays so.
                change(bridge, (CRM, CRM.replace("secret12", "other-12")))
                await reload(bridge, "accounts.crm.password")
                assert await bind(bridge, b"crm") == 0x0E
                assert await bind(bridge, b"crm", b"other-12") == 0
                await clients.some()

                # An account is removed.
                change(bridge, (erp.rstrip(), ""))
                await reload(bridge, "accounts.erp")
                await other.hear("unbind")
                assert await bind(bridge, b"erp") == 0x0E
                await other.close()
                await clients.some()
                clients.stop = True
            assert set(clients.heard) == {"submit_sm_resp 0x0", "250"}
            names = Counter(event["event"] for event in bridge.events)
            assert names["reloaded"] == 4
            # Nobody but the account that is gone was sent away.
            assert names["account_removed"] == 1
            lost = [
                e for e in bridge.events if e["event"] == "unbound" and "removed" in e["reason"]
            ]
            assert len(lost) == 1
            assert not [e for e in bridge.events if e.get("level") == "error"]
