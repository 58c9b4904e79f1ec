"""The directory's commands: with a daemon and, if they only read, without one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.sandbox import Sandbox
from tests.serving.daemon import Bridge, serving, write_config

FIRST, SECOND, THIRD = "+380501234567", "+380671112233", "+380631112233"


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Bridge]:
    async with serving(write_config(tmp_path, sandbox.url)) as bridge:
        await bridge.ready()
        yield bridge


async def send(bridge: Bridge, *arguments: str) -> tuple[int, str]:
    smtp, _ = await bridge.ready()
    return await bridge.command("send", "--server", str(smtp), *arguments)


async def done(bridge: Bridge, *command: str) -> str:
    code, said = await bridge.command(*command)
    assert code == 0, said
    return said


async def listed(bridge: Bridge, *command: str) -> Any:
    return json.loads(await done(bridge, *command, "--json"))


async def test_contacts_and_groups_are_added_changed_moved_and_deleted(bridge: Bridge) -> None:
    assert await done(bridge, "groups", "add", "Night shift", "--number", "7") == "Added (id 1).\n"
    await done(bridge, "groups", "add", "Day")
    added = ("contacts", "add", "050 123-45-67", "--name", "Анна", "--group", "g7")
    assert await done(bridge, *added, "--fmt", "0") == "ID = 1\n"
    code, said = await bridge.command(*added, "--fmt", "3")
    assert (code, json.loads(said)) == (75, {"error": "save error", "error_code": 5})
    code, said = await bridge.command("contacts", "add", SECOND, "--group", "nobody")
    assert (code, "no group nobody" in said) == (66, True)
    await done(bridge, "contacts", "change", FIRST, "--comments", "x", "--new-phone", SECOND)
    [contact] = await listed(bridge, "contacts", "list", "--group", "Night shift")
    assert contact["phones"] == [SECOND]
    assert (contact["name"], contact["comments"]) == ("Анна", "x")
    assert await done(bridge, "contacts", "move", SECOND, "--to", "day", "--fmt", "1") == "OK\n"
    code, said = await bridge.command("contacts", "list", "--group", "g7", "--fmt", "0")
    assert (code, said) == (66, "ERROR = 3 (record not found)\n")
    await done(bridge, "groups", "change", "day", "--hours", "9-21", "--max-parts", "1")
    [night, day] = await listed(bridge, "groups", "list")
    assert (night["size"], day["size"], day["hours"], day["max_parts"]) == (0, 1, "9-21", 1)
    assert await done(bridge, "groups", "list", "--fmt", "1") == "1,Night shift,7,0\n2,Day,,1\n"
    assert "1 contact deleted" in await done(bridge, "contacts", "delete", SECOND)
    await done(bridge, "groups", "delete", "g7")
    assert [one["name"] for one in await listed(bridge, "groups", "list")] == ["Day"]
    await bridge.event("audit", action="delete_group", group="g7")


async def test_a_file_is_previewed_imported_and_exported_as_it_was(
    bridge: Bridge, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(
        "Телефон;Имя;Группа\n0501234567;Анна;Ночь\n0671112233;Борис;Ночь|День\n12;Wrong;\n".encode(
            "cp1251"
        )
    )
    said = await done(bridge, "contacts", "import", str(file), "--preview")
    assert "2 contacts would be added" in said
    assert "new groups: Ночь, День" in said
    assert "line 4: bad parameter: wrong phone number" in said
    assert await listed(bridge, "contacts", "list") == []
    code, said = await bridge.command("contacts", "import", str(file))
    assert (code, "--yes" in said) == (64, True)
    assert "2 contacts added" in await done(bridge, "contacts", "import", str(file), "--yes")
    again = await listed(bridge, "contacts", "import", str(file), "--yes")
    assert (again["added"], again["unchanged"], again["wrong"]) == (0, 2, 1)
    csv = tmp_path / "out.csv"
    await done(bridge, "contacts", "export", "-o", str(csv))
    cards = tmp_path / "out.vcf"
    await done(bridge, "contacts", "export", "--format", "vcard", "-o", str(cards))
    assert cards.read_text().count("BEGIN:VCARD") == 2
    for exported in (csv, cards):
        again = await listed(bridge, "contacts", "import", str(exported), "--preview")
        assert (again["added"], again["changed"], again["unchanged"]) == (0, 0, 2)
    broken = tmp_path / "broken.csv"
    broken.write_text("colour\nred\n")
    code, said = await bridge.command("contacts", "import", str(broken), "--preview")
    assert (code, "names no column phone" in said) == (65, True)


async def test_the_black_list_stops_messages_at_once(
    bridge: Bridge, sandbox: Sandbox, tmp_path: Path
) -> None:
    await done(bridge, "blacklist", "add", FIRST, "--comment", "asked")
    code, said = await send(bridge, FIRST, "--text", "x")
    assert (code, "black list" in said) == (65, True)
    assert await done(bridge, "blacklist", "list", "--fmt", "1") == "1,380501234567,0,asked\n"
    file = tmp_path / "stop.csv"
    file.write_text(f"phone,type\n{FIRST},bulk\n{SECOND},\n")
    assert "1 number changed" in await done(bridge, "blacklist", "import", str(file), "--yes")
    assert (await send(bridge, FIRST, "--text", "x"))[0] == 0
    assert (await send(bridge, SECOND, "--text", "x"))[0] == 65
    assert "1 number deleted" in await done(bridge, "blacklist", "delete", SECOND)
    assert (await send(bridge, SECOND, "--text", "x"))[0] == 0
    assert FIRST in await done(bridge, "blacklist", "export")
    assert len(sandbox.messages) == 2


async def test_templates_are_sent_with_their_variables(bridge: Bridge, sandbox: Sandbox) -> None:
    await done(bridge, "templates", "add", "ready", "{name}, замовлення {order} готове")
    [template] = await listed(bridge, "templates", "list")
    assert template["variables"] == ["name", "order"]
    ready = (FIRST, "--template", "ready", "--var", "name=Анна")
    code, said = await send(bridge, *ready)
    assert (code, "ERROR = 1" in said) == (65, True), said
    assert (await send(bridge, *ready, "--var", "order=17"))[0] == 0
    assert [one.text for one in sandbox.messages] == ["Анна, замовлення 17 готове"]
    code, said = await send(bridge, FIRST, "--template", "nothing")
    assert (code, "ERROR = 3" in said) == (65, True), said
    await done(bridge, "templates", "change", "ready", "--message", "done")
    shown = await done(bridge, "templates", "show", "ready", "--fmt", "1")
    assert shown == "1,sms,done,ready,,0\n"
    await done(bridge, "templates", "delete", "1")
    assert await done(bridge, "templates", "list") == "There are no templates.\n"


async def test_a_group_is_sent_to_by_its_name_as_a_send_out(
    bridge: Bridge, sandbox: Sandbox
) -> None:
    await done(bridge, "groups", "add", "Нічна зміна", "--number", "7")
    for phone in (FIRST, SECOND):
        await done(bridge, "contacts", "add", phone, "--group", "g7")
    assert (await send(bridge, "Нічна зміна", THIRD, "--text", "alarm"))[0] == 0
    await sandbox.wait_for(3)
    assert {one.phone for one in sandbox.messages} == {FIRST, SECOND, THIRD}
    assert (await send(bridge, "g7", "--text", "slowly", "--name", "november", "--over", "2h"))[
        0
    ] == 0
    accepted = await bridge.event("submission_accepted", messages=2)
    assert accepted["name"] == "november"
    code, said = await send(bridge, "nobody", "--text", "x")
    assert (code, "ERROR = 3" in said) == (65, True), said


async def test_without_a_daemon_it_is_read_and_not_changed(bridge: Bridge) -> None:
    await done(bridge, "groups", "add", "Day")
    await done(bridge, "contacts", "add", FIRST, "--group", "Day")
    await bridge.terminate()
    assert FIRST in await done(bridge, "contacts", "list", "--group", "Day")
    assert FIRST in await done(bridge, "contacts", "export")
    code, said = await bridge.command("contacts", "delete", FIRST)
    assert code == 69
    assert "the daemon does not run" in said


async def test_an_import_shows_a_progress_bar_on_a_terminal(bridge: Bridge, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    rows = "".join(f"+38050{number:07},Person {number}\n" for number in range(5_000))
    file.write_text(f"phone,name\n{rows}")
    ours, theirs = pty.openpty()
    command = ("-m", "bridge.cli", "contacts", "import", str(file), "--yes")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *command, "--config", str(bridge.config)),
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    shown = await asyncio.to_thread(read_to_the_end, ours)
    assert await process.wait() == 0, shown
    # How far it is when it is asked depends on the machine.
    assert re.search(r"(waiting|reading|storing) .*━", shown), shown
    assert "5,000 contacts added" in shown


def read_to_the_end(terminal: int) -> str:
    """What is written to a terminal until nobody has it open."""
    found = b""
    with contextlib.suppress(OSError):  # EIO: the other side is closed
        while octets := os.read(terminal, 65536):
            found += octets
    os.close(terminal)
    return found.decode(errors="replace")
