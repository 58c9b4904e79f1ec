"""Metrics, the overview, and the API's description of a running bridge."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bridge.sandbox import Sandbox
from tests.serving.clients import bound, connect
from tests.serving.daemon import OPERATE, VIEW, Bridge, run, serving, write_config
from tests.smpp.peer import Peer, a_submit
from tests.store.conftest import database, postgres  # noqa: F401 - fixtures
from tests.support import program

REPOSITORY = Path(__file__).parents[2]

#: The names that dashboards and alert rules use.
NAMES = {
    *("build_info", "submissions_total", "submission_duration_seconds", "messages_total"),
    *("queue_messages", "queue_oldest_age_seconds", "upstream_requests_total"),
    *("upstream_request_duration_seconds", "upstream_batch_messages", "upstream_held"),
    *("sessions", "logins_total", "blocked_addresses", "notices_owed", "notices_total"),
    *("notices_oldest_age_seconds", "hooks_total", "store_commit_duration_seconds"),
    *("store_commit_rows", "store_failures_total", "event_loop_lag_seconds"),
    *("ready", "store_free_bytes", "smarthost_failures_total"),
    *("log_events_total", "certificate_expiry_seconds", "account_daily_used_ratio"),
}


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Bridge]:
    config = write_config(tmp_path, sandbox.url, account="daily_limit = 4")
    async with serving(config) as bridge:
        yield bridge


async def get(bridge: Bridge, path: str, token: str = VIEW) -> httpx.Response:
    async with httpx.AsyncClient(base_url=await bridge.api()) as client:
        return await client.get(path, headers={"Authorization": f"Bearer {token}"})


def value(text: str, line: str) -> float:
    found = re.search(rf"^cascade_bridge_{re.escape(line)} (\S+)$", text, re.M)
    assert found, line
    return float(found[1])


async def used(bridge: Bridge) -> Peer:
    """Makes one request of each kind, and leaves a session open."""
    peer = await bound(bridge)
    assert (await peer.ask("submit_sm", a_submit(registered_delivery=1))).command_status == 0
    assert (await peer.ask("submit_sm", a_submit(to=b"123"))).command_status == 0x0B
    wrong = await connect(bridge)
    assert (await wrong.bind(password=b"wrong")).command_status == 0x0E
    await wrong.close()
    return peer


async def test_metrics_have_their_names_and_count_what_happened(bridge: Bridge) -> None:
    peer = await used(bridge)
    text = (await get(bridge, "/metrics")).text
    named = set(re.findall(r"^# TYPE cascade_bridge_(\w+) ", text, re.M))
    assert named == NAMES
    assert value(text, 'submissions_total{outcome="accepted",protocol="smpp",reason=""}') == 1
    refused = 'submissions_total{outcome="refused",protocol="smpp",reason="WRONG_PHONE"}'
    assert value(text, refused) == 1
    assert value(text, 'messages_total{state="sent"}') == 1
    assert value(text, 'upstream_requests_total{outcome="taken"}') == 1
    assert value(text, 'logins_total{result="wrong"}') == 1
    assert value(text, 'sessions{bind="transceiver",protocol="smpp"}') == 1
    assert value(text, 'account_daily_used_ratio{account="crm"}') == 0.25
    assert value(text, 'upstream_held{upstream="cascade"}') == 0
    assert "process_resident_memory_bytes" in text
    await peer.close()


async def test_metrics_have_their_names_on_postgresql_too(
    tmp_path: Path,
    sandbox: Sandbox,
    database: str,  # noqa: F811
) -> None:
    config = write_config(tmp_path, sandbox.url, account="daily_limit = 4")
    config.write_text(config.read_text().replace(f"sqlite:///{tmp_path}/bridge.db", database))
    async with serving(config) as bridge:
        peer = await used(bridge)
        text = (await get(bridge, "/metrics")).text
        named = set(re.findall(r"^# TYPE cascade_bridge_(\w+) ", text, re.M))
        assert named == NAMES
        assert value(text, 'messages_total{state="sent"}') == 1
        assert value(text, 'account_daily_used_ratio{account="crm"}') == 0.25
        assert value(text, "store_commit_duration_seconds_count") > 0
        assert value(text, "store_commit_rows_count") > 0
        assert value(text, 'queue_messages{state="accepted"}') == 0
        assert value(text, "ready") == 1
        # The disk is another machine's.
        assert not re.search("^cascade_bridge_store_free_bytes ", text, re.M)
        await peer.close()


async def test_metrics_ask_for_a_token(bridge: Bridge) -> None:
    assert (await get(bridge, "/metrics", "wrong")).status_code == 401
    assert (await get(bridge, "/metrics", OPERATE)).status_code == 200


async def test_promtool_accepts_metrics_and_rules(bridge: Bridge, tmp_path: Path) -> None:
    promtool = program("promtool")
    peer = await used(bridge)
    text = (await get(bridge, "/metrics")).text
    own = "".join(line + "\n" for line in text.splitlines() if "process_" not in line)
    assert await run(promtool, "check", "metrics", input=own) == (0, "")
    code, said = await run(promtool, "check", "rules", str(REPOSITORY / "config/alerts.yml"))
    assert code == 0, said
    await peer.close()


def test_rules_and_dashboard_name_metrics_that_there_are() -> None:
    for file in ("alerts.yml", "grafana.json"):
        text = (REPOSITORY / "config" / file).read_text()
        named = set(re.findall(r"cascade_bridge_(\w+)", text))
        assert named
        assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in named} <= NAMES


async def test_the_overview_says_how_it_does_and_what_is_worth_a_look(
    bridge: Bridge, sandbox: Sandbox
) -> None:
    peer = await used(bridge)
    code, said = await bridge.command("top", "--once")
    assert code == 0
    lines = said.splitlines()
    assert "health    ready" in lines
    assert "upstream  cascade ok" in lines
    assert "sessions  smpp transceiver 1" in lines
    assert "limit     crm 1 of 4 today, 25 %" in lines
    assert any(line.startswith("look ") and "login_failed crm" in line for line in lines)
    assert (await bridge.command("hold", "account", "crm"))[0] == 0
    code, said = await bridge.command("status")
    assert "upstream  cascade ok" in said.splitlines()
    assert "held      account crm, nothing of it is sent" in said.splitlines()
    code, said = await bridge.command("top", "--json")
    assert json.loads(said)["missing"] == []
    await peer.close()


async def test_the_api_describes_itself(bridge: Bridge) -> None:
    document: dict[str, Any] = (await get(bridge, "/api/v1/openapi.json")).json()
    assert document["openapi"] == "3.1.0"
    assert "Problem" in document["components"]["schemas"]
    text = json.dumps(document)
    for name in re.findall(r'"#/components/schemas/(\w+)"', text):
        assert name in document["components"]["schemas"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"].endswith((".", ":")), (path, method)
