"""Messages by HTTP: from an account by its login, and from an operator for an account."""

from __future__ import annotations

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
    bridge: Bridge, method: str, path: str, *, token: str = "", auth: Any = None, json: Any = None
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
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
