"""Kannel as a client: bearerbox binds, smsbox submits long and Unicode texts for it."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from bridge.model.failure import Failure, Reason
from bridge.model.message import Outcome, Receipts, Submission
from bridge.sandbox import Sandbox
from tests.serving.daemon import serving
from tests.smpp.peer import Bridge, bridge
from tests.smpp.reachable import hook_url, reachable, until
from tests.support import free_port, program

CONFIGURATION = """
group = core
admin-port = {admin}
admin-password = secret
smsbox-port = {box}
box-allow-ip = "127.0.0.1"
sms-resend-freq = 1
log-level = 1

group = smsc
smsc = smpp
smsc-id = bridge
host = 127.0.0.1
port = {smpp}
transceiver-mode = {transceiver}
smsc-username = crm
smsc-password = {password}
system-type = ""
max-pending-submits = 10
reconnect-delay = 1
throughput = 0

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = {box}
sendsms-port = {send}
log-level = 1

group = sendsms-user
username = tester
password = secret
max-messages = 10
concatenation = true
omit-empty = false
"""


class Kannel:
    """HTTP requests to smsbox and bearerbox."""

    def __init__(self, send: int, admin: int) -> None:
        self._url = f"http://127.0.0.1:{send}/cgi-bin/sendsms?"
        self._admin = f"http://127.0.0.1:{admin}/"

    async def command(self, name: str) -> None:
        """``stop-smsc`` unbinds from the bridge, ``start-smsc`` binds again."""
        query = urllib.parse.urlencode({"password": "secret", "smsc": "bridge"})

        def get() -> None:
            urllib.request.urlopen(f"{self._admin}{name}?{query}", timeout=30).close()

        await asyncio.to_thread(get)

    async def send(self, text: str, **parameters: str) -> None:
        """Sends a text; returns as soon as Kannel has accepted it."""
        query = {
            "username": "tester",
            "password": "secret",
            "from": "Shop",
            "to": "+380501234567",
            "text": text,
            "charset": "UTF-8",
            **parameters,
        }
        await asyncio.to_thread(self._get, urllib.parse.urlencode(query))

    def _get(self, query: str) -> None:
        with urllib.request.urlopen(self._url + query, timeout=30) as answer:
            assert answer.status == 202, answer.read()


async def listening(port: int) -> None:
    # RabbitMQ takes ten seconds of a core.
    async with asyncio.timeout(120):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


@asynccontextmanager
async def kannel(running: Bridge, folder: Path, transceiver: bool = True) -> AsyncIterator[Kannel]:
    """Both boxes, bound to the bridge."""
    async with boxes(running.port, folder, transceiver) as client:
        await until(lambda: any(c.account for c in running.listener._connections))
        yield client


@asynccontextmanager
async def boxes(
    smpp: int, folder: Path, transceiver: bool = True, password: str = "secret"
) -> AsyncIterator[Kannel]:
    """Both boxes; they bind to the port as soon as it listens."""
    bearerbox, smsbox = program("bearerbox"), program("smsbox")
    box, send, admin = free_port(), free_port(), free_port()
    configuration = folder / "kannel.conf"
    configuration.write_text(
        CONFIGURATION.format(
            admin=admin,
            box=box,
            send=send,
            smpp=smpp,
            password=password,
            transceiver=int(transceiver),
        )
    )
    processes: list[asyncio.subprocess.Process] = []
    with (folder / "kannel.log").open("wb") as log:
        try:
            for command, port in ((bearerbox, box), (smsbox, send)):
                processes.append(
                    await asyncio.create_subprocess_exec(
                        command, str(configuration), stdout=log, stderr=log, cwd=folder
                    )
                )
                await listening(port)
            yield Kannel(send, admin)
        finally:
            for process in reversed(processes):
                if process.returncode is None:
                    process.kill()
                await process.wait()


async def test_kannel_sends_texts_short_and_long_in_both_alphabets(tmp_path: Path) -> None:
    texts = [
        "Hello @ {1} €",
        "Привіт 😀",
        "long text with {braces} and €uro; " * 9,
        "довгий текст 😀 " * 12,
    ]
    async with bridge() as running, kannel(running, tmp_path) as client:
        for text in texts:
            coding = {} if text.isascii() or "€" in text else {"coding": "2"}
            await client.send(text, **coding)
        await until(lambda: len(running.relay.submissions) == len(texts))
        assert sorted(s.text for s in running.relay.submissions) == sorted(texts)
        for submission in running.relay.submissions:
            assert submission.recipients[0].address == "+380501234567"
            assert submission.sender == "Shop"


async def test_kannel_sends_again_what_was_throttled_receipt_validity_and_all(
    tmp_path: Path,
) -> None:
    async with bridge() as running, kannel(running, tmp_path) as client:
        refusals = iter([True, False])

        def answer(submission: Submission) -> Outcome:
            if next(refusals, False):
                return Failure(Reason.TOO_FAST)
            return running.relay.accept(submission)

        running.relay.answer = answer
        more = {"dlr-mask": "3", "dlr-url": "http://127.0.0.1:1/", "validity": "60"}
        await client.send("text", **more)
        await until(lambda: len(running.relay.submissions) == 2)
        for submission in running.relay.submissions:
            assert submission.text == "text"
            assert submission.receipts & (Receipts.SUCCESS | Receipts.FAILURE)
            assert submission.ttl is not None
            assert 3000 < submission.ttl <= 3600


async def test_kannel_comes_back_after_the_connection_broke(tmp_path: Path) -> None:
    async with bridge() as running, kannel(running, tmp_path, transceiver=False) as client:
        connections = running.listener._connections
        before = list(connections)
        for connection in before:
            connection.abort("test")
        await until(lambda: any(c.account for c in connections if c not in before))
        await client.send("after that")
        await running.relay.until(1)
        assert running.relay.submissions[0].text == "after that"


# --- receipts ----------------------------------------------------------------------------------


class Reports:
    """Kannel's calls of ``dlr-url``: the text, and Kannel's kind of receipt (1 delivered, 2 not
    delivered, 4 queued on the SMSC, 8 accepted by it)."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(request.split()[1]).query)
        self.calls.append((query["of"][0], int(query["kind"][0])))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    def url_of(self, text: str) -> str:
        return f"{self.url}?of={text}&kind=%d"

    def has(self, *expected: tuple[str, int]) -> bool:
        return set(expected) <= set(self.calls)


@asynccontextmanager
async def reports() -> AsyncIterator[Reports]:
    told = Reports()
    server = await asyncio.start_server(told.answer, "127.0.0.1", 0)
    told.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/dlr"
    try:
        yield told
    finally:
        server.close()


async def test_kannel_hears_what_became_of_its_messages_over_restarts_and_rebinds(
    tmp_path: Path,
) -> None:
    smpp, hooks = free_port(), free_port()

    async def says(sandbox: Sandbox, **words: str) -> None:
        """Posts the final states of the messages with these texts."""
        ids = {message.text: message.message_id for message in sandbox.messages}
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            for text, word in words.items():
                status = {"messageId": ids[text], "deliverystatus": word}
                assert (await client.post(hook_url(hooks), json=status)).status_code == 200

    async with Sandbox() as sandbox, reports() as told:
        config = reachable(tmp_path, sandbox.url, smpp, hooks)

        async def send(client: Kannel, *texts: str) -> None:
            for text in texts:
                dlr = {"dlr-mask": "19", "dlr-url": told.url_of(text)}
                await client.send(text, **dlr)
            await until(lambda: set(texts) <= {message.text for message in sandbox.messages})

        async with boxes(smpp, tmp_path, password="secret12") as client:
            async with serving(config) as bridge:
                await bridge.event("bound", account="crm")
                await send(client, "one", "two", "three", "four")
                await says(sandbox, one="delivered", two="undeliverable")
                await until(lambda: told.has(("one", 1), ("two", 2)))
                # Kannel disconnects and binds again; receipts wait for it.
                await client.command("stop-smsc")
                await bridge.event("unbound", account="crm")
                await says(sandbox, three="delivered")
                await client.command("start-smsc")
                await until(lambda: told.has(("three", 1)))
                assert await bridge.terminate() == 0
            # The same over a restart of the bridge.
            async with serving(config) as bridge:
                await bridge.ready()
                await says(sandbox, four="delivered")
                await until(lambda: told.has(("four", 1)))
                assert await bridge.terminate() == 0
        final = [call for call in told.calls if call[1] in (1, 2)]
        assert sorted(final) == [("four", 1), ("one", 1), ("three", 1), ("two", 2)]
