"""``contacts``: what a sysadmin adds, changes, finds, moves, deletes and exports."""

from __future__ import annotations

import json
from pathlib import Path

from tests.night_calls.asking import said
from tests.running import Running
from tests.serving.clients import listed

FIRST, SECOND = "+380501234567", "+380671112233"


async def test_a_contact_is_added_changed_and_deleted(bridge: Running) -> None:
    await said(bridge, "groups", "add", "Night shift", "--number", "7")
    added = ("contacts", "add", "050 123-45-67", "--name", "Анна", "--group", "g7")
    assert await said(bridge, *added, "--birthday", "31.12.1990") == "Added (id 1).\n"
    [contact] = await listed(bridge, "contacts", "show", FIRST)
    assert (contact["phones"], contact["name"]) == ([FIRST], "Анна")
    assert (contact["birthday"], contact["group_names"]) == ("31.12.1990", ["Night shift"])
    changes = ("--comments", "moved", "--new-phone", SECOND)
    assert await said(bridge, "contacts", "change", FIRST, *changes) == "Changed.\n"
    [contact] = await listed(bridge, "contacts", "list")
    assert (contact["phones"], contact["comments"]) == ([SECOND], "moved")
    assert contact["name"] == "Анна", "only what was given changes"
    assert await said(bridge, "contacts", "delete", SECOND) == "1 contact deleted.\n"
    assert await said(bridge, "contacts", "list") == "There are no such contacts.\n"
    await bridge.event("audit", action="delete_contacts", account="crm", contacts=1)


async def test_contacts_are_a_table(bridge: Running) -> None:
    await said(bridge, "groups", "add", "VIP")
    await said(bridge, "contacts", "add", f"{FIRST}, {SECOND}", "--group", "VIP", "--id", "17")
    head, row = (await said(bridge, "contacts", "list", "--group", "VIP")).splitlines()
    assert head.split("  ")[0] == "id"
    assert " ".join(row.split()) == f"1 {FIRST}, {SECOND} - VIP 17 - -"


async def test_contacts_are_found_by_group_and_by_text(bridge: Running) -> None:
    await said(bridge, "groups", "add", "Day")
    await said(bridge, "contacts", "add", FIRST, "--name", "Anna", "--group", "Day")
    await said(bridge, "contacts", "add", SECOND, "--name", "Borys", "--comments", "like anna")
    both = await listed(bridge, "contacts", "list", "--search", "anna")
    assert [one["name"] for one in both] == ["Anna", "Borys"]
    [anna] = await listed(bridge, "contacts", "list", "--group", "Day")
    assert anna["name"] == "Anna"
    code, output = await bridge.command("contacts", "list", "--group", "Night")
    assert (code, output) == (66, "Error: nothing found: no group Night\n")


async def test_contacts_move_between_groups(bridge: Running) -> None:
    for name in ("Day", "Night"):
        await said(bridge, "groups", "add", name)
    await said(bridge, "contacts", "add", FIRST, "--group", "Day")

    async def groups() -> list[str]:
        [contact] = await listed(bridge, "contacts", "show", FIRST)
        found: list[str] = contact["group_names"]
        return found

    for how, after in (
        ("add", ["Day", "Night"]),
        ("remove", ["Day"]),
        ("move", ["Night"]),
    ):
        move = ("contacts", "move", FIRST, "--to", "Night", "--how", how)
        assert await said(bridge, *move) == "Done.\n"
        assert await groups() == after, how


async def test_a_number_without_a_contact_is_not_found(bridge: Running) -> None:
    for options in ((), ("--json",)):
        code, output = await bridge.command("contacts", "show", SECOND, *options)
        assert (code, output) == (66, f"Error: no contact has {SECOND}\n")
    code, output = await bridge.command("contacts", "show", SECOND, "--fmt", "3")
    assert (code, json.loads(output)["error_code"]) == (66, 3)
    for command in (("change", SECOND, "--name", "x"), ("delete", SECOND)):
        assert (await bridge.command("contacts", *command))[0] == 66


async def test_wrong_values_are_explained(bridge: Running) -> None:
    for options, wanted, words in (
        (("12",), 64, "wrong phone number"),
        ((FIRST, "--birthday", "tomorrow"), 64, "birthday"),
        ((FIRST, "--group", "nobody"), 66, "no group nobody"),
    ):
        code, output = await bridge.command("contacts", "add", *options)
        assert (code, words in output) == (wanted, True), output


async def test_the_four_forms_of_smsc(bridge: Running) -> None:
    add = ("contacts", "add", FIRST, "--name", "Anna")
    assert await said(bridge, *add, "--fmt", "0") == "ID = 1\n"
    code, output = await bridge.command(*add, "--fmt", "3")
    assert (code, json.loads(output)) == (1, {"error": "save error", "error_code": 5})
    [row] = (await said(bridge, "contacts", "list", "--fmt", "1")).splitlines()
    assert row.startswith("380501234567,Anna,")
    assert "<phone>380501234567</phone>" in await said(bridge, "contacts", "list", "--fmt", "2")
    await said(bridge, "contacts", "delete", FIRST)
    code, output = await bridge.command("contacts", "list", "--fmt", "0")
    assert (code, output) == (66, "ERROR = 3 (record not found)\n")


async def test_exports_are_csv_and_vcard_with_all_fields(bridge: Running, tmp_path: Path) -> None:
    fields = (
        *("--name", "Anna K.", "--first-name", "Anna", "--last-name", "K", "--middle-name", "M"),
        *("--birthday", "31.12.1990", "--id", "17", "--comments", "c", "--tags", "t"),
        *("--other-phones", "112"),
    )
    await said(bridge, "groups", "add", "VIP")
    await said(bridge, "contacts", "add", FIRST, "--group", "VIP", *fields)
    rows = (await said(bridge, "contacts", "export")).removeprefix("\ufeff").splitlines()
    assert rows[0].startswith("phone,name,group,first_name,last_name,middle_name,birthday,id")
    assert rows[1] == f"{FIRST},Anna K.,VIP,Anna,K,M,31.12.1990,17,c,t,112"
    card = tmp_path / "anna.vcf"
    assert await said(bridge, "contacts", "export", "--format", "vcard", "-o", str(card)) == ""
    assert "CATEGORIES:VIP" in card.read_text()
    assert "BDAY:1990-12-31" in card.read_text()
