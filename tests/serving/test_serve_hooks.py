"""Webhooks of the sandbox API to the whole bridge, over kill -9 and reloads."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import httpx
import orjson
import pytest

from bridge.sandbox import Sandbox
from tests.benchmarks.smpp_load import Load, submit_body
from tests.serving.daemon import Bridge, serving, write_config
from tests.support import free_port

SECRET = "9f86d081884c7d659a2feaa0c55ad015"


def hooks_table(port: int, secret: str = SECRET) -> str:
    return f'[hooks]\nlisten = ["127.0.0.1:{port}"]\nsecret = "{secret}"'


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def url(port: int) -> str:
    return f"http://127.0.0.1:{port}/hooks/cascade/{SECRET}"


@asynccontextmanager
async def bridge_with(folder: Path, sandbox: Sandbox, port: int) -> AsyncIterator[Bridge]:
    config = write_config(folder, sandbox.url, account=hooks_table(port))
    async with serving(config) as bridge:
        yield bridge


async def send(bridge: Bridge, *phones: str) -> None:
    _, smpp = await bridge.ready()
    bodies = [submit_body(phone, b"text") for phone in phones]
    load = Load(smpp.port, len(bodies), 1, 10, bodies)
    load.system_id, load.password = "crm", "secret12"
    async with asyncio.timeout(30):
        await load.run()


def states(folder: Path) -> dict[str, tuple[str, str, int]]:
    """Phone → the message's state, cost and ``err``."""
    with closing(sqlite3.connect(folder / "bridge.db")) as connection:
        rows = connection.execute("SELECT phone, state, cost, err FROM message").fetchall()
    return {phone: (state, cost, err) for phone, state, cost, err in rows}


async def until(condition: Callable[[], bool]) -> None:
    """Waits for an effect of another process."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def all_are(folder: Path, state: str) -> bool:
    return {row[0] for row in states(folder).values()} == {state}


async def test_webhooks_of_the_api_bring_every_message_to_its_end(
    tmp_path: Path, port: int, url: str
) -> None:
    endings = Sandbox(hook_url=f"{url}/status", scheduled_for=0, processing_for=0.1)
    async with endings as sandbox, bridge_with(tmp_path, sandbox, port) as bridge:
        assert (await bridge.event("ready"))["hooks"] == [f"127.0.0.1:{port}"]
        await send(bridge, "380501230001", "380501230002", "380501230003")
        await until(lambda: all(row[0] != "sent" for row in states(tmp_path).values()))
        assert sandbox.hooks is not None
        assert sandbox.hooks.failed == 0
        assert await bridge.terminate() == 0
        [told] = [event for event in bridge.events if event["event"] == "statuses_counted"]
        assert told["changed"] == 3
    assert states(tmp_path) == {
        "+380501230001": ("delivered", "0.35", 0),
        "+380501230002": ("undeliverable", "0.35", 6),
        "+380501230003": ("undeliverable", "0.35", 255),
    }


async def test_statuses_may_overtake_the_answer_that_names_the_message(
    tmp_path: Path, port: int, url: str
) -> None:
    quick = Sandbox(hook_url=f"{url}/status", scheduled_for=0, processing_for=0, delay=3)
    async with quick as sandbox, bridge_with(tmp_path, sandbox, port) as bridge:
        sending = asyncio.create_task(send(bridge, *(f"3805012310{n}" for n in range(10, 20))))
        assert sandbox.hooks is not None
        told = sandbox.hooks
        await until(lambda: told.posted >= 10)
        # Each has its status, but no answer with its upstream id.
        assert all_are(tmp_path, "accepted")
        await sending
        await until(lambda: all_are(tmp_path, "delivered"))


async def test_webhooks_answered_with_200_survive_kill_9(
    tmp_path: Path, port: int, url: str
) -> None:
    async with Sandbox() as sandbox:
        async with bridge_with(tmp_path, sandbox, port) as bridge:
            phones = [f"38050123{n:04}" for n in range(1000, 1200)]
            await send(bridge, *phones)
            ids = [received.message_id for received in sandbox.messages]
            answered: list[str] = []

            async def post(mine: list[str]) -> None:
                async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
                    for id in mine:
                        status = {"messageId": id, "deliverystatus": "delivered", "cost": 1.5}
                        response = await client.post(f"{url}/status", json=status)
                        assert response.status_code == 200
                        answered.append(id)

            posting = asyncio.gather(*(post(ids[n::5]) for n in range(5)), return_exceptions=True)
            await until(lambda: len(answered) >= 100)
            await bridge.kill()
            await posting
        with closing(sqlite3.connect(tmp_path / "bridge.db")) as connection:
            rows = connection.execute("SELECT upstream_id FROM message WHERE state = 'delivered'")
            kept = {id for (id,) in rows}
        assert set(answered) <= kept
        assert len(kept) <= len(answered) + 5  # one per connection was being answered


async def test_a_status_that_no_webhook_brought_is_polled(tmp_path: Path, port: int) -> None:
    quick = Sandbox(scheduled_for=0, processing_for=0)
    async with quick as sandbox:
        config = write_config(tmp_path, sandbox.url)
        config.write_text(config.read_text().replace("[store]", 'poll_after = "1s"\n[store]', 1))
        async with serving(config) as bridge:
            assert (await bridge.event("ready"))["hooks"] == []
            await send(bridge, "380501230001")
            await until(lambda: all_are(tmp_path, "delivered"))


async def test_a_new_secret_is_taken_over_and_never_logged(
    tmp_path: Path, port: int, url: str
) -> None:
    async with Sandbox() as sandbox, bridge_with(tmp_path, sandbox, port) as bridge:
        await bridge.ready()
        other = SECRET[::-1]
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            assert (await client.post(f"{url}/status", content=b"[]")).status_code == 200
            text = bridge.config.read_text()
            bridge.config.write_text(text.replace(SECRET, other))
            bridge.process.send_signal(1)  # SIGHUP
            await bridge.event("reloaded")
            assert (await client.post(f"{url}/status", content=b"[]")).status_code == 404
            new = url.replace(SECRET, other)
            assert (await client.post(f"{new}/status", content=b"[]")).status_code == 200
            assert (await client.post(f"{new}/status", content=b"{")).status_code == 400
        assert await bridge.terminate() == 0
    log = orjson.dumps(bridge.events).decode()
    assert SECRET not in log
    assert other not in log


async def test_a_message_from_a_phone_is_kept_over_a_restart(
    tmp_path: Path, port: int, url: str
) -> None:
    answer = {
        "idUuid": "4b5c",
        "alphaName": "shop",
        "phoneNumber": "380501234567",
        "text": "Так",
        "dt": int(time.time()),
    }
    async with Sandbox() as sandbox:
        async with bridge_with(tmp_path, sandbox, port) as bridge:
            await bridge.ready()
            async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
                assert (await client.post(f"{url}/incoming", json=answer)).status_code == 200
            await bridge.kill()
        async with bridge_with(tmp_path, sandbox, port) as bridge:
            await bridge.ready()
            async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
                assert (await client.post(f"{url}/incoming", json=answer)).status_code == 200
            await bridge.event("incoming_repeated", uid="4b5c", account="crm")
    with closing(sqlite3.connect(tmp_path / "bridge.db")) as connection:
        [(count,)] = connection.execute("SELECT count(*) FROM incoming")
    assert count == 1
