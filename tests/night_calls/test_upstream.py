"""Night calls about the API: refusals, and failed connections."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.sandbox import Sandbox
from bridge.smpp.protocol.pdu import Pdu
from tests.night_calls.asking import line, page, said, submit, until
from tests.running import Running, running
from tests.serving.clients import bound
from tests.serving.daemon import write_config
from tests.smpp.peer import a_submit
from tests.smtp.conftest import Certificate, make_certificate
from tests.support import free_port


async def test_1_refused_by_the_api_after_queued_was_answered(
    bridge: Running, sandbox: Sandbox
) -> None:
    sandbox.fault("400", phones=["+380501234567"])
    peer = await bound(bridge)
    id = await submit(peer)
    await bridge.event("message_rejected", id=id)
    for text in (await said(bridge, "trace", str(id)), await page(bridge, f"/messages/{id}")):
        assert "rejected" in text
        assert "by the API: " in text
    await peer.close()


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [("401", "refused", "401"), ("429", "slowed down", "429"), ("503", "broken", "503")],
)
async def test_2_and_3_an_api_that_takes_nothing_is_shown_with_its_error_and_since_when(
    fault: str, status: str, words: str, bridge: Running, sandbox: Sandbox
) -> None:
    sandbox.fault(fault)
    peer = await bound(bridge)
    ids = [await submit(peer) for _ in range(2)]
    await bridge.event("batch_not_taken")
    known = await line(bridge, "upstream", "top", "--once")
    assert f"cascade {status} since " in known
    assert words in known
    [shown] = json.loads(await said(bridge, "top", "--json"))["upstreams"]
    assert (shown["status"], shown["since"] is None) == (status, False)
    text = await page(bridge, "/")
    assert "he API takes nothing since " in text
    assert words in text
    if fault != "503":
        for text in (
            await said(bridge, "trace", str(ids[1])),
            await page(bridge, f"/messages/{ids[1]}"),
        ):
            assert "he API takes nothing since " in text
            assert words in text
            assert "messages wait" in text
            assert "as soon as it is its turn" not in text
    await peer.close()


async def test_2_a_new_key_and_a_reload_send_what_waits(tmp_path: Path, sandbox: Sandbox) -> None:
    key = tmp_path / "cascade.key"
    key.write_text("wrong\n")
    config = write_config(tmp_path, sandbox.url, account='answer = "queued"')
    config.write_text(config.read_text().replace('"test-key"', f'"file:{key}"'))
    async with running(config) as bridge:
        peer = await bound(bridge)
        await submit(peer)
        await bridge.event("upstream_held")
        assert "cascade refused since " in await line(bridge, "upstream", "top", "--once")
        key.write_text("right\n")
        await said(bridge, "reload")
        await sandbox.wait_for(1)
        await until(bridge, "upstream +cascade ok", "top", "--once")
        await peer.close()


async def test_4_the_host_of_the_api_cannot_be_reached(tmp_path: Path) -> None:
    port = free_port()
    async with running(write_config(tmp_path, f"http://127.0.0.1:{port}")) as bridge:
        peer = await bound(bridge)
        peer.write(Pdu("submit_sm", 7, a_submit()))
        await bridge.event("batch_not_taken")
        known = await line(bridge, "upstream", "top", "--once")
        assert "cascade broken since " in known
        assert f"127.0.0.1:{port}" in known
        assert f"127.0.0.1:{port}" in await page(bridge, "/")
        await peer.close()


@asynccontextmanager
async def https(certificate: Certificate) -> AsyncIterator[int]:
    """A server with this self-signed certificate; its port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.certificate, certificate.private_key)

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_5_the_certificate_of_the_api_is_invalid(tmp_path: Path) -> None:
    async with (
        https(make_certificate(tmp_path)) as port,
        running(write_config(tmp_path, f"https://127.0.0.1:{port}")) as bridge,
    ):
        peer = await bound(bridge)
        peer.write(Pdu("submit_sm", 7, a_submit()))
        await bridge.event("batch_not_taken")
        for text in (await line(bridge, "upstream", "top", "--once"), await page(bridge, "/")):
            assert "certificate verify failed: self-signed certificate" in text
            assert f"127.0.0.1:{port}" in text
        await peer.close()


async def test_15_a_text_may_have_arrived_twice(bridge: Running, sandbox: Sandbox) -> None:
    sandbox.fault("reset-after", count=1)
    peer = await bound(bridge)
    id = await submit(peer)
    await sandbox.wait_for(2)
    await until(bridge, "the API took it", "trace", str(id))
    for text in (await said(bridge, "trace", str(id)), await page(bridge, f"/messages/{id}")):
        assert "attempt" in text
        assert "it waits again" in text
    await peer.close()


async def test_17_the_last_hour_is_shown(bridge: Running, sandbox: Sandbox) -> None:
    sandbox.fault("slow", seconds=0.4)
    peer = await bound(bridge)
    await submit(peer)
    # A sample is taken every ten seconds; one has the API's latency.
    text = await until(bridge, r"(?m)^[\d:]+ .* ([4-9]\d\d\.\d ms|\d\.\d s) ", *HISTORY)
    head = text.splitlines()[0].split()
    assert head == [
        *("time", "accepted", "sent", "failed", "waiting", "oldest", "API", "store"),
        *("loop", "lag"),
    ]
    samples = json.loads(await said(bridge, *HISTORY, "--json"))
    [sample] = [sample for sample in samples if sample["upstream_latency"] is not None]
    assert sample["upstream_latency"] >= 0.4
    assert sample["commit_time"] > 0
    assert sample["loop_lag"] is not None
    for span in ("", "?span=day"):
        shown = await page(bridge, f"/{span}")
        for graph in ("Messages waiting", "Oldest message waiting", "Answer times"):
            assert graph in shown
        for series in ("API", "store", "event loop late"):
            assert series in shown
    await peer.close()


HISTORY = ("top", "--history", "hour")
