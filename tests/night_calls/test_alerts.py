"""Each fault that has an alert rule is staged, the bridge is scraped, and the rule fires."""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from bridge.sandbox import Sandbox
from bridge.smpp.protocol.pdu import Pdu
from tests.night_calls.alerts import ALERTS, Scrape, firing, scrape
from tests.night_calls.asking import submit
from tests.night_calls.test_machine import refused_once, with_tls
from tests.serving.clients import bound, connect
from tests.serving.daemon import Bridge, serving, write_config
from tests.smpp.peer import Peer, a_submit
from tests.smtp.client import MAIL, connected
from tests.smtp.conftest import make_certificate
from tests.support import free_port

Stage = Callable[[Bridge, Sandbox], Awaitable[None]]


async def the_key_is_refused(bridge: Bridge, sandbox: Sandbox) -> None:
    sandbox.fault("401")
    await submit(await bound(bridge))
    await bridge.event("upstream_held")


async def the_api_is_broken(bridge: Bridge, sandbox: Sandbox) -> None:
    sandbox.fault("503")
    await submit(await bound(bridge))
    await bridge.event("batch_not_taken")


async def messages_are_held(bridge: Bridge, sandbox: Sandbox) -> None:
    sandbox.fault("403-html", count=1)
    id = await submit(await bound(bridge))
    await bridge.event("message_held", id=id)


async def an_outcome_is_unknown(bridge: Bridge, sandbox: Sandbox) -> None:
    sandbox.fault("reset-after", count=1)
    await submit(await bound(bridge))
    await sandbox.wait_for(2)


async def no_receiver_is_bound(bridge: Bridge, sandbox: Sandbox) -> None:
    peer = await connect(bridge)
    assert (await peer.bind("bind_transmitter", password=b"secret12")).command_status == 0
    sandbox.fault("400", phones=["+380501234567"])
    id = await submit(peer, registered_delivery=1)
    await bridge.event("message_rejected", id=id)


async def the_disk_is_full(bridge: Bridge, sandbox: Sandbox) -> None:
    unlimited = resource.prlimit(bridge.process.pid, resource.RLIMIT_FSIZE)
    peer = await bound(bridge)
    resource.prlimit(bridge.process.pid, resource.RLIMIT_FSIZE, (4096, unlimited[1]))
    await refused_once(peer)


async def there_are_too_many_requests(bridge: Bridge, sandbox: Sandbox) -> None:
    sandbox.fault("429")
    await submit(await bound(bridge))
    await bridge.event("batch_not_taken")


async def passwords_are_wrong(bridge: Bridge, sandbox: Sandbox) -> None:
    # After ten an address is blocked, and no longer asked for its password.
    _, smpp = await bridge.ready()
    for host in ("127.0.0.1", "127.0.0.2"):
        for _ in range(10):
            peer = Peer(*await asyncio.open_connection(*smpp, local_addr=(host, 0)))
            await peer.bind(name=b"x", password=b"wrong")
            await peer.close()


async def the_loop_is_late(bridge: Bridge, sandbox: Sandbox) -> None:
    # As on a machine that is too busy to let it run.
    bridge.process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(3)
    bridge.process.send_signal(signal.SIGCONT)


async def the_smarthost_is_away(bridge: Bridge, sandbox: Sandbox) -> None:
    sandbox.fault("400", phones=["+380501234567"])
    smtp, _ = await bridge.ready()
    async with connected(smtp.port) as client:
        assert (await client.ask("AUTH PLAIN AGNybQBzZWNyZXQxMg==")).startswith("235")
        assert (await client.ask("MAIL FROM:<erp@example.com>")).startswith("250")
        assert (await client.ask("RCPT TO:<380501234567@sms.example.com>")).startswith("250")
        assert (await client.ask("DATA")).startswith("354")
        client.send(MAIL)
        assert (await client.reply()).startswith("250")
    await bridge.event("smarthost_failed")


#: The alert, the fault, and other alerts that it brings with it.
FAULTS: list[tuple[str, Stage, set[str]]] = [
    ("UpstreamHeld", the_key_is_refused, {"NotReady", "Waiting", "Errors"}),
    ("NotReady", the_key_is_refused, {"UpstreamHeld", "Waiting", "Errors"}),
    ("Waiting", the_api_is_broken, set()),
    ("MessagesHeld", messages_are_held, {"Errors"}),
    ("UnknownOutcomes", an_outcome_is_unknown, set()),
    ("ReceiptsNotTaken", no_receiver_is_bound, set()),
    ("StoreFailing", the_disk_is_full, {"NotReady", "Errors"}),
    ("Errors", the_disk_is_full, {"NotReady", "StoreFailing"}),
    ("SlowedDown", there_are_too_many_requests, {"Waiting"}),
    ("LoginsFailing", passwords_are_wrong, set()),
    ("LoopLag", the_loop_is_late, set()),
    ("SmarthostFailing", the_smarthost_is_away, set()),
]
ELSEWHERE = {"Down", "CertificateEnds", "DiskFilling"}


def names(*alerts: str) -> set[str]:
    return {f"CascadeBridge{alert}" for alert in alerts}


def test_every_rule_has_its_fault() -> None:
    assert names(*(alert for alert, _, _ in FAULTS), *ELSEWHERE) == set(ALERTS)


@pytest.fixture
async def watched(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Bridge]:
    config = write_config(tmp_path, sandbox.url, account='answer = "queued"')
    reports = f'[reports]\nsmarthost = "127.0.0.1:{free_port()}"\n[accounts.crm]'
    config.write_text(config.read_text().replace("[accounts.crm]", reports, 1))
    async with serving(config) as bridge:
        await bridge.ready()
        yield bridge


async def known(bridge: Bridge, folder: Path, before: Scrape, alert: str, others: set[str]) -> None:
    """Waits until the alert fires, and none but these others: what the metrics ask of the store is
    up to 5 s old, and a message may have waited then."""
    fires: set[str] = set()
    try:
        async with asyncio.timeout(60):
            while not names(alert) <= fires <= names(alert, *others):
                await asyncio.sleep(0.5)
                fires = await firing(folder, before, await scrape(bridge))
    except TimeoutError:
        raise AssertionError(f"these fire: {fires}") from None


@pytest.mark.parametrize(("alert", "stage", "others"), FAULTS)
async def test_a_rule_fires_for_its_fault_and_not_before(
    alert: str,
    stage: Stage,
    others: set[str],
    watched: Bridge,
    sandbox: Sandbox,
    tmp_path: Path,
) -> None:
    before = await scrape(watched)
    assert await firing(tmp_path, before, before) <= names("DiskFilling")
    await stage(watched, sandbox)
    await known(watched, tmp_path, before, alert, {"DiskFilling", "LoopLag", *others})


async def test_a_bridge_that_does_not_answer_is_down(watched: Bridge, tmp_path: Path) -> None:
    before = await scrape(watched)
    await watched.kill()
    assert await firing(tmp_path, before, None) == names("Down")


async def test_a_certificate_that_ends_soon_raises_an_alert(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    certificate = make_certificate(tmp_path)
    config = with_tls(tmp_path, sandbox.url, certificate)
    # Metrics are scraped in the clear here.
    text = config.read_text()
    head, admin, rest = text.partition("[admin]\n")
    rest = rest.partition("\n")[2].partition("\n")[2]
    config.write_text(head + admin + rest)
    async with serving(config) as bridge:
        before = await scrape(bridge)
        assert names("CertificateEnds") <= await firing(tmp_path, before, before)


async def test_a_disk_that_fills_raises_an_alert(watched: Bridge, tmp_path: Path) -> None:
    before = await scrape(watched)
    assert before["cascade_bridge_store_free_bytes"] > 0
    full = before | {"cascade_bridge_store_free_bytes": 400e6}
    assert names("DiskFilling") <= await firing(tmp_path, before, full)


async def test_requests_go_on_while_it_is_scraped(watched: Bridge) -> None:
    peer = await bound(watched)
    for number in range(5):
        peer.write(Pdu("submit_sm", number + 1, a_submit()))
    await scrape(watched)
    answers = [(await peer.read()).command_status for _ in range(5)]
    assert answers == [0] * 5
    await peer.close()
