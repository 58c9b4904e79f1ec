"""``/metrics``: the names that alert rules use, and counts of what happened."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from bridge.sandbox import Sandbox
from tests.running import Running, running
from tests.serving.clients import bound, connect
from tests.serving.daemon import OPERATE, VIEW, run, write_config
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
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Running]:
    config = write_config(tmp_path, sandbox.url, account="daily_limit = 4")
    async with running(config) as bridge:
        yield bridge


async def get(bridge: Running, path: str, token: str = VIEW) -> httpx.Response:
    async with httpx.AsyncClient(base_url=await bridge.api(), timeout=30) as client:
        return await client.get(path, headers={"Authorization": f"Bearer {token}"})


def value(text: str, line: str, default: float | None = None) -> float:
    found = re.search(rf"^cascade_bridge_{re.escape(line)} (\S+)$", text, re.M)
    if found is None:
        assert default is not None, line
        return default
    return float(found[1])


async def used(bridge: Running) -> Peer:
    """Makes one request of each kind, and leaves a session open."""
    peer = await bound(bridge)
    assert (await peer.ask("submit_sm", a_submit(registered_delivery=1))).command_status == 0
    assert (await peer.ask("submit_sm", a_submit(to=b"123"))).command_status == 0x0B
    wrong = await connect(bridge)
    assert (await wrong.bind(password=b"wrong")).command_status == 0x0E
    await wrong.close()
    return peer


async def test_metrics_have_their_names_and_count_what_happened(bridge: Running) -> None:
    # Other bridges of this process have counted too.
    before = (await get(bridge, "/metrics")).text
    assert set(re.findall(r"^# TYPE cascade_bridge_(\w+) ", before, re.M)) == NAMES
    peer = await used(bridge)
    after = (await get(bridge, "/metrics")).text
    for line in (
        'submissions_total{outcome="accepted",protocol="smpp",reason=""}',
        'submissions_total{outcome="refused",protocol="smpp",reason="WRONG_PHONE"}',
        'messages_total{state="sent"}',
        'upstream_requests_total{outcome="taken"}',
        'logins_total{result="wrong"}',
        "upstream_request_duration_seconds_count",
        'upstream_request_duration_seconds_bucket{le="+Inf"}',
    ):
        assert value(after, line) - value(before, line, 0) == 1, line
    assert value(after, 'sessions{bind="transceiver",protocol="smpp"}') == 1
    assert value(after, 'upstream_held{upstream="cascade"}') == 0
    assert value(after, "ready") == 1
    assert value(after, "store_free_bytes") > 0
    assert "process_resident_memory_bytes" in after
    await peer.close()


async def test_gauges_are_those_of_the_first_scrape_after_a_change(bridge: Running) -> None:
    peer = await used(bridge)
    text = (await get(bridge, "/metrics")).text
    assert value(text, 'account_daily_used_ratio{account="crm"}') == 0.25
    assert value(text, 'queue_messages{state="accepted"}') == 0
    assert value(text, 'queue_oldest_age_seconds{state="held"}') == 0
    assert value(text, "blocked_addresses") == 0
    await peer.close()


async def test_a_scraper_gets_the_form_that_it_accepts(bridge: Running) -> None:
    url = f"{await bridge.api()}/metrics"
    for accept, kind, end in (
        ("*/*", "text/plain; version=", "\n"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text", "# EOF\n"),
    ):
        headers = {"Authorization": f"Bearer {VIEW}", "Accept": accept}
        async with httpx.AsyncClient(headers=headers, timeout=30) as client:
            answer = await client.get(url)
        assert answer.headers["content-type"].startswith(kind)
        assert answer.text.endswith(end)


async def test_metrics_have_their_names_on_postgresql_too(
    tmp_path: Path,
    sandbox: Sandbox,
    database: str,  # noqa: F811
) -> None:
    config = write_config(tmp_path, sandbox.url, account="daily_limit = 4")
    config.write_text(config.read_text().replace(f"sqlite:///{tmp_path}/bridge.db", database))
    async with running(config) as bridge:
        peer = await used(bridge)
        text = (await get(bridge, "/metrics")).text
        named = set(re.findall(r"^# TYPE cascade_bridge_(\w+) ", text, re.M))
        assert named == NAMES
        assert value(text, 'account_daily_used_ratio{account="crm"}') == 0.25
        assert value(text, "store_commit_duration_seconds_count") > 0
        assert value(text, "store_commit_rows_count") > 0
        assert value(text, 'queue_messages{state="accepted"}') == 0
        assert value(text, "ready") == 1
        # The disk is another machine's.
        assert not re.search("^cascade_bridge_store_free_bytes ", text, re.M)
        await peer.close()


async def test_metrics_need_a_token(bridge: Running) -> None:
    assert (await get(bridge, "/metrics", "wrong")).status_code == 401
    assert (await get(bridge, "/metrics", OPERATE)).status_code == 200


async def test_promtool_accepts_metrics_and_rules(bridge: Running, tmp_path: Path) -> None:
    promtool = program("promtool")
    peer = await used(bridge)
    text = (await get(bridge, "/metrics")).text
    own = "".join(line + "\n" for line in text.splitlines() if "process_" not in line)
    assert await run(promtool, "check", "metrics", input=own) == (0, "")
    code, said = await run(promtool, "check", "rules", str(REPOSITORY / "config/alerts.yml"))
    assert code == 0, said
    await peer.close()


def test_rules_and_dashboard_name_existing_metrics() -> None:
    for file in ("alerts.yml", "grafana.json"):
        text = (REPOSITORY / "config" / file).read_text()
        named = set(re.findall(r"cascade_bridge_(\w+)", text))
        assert named
        assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in named} <= NAMES
