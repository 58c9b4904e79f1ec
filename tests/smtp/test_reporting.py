"""From a mail to its report, through the whole bridge."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from bridge.app import Addresses, App
from bridge.config.settings import parse_endpoint, settings_from
from bridge.sandbox import Sandbox
from bridge.smpp.protocol.pdu import Bind
from tests.serving.daemon import Bridge, serving, write_config
from tests.smpp.peer import Peer, a_submit
from tests.smtp.client import Client, connected
from tests.smtp.smarthost import Smarthost, Taken, smarthost
from tests.support import free_port

SECRET = "long-enough-for-a-path"
GOOD, OTHER, BAD = "380501234567", "380671234567", "380500000002"
_NUMBERS = itertools.count(1)


class Whole:
    """The daemon in this process, with a sandbox and a smarthost."""

    def __init__(self, addresses: Addresses, sandbox: Sandbox, host: Smarthost) -> None:
        self.addresses = addresses
        self.sandbox = sandbox
        self.host = host

    @property
    def port(self) -> int:
        return self.addresses.smtp[0].port

    async def hook(self, kind: str, **document: str) -> None:
        url = f"http://{self.addresses.hooks[0]}/hooks/cascade/{SECRET}/{kind}"
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await client.post(url, json=document)
        assert answer.status_code == 200, answer.text

    async def status(self, word: str, number: int = 0) -> None:
        """Posts this status of the API's ``number``-th message."""
        found = self.sandbox.messages[number].message_id
        await self.hook("status", messageId=found, deliverystatus=word)


@asynccontextmanager
async def whole(
    folder: Path,
    sandbox: Sandbox,
    *,
    account: dict[str, Any] | None = None,
    reports: dict[str, Any] | None = None,
    smtp: dict[str, Any] | None = None,
) -> AsyncIterator[Whole]:
    async with smarthost() as host:
        given = {"smarthost": host.name, "from": "bridge@shop.example"}
        own = {"password": "secret12", "sender": "Shop", "trusted_networks": ["127.0.0.1"]}
        settings = settings_from(
            {
                "cascade": {"base_url": sandbox.url, "authorization_key": "k", "poll": False},
                "store": {"url": f"sqlite:///{folder}/bridge.db"},
                "smtp": {"listen": ["127.0.0.1:0"], "lmtp_listen": ["127.0.0.1:0"]} | (smtp or {}),
                "smpp": {"listen": ["127.0.0.1:0"]},
                "hooks": {"listen": ["127.0.0.1:0"], "secret": SECRET},
                "reports": given | (reports or {}),
                "accounts": {"crm": own | (account or {})},
            }
        )
        app = App(settings)
        ready: asyncio.Future[Addresses] = asyncio.get_running_loop().create_future()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(app.run(ready.set_result))
            async with asyncio.timeout(30):
                addresses = await ready
            try:
                yield Whole(addresses, sandbox, host)
            finally:
                app.stop()


async def mail(
    client: Client,
    *recipients: str,
    sender: str = "erp@shop.example",
    asks: str = "",
    text: str = "",
) -> list[str]:
    """Sends a mail to recipients, given with their RCPT parameters; returns the replies to DATA (in
    LMTP one for each)."""
    answer = await client.ask(f"MAIL FROM:<{sender}> {asks}".rstrip())
    assert answer.startswith("250"), answer
    for recipient in recipients:
        number, _, parameters = recipient.partition(" ")
        answer = await client.ask(f"RCPT TO:<{number}@sms.example.com> {parameters}".rstrip())
        assert answer.startswith("250"), answer
    await client.ask("DATA")
    mail_number = next(_NUMBERS)
    head = f"Subject: Server down\r\nMessage-ID: <{mail_number}@shop.example>\r\n\r\n"
    client.send(f"{head}{text or f'text {mail_number}'}\r\n.\r\n".encode())
    return await client.replies(1)


def words(taken: Taken) -> tuple[str, str]:
    return taken.status["Action"], taken.status["Status"]


async def test_a_message_that_is_refused_after_queued_ends_as_a_report(tmp_path: Path) -> None:
    async with Sandbox() as sandbox, whole(tmp_path, sandbox, account={"answer": "queued"}) as all:
        sandbox.fault("400")
        async with connected(all.port) as client:
            assert "DSN" in await client.ask("EHLO x")
            [answer] = await mail(
                client, f"{BAD} ORCPT=rfc822;ann@shop.example", asks="ENVID=order+2B17 RET=FULL"
            )
        assert answer.endswith("(queued)")
        [taken] = await all.host.mails()
    assert taken.return_path == ""
    assert taken.recipients == ["erp@shop.example"]
    assert words(taken) == ("failed", "5.1.3")
    assert taken.status["Diagnostic-Code"] == "smtp; 550 5.1.3 ERROR = 7 (wrong phone number)"
    assert taken.status["Final-Recipient"] == f"rfc822; {BAD}@sms.example.com"
    assert taken.status["Original-Recipient"] == "rfc822;ann@shop.example"
    assert b"Original-Envelope-Id: order+17\r\n" in taken.octets
    assert b"\r\ntext " in taken.octets
    assert str(taken.mail["in-reply-to"]).endswith("@shop.example>")


async def test_a_message_that_expires_after_queued_ends_as_a_report(tmp_path: Path) -> None:
    async with Sandbox() as sandbox, whole(tmp_path, sandbox, account={"answer": "queued"}) as all:
        sandbox.fault("503")
        async with connected(all.port) as client:
            await client.ask("EHLO x")
            [answer] = await mail(client, GOOD, asks="BY=1;R")
        assert answer.endswith("(queued)")
        [taken] = await all.host.mails()
        assert sandbox.messages == []
    assert taken.recipients == ["erp@shop.example"]
    assert words(taken) == ("failed", "5.4.7")


async def test_a_refusal_in_the_reply_is_not_reported(tmp_path: Path) -> None:
    async with Sandbox() as sandbox, whole(tmp_path, sandbox) as all:
        sandbox.fault("400", phones=[f"+{BAD}"])
        async with connected(all.port) as client:
            assert (await mail(client, BAD))[0].startswith("550 5.1.3")
            assert (await mail(client, GOOD))[0].startswith("250")
        await all.status("undeliverable")
        [taken] = await all.host.mails()
    # Only the later one: an earlier report would have come first.
    assert taken.status["Final-Recipient"] == f"rfc822; {GOOD}@sms.example.com"
    assert words(taken) == ("failed", "5.0.0")


async def test_refused_recipients_are_reported_in_one_mail(tmp_path: Path) -> None:
    async with Sandbox() as sandbox, whole(tmp_path, sandbox) as all:
        sandbox.fault("400", phones=[f"+{BAD}", "+380500000003"])
        async with connected(all.port) as client:
            quiet = "380500000003 NOTIFY=NEVER"
            [answer] = await mail(client, GOOD, BAD, OTHER, quiet)
        assert answer.startswith("250 2.0.0 OK - 2 SMS")
        assert f"refused: {BAD}" in answer
        [taken] = await all.host.mails()
    assert taken.mail["subject"] == "Not delivered: 1 of the recipients"
    assert taken.status["Final-Recipient"] == f"rfc822; {BAD}@sms.example.com"
    assert words(taken) == ("failed", "5.1.3")


async def test_lmtp_tells_each_and_reports_none_of_that(tmp_path: Path) -> None:
    async with Sandbox() as sandbox, whole(tmp_path, sandbox) as all:
        sandbox.fault("400", phones=[f"+{BAD}"])
        async with connected(all.addresses.smtp[-1].port, greet=False) as client:
            await client.reply()
            await client.ask("LHLO x")
            answers = await mail(client, GOOD, BAD)
            answers += await client.replies(1)
        assert [answer[:3] for answer in answers] == ["250", "550"]
        await all.status("undeliverable")
        [taken] = await all.host.mails()
    assert taken.status["Final-Recipient"] == f"rfc822; {GOOD}@sms.example.com"


#: NOTIFY, the API's status → the reports.
_TOLD = [
    ("", "delivered", None),
    ("", "undeliverable", ("failed", "5.0.0")),
    ("NOTIFY=SUCCESS", "delivered", ("delivered", "2.0.0")),
    ("NOTIFY=SUCCESS", "undeliverable", None),
    ("NOTIFY=FAILURE", "delivered", None),
    ("NOTIFY=FAILURE", "permanenterror", ("failed", "5.0.0")),
    ("NOTIFY=SUCCESS,FAILURE,DELAY", "delivered", ("delivered", "2.0.0")),
    ("NOTIFY=NEVER", "undeliverable", None),
    ("NOTIFY=DELAY", "undeliverable", None),
]


async def test_every_notify_has_the_reports_that_it_asks_for(tmp_path: Path) -> None:
    expected: dict[str, tuple[str, str]] = {}
    async with Sandbox() as sandbox, whole(tmp_path, sandbox) as all:
        async with connected(all.port) as client:
            for number, (notify, _, told) in enumerate(_TOLD):
                phone = f"38050123450{number}"
                assert (await mail(client, f"{phone} {notify}"))[0].startswith("250")
                if told:
                    expected[f"rfc822; {phone}@sms.example.com"] = told
            # A null return path gets no report; the test waits for the last one.
            await mail(client, f"{OTHER} NOTIFY=SUCCESS,FAILURE", sender="")
            await mail(client, f"{GOOD} NOTIFY=SUCCESS")
        for number, (_, word, _) in enumerate([*_TOLD, ("", "undeliverable", None)]):
            await all.status(word, number)
        await all.status("delivered", len(_TOLD) + 1)
        expected[f"rfc822; {GOOD}@sms.example.com"] = ("delivered", "2.0.0")
        mails = await all.host.mails(len(expected))
    assert {taken.status["Final-Recipient"]: words(taken) for taken in mails} == expected
    assert len(mails) == len(expected)


async def test_receipts_to_gets_every_end_of_smpp_messages_too(tmp_path: Path) -> None:
    account = {"receipts_to": "ops@shop.example"}
    async with Sandbox() as sandbox, whole(tmp_path, sandbox, account=account) as all:
        async with connected(all.port) as client:
            await mail(client, GOOD)
            await mail(client, GOOD, sender="")
        endpoint = all.addresses.smpp[0]
        peer = Peer(*await asyncio.open_connection(endpoint.host, endpoint.port))
        bound = await peer.ask("bind_transmitter", Bind(b"crm", b"secret12"))
        assert bound.command_status == 0
        assert (await peer.ask("submit_sm", a_submit(to=OTHER.encode()))).command_status == 0
        await peer.close()
        for number in range(3):
            await all.status("delivered" if number else "undeliverable", number)
        mails = await all.host.mails(3)
    assert [taken.recipients for taken in mails] == [
        ["erp@shop.example", "ops@shop.example"],
        ["ops@shop.example"],
        ["ops@shop.example"],
    ]
    assert [words(taken)[0] for taken in mails] == ["failed", "delivered", "delivered"]
    assert mails[2].status["Final-Recipient"] == f"rfc822; +{OTHER}@sms.example.com"


async def test_receipts_to_the_sender(tmp_path: Path) -> None:
    account = {"receipts_to": "sender"}
    async with Sandbox() as sandbox, whole(tmp_path, sandbox, account=account) as all:
        async with connected(all.port) as client:
            await mail(client, GOOD, sender="")
            await mail(client, f"{GOOD} NOTIFY=NEVER")
            await mail(client, f"{GOOD} NOTIFY=FAILURE")
        for number in range(3):
            await all.status("delivered", number)
        [taken] = await all.host.mails()
    assert taken.recipients == ["erp@shop.example"]
    assert words(taken) == ("delivered", "2.0.0")


async def test_delays_and_traces_by_notify_and_deliverby(tmp_path: Path) -> None:
    reports = {"delay_after": "1s"}
    async with Sandbox() as sandbox, whole(tmp_path, sandbox, reports=reports) as all:
        async with connected(all.port) as client:
            await mail(client, f"{GOOD} NOTIFY=DELAY")
            await mail(client, f"{OTHER} NOTIFY=DELAY")
            # Delivered by then: only the step itself is reported.
            await mail(client, "380501234568", asks="BY=3600;NT")
            await mail(client, "380501234569", asks="BY=0;N")
        await all.status("delivered", 1)
        mails = await all.host.mails(3)
    told = {taken.status["Final-Recipient"][8:20]: words(taken) for taken in mails}
    assert told == {
        GOOD: ("delayed", "4.4.7"),
        "380501234568": ("relayed", "2.0.0"),
        "380501234569": ("delayed", "4.4.7"),
    }
    [delayed] = [taken for taken in mails if GOOD in taken.status["Final-Recipient"]]
    assert "Will-Retry-Until" in delayed.status


async def test_a_report_to_a_phone_is_taken_and_nothing_is_reported_of_it(tmp_path: Path) -> None:
    report = (
        "Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n"
        "Auto-Submitted: auto-replied\r\n\r\n--x\r\n\r\nNot delivered.\r\n--x--\r\n"
    )
    async with Sandbox() as sandbox, whole(tmp_path, sandbox) as all:
        async with connected(all.port) as client:
            await client.ask("MAIL FROM:<>")
            await client.ask(f"RCPT TO:<{GOOD}@sms.example.com>")
            await client.ask("DATA")
            client.send(report.encode() + b".\r\n")
            assert (await client.reply()).startswith("250")
            await mail(client, OTHER)
        assert sandbox.messages[0].text == "Not delivered."
        await all.status("undeliverable", 0)
        await all.status("undeliverable", 1)
        [taken] = await all.host.mails()
    assert taken.status["Final-Recipient"] == f"rfc822; {OTHER}@sms.example.com"


async def test_the_smsc_line_is_reported_without_its_text(tmp_path: Path) -> None:
    account = {"answer": "queued"}
    smtp = {"smsc_address": "send"}
    async with Sandbox() as sandbox, whole(tmp_path, sandbox, account=account, smtp=smtp) as all:
        sandbox.fault("400")
        async with connected(all.port) as client:
            line = f"crm:secret12:::,:{BAD}:the text"
            assert (await mail(client, "send", asks="RET=FULL", text=line))[0].startswith("250")
        [taken] = await all.host.mails()
    assert words(taken) == ("failed", "5.1.3")
    assert taken.status["Final-Recipient"] == f"rfc822; {BAD}@sms.example.com"
    for kept_back in (b"secret12", b"the text", b"Server down"):
        assert kept_back not in taken.octets


async def test_a_phone_writes_and_is_answered_by_mail(tmp_path: Path) -> None:
    account = {
        "incoming_to": "desk@shop.example",
        "senders": ["Shop UA"],
        "trusted_networks": ["10.0.0.0/8"],
    }
    async with Sandbox() as sandbox, whole(tmp_path, sandbox, account=account) as all:
        await all.hook(
            "incoming", idUuid="u1", alphaName="Shop UA", phoneNumber=GOOD, text="Коли?", dt=""
        )
        [taken] = await all.host.mails()
        assert taken.mail.get_content().strip() == "Коли?"
        reply_to = str(taken.mail["reply-to"])
        async with connected(all.port) as client:
            await client.ask("MAIL FROM:<anna@shop.example>")
            assert (await client.ask(f"RCPT TO:<{OTHER}@sms.example.com>")).startswith("530")
            assert await client.ask(f"RCPT TO:<{reply_to}>") == "250 2.1.5 OK"
            await client.ask("DATA")
            client.send(b"Subject: Re: x\r\n\r\nAt ten.\r\n\r\nX wrote:\r\n> When?\r\n.\r\n")
            assert (await client.reply()).startswith("250 2.0.0 OK - 1 SMS")
        [message] = sandbox.messages
        assert (message.phone, message.text) == (f"+{GOOD}", "At ten.")
        assert message.item["fromName"] == "Shop UA"
        await all.status("undeliverable")
        report = (await all.host.mails(2))[1]
        assert report.recipients == ["anna@shop.example"]


# --- over kill -9 and while the smarthost is away ------------------------------------------------


def _config(folder: Path, api: str, port: int, account: str) -> Path:
    more = f"""
        [reports]
        smarthost = "127.0.0.1:{port}"
        from = "bridge@shop.example"
    """
    account += '\ntrusted_networks = ["127.0.0.1"]'
    return write_config(folder, api, more, account)


async def _port(bridge: Bridge) -> int:
    return parse_endpoint((await bridge.event("ready"))["smtp"][0]).port


@pytest.mark.parametrize("killed", [False, True])
async def test_reports_wait_for_the_smarthost_over_a_restart(tmp_path: Path, killed: bool) -> None:
    port = free_port()
    async with Sandbox() as sandbox:
        sandbox.fault("400", phones=[f"+{BAD}"])
        config = _config(tmp_path, sandbox.url, port, "")
        async with serving(config) as bridge:
            async with connected(await _port(bridge)) as client:
                for _ in range(3):
                    # After a positive answer the report is owed.
                    assert (await mail(client, GOOD, BAD))[0].startswith("250")
            await bridge.event("smarthost_failed")
            await (bridge.kill() if killed else bridge.terminate())
        async with smarthost(port=port) as host, serving(config) as bridge:
            mails = await host.mails(3)
            await bridge.event("report_sent")
            assert await bridge.terminate() == 0
    assert {taken.status["Final-Recipient"] for taken in mails} == {
        f"rfc822; {BAD}@sms.example.com"
    }
    assert len({taken.mail["message-id"] for taken in mails}) == 3


async def test_rounds_of_kill_9_lose_no_report(tmp_path: Path) -> None:
    """Each ended message has its report; a repeated report has the same Message-ID.

    A message that was in flight when the bridge died is held after a refusal: an earlier acceptance
    may have been lost.
    """
    async with Sandbox() as sandbox, smarthost() as host:
        sandbox.fault("400")
        config = _config(tmp_path, sandbox.url, host.port, 'answer = "queued"')
        for round in range(3):
            async with serving(config) as bridge:
                async with connected(await _port(bridge)) as client:
                    for number in range(20):
                        phone = f"3805000{round:02}{number:03}"
                        assert (await mail(client, phone))[0].startswith("250")
                await host.mails(10 * round + 1)
                await bridge.kill()
        async with serving(config) as bridge:
            await bridge.ready()
            rejected = await _ended(tmp_path / "bridge.db", 60)
            async with asyncio.timeout(30):
                while len({taken.mail["message-id"] for taken in host.taken}) < len(rejected):
                    await host.mails(len(host.taken) + 1)
            assert await bridge.terminate() == 0
    by_name = {taken.mail["message-id"]: taken.status["Final-Recipient"] for taken in host.taken}
    assert sorted(by_name.values()) == sorted(
        f"rfc822; {phone.lstrip('+')}@sms.example.com" for phone in rejected
    )


async def _ended(database: Path, messages: int) -> list[str]:
    """The phones of the refused messages, once no message waits."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.closing(sqlite3.connect(database)) as connection:
                rows = connection.execute("SELECT phone, state FROM message").fetchall()
            if len(rows) == messages and {state for _, state in rows} <= {"rejected", "held"}:
                return [phone for phone, state in rows if state == "rejected"]
            await asyncio.sleep(0.1)
