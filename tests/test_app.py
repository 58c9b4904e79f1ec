"""The daemon as a whole, in this process: its start, its reload, its stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge import log
from bridge.app import Addresses, App
from bridge.config.settings import ConfigError, Mistake, Settings, settings_from
from bridge.sandbox import Sandbox
from bridge.store import StoreError
from bridge.store.sqlite.engine import SqliteStore
from tests.smpp.peer import Peer, a_submit
from tests.smtp.client import ENVELOPE, MAIL, connected

LISTEN = ["127.0.0.1:0"]


def configured(folder: Path, sandbox: Sandbox | None = None, **tables: Any) -> Settings:
    """Settings with two accounts and every listener on a free port."""
    url = sandbox.url if sandbox else "http://127.0.0.1:9"
    base: dict[str, Any] = {
        "cascade": {"base_url": url, "authorization_key": "k", "poll": False},
        "store": {"url": f"sqlite:///{folder}/bridge.db"},
        "smtp": {"listen": LISTEN},
        "smpp": {"listen": LISTEN},
        "hooks": {"listen": LISTEN, "secret": "long-enough-for-a-path"},
        "admin": {"listen": LISTEN, "socket": f"{folder}/admin.sock"},
        "smsc": {"listen": LISTEN},
        "accounts": {name: {"password": "secret", "sender": "Shop"} for name in ("crm", "shop")},
    }
    return settings_from(base | {name: base.get(name, {}) | own for name, own in tables.items()})


class Running:
    """A daemon that serves; ``next_settings`` are those of its next reload."""

    def __init__(self, settings: Settings) -> None:
        self.next_settings: Callable[[], Settings] = lambda: settings
        self.app = App(settings, lambda: self.next_settings())
        self.ready: list[Addresses] = []
        self.serving = asyncio.Event()
        self.task = asyncio.create_task(self.app.run(self._ready))

    def _ready(self, addresses: Addresses) -> None:
        self.ready.append(addresses)
        self.serving.set()

    async def bound(self, name: bytes = b"crm") -> tuple[Peer, int]:
        """A client that has tried to bind, and the status of its answer."""
        endpoint = self.ready[0].smpp[0]
        peer = Peer(*await asyncio.open_connection(endpoint.host, endpoint.port))
        return peer, (await peer.bind(name=name)).command_status

    async def stop(self) -> None:
        self.app.stop()
        async with asyncio.timeout(30):
            await self.task


async def leave(*peers: Peer) -> None:
    """Ends sessions as clients do, so that a stop need not wait for them."""
    for peer in peers:
        assert (await peer.ask("unbind")).command == "unbind_resp"
        await peer.close()


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Running]:
    daemon = Running(settings)
    served = asyncio.create_task(daemon.serving.wait())
    await asyncio.wait({served, daemon.task}, timeout=30, return_when=asyncio.FIRST_COMPLETED)
    try:
        assert daemon.ready
        yield daemon
    finally:
        served.cancel()
        if not daemon.task.done():
            await daemon.stop()


async def test_every_listener_serves_when_it_is_ready(tmp_path: Path, sandbox: Sandbox) -> None:
    with capture_logs() as logs:
        async with running(configured(tmp_path, sandbox)) as daemon:
            [addresses] = daemon.ready
            for endpoints in (
                addresses.smtp,
                addresses.smpp,
                addresses.hooks,
                addresses.admin,
                addresses.smsc,
            ):
                assert endpoints[0].port
                _, writer = await asyncio.open_connection(endpoints[0].host, endpoints[0].port)
                writer.close()
            peer, status = await daemon.bound()
            assert status == 0
            assert (await peer.ask("submit_sm", a_submit())).command_status == 0
            await leave(peer)
    events = [event["event"] for event in logs]
    assert events.index("ready") < events.index("stopping") < events.index("stopped")
    [ready] = [event for event in logs if event["event"] == "ready"]
    assert ready["smpp"] == [str(addresses.smpp[0])]
    assert (ready["backlog"], ready["store"]) == (0, f"sqlite:///{tmp_path}/bridge.db")


async def test_a_stop_answers_and_unbinds_its_clients_and_closes_the_store(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with running(configured(tmp_path, sandbox)) as daemon:
        peer, _ = await daemon.bound()
        stopping = asyncio.create_task(daemon.stop())
        unbind = await peer.read()
        assert unbind.command == "unbind"
        await peer.close()
        await stopping
    with pytest.raises(ConnectionRefusedError):
        await daemon.bound()
    store = SqliteStore(tmp_path / "bridge.db")  # nobody else has it open
    await store.open()
    await store.close()


async def test_a_stop_waits_for_the_results_that_clients_wait_for(tmp_path: Path) -> None:
    trusted = {"password": "secret", "sender": "Shop", "trusted_networks": ["127.0.0.1"]}
    async with (
        Sandbox(delay=0.3) as sandbox,
        running(configured(tmp_path, sandbox, accounts={"crm": trusted})) as daemon,
        connected(daemon.ready[0].smtp[0].port) as client,
    ):
        client.send(ENVELOPE + MAIL)
        await client.replies(3)
        await sandbox.wait_for(1)  # its answer is still on the way
        stopping = asyncio.create_task(daemon.stop())
        reply = await client.reply()
        assert reply.startswith("250 2.0.0 OK - 1 SMS, ID - ")
        assert "queued" not in reply
        await stopping


async def test_an_address_in_use_ends_the_start_and_leaves_nothing_open(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    watchers = list(log.WATCHERS)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        taken_by = f"127.0.0.1:{taken.getsockname()[1]}"
        app = App(configured(tmp_path, smsc={"listen": [taken_by]}))
        with pytest.raises(BaseExceptionGroup) as failed:
            await app.run()
    assert failed.group_contains(OSError)
    assert asyncio.all_tasks() == before
    assert watchers == log.WATCHERS
    async with running(configured(tmp_path)):
        pass


async def test_an_unusable_store_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "bridge.db").write_text("this is no database, and longer than its header " * 9)
    with pytest.raises(StoreError):
        await App(configured(tmp_path)).run()


async def test_a_reload_takes_over_what_needs_no_restart(tmp_path: Path) -> None:
    async with running(configured(tmp_path)) as daemon:
        more = {"crm": {"password": "secret"}, "new": {"password": "secret"}}
        daemon.next_settings = lambda: configured(
            tmp_path, smpp={"system_id": "after"}, store={"lease": "30s"}, accounts=more
        )
        with capture_logs() as logs:
            reloaded = daemon.app.load()
        assert reloaded.need_restart == ["store.lease"]
        assert {"smpp.system_id", "accounts.new", "accounts.crm.sender"} <= set(reloaded.changed)
        assert reloaded.removed_accounts == []
        assert [event["key"] for event in logs if event["event"] == "reload_incomplete"] == [
            "store.lease"
        ]
        peer, status = await daemon.bound(b"new")
        assert status == 0
        await leave(peer)


async def test_sessions_of_a_removed_account_end_and_others_stay(tmp_path: Path) -> None:
    async with running(configured(tmp_path)) as daemon:
        crm, _ = await daemon.bound(b"crm")
        shop, _ = await daemon.bound(b"shop")
        without = configured(tmp_path)
        del without.accounts["shop"]
        daemon.next_settings = lambda: without
        with capture_logs() as logs:
            assert daemon.app.load().removed_accounts == ["shop"]
        assert (await shop.read()).command == "unbind"
        assert (await crm.ask("enquire_link")).command == "enquire_link_resp"
        [removed] = [event for event in logs if event["event"] == "account_removed"]
        assert (removed["account"], removed["sessions"]) == ("shop", 1)
        again, status = await daemon.bound(b"shop")
        assert status != 0
        await again.close()
        await shop.close()
        await leave(crm)


async def test_settings_with_a_mistake_change_nothing(tmp_path: Path) -> None:
    def mistaken() -> Settings:
        raise ConfigError([Mistake("bridge.toml", "smtp.listen", "5", "a list")])

    async with running(configured(tmp_path)) as daemon:
        daemon.next_settings = mistaken
        with capture_logs() as logs, pytest.raises(ConfigError):
            daemon.app.load()
        assert logs[0]["event"] == "reload_failed"
        # A listener refuses: what was read before it is not taken over either.
        key = tmp_path / "key.pem"
        key.write_text("no key")
        tables = {"certificate": str(key), "private_key": str(key)}
        daemon.next_settings = lambda: configured(
            tmp_path, hooks=tables, accounts={"new": {"password": "secret"}}
        )
        with capture_logs() as logs, pytest.raises((OSError, ValueError)):
            daemon.app.load()
        assert logs[-1]["event"] == "reload_failed"
        peer, status = await daemon.bound(b"crm")
        assert status == 0
        await leave(peer)


async def test_a_reload_before_the_start_changes_the_settings_of_the_start(tmp_path: Path) -> None:
    app = App(configured(tmp_path), lambda: configured(tmp_path, smpp={"system_id": "after"}))
    assert app.load().changed == ["smpp.system_id"]
    assert app.load().changed == []


async def test_a_node_that_others_replaced_ends_with_an_error(tmp_path: Path) -> None:
    async with running(configured(tmp_path)) as daemon:
        daemon.app._lose()
        with pytest.raises(StoreError, match="other nodes took over"):
            await asyncio.wait_for(daemon.task, 30)
