"""Operating a running bridge: the commands over its socket, the API with tokens."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from bridge.accounts.passwords import HASHER
from bridge.sandbox import Sandbox
from tests.serving.clients import bound, connect, listed
from tests.serving.daemon import OPERATE, VIEW, Bridge, run, serving, write_config
from tests.smpp.peer import a_submit
from tests.smtp.client import connected


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Bridge]:
    async with serving(write_config(tmp_path, sandbox.url)) as bridge:
        yield bridge


# --- the socket and the tokens -------------------------------------------------------------------


async def test_the_socket_is_for_owner_and_group_alone(bridge: Bridge) -> None:
    await bridge.ready()
    socket = bridge.config.parent / "admin.sock"
    assert stat.S_IMODE(socket.stat().st_mode) == 0o660
    assert await bridge.terminate() == 0
    assert not socket.exists()


async def test_where_no_daemon_runs_a_command_says_so(bridge: Bridge) -> None:
    await bridge.ready()
    assert await bridge.terminate() == 0
    code, said = await bridge.command("sessions", "list")
    assert code == 69
    assert "the daemon does not run" in said


async def test_a_socket_that_a_killed_daemon_left_is_replaced(bridge: Bridge) -> None:
    await bridge.ready()
    await bridge.kill()
    assert (bridge.config.parent / "admin.sock").exists()
    async with serving(bridge.config) as second:
        await second.ready()
        assert await listed(second, "sessions", "list") == []


async def test_health_answers_anybody_and_the_rest_asks_for_a_token(bridge: Bridge) -> None:
    async with httpx.AsyncClient(base_url=await bridge.api()) as client:
        for path in ("/healthz", "/readyz"):
            answer = await client.get(path)
            assert (answer.status_code, answer.text) == (200, "ok\n")
        refused = await client.get("/api/v1/sessions")
        assert refused.status_code == 401
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert refused.json()["code"] == 2


async def test_a_view_token_looks_and_changes_nothing(bridge: Bridge) -> None:
    url = await bridge.api()
    view, operate = ({"Authorization": f"Bearer {token}"} for token in (VIEW, OPERATE))
    async with httpx.AsyncClient(base_url=url + "/api/v1") as client:
        assert (await client.get("/sessions", headers=view)).json() == []
        refused = await client.put("/holds/account/crm", headers=view)
        assert (refused.status_code, refused.json()["reason"]) == (403, "NOT_ALLOWED")
        held = await client.put("/holds/account/crm", headers=operate)
        assert held.json() == {"scope": "account", "name": "crm"}
        assert (await client.get("/holds", headers=view)).json() == [held.json()]


async def test_commands_reach_another_machine_by_url_and_token(bridge: Bridge) -> None:
    url = await bridge.api()
    code, said = await bridge.command("hold", "account", "crm", "--url", url, "--token", OPERATE)
    assert (code, said) == (0, "The account crm is held.\n")
    code, said = await bridge.command("hold", "--url", url, "--token", "wrong")
    assert code == 77
    assert "wrong" in said


async def test_wrong_tokens_block_the_address_as_wrong_passwords_do(bridge: Bridge) -> None:
    async with httpx.AsyncClient(base_url=await bridge.api()) as client:
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
    async with serving(config) as bridge, httpx.AsyncClient(headers=headers) as client:
        url = await bridge.api()
        for _ in range(2):
            assert (await client.get(f"{url}/api/v1/holds")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nothing", None, 404, 3),
        ("PATCH", "/sessions", None, 405, 1),
        ("GET", "/sessions?no=1", None, 400, 1),
        ("PUT", "/log-level", b"{", 400, 1),
        ("PUT", "/log-level", b"[]", 400, 1),
        ("PUT", "/log-level", b'{"level": "loud"}', 400, 1),
        ("PUT", "/log-level", b'{"level": "debug", "duration": "soon"}', 400, 1),
        ("PUT", "/holds/account/nobody", None, 404, 3),
        ("PUT", "/holds/planet/earth", None, 400, 1),
        ("DELETE", "/holds/account/crm", None, 404, 3),
        ("DELETE", "/sessions", None, 400, 1),
        ("DELETE", "/sessions?id=smpp-999", None, 404, 3),
        ("DELETE", "/blocked?address=192.0.2.1", None, 404, 3),
        ("GET", "/accounts/nobody", None, 404, 3),
    ],
)
async def test_what_cannot_be_done_is_a_problem_with_its_code(
    method: str, path: str, body: bytes | None, status: int, code: int, bridge: Bridge
) -> None:
    headers = {"Authorization": f"Bearer {OPERATE}"}
    async with httpx.AsyncClient(base_url=await bridge.api(), headers=headers) as client:
        answer = await client.request(method, "/api/v1" + path, content=body)
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)


# --- sessions ------------------------------------------------------------------------------------


async def test_sessions_are_listed_with_what_they_did(bridge: Bridge, sandbox: Sandbox) -> None:
    smtp, _ = await bridge.ready()
    peer = await bound(bridge)
    assert (await peer.ask("submit_sm", a_submit())).command_status == 0
    assert (await peer.ask("submit_sm", a_submit(to=b"123"))).command_status == 0x0B
    async with connected(smtp.port):
        first, second = await listed(bridge, "sessions", "list")
        assert (first["protocol"], first["account"]) == ("smtp", "")
        assert (second["protocol"], second["account"], second["bind"]) == (
            "smpp",
            "crm",
            "transceiver",
        )
        assert (second["submitted"], second["refused"], second["window"]) == (2, 1, 1000)
        assert second["last_error"] == "ESME_RINVDSTADR: wrong phone number"
        code, said = await bridge.command("sessions", "list", "--account", "crm")
        assert code == 0
        head, line = said.splitlines()
        assert head.split()[:4] == ["id", "protocol", "bind", "account"]
        assert line.split()[:4] == [second["id"], "smpp", "transceiver", "crm"]


async def test_a_closed_session_is_unbound_or_hears_421(bridge: Bridge) -> None:
    smtp, _ = await bridge.ready()
    peer = await bound(bridge)
    async with connected(smtp.port) as client:
        for session in await listed(bridge, "sessions", "list"):
            code, said = await bridge.command("sessions", "close", session["id"])
            assert (code, said) == (0, "1 session ended.\n")
        assert (await client.reply()).startswith("421 ")
        unbind = await peer.read()
        assert unbind.command == "unbind"
        await peer.close()
    await bridge.event("unbound", reason="closed by an operator")
    await bridge.event("audit", action="close_sessions", account="")


# --- blocked -------------------------------------------------------------------------------------


async def test_a_blocked_client_is_found_with_its_attempts_and_let_in_again(
    bridge: Bridge,
) -> None:
    for _ in range(10):
        peer = await connect(bridge)
        assert (await peer.bind(password=b"wrong")).command_status == 0x0E
        await peer.close()
    peer = await connect(bridge)
    assert (await peer.bind(password=b"secret12")).command_status == 0x0D
    await peer.close()
    [all_of_it, the_account] = sorted(
        await listed(bridge, "blocked", "list"), key=lambda one: str(one["account"])
    )
    assert (all_of_it["address"], all_of_it["attempts"]) == ("127.0.0.1", 10)
    assert (the_account["account"], the_account["names"]) == ("crm", ["crm"])
    code, said = await bridge.command("blocked", "list")
    assert code == 0
    assert "127.0.0.1" in said
    code, said = await bridge.command("blocked", "lift", "127.0.0.1")
    assert (code, said) == (0, "2 blocks lifted.\n")
    await (await bound(bridge)).close()
    code, said = await bridge.command("blocked", "lift", "127.0.0.1")
    assert code == 66


# --- holds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", [("account", "crm"), ("upstream", "cascade")])
async def test_a_hold_stops_what_comes_survives_a_restart_and_is_released(
    what: tuple[str, str], bridge: Bridge, sandbox: Sandbox
) -> None:
    await bridge.ready()
    code, said = await bridge.command("hold", *what)
    assert (code, said) == (0, f"The {' '.join(what)} is held.\n")
    peer = await bound(bridge)
    # The client need not wait for a result that cannot come.
    assert (await peer.ask("submit_sm", a_submit())).command_status == 0
    await peer.close()
    assert await bridge.terminate() == 0
    async with serving(bridge.config) as second:
        await second.ready()
        assert await listed(second, "hold") == [{"scope": what[0], "name": what[1]}]
        assert not sandbox.messages
        code, said = await second.command("release", *what)
        assert (code, said) == (0, f"The {' '.join(what)} is released.\n")
        await sandbox.wait_for(1)
        assert [event["action"] for event in second.events if event["event"] == "audit"] == [
            "release"
        ]


# --- the daemon ----------------------------------------------------------------------------------


async def test_a_level_of_the_log_holds_for_a_while(bridge: Bridge) -> None:
    await bridge.ready()
    assert (await bridge.command("log-level", "debug"))[0] == 0
    peer = await bound(bridge)
    await peer.ask("submit_sm", a_submit())
    await bridge.event("batch_sent", level="debug")
    code, said = await bridge.command("log-level", "debug", "--for", "1s")
    assert code == 0
    assert said.startswith("debug, until ")
    await bridge.event("log_level_restored", level="info")
    assert (await listed(bridge, "log-level"))["level"] == "info"
    await peer.close()


async def test_drain_answers_what_is_in_flight_and_ends(bridge: Bridge, sandbox: Sandbox) -> None:
    sandbox.fault("slow", seconds=1)
    peer = await bound(bridge)
    asked = asyncio.create_task(peer.ask("submit_sm", a_submit()))
    await sandbox.wait_for(1)
    code, said = await bridge.command("drain")
    assert (code, said) == (0, "The bridge stops; 1 session will be ended.\n")
    assert (await asked).command_status == 0
    assert await bridge.ended() == 0
    await peer.close()


async def test_completion_knows_the_commands() -> None:
    import sys

    code, said = await run(sys.executable, "-m", "bridge.cli", "completion", "bash")
    assert code == 0
    assert "_CASCADE_BRIDGE_COMPLETE" in said
