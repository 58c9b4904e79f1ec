"""Night calls about the machine: its disk, and its own certificates."""

from __future__ import annotations

import asyncio
import re
import resource
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.config.settings import parse_endpoint
from bridge.sandbox import Sandbox
from tests.night_calls.asking import line, page, said, submit
from tests.running import running
from tests.serving.clients import bound
from tests.serving.daemon import AnyBridge, Bridge, serving, write_config
from tests.smpp.peer import Peer, a_submit
from tests.smtp.conftest import Certificate, make_certificate


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
        with socket.create_connection(parse_endpoint(port), 10) as plain:
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


async def test_13_our_own_certificate_is_about_to_expire(tmp_path: Path, sandbox: Sandbox) -> None:
    certificate = make_certificate(tmp_path)
    async with running(with_tls(tmp_path, sandbox.url, certificate)) as bridge:
        await bridge.ready()
        text = await said(bridge, "top", "--once")
        shown = await page(bridge, "/", (await bridge.api()).replace("http:", "https:"))
        assert "certificate_expiring smtp: it expires in 2 days" in text
        assert "expires   the certificate of smtp at " in text
        assert "it expires in 2 days" in shown
