"""Callbacks to a client's URL, and commands by SMS, with a running daemon."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qsl

import httpx
import pytest

from tests.smsc.calling import FIRST, SECOND, Smsc, smsc
from tests.support import free_port

SECRET = "9f86d081884c7d659a2feaa0c55ad015"


class Client:
    """A client's URL: its received calls, and the status of its next answer."""

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, str], bytes, str]] = []
        self.statuses: list[int] = []
        self._grown = asyncio.Condition()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            lines = head.decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
            body = await reader.readexactly(int(headers["content-length"]))
            status = self.statuses.pop(0) if self.statuses else 200
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())
            async with self._grown:
                form = dict(parse_qsl(body.decode(), keep_blank_values=True))
                self.calls.append((form, body, headers.get("x-signature", "")))
                self._grown.notify_all()

    async def called(self, count: int) -> list[dict[str, str]]:
        async with asyncio.timeout(30), self._grown:
            await self._grown.wait_for(lambda: len(self.calls) >= count)
        return [form for form, _, _ in self.calls]


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Client, str]]:
    client = Client()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await client.handle(reader, writer)
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield client, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/status"
    finally:
        server.close()


@pytest.fixture
def port() -> int:
    return free_port()


def hooks(port: int) -> str:
    return f'[hooks]\nlisten = ["127.0.0.1:{port}"]\nsecret = "{SECRET}"\n'


async def phone_writes(port: int, text: str, uid: str = "u-1", phone: str = FIRST) -> int:
    message = {"idUuid": uid, "alphaName": "Shop", "phoneNumber": phone, "text": text}
    async with httpx.AsyncClient(timeout=30) as client:
        url = f"http://127.0.0.1:{port}/hooks/cascade/{SECRET}/incoming"
        return (await client.post(url, json=message)).status_code


async def delivered(face: Smsc, port: int, upstream_id: str) -> None:
    async with httpx.AsyncClient(timeout=30) as client:
        url = f"http://127.0.0.1:{port}/hooks/cascade/{SECRET}/status"
        status = {"messageId": upstream_id, "deliverystatus": "delivered", "cost": 0.7}
        assert (await client.post(url, json=status)).status_code == 200


async def test_a_status_is_posted_until_the_client_takes_it(tmp_path: Path, port: int) -> None:
    async with listening() as (client, url):
        account = f'callback_url = "{url}"\ncallback_secret = "shared"\n{hooks(port)}'
        async with smsc(tmp_path, account) as face:
            client.statuses = [500]
            await face.call("send", phones=FIRST, mes="x", id="order-1")
            await delivered(face, port, face.sandbox.messages[0].message_id)
            first, again = await client.called(2)
            assert first == again
            assert {name: first[name] for name in ("phone", "status", "id", "err", "cost")} == {
                "phone": FIRST,
                "status": "1",
                "id": "order-1",
                "err": "0",
                "cost": "0.7",
            }
            _, body, signature = client.calls[0]
            assert signature == hmac.digest(b"shared", body, "sha256").hex()


async def test_a_callback_outlives_the_bridge(tmp_path: Path, port: int) -> None:
    async with listening() as (client, url):
        account = f'callback_url = "{url}"\n{hooks(port)}'
        client.statuses = [503] * 3
        async with smsc(tmp_path, account) as face:
            await face.call("send", phones=FIRST, mes="x", id=1)
            await delivered(face, port, face.sandbox.messages[0].message_id)
            await client.called(1)
            await face.bridge.kill()
        client.statuses = []
        async with smsc(tmp_path, account):
            await client.called(2)


async def test_a_message_from_a_phone_is_posted(tmp_path: Path, port: int) -> None:
    text = "Дякую & до зустрічі"
    async with (
        listening() as (client, url),
        smsc(tmp_path, f'callback_url = "{url}"\n{hooks(port)}') as face,
    ):
        assert await phone_writes(port, text) == 200
        [form] = await client.called(1)
        assert (form["phone"], form["to"], form["mes"]) == (FIRST, "Shop", text)
        [answer] = await face.json("get", get_answers=1)
        assert (answer["message"], answer["phone"]) == (text, FIRST)


async def test_a_phone_stops_and_starts_by_sms(tmp_path: Path, port: int) -> None:
    account = f'stop_reply = "You will hear no more."\n{hooks(port)}'
    async with smsc(tmp_path, account) as face:
        for _ in range(2):  # a repeated webhook changes nothing
            assert await phone_writes(port, "  стоп! ") == 200
        texts = [message.item["text"] for message in face.sandbox.messages]
        assert texts == ["You will hear no more."]
        group = {"phones": f"{FIRST},{SECOND}", "mes": "Sale", "fmt": 1, "id": 1}
        assert await face.call("send", **group) == "1,1"
        assert face.sandbox.messages[-1].phone == f"+{SECOND}"
        # STOP does not block single messages, such as codes.
        assert await face.call("send", phones=FIRST, mes="1234", fmt=1, id=2) == "2,1"
        assert await phone_writes(port, "START", "u-2") == 200
        assert await face.call("send", **group) == "1,2"
        # Many phones' owners write without accents.
        assert await phone_writes(port, "Odhlasit.", "u-3") == 200
        assert [one["phone"] for one in await face.json("phones", get_black=1)] == [FIRST]
