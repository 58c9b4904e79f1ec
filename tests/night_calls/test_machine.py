"""Night calls about the machine: its disk, and its own certificates."""

from __future__ import annotations

import asyncio
import re
import resource
import socket
import sqlite3
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from bridge.config.settings import parse_endpoint
from bridge.sandbox import Sandbox
from tests.cli.test_connect import serving_once
from tests.night_calls.asking import line, page, said, submit, until
from tests.running import execute, running
from tests.serving.clients import bound
from tests.serving.daemon import AnyBridge, Bridge, run, serving, write_config
from tests.smpp.peer import Peer, a_submit
from tests.smtp.conftest import Certificate, make_certificate
from tests.store.conftest import database, postgres  # noqa: F401 - fixtures
from tests.store.postgres.server import Server, Wire


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Bridge]:
    """A process, whose files can be limited in size."""
    async with serving(write_config(tmp_path, sandbox.url, account='answer = "queued"')) as bridge:
        yield bridge


async def refused_once(peer: Peer) -> None:
    """Submits until a submit is refused for lack of room."""
    async with asyncio.timeout(30):
        while (await peer.ask("submit_sm", a_submit())).command_status != 0x14:
            pass


async def test_12_the_disk_is_full(bridge: Bridge) -> None:
    peer = await bound(bridge)
    await submit(peer)
    store = bridge.config.parent / "bridge.db"
    written = (bridge.config.parent / "bridge.db-wal").stat().st_size
    unlimited = resource.prlimit(bridge.process.pid, resource.RLIMIT_FSIZE)
    # There is room for a page or two: some writes succeed.
    limit = (written + 10_000, unlimited[1])
    resource.prlimit(bridge.process.pid, resource.RLIMIT_FSIZE, limit)
    await refused_once(peer)
    for text in (await line(bridge, "health", "top", "--once"), await page(bridge, "/")):
        assert "store: " in text
        assert f": {store}, " in text
        assert " MB free" in text
    # Further submits, as of a busy system, do not clear the error.
    for _ in range(3):
        await refused_once(peer)
    events = [event["event"] for event in bridge.events]
    assert events.count("store_write_failed") == 1
    assert "store_recovered" not in events
    resource.prlimit(bridge.process.pid, resource.RLIMIT_FSIZE, unlimited)
    await submit(peer)
    await bridge.event("store_recovered")
    assert await line(bridge, "health", "top", "--once") == "health    ready"
    await peer.close()


# --- certificates --------------------------------------------------------------------------------


def with_tls(folder: Path, api: str, certificate: Certificate) -> Path:
    """A bridge with this certificate on every listener."""
    files = (
        f'certificate = "{certificate.certificate}"\nprivate_key = "{certificate.private_key}"\n'
    )
    config = write_config(folder, api)
    text = config.read_text()
    for table, more in (
        ("smtp", 'tls_listen = ["127.0.0.1:0"]\n'),
        ("smpp", 'tls_listen = ["127.0.0.1:0"]\n'),
        ("admin", ""),
    ):
        text = text.replace(f"[{table}]\n", f"[{table}]\n{files}{more}")
    text += f"""
        [hooks]
        listen = ["127.0.0.1:0"]
        secret = "a-secret-of-hooks"
        {files}
        [smsc]
        tls_listen = ["127.0.0.1:0"]
        {files}
    """
    config.write_text(text)
    return config


async def turned_away(bridge: AnyBridge, certificate: Certificate) -> set[str]:
    """Connects to every TLS port as a client that checks certificates; returns the refused
    ports."""
    ready = await bridge.event("ready")
    starttls, tls = ready["smtp"]
    ports = [tls, ready["smpp"][1], *ready["admin"], *ready["hooks"], *ready["smsc"]]
    strict = certificate.context()

    def shake_hands(port: str, before: bytes = b"") -> None:
        # Like most clients, openssl sends an alert with the reason; asyncio does not.
        with socket.create_connection(parse_endpoint(port), 30) as plain:
            for command in before.splitlines(keepends=True):
                plain.recv(1000)
                plain.sendall(command)
            if before:
                plain.recv(1000)
            with pytest.raises(ssl.SSLCertVerificationError):
                strict.wrap_socket(plain, server_hostname="127.0.0.1")

    for port in ports:
        await asyncio.to_thread(shake_hands, port)
    await asyncio.to_thread(shake_hands, starttls, b"EHLO a.test\r\nSTARTTLS\r\n")
    return {starttls, *ports}


async def test_13_our_own_certificate_has_expired(tmp_path: Path, sandbox: Sandbox) -> None:
    certificate = make_certificate(tmp_path, on="2024-02-28")
    async with running(with_tls(tmp_path, sandbox.url, certificate)) as bridge:
        ports = await turned_away(bridge, certificate)
        for port in ports:
            failed = await bridge.event("tls_failed", listener=port)
            assert "CERTIFICATE_EXPIRED" in failed["cause"]
        text = await said(bridge, "top", "--once")
        shown = await page(bridge, "/events", (await bridge.api()).replace("http:", "https:"))
        for door in ("smtp", "smpp", "admin", "hooks", "smsc"):
            assert f"expired   the certificate of {door} at " in text
            assert f"certificate_expiring {door}: it expired at 2024-03-0" in text
            assert re.search(
                rf"certificate_expiring {door} .{{,50}} it expired at 2024-03-0", shown
            )
        for port in ports:
            assert f"tls_failed {port}: " in text
            assert f"tls_failed {port} " in shown
        make_certificate(tmp_path)
        await said(bridge, "reload")
        await until(bridge, "(?m)^expires +the certificate of smtp", "top", "--once")


async def test_13_our_own_certificate_is_about_to_expire(tmp_path: Path, sandbox: Sandbox) -> None:
    certificate = make_certificate(tmp_path)
    async with running(with_tls(tmp_path, sandbox.url, certificate)) as bridge:
        await bridge.ready()
        text = await said(bridge, "top", "--once")
        shown = await page(bridge, "/", (await bridge.api()).replace("http:", "https:"))
        assert "certificate_expiring smtp: it expires in 2 days" in text
        assert "expires   the certificate of smtp at " in text
        assert "it expires in 2 days" in shown


# --- its start, and its clock --------------------------------------------------------------------


async def refused_start(config: Path) -> str:
    """The sentence of a bridge that does not start."""
    async with serving(config) as bridge:
        assert await bridge.ended() in (69, 78)
        [line] = [event["line"] for event in bridge.events if "line" in event]
        return str(line)


async def test_26_another_program_has_the_address(tmp_path: Path, sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        config = write_config(tmp_path, sandbox.url)
        config.write_text(config.read_text().replace("127.0.0.1:0", address, 1))
        line = await refused_start(config)
        assert f'{address}: address already in use; "sudo ss -ltnp" names the program' in line
    async with serving(config) as bridge:
        await bridge.ready()


async def test_26_the_configuration_has_a_mistake(tmp_path: Path, sandbox: Sandbox) -> None:
    config = write_config(tmp_path, sandbox.url)
    config.write_text(config.read_text().replace("sender =", "sendre ="))
    found = "accounts.crm.sendre: found an unknown key; allowed: accounts.crm.sender"
    assert found in await refused_start(config)
    _, text = await run(sys.executable, "-m", "bridge.cli", "check", "--config", str(config))
    assert "the bridge would not start" in text


async def test_26_a_later_version_wrote_the_store(tmp_path: Path, sandbox: Sandbox) -> None:
    with closing(sqlite3.connect(tmp_path / "bridge.db")) as store:
        store.execute("PRAGMA user_version = 99")
    line = await refused_start(write_config(tmp_path, sandbox.url))
    assert f"a later version wrote {tmp_path}/bridge.db: " in line
    assert "has schema version 99; this program knows versions up to " in line


async def test_27_the_database_is_away(
    tmp_path: Path,
    sandbox: Sandbox,
    postgres: Server,  # noqa: F811
    database: str,  # noqa: F811
) -> None:
    wire = Wire(postgres)
    await wire.open()
    config = write_config(tmp_path, sandbox.url)
    text = config.read_text().replace(f"sqlite:///{tmp_path}/bridge.db", wire.url(database))
    config.write_text(text)
    async with running(config) as bridge:
        wire.closed = True
        wire.cut()
        await bridge.event("store_connection_lost")
        shown = "store: the database cannot be reached: "
        await until(bridge, f"health +{shown}", "top", "--once")
        assert shown in await page(bridge, "/")
        _, checked = await bridge.command("check", "--connect")
        assert re.search("BAD   store: postgresql:", checked)
        wire.mend()
        await bridge.event("store_reconnected")
        await until(bridge, "health +ready", "top", "--once")
    await wire.close()


async def test_28_the_clock_is_wrong(tmp_path: Path) -> None:
    date = format_datetime(datetime.now(UTC) - timedelta(seconds=90), usegmt=True)
    head = f"HTTP/1.1 404 Not Found\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n"
    async with serving_once(head.encode(), after=b"\r\n\r\n") as port:
        config = write_config(tmp_path, f"http://127.0.0.1:{port}")
        _, text = await execute("check", "--connect", "--config", str(config))
    assert re.search("BAD   clock: 9[0-9] s ahead of the API's", text)
