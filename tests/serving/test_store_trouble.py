"""A store that is full or away: every door gives its temporary code, and the log no traceback."""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson

from bridge.sandbox import Sandbox
from bridge.smpp.protocol.pdu import (
    CancelSm,
    DataSm,
    QuerySm,
    ReplaceSm,
    SmeAddress,
    SubmitMulti,
    Tlv,
)
from bridge.smpp.protocol.tlvs import MESSAGE_PAYLOAD
from tests.serving.clients import connect
from tests.serving.daemon import Bridge, serving, write_config
from tests.serving.test_serve_hooks import SECRET
from tests.smpp.peer import Peer, a_submit
from tests.smtp.client import Client, connected
from tests.store.conftest import database, postgres  # noqa: F401 - fixtures
from tests.store.postgres.server import Server, Wire
from tests.support import free_port

PHONE = b"380501234567"
#: The first of two parts (UDH: an 8-bit reference).
PART = bytes([5, 0, 3, 7, 2, 1]) + b"first half"

STATUS = {"messageId": "x", "deliverystatus": "Delivered", "timestamp": "2026-01-01T00:00:00Z"}
FROM_PHONE = {"idUuid": "u", "alphaName": "Shop", "phoneNumber": "380501234567", "text": "Yes"}

Ask = Callable[[], Awaitable[str]]


class Doors:
    """A client at each door; each gives the code of its answer."""

    def __init__(
        self, mail: Client, line: Client, lmtp: Client, smpp: Peer, http: httpx.AsyncClient
    ) -> None:
        self._mail = mail
        self._line = line
        self._lmtp = lmtp
        self._smpp = smpp
        self._http = http
        self.id = 0
        self.smsc = self.api = self.hooks = ""

    def asks(self) -> dict[str, Ask]:
        id = str(self.id).encode()
        return {
            "submit_sm": lambda: self._pdu("submit_sm", a_submit()),
            "submit_sm that replaces": lambda: self._pdu(
                "submit_sm", a_submit(replace_if_present_flag=1)
            ),
            "a part": lambda: self._pdu("submit_sm", a_submit(PART, esm_class=0x40)),
            "submit_multi": lambda: self._pdu(
                "submit_multi",
                SubmitMulti(
                    dest_address=(SmeAddress(1, 1, PHONE), SmeAddress(1, 1, b"380671112233")),
                    short_message=b"hi",
                ),
            ),
            "data_sm": lambda: self._pdu(
                "data_sm",
                DataSm(dest_addr_ton=1, destination_addr=PHONE),
                Tlv(MESSAGE_PAYLOAD, b"hi"),
            ),
            "DATA": lambda: self._send_mail(self._mail, "380501234567"),
            "DATA of the SMSC line": lambda: self._send_mail(
                self._line, "send", "[text]crm:secret12:::0,0,:380501234567:hi[/text]"
            ),
            "LMTP": lambda: self._send_mail(self._lmtp, "380501234567", replies=2),
            "send.php": lambda: self._call("send.php", phones="380501234567", mes="hi"),
            "POST /messages": lambda: self._post({"to": "+380501234567", "text": "hi"}),
            "POST /messages, a send-out": lambda: self._post(
                {"to": ["+380501234567"], "text": "hi", "name": "Black Friday"}
            ),
            "a status": lambda: self._hook("status", STATUS),
            "a message from a phone": lambda: self._hook("incoming", FROM_PHONE),
            "a message with STOP": lambda: self._hook("incoming", FROM_PHONE | {"text": "STOP"}),
            "query_sm": lambda: self._pdu("query_sm", QuerySm(id)),
            "cancel_sm": lambda: self._pdu("cancel_sm", CancelSm(message_id=id)),
            "replace_sm": lambda: self._pdu("replace_sm", ReplaceSm(id, short_message=b"new")),
            "status.php": lambda: self._call("status.php", phone="380501234567", id=str(self.id)),
            "balance.php": lambda: self._call("balance.php"),
            "phones.php": lambda: self._call("phones.php", get_list="1"),
            "GET /messages/ID": self._get,
            "POST /messages, by a template": lambda: self._post(
                {"to": "+380501234567", "template": "ready"}
            ),
        }

    async def _pdu(self, command: str, body: Any, *tlvs: Tlv) -> str:
        return f"{(await self._smpp.ask(command, body, *tlvs)).command_status:#04x}"

    async def _send_mail(self, client: Client, to: str, text: str = "hi", replies: int = 1) -> str:
        assert (await client.ask("MAIL FROM:<a@b.cd>")).startswith("250")
        for _ in range(replies):
            reply = await client.ask(f"RCPT TO:<{to}@sms.example.com>")
            assert reply.startswith("250"), reply
            to = "380671112233"
        assert (await client.ask("DATA")).startswith("354")
        client.send(f"Subject: x\r\n\r\n{text}\r\n.\r\n".encode())
        return " ".join(sorted({reply[:9] for reply in await client.replies(replies)}))

    async def _call(self, name: str, **parameters: str) -> str:
        login = {"login": "crm", "psw": "secret12", "fmt": "3"}
        answer = await self._http.post(f"http://{self.smsc}/sys/{name}", data=login | parameters)
        found = answer.json()
        return str(found.get("error_code", 0) if isinstance(found, dict) else 0)

    async def _post(self, document: dict[str, Any]) -> str:
        answer = await self._http.post(
            f"{self.api}/api/v1/messages", json=document, auth=("crm", "secret12")
        )
        return str(answer.status_code)

    async def _get(self) -> str:
        url = f"{self.api}/api/v1/messages/{self.id}"
        return str((await self._http.get(url, auth=("crm", "secret12"))).status_code)

    async def _hook(self, hook: str, element: dict[str, str]) -> str:
        url = f"{self.hooks}/hooks/cascade/{SECRET}/{hook}"
        return str((await self._http.post(url, content=orjson.dumps([element]))).status_code)


@asynccontextmanager
async def doors(
    folder: Path, sandbox: Sandbox, store: str = ""
) -> AsyncIterator[tuple[Bridge, Doors]]:
    config = write_config(
        folder,
        sandbox.url,
        more='smsc_address = "send"\nlmtp_listen = ["127.0.0.1:0"]',
        account='protocols = ["smtp", "smpp", "http"]\ntrusted_networks = ["127.0.0.1"]\n'
        'daily_limit = 1000\nschedule = "bridge"',
    )
    hooks = free_port()
    text = config.read_text() + (
        f'\n[smsc]\nlisten = ["127.0.0.1:0"]\n[hooks]\nlisten = ["127.0.0.1:{hooks}"]\n'
        f'secret = "{SECRET}"\n'
    )
    config.write_text(text.replace(f"sqlite:///{folder}/bridge.db", store) if store else text)
    async with serving(config) as bridge, AsyncExitStack() as stack:
        ready = await bridge.event("ready")
        smtp, lmtp = (int(address.rpartition(":")[2]) for address in ready["smtp"])
        mail = await stack.enter_async_context(connected(smtp))
        line = await stack.enter_async_context(connected(smtp))
        to_lmtp = await stack.enter_async_context(connected(lmtp, greet=False))
        await to_lmtp.reply()
        await to_lmtp.ask("LHLO x")
        smpp = await connect(bridge)
        assert (await smpp.bind("bind_transmitter", password=b"secret12")).command_status == 0
        stack.push_async_callback(smpp.close)
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=30))
        there = Doors(mail, line, to_lmtp, smpp, http)
        there.smsc, there.api = ready["smsc"][0], await bridge.api()
        there.hooks = f"http://127.0.0.1:{hooks}"
        accepted = await smpp.ask("submit_sm", a_submit(schedule_delivery_time=b"000001000000000R"))
        there.id = int(accepted.body.message_id)  # type: ignore[union-attr]
        yield bridge, there


#: The temporary code of each door, where nothing can be stored.
FULL = {
    **dict.fromkeys(
        (
            *("submit_sm", "submit_sm that replaces", "a part", "submit_multi", "data_sm"),
            *("cancel_sm", "replace_sm"),
        ),
        "0x14",  # ESME_RMSGQFUL
    ),
    **dict.fromkeys(("DATA", "DATA of the SMSC line", "LMTP"), "452 4.3.1"),
    **dict.fromkeys(("send.php", "phones.php"), "9"),
    **dict.fromkeys(
        (
            *("POST /messages", "POST /messages, a send-out"),
            *("a status", "a message from a phone", "a message with STOP"),
        ),
        "503",
    ),
}
#: … and where nothing can be read either.
AWAY = FULL | {
    "query_sm": "0x14",
    "status.php": "9",
    "balance.php": "9",
    "GET /messages/ID": "503",
    "POST /messages, by a template": "503",
}


async def answers(there: Doors, expected: dict[str, str]) -> dict[str, str]:
    """The answers of the doors in ``expected``."""
    asks = there.asks()
    return {door: await asks[door]() for door in expected}


def of_the_store(events: list[dict[str, Any]]) -> Counter[tuple[object, ...]]:
    """The events that are no door's refusal of one request."""
    return Counter(
        (event["event"], event.get("work"))
        for event in events
        if event["level"] in ("warning", "error") and not event["event"].endswith("_refused")
    )


async def test_a_full_disk_is_a_temporary_refusal_and_no_fault(tmp_path: Path) -> None:
    async with Sandbox() as sandbox, doors(tmp_path, sandbox) as (bridge, there):
        pid = bridge.process.pid
        unlimited = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, unlimited[1]))
        assert await answers(there, FULL) == FULL
        events = tuple(bridge.events)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
        assert await there.asks()["cancel_sm"]() == "0x00"
        assert await there.asks()["POST /messages"]() == "202"
    assert not [event for event in events if "exception" in event]
    logged = of_the_store(list(events))
    assert logged[("store_write_failed", None)] == 1
    assert set(logged.values()) == {1}, logged


async def test_a_database_that_is_away_is_a_temporary_refusal_and_no_fault(
    tmp_path: Path,
    postgres: Server,  # noqa: F811
    database: str,  # noqa: F811
) -> None:
    wire = Wire(postgres)
    await wire.open()
    async with (
        Sandbox() as sandbox,
        doors(tmp_path, sandbox, wire.url(database)) as (bridge, there),
    ):
        wire.closed = True
        wire.cut()
        # The first one waits for the database for a while.
        assert await there.asks()["POST /messages"]() == "503"
        assert await answers(there, AWAY) == AWAY
        events = tuple(bridge.events)
        wire.mend()
        await bridge.event("store_reconnected")
        assert await there.asks()["cancel_sm"]() == "0x00"
        assert await there.asks()["POST /messages"]() == "202"
    await wire.close()
    assert not [event for event in events if "exception" in event]
    logged = of_the_store(list(events))
    assert logged[("store_connection_lost", None)] == 1
    assert set(logged.values()) == {1}, logged
