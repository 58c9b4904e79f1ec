"""Messages by HTTP: from an account by its login, and from an operator for an account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bridge.sandbox import Sandbox
from tests.serving.daemon import OPERATE, VIEW, Bridge, serving, write_config

OWN = ("crm", "secret12")
PHONE = "+380501234567"


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Bridge]:
    config = write_config(tmp_path, sandbox.url, account='protocols = ["smpp", "http"]')
    config.write_text(
        config.read_text()
        + """
        [accounts.erp]
        password = "secret12"
        protocols = ["http"]
        sender = "Shop"
        """
    )
    async with serving(config) as bridge:
        yield bridge


async def ask(
    bridge: Bridge,
    method: str,
    path: str,
    *,
    token: str = "",
    auth: Any = None,
    json: Any = None,
    key: str | None = None,
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if key is not None:
        headers["Idempotency-Key"] = key
    async with httpx.AsyncClient(base_url=await bridge.api()) as client:
        return await client.request(
            method, f"/api/v1{path}", headers=headers, auth=auth, json=json, timeout=30
        )


async def test_an_account_sends_and_asks_about_its_own_message_alone(
    bridge: Bridge, sandbox: Sandbox
) -> None:
    posted = {"to": "050 123-45-67", "text": "Замовлення готове", "reference": "17"}
    answer = await ask(bridge, "POST", "/messages", auth=OWN, json=posted)
    assert answer.status_code == 202
    outcome = answer.json()
    assert (outcome["parts"], outcome["queued"], outcome["refused"]) == (1, False, [])
    assert [(one.phone, one.text) for one in sandbox.messages] == [(PHONE, "Замовлення готове")]
    [told] = (await ask(bridge, "GET", f"/messages/{outcome['id']}", auth=OWN)).json()
    assert (told["id"], told["protocol"], told["reference"]) == (outcome["id"], "http", "17")
    other = await ask(bridge, "GET", f"/messages/{outcome['id']}", auth=("erp", "secret12"))
    assert (other.status_code, other.json()["code"]) == (404, 3)
    refused = await ask(bridge, "GET", "/sessions", auth=OWN)
    assert refused.status_code == 403


async def test_each_of_many_has_its_outcome(bridge: Bridge, sandbox: Sandbox) -> None:
    many = [
        {"to": PHONE, "text": "one"},
        {"to": "12345", "text": "two"},
        {"to": ["+380671234567", "123"], "text": "three"},
    ]
    answer = await ask(bridge, "POST", "/messages", auth=OWN, json=many)
    assert answer.status_code == 202
    first, second, third = answer.json()
    assert first["refused"] == []
    assert (second["id"], second["refused"][0]["code"]) == (0, 7)
    assert third["id"]
    assert [(one["to"], one["code"]) for one in third["refused"]] == [("123", 7)]
    assert sorted(message.text for message in sandbox.messages) == ["one", "three"]


@pytest.mark.parametrize(
    ("json", "auth", "status", "code"),
    [
        ({"to": "12345", "text": "x"}, OWN, 400, 7),
        ({"to": PHONE, "text": ""}, OWN, 400, 1),
        ({"to": PHONE, "text": "x", "sender": "Bank"}, OWN, 403, 6),
        ({"to": PHONE}, OWN, 400, 1),
        ({"to": PHONE, "text": "x", "colour": "red"}, OWN, 400, 1),
        ([], OWN, 400, 1),
        ("text", OWN, 400, 1),
        ({"to": PHONE, "text": "x"}, ("crm", "wrong"), 401, 2),
        ({"to": PHONE, "text": "x"}, None, 401, 2),
    ],
)
async def test_what_is_refused_is_a_problem_with_the_failures_code(
    json: Any, auth: Any, status: int, code: int, bridge: Bridge, sandbox: Sandbox
) -> None:
    answer = await ask(bridge, "POST", "/messages", auth=auth, json=json)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert not sandbox.messages


async def test_an_operator_sends_in_the_name_of_an_account(
    bridge: Bridge, sandbox: Sandbox
) -> None:
    posted = {"to": PHONE, "text": "by hand", "account": "erp"}
    answer = await ask(bridge, "POST", "/messages", token=OPERATE, json=posted)
    assert answer.status_code == 202
    [told] = (await ask(bridge, "GET", f"/messages/{answer.json()['id']}", token=VIEW)).json()
    assert told["account"] == "erp"
    refused = await ask(bridge, "POST", "/messages", token=VIEW, json=posted)
    assert refused.status_code == 403
    nobody = {"to": PHONE, "text": "x", "account": "nobody"}
    answer = await ask(bridge, "POST", "/messages", token=OPERATE, json=nobody)
    assert answer.status_code == 404
    answer = await ask(bridge, "POST", "/messages", token=OPERATE, json={"to": PHONE, "text": "x"})
    assert (answer.status_code, answer.json()["code"]) == (400, 1)


async def test_a_repeated_request_is_known_by_its_key(bridge: Bridge, sandbox: Sandbox) -> None:
    hello = {"to": PHONE, "text": "hello"}
    first = await ask(bridge, "POST", "/messages", auth=OWN, json=hello, key='"8e03978e"')
    again = await ask(bridge, "POST", "/messages", auth=OWN, json=hello, key="8e03978e")
    assert (again.status_code, again.json()) == (202, first.json())
    many = [hello, hello, hello | {"text": "other"}]
    several = await ask(bridge, "POST", "/messages", auth=OWN, json=many, key="of several")
    assert (
        await ask(bridge, "POST", "/messages", auth=OWN, json=many, key="of several")
    ).json() == (several.json())
    assert len({one["id"] for one in several.json()}) == 3
    # Another key, another account, or no key: no repeat.
    for auth, key in ((OWN, "9"), (("erp", "secret12"), "8e03978e"), (OWN, None)):
        other = await ask(bridge, "POST", "/messages", auth=auth, json=hello, key=key)
        assert other.json()["id"] != first.json()["id"]
    assert sandbox.message_count == 7
    for key in ("", '""', "x" * 256, "a\tb"):
        refused = await ask(bridge, "POST", "/messages", auth=OWN, json=hello, key=key)
        assert (refused.status_code, refused.json()["code"]) == (400, 1)


async def test_a_request_repeated_after_kill_9_is_sent_once(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    config = write_config(tmp_path, sandbox.url, account='protocols = ["http"]')
    hello = {"to": PHONE, "text": "hello"}
    sandbox.fault("401")
    async with serving(config) as bridge:
        asking = asyncio.create_task(
            ask(bridge, "POST", "/messages", auth=OWN, json=hello, key="once")
        )
        await bridge.event("upstream_held")  # it is stored, and not yet answered or not yet sent
        await bridge.kill()
        await asyncio.wait({asking})
    sandbox.clear_faults()
    async with serving(config) as bridge:
        again = await ask(bridge, "POST", "/messages", auth=OWN, json=hello, key="once")
        assert again.status_code == 202
        await sandbox.wait_for(1)
        [told] = (await ask(bridge, "GET", f"/messages/{again.json()['id']}", auth=OWN)).json()
        assert told["id"] == again.json()["id"]
        await bridge.terminate()
    assert sandbox.message_count == 1
    asking.exception()
