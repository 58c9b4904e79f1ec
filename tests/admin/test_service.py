"""The operators' part as a whole: while it runs it watches the log, and it says what is held."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import httpx
import structlog

from bridge import log
from bridge.admin.api import CALLER, Caller
from bridge.admin.tokens import Role
from bridge.store.operating.refusals import find_refusals
from tests.admin.controlling import BY, Controlled


async def test_refusals_in_the_log_are_stored_while_it_runs(verbs: Controlled) -> None:
    watching = len(log.WATCHERS)
    running = asyncio.create_task(verbs.service.run())
    await asyncio.sleep(0)
    assert len(log.WATCHERS) == watching + 1
    structlog.get_logger().warning("token_refused", address="192.0.2.7")
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert len(log.WATCHERS) == watching
    await verbs.service.close()
    [refusal] = await verbs.relaying.store.look_up(find_refusals, [], "", "token", 0, 10)
    assert refusal.peer == "192.0.2.7"


async def test_health_names_upstreams_that_are_held_and_by_whom(verbs: Controlled) -> None:
    verbs.service.health.serving = True
    assert verbs.service.health.ready() == []
    await verbs.control.hold(by=BY, scope="upstream", name="cascade")
    assert verbs.service.health.ready() == ["upstream cascade is held: by an operator"]
    await verbs.control.release(by=BY, scope="upstream", name="cascade")
    [line] = {id(one): one for one in verbs.relaying.lines.values()}.values()
    line.pace.held = "HTTP 401"
    try:
        assert verbs.service.health.ready() == ["upstream cascade is held: HTTP 401"]
    finally:
        line.pace.held = ""


async def test_the_sessions_of_all_listeners_are_counted(verbs: Controlled) -> None:
    overview = await verbs.control.show_overview()
    assert sum(one.count for one in overview.sessions) == 3


async def test_health_metrics_api_and_console_are_served(verbs: Controlled) -> None:
    verbs.service.health.serving = True
    application = verbs.service.listener._application

    async def as_an_operator(scope: Any, receive: Any, send: Any) -> None:
        scope[CALLER] = Caller(Role.OPERATE, BY)
        await application(scope, receive, send)

    transport = httpx.ASGITransport(as_an_operator)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        for path, status, words in (
            ("/healthz", 200, "ok"),
            ("/readyz", 200, "ok"),
            ("/metrics", 200, "cascade_bridge_ready 1.0"),
            ("/api/v1/holds", 200, "[]"),
            ("/console/login", 200, "token"),
        ):
            answer = await client.get(path)
            assert (path, answer.status_code, words in answer.text) == (path, status, True)
