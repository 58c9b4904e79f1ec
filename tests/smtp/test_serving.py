"""SMTP in the running bridge: tests that need the whole of it."""

from __future__ import annotations

from pathlib import Path

from bridge.config.settings import parse_endpoint
from bridge.sandbox import Sandbox
from tests.serving.daemon import serving, write_config
from tests.smtp.client import Client, connected

ENVELOPE = b"MAIL FROM:<>\r\nRCPT TO:<send@sms.example.com>\r\nDATA\r\n"


async def line(client: Client, text: str) -> str:
    client.send(ENVELOPE + b"\r\n" + text.encode("koi8-r") + b"\r\n.\r\n")
    return (await client.replies(4))[-1]


async def test_the_smsc_line_end_to_end(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        config = write_config(
            tmp_path, sandbox.url, more='smsc_address = "send"', account='api_key = "the-key"'
        )
        async with serving(config) as bridge:
            smtp, _ = await bridge.ready()
            async with connected(smtp.port) as client:
                to = "+380501234567,380671234567"
                tried = await line(client, f"crm:secret12:::,,,1:{to}:проба")
                assert tried.startswith("250 2.0.0 OK - 2 SMS, ID - ")
                assert sandbox.message_count == 0
                sent = await line(client, f":the-key:17::,:{to}:Ваш код: 77")
                assert sent.startswith("250 2.0.0 OK - 2 SMS, ID - ")
                rows = await line(client, "crm:secret12:::,::+380501234567:раз\nG7:два")
                assert "250 2.0.0 OK - 1 SMS" in rows
                assert "refused: G7: ERROR = 3" in rows
                wrong = await line(client, f"crm:wrong:::,:{to}:x")
                assert wrong == "535 5.7.8 ERROR = 2 (wrong login or password)"
            assert sorted(m.text for m in sandbox.messages) == ["Ваш код: 77", "Ваш код: 77", "раз"]
            assert await bridge.terminate() == 0


async def test_lmtp_end_to_end(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        sandbox.fault("400", phones=["+380500000002"])
        config = write_config(
            tmp_path,
            sandbox.url,
            more='lmtp_listen = ["127.0.0.1:0"]',
            account='trusted_networks = ["127.0.0.1"]',
        )
        async with serving(config) as bridge:
            lmtp = parse_endpoint((await bridge.event("ready"))["smtp"][-1])
            async with connected(lmtp.port, greet=False) as client:
                await client.reply()
                await client.ask("LHLO x")
                await client.ask("MAIL FROM:<erp@example.com>")
                for n in range(1, 4):
                    await client.ask(f"RCPT TO:<38050000000{n}@sms.example.com>")
                await client.ask("DATA")
                client.send(b"Subject: x\r\n\r\ntext\r\n.\r\n")
                replies = await client.replies(3)
            assert [reply[:3] for reply in replies] == ["250", "550", "250"]
            assert replies[0] != replies[2]  # Each has an id of its own.
            assert await bridge.terminate() == 0
