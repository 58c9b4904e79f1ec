"""``check --connect``: tests of the configured services."""

from __future__ import annotations

import asyncio
import re
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from bridge.sandbox import Sandbox
from tests.serving.daemon import run, serving, write_config
from tests.store.conftest import database, postgres  # noqa: F401 - fixtures
from tests.support import free_port, program


async def test_everything_is_tried_and_what_does_not_work_is_said(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        config = write_config(tmp_path, sandbox.url)
        smtp, smpp, admin = free_port(), free_port(), free_port()
        text = config.read_text()
        for port in (smtp, smpp, admin):
            text = text.replace("127.0.0.1:0", f"127.0.0.1:{port}", 1)
        config.write_text(text)
        async with serving(config) as bridge:
            await bridge.ready()
            code, said = await bridge.command("check", "--connect")
            assert code == 0, said
            for line in (
                f"good  smtp 127.0.0.1:{smtp}: answers",
                f"good  smpp 127.0.0.1:{smpp}: answers",
                f"good  admin 127.0.0.1:{admin}: answers",
                "good  API 127.0.0.1: takes the key",
                "good  store: answers within",
                f"good  disk {tmp_path}: ",
                "Everything works.",
            ):
                assert line in said
            config.write_text(text.replace("test-key", "wrong"))
            code, said = await bridge.command("check", "--connect")
            assert code == 69
            assert "BAD   API 127.0.0.1: refuses the key: HTTP 401" in said
            await bridge.terminate()
            code, said = await bridge.command("check", "--connect")
            assert code == 69
            assert f"BAD   smtp 127.0.0.1:{smtp}: does not answer: Connection refused" in said


async def test_clocks_that_disagree_are_said(
    tmp_path: Path,
    database: str,  # noqa: F811
) -> None:
    async with Sandbox() as sandbox:
        config = write_config(tmp_path, sandbox.url)
        text = config.read_text().replace(f"sqlite:///{tmp_path}/bridge.db", database)
        config.write_text(text)
        async with serving(config) as bridge:
            await bridge.ready()
            _, said = await bridge.command("check", "--connect")
            assert "good  clock: agrees with the database's" in said
            command = (sys.executable, "-m", "bridge.cli", "check", "--connect")
            late = await run(program("faketime"), "-f", "+90s", *command, "--config", str(config))
            assert "BAD   clock: 90 s ahead of the database's" in late[1]


async def test_a_clock_beside_that_of_the_api(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        date = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
        head = f"HTTP/1.1 404 Not Found\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n"
        writer.write(head.encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        config = write_config(tmp_path, f"http://127.0.0.1:{port}")
        command = (sys.executable, "-m", "bridge.cli", "check", "--connect")
        _, said = await run(*command, "--config", str(config))
    assert re.search(r"BAD   clock: 36\d\d s ahead of the API's", said), said
