"""``--json``: what commands print for programs."""

from __future__ import annotations

import json
from typing import Any

from tests.running import Running
from tests.serving.clients import bound


async def test_commands_print_json(bridge: Running) -> None:
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


async def said_json(bridge: Running, *command: str) -> Any:
    code, said = await bridge.command(*command)
    assert code == 0, said
    return json.loads(said)
