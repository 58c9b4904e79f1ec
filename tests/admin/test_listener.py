"""The API's listener: a socket with a file mode, tokens over TCP, and limits of requests."""

from __future__ import annotations

import asyncio
import base64
import os
import pwd
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from bridge.accounts.passwords import HASHER
from bridge.admin.listener import LIMITS, MAX_LOGIN, bind_unix
from bridge.sandbox import Sandbox
from tests.running import Running, running
from tests.serving.clients import listed
from tests.serving.daemon import OPERATE, VIEW, write_config


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Running]:
    account = 'protocols = ["smtp", "smpp", "http"]'
    async with running(write_config(tmp_path, sandbox.url, account=account)) as bridge:
        yield bridge


# --- the socket ----------------------------------------------------------------------------------


async def test_the_socket_is_for_owner_and_group_alone(bridge: Running) -> None:
    socket = bridge.config.parent / "admin.sock"
    assert stat.S_IMODE(socket.stat().st_mode) == 0o660
    await bridge.terminate()
    assert not socket.exists()


async def test_the_user_at_the_socket_is_in_the_log(bridge: Running) -> None:
    assert (await bridge.command("hold", "account", "crm"))[0] == 0
    audit = await bridge.event("audit", action="hold")
    assert audit["by"] == pwd.getpwuid(os.getuid()).pw_name


def test_a_socket_that_a_killed_daemon_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    with bind_unix(path) as listening:
        listening.listen()
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with pytest.raises(OSError, match="is served by another process"):
            bind_unix(path)
    assert path.exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"none/admin\.sock: No such file or directory"):
        bind_unix(tmp_path / "none/admin.sock")


async def test_default_addresses_that_are_taken_are_left_out_and_chosen_ones_are_not(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    config = write_config(tmp_path, sandbox.url)
    text = config.read_text()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        head, admin, rest = text.partition("[admin]")
        config.write_text(head + admin + rest.replace("127.0.0.1:0", address, 1))
        with pytest.raises(BaseExceptionGroup) as caught:
            async with running(config):
                pass
        assert caught.group_contains(OSError)
        assert not (tmp_path / "admin.sock").exists()
    path = tmp_path / "none/admin.sock"
    config.write_text(text.replace(f"{tmp_path}/admin.sock", str(path)))
    with pytest.raises(BaseExceptionGroup):
        async with running(config):
            pass


# --- tokens and logins ---------------------------------------------------------------------------


async def test_health_answers_anybody_and_the_rest_asks_for_a_token(bridge: Running) -> None:
    async with httpx.AsyncClient(base_url=await bridge.api(), timeout=30) as client:
        for path in ("/healthz", "/readyz"):
            answer = await client.get(path)
            assert (answer.status_code, answer.text) == (200, "ok\n")
        refused = await client.get("/api/v1/sessions")
        assert refused.status_code == 401
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert refused.json()["code"] == 2


async def test_a_view_token_looks_and_changes_nothing(bridge: Running) -> None:
    url = await bridge.api()
    view, operate = ({"Authorization": f"Bearer {token}"} for token in (VIEW, OPERATE))
    async with httpx.AsyncClient(base_url=url + "/api/v1", timeout=30) as client:
        assert (await client.get("/sessions", headers=view)).json() == []
        refused = await client.put("/holds/account/crm", headers=view)
        assert (refused.status_code, refused.json()["reason"]) == (403, "NOT_ALLOWED")
        held = await client.put("/holds/account/crm", headers=operate)
        assert held.json() == {"scope": "account", "name": "crm"}
        assert (await client.get("/holds", headers=view)).json() == [held.json()]


async def test_wrong_tokens_block_the_address_as_wrong_passwords_do(bridge: Running) -> None:
    async with httpx.AsyncClient(base_url=await bridge.api(), timeout=30) as client:
        wrong = {"Authorization": "Bearer guess"}
        statuses = [
            (await client.get("/api/v1/holds", headers=wrong)).status_code for _ in range(11)
        ]
        assert statuses == [401] * 10 + [429]
        right = {"Authorization": f"Bearer {OPERATE}"}
        assert (await client.get("/api/v1/holds", headers=right)).status_code == 429
        assert (await client.get("/healthz")).status_code == 200
    [block] = [one for one in await listed(bridge, "blocked", "list") if not one["account"]]
    assert block["address"] == "127.0.0.1"
    assert block["names"] == ["(token)"]


async def test_a_token_may_be_kept_as_its_hash(tmp_path: Path, sandbox: Sandbox) -> None:
    config = write_config(tmp_path, sandbox.url)
    config.write_text(config.read_text().replace(OPERATE, HASHER.hash(OPERATE)))
    headers = {"Authorization": f"Bearer {OPERATE}"}
    async with running(config) as bridge, httpx.AsyncClient(headers=headers, timeout=30) as client:
        url = await bridge.api()
        for _ in range(2):
            assert (await client.get(f"{url}/api/v1/holds")).status_code == 200


async def test_a_login_that_cannot_be_read_is_refused(bridge: Running) -> None:
    async with httpx.AsyncClient(base_url=f"{await bridge.api()}/api/v1", timeout=30) as client:
        for login, code in (("!", 1), (base64.b64encode(b"\xff").decode(), 1), ("Og==", 2)):
            headers = {"Authorization": f"Basic {login}"}
            answer = await client.get("/messages/1", headers=headers)
            assert answer.json()["code"] == code, login
        right = await client.get("/messages/1", auth=("crm", "secret12"))
        assert right.status_code == 404
        other = await client.get("/holds", auth=("crm", "secret12"))
        assert other.json()["detail"].endswith("an account may ask only about its own messages")


# --- bodies --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "most"), [("", MAX_LOGIN), (VIEW, LIMITS.max_body)], ids=["stranger", "view"]
)
async def test_a_body_is_as_long_as_its_sender_may_send(
    bridge: Running, token: str, most: int
) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(base_url=f"{await bridge.api()}/api/v1", timeout=30) as client:
        within = await client.put("/log-level", content=b" " * most, headers=headers)
        assert within.status_code == (403 if token else 401)
        over = await client.put("/log-level", content=b" " * (most + 1), headers=headers)
        assert (over.status_code, over.json()["code"]) == (413, 1)
        assert f"more than {most} bytes" in over.json()["detail"]


async def test_it_listens_again_after_a_stop(bridge: Running) -> None:
    await bridge.terminate()
    async with asyncio.timeout(30), running(bridge.config) as second:
        assert await listed(second, "sessions", "list") == []
