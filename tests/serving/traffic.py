"""Clients that send texts one after the other, and note those that were accepted."""

from __future__ import annotations

import asyncio
import json
import urllib.parse
from base64 import b64encode
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import count

from bridge.smpp.protocol.pdu import Bind, Empty, Pdu
from tests.smpp.peer import Peer, a_submit
from tests.smtp.client import Client

_PHONE = "380501234567"
#: Most seconds for one text; clients of a socket that is passed on wait over a restart.
_WITHIN = 60.0
_BASIC = b64encode(b"crm:secret12").decode()
_PLAIN = b64encode(b"\0crm\0secret12").decode()


class NotAccepted(Exception):  # noqa: N818 - says what is the matter
    """The client heard no, or nothing."""


#: Sends a text to a port of this machine; raises NotAccepted, OSError or EOFError.
Door = Callable[[int, str], Awaitable[None]]


def need(yes: object, heard: object) -> None:
    if not yes:
        raise NotAccepted(heard)


async def by_smtp(port: int, text: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = Client(reader, writer)
    mail = f"Subject: -\r\n\r\n{text}\r\n.".encode()
    try:
        need((said := await client.reply(_WITHIN)).startswith("220"), said)
        for command, code in (
            (b"EHLO client.test", "250"),
            (b"AUTH PLAIN " + _PLAIN.encode(), "235"),
            (b"MAIL FROM:<a@b.cd>", "250"),
            (f"RCPT TO:<{_PHONE}@sms.example.com>".encode(), "250"),
            (b"DATA", "354"),
            (mail, "250"),
        ):
            client.send(command + b"\r\n")
            need((said := await client.reply(_WITHIN)).startswith(code), said)
    finally:
        writer.close()


async def by_smpp(port: int, text: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    peer = Peer(reader, writer)
    try:
        peer.write(Pdu("bind_transmitter", 1, Bind(b"crm", b"secret12")))
        need((heard := await peer.read(_WITHIN)).command_status == 0, heard)
        peer.write(Pdu("submit_sm", 2, a_submit(text.encode())))
        while (heard := await peer.read(_WITHIN)).command != "submit_sm_resp":
            if heard.command == "unbind":
                peer.write(Pdu("unbind_resp", heard.sequence_number, Empty()))
        need(heard.command_status == 0, heard)
    finally:
        writer.close()


async def by_api(port: int, text: str) -> None:
    body = json.dumps({"to": _PHONE, "text": text})
    said = await _ask(
        port,
        f"POST /api/v1/messages HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Authorization: Basic {_BASIC}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}",
    )
    need(said.startswith("HTTP/1.1 202"), said)


async def by_smsc(port: int, text: str) -> None:
    given = {"login": "crm", "psw": "secret12", "phones": _PHONE, "mes": text, "fmt": "3"}
    query = urllib.parse.urlencode(given)
    said = await _ask(
        port, f"GET /sys/send.php?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    need('"cnt"' in said and "error_code" not in said, said)


async def _ask(port: int, request: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request.encode())
        async with asyncio.timeout(_WITHIN):
            return (await reader.read()).decode()
    finally:
        writer.close()


class Traffic:
    """Clients at several doors, until :meth:`end`."""

    def __init__(self, doors: dict[Door, int]) -> None:
        self.accepted: list[str] = []
        self._doors = doors
        self._count: Counter[Door] = Counter()
        self._numbers = count(1)
        self._over = False
        self._grown = asyncio.Condition()
        self._clients = [asyncio.create_task(self._send(*door)) for door in doors.items()]

    async def _send(self, door: Door, port: int) -> None:
        while not self._over:
            text = f"{door.__name__[3:]} {next(self._numbers)}"
            try:
                await door(port, text)
            except (OSError, EOFError, NotAccepted):
                await asyncio.sleep(0.01)
                continue
            async with self._grown:
                self.accepted.append(text)
                self._count[door] += 1
                self._grown.notify_all()

    async def more(self, texts: int) -> None:
        """Waits until every door has taken so many more."""
        before = self._count.copy()
        async with asyncio.timeout(_WITHIN), self._grown:
            await self._grown.wait_for(
                lambda: all(self._count[door] >= before[door] + texts for door in self._doors)
            )

    async def end(self) -> None:
        """Lets each client finish its text."""
        self._over = True
        await asyncio.gather(*self._clients)
