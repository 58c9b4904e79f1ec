"""``blacklist``: numbers that get no messages, or none of a kind."""

from __future__ import annotations

import pytest

from bridge.sandbox import Sandbox
from tests.night_calls.asking import said
from tests.running import Running
from tests.serving.clients import bound, listed
from tests.smpp.peer import a_submit

FIRST, SECOND = "+380501234567", "+380671112233"


async def test_a_blocked_number_gets_nothing_until_it_is_deleted(
    bridge: Running, sandbox: Sandbox
) -> None:
    assert await said(bridge, "blacklist", "add", FIRST, "--comment", "asked") == "Added (id 1).\n"
    peer = await bound(bridge)
    assert (await peer.ask("submit_sm", a_submit(to=FIRST[1:].encode()))).command_status == 0x45
    assert await said(bridge, "blacklist", "delete", FIRST) == "1 number deleted.\n"
    assert (await peer.ask("submit_sm", a_submit(to=FIRST[1:].encode()))).command_status == 0
    assert len(sandbox.messages) == 1
    await peer.close()
    await bridge.event("audit", action="delete_from_black_list", entries=1)


@pytest.mark.parametrize(("stops", "status"), [("all", 0x45), ("single", 0x45), ("bulk", 0)])
async def test_a_single_message_is_stopped_by_all_and_by_single(
    bridge: Running, stops: str, status: int
) -> None:
    await said(bridge, "blacklist", "add", FIRST, "--stops", stops)
    peer = await bound(bridge)
    answer = await peer.ask("submit_sm", a_submit(to=FIRST[1:].encode()))
    assert answer.command_status == status
    await peer.close()


async def test_entries_are_listed_and_shown(bridge: Running) -> None:
    assert await said(bridge, "blacklist", "list") == "The black list is empty.\n"
    await said(bridge, "blacklist", "add", FIRST, "--stops", "bulk", "--comment", "by phone")
    rows = [
        " ".join(line.split()) for line in (await said(bridge, "blacklist", "list")).splitlines()
    ]
    assert rows == ["id phone stops comment", f"1 {FIRST} bulk by phone"]
    [entry] = await listed(bridge, "blacklist", "show", "050 123 45 67")
    assert entry == {"id": 1, "phone": FIRST, "blocks": "bulk", "comment": "by phone"}
    assert await said(bridge, "blacklist", "show", FIRST, "--fmt", "1") == (
        "1,380501234567,1,by phone\n"
    )


async def test_a_number_that_is_not_blocked_is_not_found(bridge: Running) -> None:
    code, output = await bridge.command("blacklist", "show", SECOND)
    assert (code, output) == (66, f"Error: {SECOND} is not in the black list\n")
    code, output = await bridge.command("blacklist", "delete", SECOND)
    assert code == 66
    code, output = await bridge.command("blacklist", "add", "12")
    assert (code, "wrong phone number" in output) == (64, True)


async def test_a_file_is_imported_and_exported(bridge: Running) -> None:
    file = bridge.config.parent / "stop.csv"
    file.write_text(f"phone,type,comments\n{FIRST},bulk,x\n{SECOND},,\n")
    output = await said(bridge, "blacklist", "import", str(file), "--yes")
    assert "2 numbers added" in output
    csv = (await said(bridge, "blacklist", "export")).removeprefix("\ufeff")
    assert csv.splitlines() == ["phone,type,comments", f"{FIRST},1,x", f"{SECOND},0,"]
