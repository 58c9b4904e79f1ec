"""``groups``: names and numbers that are recipients, with their options."""

from __future__ import annotations

from tests.night_calls.asking import said
from tests.running import Running
from tests.serving.clients import listed


async def test_a_group_is_added_changed_and_deleted(bridge: Running) -> None:
    add = ("groups", "add", "Night shift", "--number", "7", "--hours", "9-21")
    assert await said(bridge, *add) == "Added (id 1).\n"
    assert await said(bridge, "groups", "change", "g7", "--max-parts", "2") == "Changed.\n"
    [group] = await listed(bridge, "groups", "list")
    assert group == {
        "id": 1,
        "name": "Night shift",
        "number": 7,
        "size": 0,
        "hours": "9-21",
        "max_parts": 2,
    }
    assert await said(bridge, "groups", "change", "1", "--name", "Day") == "Changed.\n"
    assert await said(bridge, "groups", "delete", "day") == "Deleted.\n"
    assert await said(bridge, "groups", "list") == "There are no groups.\n"


async def test_groups_are_a_table_with_the_number_of_their_contacts(bridge: Running) -> None:
    await said(bridge, "groups", "add", "VIP", "--number", "7", "--max-parts", "1")
    await said(bridge, "groups", "add", "Day")
    await said(bridge, "contacts", "add", "+380501234567", "--group", "VIP")
    assert [line.split() for line in (await said(bridge, "groups", "list")).splitlines()] == [
        ["id", "name", "number", "contacts", "hours", "max", "parts"],
        ["1", "VIP", "g7", "1", "-", "1"],
        ["2", "Day", "-", "0", "-", "-"],
    ]
    assert await said(bridge, "groups", "list", "--fmt", "1") == "1,VIP,7,1\n2,Day,,0\n"
    in_json = await said(bridge, "groups", "list", "--fmt", "3")
    assert in_json.count('"number"') == 1, "a group without a number has no such member"


async def test_a_group_is_shown_by_name_number_and_id(bridge: Running) -> None:
    await said(bridge, "groups", "add", "Day")
    await said(bridge, "groups", "add", "Night", "--number", "7")
    for name in ("night", "g7", "2"):
        [group] = await listed(bridge, "groups", "show", name)
        assert group["name"] == "Night"
    code, output = await bridge.command("groups", "show", "g8")
    assert (code, output) == (66, "Error: nothing found: no group g8\n")
    code, output = await bridge.command("groups", "show", "g8", "--fmt", "0")
    assert (code, output) == (66, "ERROR = 3 (record not found)\n")


async def test_the_same_name_again_and_wrong_options_are_refused(bridge: Running) -> None:
    await said(bridge, "groups", "add", "Day")
    code, output = await bridge.command("groups", "add", "day")
    told = "operation failed: a group of this name or number is there already"
    assert (code, output) == (1, f"Error: {told}\n")
    code, output = await bridge.command("groups", "add", "Night", "--hours", "25-26")
    assert (code, "hours" in output) == (64, True)
    code, output = await bridge.command("groups", "delete", "Night")
    assert (code, output) == (66, "Error: nothing found: no group Night\n")


async def test_an_export_is_what_import_reads(bridge: Running) -> None:
    await said(bridge, "groups", "add", "VIP", "--number", "7", "--hours", "9-21")
    csv = (await said(bridge, "groups", "export")).removeprefix("\ufeff")
    assert csv.splitlines() == ["name,number,hours,max_parts", "VIP,7,9-21,"]
    (bridge.config.parent / "groups.csv").write_text(csv + "Day,,,2\n")
    file = str(bridge.config.parent / "groups.csv")
    output = await said(bridge, "groups", "import", file, "--yes")
    assert [" ".join(line.split()) for line in output.splitlines()] == [
        "1 group added",
        "0 groups changed",
        "1 group left as before",
    ]
