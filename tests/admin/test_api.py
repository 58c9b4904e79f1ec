"""The API over HTTP: roles, arguments, and problems with the code of a failure."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import orjson
import pytest

from bridge.admin.api import problem
from bridge.model.failure import Failure, Reason
from bridge.sandbox import Sandbox
from tests.relaying import without
from tests.running import Running, running
from tests.serving.clients import change
from tests.serving.daemon import OPERATE, VIEW, write_config


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Running]:
    async with running(write_config(tmp_path, sandbox.url)) as bridge:
        yield bridge


@pytest.fixture
async def api(bridge: Running) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {OPERATE}"}
    url = f"{await bridge.api()}/api/v1"
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
        yield client


PROBLEMS = [
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
    ("GET", "/accounts/crm/contacts?account=erp", None, 400, 1),
    ("POST", "/queue/hold", b"", 400, 1),
    ("GET", "/messages/77", None, 404, 3),
]


async def test_what_cannot_be_done_is_a_problem_with_its_code(api: httpx.AsyncClient) -> None:
    for method, path, body, status, code in PROBLEMS:
        answer = await api.request(method, path, content=body)
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (status, code), (method, path)
        assert problem["status"] == status


async def test_a_method_that_a_path_does_not_have_is_told_those_that_it_has(
    api: httpx.AsyncClient,
) -> None:
    answer = await api.patch("/sessions")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "DELETE"}
    head = await api.head("/sessions")
    assert (head.status_code, head.content) == (200, b"")


async def test_every_answer_is_kept_from_caches_and_frames(api: httpx.AsyncClient) -> None:
    for path in ("/holds", "/nothing", "/openapi.json"):
        answer = await api.get(path)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")


async def test_arguments_come_from_path_query_and_body(api: httpx.AsyncClient) -> None:
    added = await api.post("/accounts/crm/contacts", json={"phone": "0501234567", "name": "Anna"})
    assert (added.status_code, added.json()) == (200, {"id": 1})
    found = await api.get("/accounts/crm/contacts", params={"search": "anna", "limit": "5"})
    assert [one["phones"] for one in found.json()] == [["+380501234567"]]
    clash = await api.post("/accounts/crm/contacts", json={"account": "x", "phone": "1"})
    assert clash.json()["detail"].endswith("account is in the path")
    unknown = await api.post("/accounts/crm/groups", json={"name": "x", "colour": "red"})
    assert "colour: Extra inputs are not permitted" in unknown.json()["detail"]


async def test_mistakes_of_a_reload_are_listed(bridge: Running, api: httpx.AsyncClient) -> None:
    change(bridge, ("[accounts.crm]", "[accounts.crm]\nrate = true"))
    answer = await api.post("/reload")
    assert answer.status_code == 400
    [mistake] = answer.json()["mistakes"]
    assert (mistake["key"], mistake["found"]) == ("accounts.crm.rate", "true")
    assert answer.json()["detail"].endswith("the configuration has 1 mistake; nothing changed")


async def test_a_store_that_cannot_be_read_is_an_operation_that_failed(
    bridge: Running, api: httpx.AsyncClient
) -> None:
    with without(bridge.config.parent, "template"):
        answer = await api.get("/accounts/crm/templates")
    assert (answer.status_code, answer.json()["code"]) == (503, 5)


async def test_metrics_and_verbs_need_a_role_and_the_description_does_not(
    bridge: Running,
) -> None:
    async with httpx.AsyncClient(base_url=await bridge.api(), timeout=30) as client:
        for token, metrics, reload in (("", 401, 401), (VIEW, 200, 403), (OPERATE, 200, 200)):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            assert (await client.get("/metrics", headers=headers)).status_code == metrics
            assert (await client.post("/api/v1/reload", headers=headers)).status_code == reload
        assert (await client.get("/api/v1/openapi.json")).json()["openapi"] == "3.1.0"


async def test_an_alert_is_sent_in_the_name_of_an_account(
    api: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    alert = {"alerts": [{"status": "firing", "labels": {"alertname": "Disk"}}]}
    to = {"account": "crm", "to": "+380501234567"}
    answer = await api.post("/alerts", params=to, json=alert)
    assert (answer.status_code, answer.json()["refused"]) == (202, [])
    assert [one.text for one in sandbox.messages] == ["FIRING: Disk"]
    for params, status in (
        (to | {"colour": "red"}, 400),
        (to | {"account": "nobody"}, 404),
        (to | {"to": "12"}, 400),
    ):
        assert (await api.post("/alerts", params=params, json=alert)).status_code == status


async def test_an_alert_is_cut_to_the_parts_of_the_group(api: httpx.AsyncClient) -> None:
    url = "/accounts/crm"
    group = {"name": "Ops", "number": 7, "max_parts": 1}
    assert (await api.post(f"{url}/groups", json=group)).is_success
    contact = {"phone": "+380501234567", "groups": ["g7"]}
    assert (await api.post(f"{url}/contacts", json=contact)).is_success
    alert = {"alerts": [{"status": "firing", "labels": {"alertname": "Disk " * 100}}]}
    for to in (["g7"], ["+380671112233", "ops"]):
        answer = await api.post("/alerts", params={"account": "crm", "to": to}, json=alert)
        assert (answer.status_code, answer.json()["parts"]) == (202, len(to))


def test_a_problem_names_reason_and_code() -> None:
    answer = problem(Failure(Reason.WRONG_LOGIN))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    document = orjson.loads(answer.body)
    assert (document["reason"], document["code"]) == ("WRONG_LOGIN", 2)
    assert document["title"] == document["detail"] == "wrong login or password"
