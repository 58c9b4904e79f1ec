"""Commands that ask or change a running bridge, and what each prints for programs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.sandbox import Sandbox
from tests.serving.clients import bound, change, listed
from tests.serving.daemon import Bridge, serving, write_config
from tests.smpp.peer import a_submit

PASSWORD = "secret12\n"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Bridge]:
    account = "daily_limit = 10\nallow_variables = true"
    config = write_config(tmp_path, sandbox.url, account=account)
    config.write_text(
        config.read_text() + '[accounts.erp]\npassword = "secret12"\nsender = "Shop"\n'
    )
    async with serving(config) as bridge:
        await bridge.ready()
        yield bridge


# --- accounts ---


async def test_an_account_is_shown_with_its_limits_and_their_use(bridge: Bridge) -> None:
    peer = await bound(bridge)
    assert (await peer.ask("submit_sm", a_submit())).command_status == 0
    shown = await listed(bridge, "accounts", "show", "crm")
    assert (shown["name"], shown["daily_limit"], shown["accepted_today"]) == ("crm", 10, 1)
    assert (shown["binds"], shown["held"]) == (1, False)
    code, said = await bridge.command("accounts", "show", "crm")
    assert code == 0
    rows = dict(line.split(maxsplit=1) for line in said.splitlines())
    assert rows["today"] == "1 of 10"
    assert rows["binds"] == "1 of 8"
    code, said = await bridge.command("accounts", "show", "nobody")
    assert code == 66
    assert "no account nobody" in said
    await peer.close()


async def test_an_account_is_shown_without_a_daemon_too(bridge: Bridge) -> None:
    assert await bridge.terminate() == 0
    assert (await listed(bridge, "accounts", "show", "crm"))["sender"] == "Shop"
    assert (await bridge.command("accounts", "show", "nobody"))[0] == 67


async def test_a_test_of_an_account_sends_a_message_if_asked(
    bridge: Bridge, sandbox: Sandbox
) -> None:
    code, said = await bridge.command("accounts", "test", "crm", input=PASSWORD)
    assert (code, said) == (0, "Password accepted for account crm.\n")
    assert not sandbox.messages
    to = ("accounts", "test", "crm", "--to", "+380501234567")
    code, said = await bridge.command(*to, input=PASSWORD)
    assert code == 0, said
    assert "Password accepted for account crm.\nMessage " in said
    [message] = sandbox.messages
    assert (message.phone, message.text) == ("+380501234567", "Test of the account crm")
    code, said = await bridge.command(*to, "--text", "Hello", "--json", input=PASSWORD)
    answer = json.loads(said)
    assert (answer["name"], answer["protocol"], answer["sent"]["parts"]) == ("crm", "smtp", 1)
    assert sandbox.messages[-1].text == "Hello"
    code, _ = await bridge.command(*to, input="wrong\n")
    assert code == 77
    code, said = await bridge.command("accounts", "test", "crm", "--to", "12", input=PASSWORD)
    assert code != 0
    assert "wrong phone number" in said
    assert len(sandbox.messages) == 2


# --- variables ---


async def test_variables_are_uploaded_from_csv_and_json(bridge: Bridge, sandbox: Sandbox) -> None:
    csv = "id;type;value\r\n1;name;Анна\r\n2;url;https://example.com/2\r\n"
    upload = ("variables", "upload", "-", "--account", "crm")
    code, said = await bridge.command(*upload, input=csv)
    assert (code, said) == (0, "2 variables uploaded.\n")
    assert sandbox.variables[1] == {"id": 1, "type": "name", "value": "Анна"}
    document = {"variables": [{"id": 1, "type": "name", "value": "Olena"}]}
    code, said = await bridge.command(*upload, "--json", input=json.dumps(document))
    assert (code, json.loads(said)) == (0, {"count": 1})
    assert sandbox.variables[1]["value"] == "Olena"
    await bridge.event("audit", action="upload_variables", account="crm", variables=1)


@pytest.mark.parametrize(
    ("account", "given", "code", "said"),
    [
        ("erp", "id,type,value\n1,name,x\n", 1, "erp has no allow_variables"),
        ("crm", "id,type,value\n0,name,x\n", 64, "greater than or equal to 1"),
        ("crm", "id,type,value\n1,colour,x\n", 64, "'name', 'url' or 'short_url'"),
        ("crm", "id,value\n1,x\n", 65, "needs id, type and value"),
        ("crm", "id,type,value\nx,name,x\n", 65, "needs id, type and value"),
        ("crm", "[1]", 65, "needs id, type and value"),
        ("nobody", "id,type,value\n1,name,x\n", 66, "no account nobody"),
    ],
)
async def test_variables_that_cannot_be_uploaded(
    account: str, given: str, code: int, said: str, bridge: Bridge, sandbox: Sandbox
) -> None:
    upload = ("variables", "upload", "-", "--account", account)
    found = await bridge.command(*upload, input=given)
    assert found[0] == code, found[1]
    assert said in found[1]
    assert not sandbox.variables


async def test_what_the_api_says_of_an_upload_is_told(bridge: Bridge) -> None:
    change(bridge, ('"test-key"', '"wrong"'))
    assert (await bridge.command("reload"))[0] == 0
    upload = ("variables", "upload", "-", "--account", "crm")
    code, said = await bridge.command(*upload, input="id,type,value\n1,name,x\n")
    assert code == 75
    assert "HTTP 401" in said


# --- json ---


async def test_commands_print_json(bridge: Bridge, sandbox: Sandbox) -> None:
    mail = ("send", "+380501234567", "--account", "crm", "--text", "Hi", "--json")
    server = (await bridge.ready())[0]
    [sent] = await said_json(bridge, *mail, "--server", str(server), "--password", "secret12")
    assert sent["accepted"]
    assert sent["reply"].startswith("250 2.0.0 OK")
    id = sent["reply"].rpartition("ID - ")[2].split()[0]
    assert (await said_json(bridge, "status", id, "--json"))["state"] == "sent"
    assert (await said_json(bridge, "status", "--json"))["missing"] == []
    checked = await said_json(bridge, "check", "--json")
    assert (checked["mistakes"], checked["tried"]) == ([], [])
    assert {one["what"] for one in checked["summary"]} >= {"smtp", "store", "account crm"}
    address = "380501234567@sms.example.com"
    [rows] = await said_json(bridge, "explain", address, "--account", "crm", "--json")
    assert {"what": "answer", "says": "250 2.1.5 OK"} in rows
    assert await said_json(bridge, "queue", "cancel", "--state", "held", "--json") == {"count": 0}
    peer = await bound(bridge)
    closed = await said_json(bridge, "sessions", "close", "--account", "crm", "--json")
    assert closed == {"count": 1}
    await peer.close()


async def said_json(bridge: Bridge, *command: str) -> Any:
    code, said = await bridge.command(*command)
    assert code == 0, said
    return json.loads(said)
