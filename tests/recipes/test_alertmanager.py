"""Alerts by webhook: a real Alertmanager with the recipe's configuration, and its form of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bridge.sandbox import Sandbox
from tests.recipes.pages import block, replaced
from tests.running import running
from tests.serving.daemon import OPERATE, VIEW, AnyBridge, run, write_config
from tests.support import free_port, program

OWN = ("crm", "secret12")
PHONE = "+380501234567"
#: A group of alerts in Alertmanager's form, with Grafana's additional fields.
POSTED: dict[str, Any] = {
    "version": "4",
    "receiver": "on-call",
    "status": "firing",
    "truncatedAlerts": 0,
    "title": "[FIRING:1] web",
    "orgId": 1,
    "alerts": [
        {
            "status": "resolved",
            "labels": {"alertname": "Down", "instance": "web2"},
            "annotations": {"description": "web2 answers again"},
            "startsAt": "2026-11-26T09:00:00Z",
            "valueString": "[ var='A' value=1 ]",
        },
        {
            "status": "firing",
            "labels": {"alertname": "DiskFull", "instance": "web1"},
            "annotations": {"summary": "the disk of web1\n is full", "description": "94 %"},
        },
        {"status": "firing", "labels": {"alertname": "Down", "instance": "web3"}},
    ],
}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[AnyBridge]:
    config = write_config(tmp_path, sandbox.url, account='protocols = ["http"]')
    async with running(config) as bridge:
        yield bridge


async def post(
    bridge: AnyBridge,
    query: str,
    document: Any = POSTED,
    auth: tuple[str, str] | None = OWN,
    token: str = "",
) -> httpx.Response:
    login = httpx.BasicAuth(*auth) if auth else None
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(base_url=await bridge.api(), auth=login, timeout=30) as client:
        url = f"/api/v1/alerts?{query}"
        return await client.post(url, json=document, headers=headers, timeout=30)


async def test_an_alert_of_alertmanager_reaches_the_phone(
    tmp_path: Path, bridge: AnyBridge, sandbox: Sandbox
) -> None:
    port = free_port()
    (tmp_path / "password").write_text(OWN[1])
    config = replaced(
        block("recipes.md", "Prometheus Alertmanager", "yaml"),
        ("http://127.0.0.1:8025", await bridge.api()),
        ("/etc/prometheus/bridge.password", str(tmp_path / "password")),
        # The default of 30 s would wait for further alerts.
        ("  receiver: on-call\n", "  receiver: on-call\n  group_wait: 0s\n"),
    )
    (tmp_path / "alertmanager.yml").write_text(config)
    url = f"http://127.0.0.1:{port}"
    process = await asyncio.create_subprocess_exec(
        program("prometheus-alertmanager"),
        f"--config.file={tmp_path}/alertmanager.yml",
        f"--storage.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(60):
            while b"Listening" not in (line := await process.stderr.readline()):
                assert line, "it ended"
            add = ("alert", "add", "DiskFull", "instance=web1", "--annotation=summary=disk full")
            code, output = await run(program("amtool"), f"--alertmanager.url={url}", *add)
            assert code == 0, output
            await sandbox.wait_for(1, timeout=30)
    finally:
        process.kill()
        await process.wait()
    [message] = sandbox.messages
    assert (message.phone, message.text) == (PHONE, "FIRING: disk full")


async def test_firing_alerts_come_first_in_the_text(bridge: AnyBridge, sandbox: Sandbox) -> None:
    answer = await post(bridge, "to=380501234567&to=380671234567&sender=Shop")
    assert (answer.status_code, answer.json()["refused"]) == (202, [])
    text = "FIRING: the disk of web1 is full\nFIRING: Down web3\nRESOLVED: web2 answers again"
    assert [message.text for message in sandbox.messages] == [text, text]


async def test_many_alerts_are_counted(bridge: AnyBridge, sandbox: Sandbox) -> None:
    alerts = [{"status": "firing", "annotations": {"summary": f"web{n}"}} for n in range(8)]
    answer = await post(bridge, "to=380501234567", {"alerts": alerts, "truncatedAlerts": 2})
    assert answer.status_code == 202
    [message] = sandbox.messages
    assert message.text.splitlines() == [*(f"FIRING: web{n}" for n in range(5)), "and 5 more"]


async def test_an_operator_names_the_account(bridge: AnyBridge, sandbox: Sandbox) -> None:
    query = "to=380501234567"
    answer = await post(bridge, f"{query}&account=crm", auth=None, token=OPERATE)
    assert answer.status_code == 202
    assert len(sandbox.messages) == 1
    refused = await post(bridge, f"{query}&account=crm", auth=None, token=VIEW)
    assert refused.status_code == 403
    refused = await post(bridge, query, auth=None, token=OPERATE)
    assert (refused.status_code, refused.json()["code"]) == (404, 3)


@pytest.mark.parametrize(
    ("query", "document", "auth", "status", "code"),
    [
        ("to=380501234567", POSTED, ("crm", "wrong"), 401, 2),
        ("", POSTED, OWN, 400, 1),
        ("to=12345", POSTED, OWN, 400, 7),
        ("to=380501234567&text=x", POSTED, OWN, 400, 1),
        ("to=380501234567&sender=Bank", POSTED, OWN, 403, 6),
        ("to=380501234567", {"alerts": []}, OWN, 400, 1),
        ("to=380501234567", {"alerts": [{"status": 1}]}, OWN, 400, 1),
        ("to=380501234567", [POSTED], OWN, 400, 1),
        ("to=380501234567", "firing", OWN, 400, 1),
    ],
)
async def test_what_is_refused_is_a_problem(
    query: str,
    document: Any,
    auth: tuple[str, str],
    status: int,
    code: int,
    bridge: AnyBridge,
    sandbox: Sandbox,
) -> None:
    answer = await post(bridge, query, document, auth)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert not sandbox.messages
