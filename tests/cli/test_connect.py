"""``check --connect``: whether what the configuration names answers."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from bridge.cli.connect import try_all
from bridge.config.settings import Settings, settings_from
from bridge.sandbox import Sandbox
from tests.running import running
from tests.serving.daemon import run, write_config
from tests.smtp.conftest import make_certificate
from tests.store.conftest import database, postgres  # noqa: F401 - fixtures
from tests.support import free_port, program


async def test_everything_is_tried_and_what_does_not_work_is_named(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    config = write_config(tmp_path, sandbox.url)
    ports = smtp, smpp, admin = free_port(), free_port(), free_port()
    text = config.read_text()
    for port in ports:
        text = text.replace("127.0.0.1:0", f"127.0.0.1:{port}", 1)
    config.write_text(text)
    async with running(config) as bridge:
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
        assert "1 thing to mend." in said
        await bridge.terminate()
        code, said = await bridge.command("check", "--connect")
        assert code == 69
        assert f"BAD   smtp 127.0.0.1:{smtp}: does not answer: Connection refused" in said


def tried(settings: Settings, what: str) -> tuple[bool, str]:
    """The finding about one of the services."""
    [found] = [one for one in try_all(settings) if one.what == what]
    return found.good, found.says


def closed(**tables: Any) -> Settings:
    """Settings whose API nobody serves, and that listen nowhere."""
    given = {
        "cascade": {"base_url": f"http://127.0.0.1:{free_port()}", "authorization_key": "k"},
        **{table: {"listen": []} for table in ("smtp", "smpp", "admin")},
    }
    return settings_from(given | tables)


@pytest.mark.parametrize(
    ("greeting", "good", "says"),
    [(b"220 here\r\n", True, "answers"), (b"554 not for you\r\n", False, "says 554 not for you")],
)
async def test_a_listener_for_mail_must_greet(greeting: bytes, good: bool, says: str) -> None:
    async with serving_once(greeting) as port:
        settings = closed(smtp={"listen": [f"127.0.0.1:{port}"]})
        assert await asyncio.to_thread(tried, settings, f"smtp 127.0.0.1:{port}") == (good, says)


@pytest.mark.parametrize(
    ("status", "good", "says"),
    [
        (404, True, "takes the key"),
        (401, False, "refuses the key: HTTP 401"),
        (403, False, "refuses the key: HTTP 403"),
        (503, False, "answers HTTP 503"),
    ],
)
async def test_the_answer_of_the_api_tells_of_the_key(status: int, good: bool, says: str) -> None:
    answer = f"HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n".encode()
    async with serving_once(answer, after=b"\r\n\r\n") as port:
        keys = {"base_url": f"http://127.0.0.1:{port}", "authorization_key": "k"}
        settings = closed(cascade=keys)
        assert await asyncio.to_thread(tried, settings, "API 127.0.0.1") == (good, says)


def test_an_api_that_cannot_be_reached_is_bad() -> None:
    good, says = tried(closed(), "API 127.0.0.1")
    assert (good, says.startswith("cannot be reached: ConnectError: ")) == (False, True)


@pytest.mark.parametrize(
    ("greeting", "good"), [(b"220 x\r\n250 mx.example\r\n", True), (b"554 no\r\n", False)]
)
async def test_the_smarthost_must_greet(greeting: bytes, good: bool) -> None:
    async with serving_once(greeting) as port:
        address = f"127.0.0.1:{port}"
        settings = closed(reports={"smarthost": address, "from": "bridge@shop.example"})
        found, says = await asyncio.to_thread(tried, settings, f"smarthost {address}")
        assert (found, says) == (good, "greets: 250 mx.example" if good else says)


def test_certificates_must_be_valid_for_two_weeks(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    pair = {"certificate": str(made.certificate), "private_key": str(made.private_key)}
    settings = closed(smpp={"listen": [], **pair})
    good, says = tried(settings, f"certificate {made.certificate}")
    assert not good
    assert re.fullmatch(r"ends \d{4}-\d\d-\d\d, in [12] days", says)
    made.certificate.write_text("no certificate")
    assert tried(settings, f"certificate {made.certificate}")[0] is False


def test_a_store_that_is_not_there_is_bad(tmp_path: Path) -> None:
    settings = closed(store={"url": f"sqlite:///{tmp_path}/none/bridge.db"})
    assert tried(settings, "store") == (False, f"{tmp_path}/none/bridge.db does not exist")
    assert tried(settings, f"disk {tmp_path}/none") == (False, "No such file or directory")


@asynccontextmanager
async def serving_once(said: bytes, after: bytes = b"") -> AsyncIterator[int]:
    """A server that says this to everybody, after it has heard ``after``; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if after:
            await reader.readuntil(after)
        writer.write(said)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield int(server.sockets[0].getsockname()[1])


async def test_a_clock_that_differs_from_the_databases_is_named(
    tmp_path: Path,
    sandbox: Sandbox,
    database: str,  # noqa: F811
) -> None:
    config = write_config(tmp_path, sandbox.url)
    text = config.read_text().replace(f"sqlite:///{tmp_path}/bridge.db", database)
    config.write_text(text)
    async with running(config) as bridge:
        _, said = await bridge.command("check", "--connect")
        assert "good  clock: agrees with the database's" in said
        command = (sys.executable, "-m", "bridge.cli", "check", "--connect")
        late = await run(program("faketime"), "-f", "+90s", *command, "--config", str(config))
        assert "BAD   clock: 90 s ahead of the database's" in late[1]


async def test_a_clock_that_differs_from_the_apis_is_named() -> None:
    date = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
    head = f"HTTP/1.1 404 Not Found\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n"
    async with serving_once(head.encode(), after=b"\r\n\r\n") as port:
        keys = {"base_url": f"http://127.0.0.1:{port}", "authorization_key": "k"}
        good, says = await asyncio.to_thread(tried, closed(cascade=keys), "clock")
    assert not good
    assert re.fullmatch(r"36\d\d s ahead of the API's", says)
