"""Kannel as a client: bearerbox binds, smsbox submits long and Unicode texts for it."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from bridge.failure import Failure, Reason
from bridge.message import Outcome, Receipts, Submission
from tests.smpp.peer import Bridge, bridge
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
smsc-password = secret
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
    """What smsbox is asked over HTTP."""

    def __init__(self, send: int) -> None:
        self._url = f"http://127.0.0.1:{send}/cgi-bin/sendsms?"

    async def send(self, text: str, **parameters: str) -> None:
        """Has a text sent; returns as soon as Kannel has taken it."""
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
        with urllib.request.urlopen(self._url + query, timeout=5) as answer:
            assert answer.status == 202, answer.read()


async def until(met: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not met():  # noqa: ASYNC110 - another process has no event
            await asyncio.sleep(0.02)


async def listening(port: int) -> None:
    async with asyncio.timeout(20):
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
    bearerbox, smsbox = program("bearerbox"), program("smsbox")
    box, send = free_port(), free_port()
    configuration = folder / "kannel.conf"
    configuration.write_text(
        CONFIGURATION.format(
            admin=free_port(),
            box=box,
            send=send,
            smpp=running.port,
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
            await until(lambda: any(c.account for c in running.listener._services.connections))
            yield Kannel(send)
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
        connections = running.listener._services.connections
        before = list(connections)
        for connection in before:
            connection.abort("test")
        await until(lambda: any(c.account for c in connections if c not in before))
        await client.send("after that")
        await running.relay.until(1)
        assert running.relay.submissions[0].text == "after that"
