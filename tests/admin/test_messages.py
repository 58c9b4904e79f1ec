"""Messages by HTTP: from an account by its login, and from an operator for an account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bridge.admin.messages import (
    PostedMessage,
    PostedOutcome,
    RefusedRecipient,
    read,
    repeat_key,
    shown,
)
from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, MessageType, Protocol, Recipient, Route
from bridge.sandbox import Sandbox
from tests.running import Running, running
from tests.samples import NOW
from tests.serving.daemon import OPERATE, VIEW, AnyBridge, write_config

OWN = ("crm", "secret12")
PHONE = "+380501234567"


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Running]:
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
    async with running(config) as bridge:
        yield bridge


async def ask(
    bridge: AnyBridge,
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
    async with httpx.AsyncClient(base_url=await bridge.api(), timeout=30) as client:
        return await client.request(
            method, f"/api/v1{path}", headers=headers, auth=auth, json=json, timeout=30
        )


async def test_an_account_sends_and_sees_only_its_own_messages(
    bridge: Running, sandbox: Sandbox
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


async def test_each_message_of_a_request_has_its_outcome(bridge: Running, sandbox: Sandbox) -> None:
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
async def test_a_refusal_is_a_problem_with_the_code_of_the_failure(
    json: Any, auth: Any, status: int, code: int, bridge: Running, sandbox: Sandbox
) -> None:
    answer = await ask(bridge, "POST", "/messages", auth=auth, json=json)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert not sandbox.messages


async def test_an_operator_sends_in_the_name_of_an_account(
    bridge: Running, sandbox: Sandbox
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


async def test_a_repeated_request_is_recognised_by_its_key(
    bridge: Running, sandbox: Sandbox
) -> None:
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


# --- without a bridge ----------------------------------------------------------------------------


def test_a_message_has_all_its_wishes() -> None:
    [posted], many = read(
        {
            "to": [PHONE, "g7"],
            "text": "x",
            "sender": "Shop",
            "type": "promo",
            "route": "tg-viber",
            "ttl": 60,
            "schedule": "2026-01-01T02:00:00+02:00",
            "priority": 2,
            "reference": "17",
            "name": "november",
            "over": 7200,
            "variables": {"order": "17"},
        }
    )
    assert not many
    made = posted.submission("10.0.0.1", b"key")
    assert [one.address for one in made.recipients] == [PHONE, "g7"]
    assert (made.protocol, made.peer, made.repeat_key) == (Protocol.HTTP, "10.0.0.1", b"key")
    assert (made.message_type, made.route) == (MessageType.PROMO, Route.TG_VIBER)
    assert (made.ttl, made.scheduled_at, made.priority) == (60, NOW, 2)
    assert (made.reference, made.name, made.spread) == ("17", "november", 7200)
    assert made.variables == (("order", "17"),)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"to": PHONE, "text": "x", "template": "y"}, "give a text or a template"),
        ({"text": "x"}, "to: Field required"),
        ({"to": [], "text": "x"}, "to."),
        ({"to": PHONE, "priority": 4}, "priority: "),
        ({"to": PHONE, "ttl": 0}, "ttl: "),
        ({"to": PHONE, "over": 31 * 86400}, "over: "),
        ([{"to": PHONE}] * 1001, "1 to 1000 messages at once"),
        ([{"to": PHONE}, {"text": "x"}], "1.to: Field required"),
    ],
)
def test_a_mistake_is_named_with_its_field(document: Any, words: str) -> None:
    with pytest.raises(Failure) as caught:
        read(document)
    assert caught.value.reason is Reason.BAD_PARAMETER
    assert caught.value.detail.startswith(words)


def test_a_key_is_the_same_with_quotation_marks_and_without() -> None:
    assert repeat_key('"a"') == repeat_key(" a ") != repeat_key("b")
    assert repeat_key('"') != repeat_key("''")
    for header in ("", '""', "x" * 256, "ключ"):
        with pytest.raises(Failure, match="Idempotency-Key: 1 to 255 printable characters"):
            repeat_key(header)


def test_an_outcome_names_refused_recipients_as_they_were_written() -> None:
    posted = PostedMessage(to=[PHONE, "12"], text="x")
    wrong = Failure(Reason.WRONG_PHONE)
    accepted = Accepted(7, 1, queued=True, refused=((Recipient("", written="12"), wrong),))
    assert shown(posted, accepted) == PostedOutcome(
        7, 1, True, [RefusedRecipient("12", "WRONG_PHONE", 7, "wrong phone number")]
    )
    assert shown(posted, wrong) == PostedOutcome(
        0, 0, False, [RefusedRecipient(f"{PHONE}, 12", "WRONG_PHONE", 7, "wrong phone number")]
    )
