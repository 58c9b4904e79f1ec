"""What the directory's commands share: the account, the forms of an answer, imports and exports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge.cli.directory import given
from bridge.sandbox import Sandbox
from tests.night_calls.asking import said
from tests.running import Running
from tests.serving.clients import listed

FIRST, SECOND, THIRD = "+380501234567", "+380671112233", "+380631112233"


def test_options_that_were_not_given_change_nothing() -> None:
    assert given(name="", groups=(), number=0, tags=None) == {"name": "", "number": 0}


async def test_of_several_accounts_one_must_be_named(bridge: Running) -> None:
    text = bridge.config.read_text()
    bridge.config.write_text(text + '[accounts.erp]\npassword = "x"\nsender = "Shop"\n')
    code, output = await bridge.command("groups", "list")
    assert (code, "Give --account." in output) == (64, True)
    assert await said(bridge, "groups", "list", "--account", "crm") == "There are no groups.\n"
    code, output = await bridge.command("groups", "list", "--account", "nobody")
    assert (code, "no account nobody" in output) == (66, True)


async def test_json_and_a_form_of_smsc_exclude_each_other(bridge: Running) -> None:
    code, output = await bridge.command("groups", "list", "--json", "--fmt", "1")
    assert (code, "Give --json or --fmt." in output) == (64, True)


@pytest.mark.parametrize(
    ("fmt", "answer"),
    [
        ("0", "ERROR = 3 (record not found)\n"),
        ("1", "0,-3\n"),
        ("3", '{\n"error": "record not found",\n"error_code": 3\n}\n'),
    ],
)
async def test_a_refusal_in_a_form_of_smsc_is_on_standard_output(
    bridge: Running, fmt: str, answer: str
) -> None:
    code, output = await bridge.command("groups", "delete", "nobody", "--fmt", fmt)
    assert (code, output) == (66, answer)


async def test_a_file_is_previewed_imported_and_exported_unchanged(
    bridge: Running, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(
        "Телефон;Имя;Группа\n0501234567;Анна;Ночь\n0671112233;Борис;Ночь|День\n12;Wrong;\n".encode(
            "cp1251"
        )
    )
    output = await said(bridge, "contacts", "import", str(file), "--preview")
    assert [" ".join(line.split()) for line in output.splitlines()] == [
        "2 contacts would be added",
        "0 contacts would be changed",
        "0 contacts would be left as before",
        "new groups: Ночь, День",
        "1 wrong line is skipped:",
        "line 4: bad parameter: wrong phone number",
    ]
    assert await listed(bridge, "contacts", "list") == []
    code, output = await bridge.command("contacts", "import", str(file))
    assert (code, "Give --yes to import it." in output) == (64, True)
    assert "2 contacts added" in await said(bridge, "contacts", "import", str(file), "--yes")
    again = await listed(bridge, "contacts", "import", str(file), "--yes")
    assert (again["added"], again["unchanged"], again["wrong"]) == (0, 2, 1)
    csv, cards = tmp_path / "out.csv", tmp_path / "out.vcf"
    await said(bridge, "contacts", "export", "-o", str(csv))
    await said(bridge, "contacts", "export", "--format", "vcard", "-o", str(cards))
    assert cards.read_text().count("BEGIN:VCARD") == 2
    for exported in (csv, cards):
        again = await listed(bridge, "contacts", "import", str(exported), "--preview")
        assert (again["added"], again["changed"], again["unchanged"]) == (0, 0, 2)


async def test_files_that_cannot_be_read_or_written_are_explained(
    bridge: Running, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text("colour\nred\n")
    code, output = await bridge.command("contacts", "import", str(broken), "--preview")
    assert (code, "names no column phone" in output) == (65, True)
    code, output = await bridge.command("contacts", "import", str(tmp_path / "none.csv"))
    assert (code, "No such file" in output) == (66, True)
    code, output = await bridge.command("contacts", "export", "-o", str(tmp_path / "no/x.csv"))
    assert (code, "No such file or directory" in output) == (73, True)


async def test_many_wrong_lines_are_counted(bridge: Running, tmp_path: Path) -> None:
    file = tmp_path / "wrong.csv"
    file.write_text("phone\n" + "12\n" * 25)
    output = await said(bridge, "contacts", "import", str(file), "--preview")
    assert "25 wrong lines are skipped:" in output
    assert "line 21: bad parameter: wrong phone number" in output
    assert "line 22" not in output
    assert output.splitlines()[-1].strip() == "and 5 more"


async def test_an_export_of_many_pages_has_every_record(
    bridge: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.cli.directory._PAGE", 3)
    file = tmp_path / "people.csv"
    file.write_text("phone\n" + "".join(f"+38050{number:07}\n" for number in range(7)))
    await said(bridge, "contacts", "import", str(file), "--yes")
    exported = await said(bridge, "contacts", "export")
    assert exported.count("+38050") == 7


async def test_a_group_is_sent_to_by_its_name_as_a_send_out(
    bridge: Running, sandbox: Sandbox
) -> None:
    await said(bridge, "groups", "add", "Нічна зміна", "--number", "7")
    for phone in (FIRST, SECOND):
        await said(bridge, "contacts", "add", phone, "--group", "g7")
    smtp, _ = await bridge.ready()
    send = ("send", "--account", "crm", "--password", "secret12", "--server", str(smtp))
    await said(bridge, *send, "Нічна зміна", THIRD, "--text", "alarm")
    await sandbox.wait_for(3)
    assert {one.phone for one in sandbox.messages} == {FIRST, SECOND, THIRD}
    await said(bridge, *send, "g7", "--text", "slowly", "--name", "november", "--over", "2h")
    accepted = await bridge.event("submission_accepted", messages=2)
    assert accepted["name"] == "november"
    code, output = await bridge.command(*send, "nobody", "--text", "x")
    assert (code, "ERROR = 3" in output) == (65, True), output


async def test_without_a_daemon_the_directory_is_read_and_not_changed(bridge: Running) -> None:
    await said(bridge, "groups", "add", "Day")
    await said(bridge, "contacts", "add", FIRST, "--group", "Day")
    await bridge.terminate()
    assert FIRST in await said(bridge, "contacts", "list", "--group", "Day")
    assert FIRST in await said(bridge, "contacts", "export")
    code, output = await bridge.command("contacts", "delete", FIRST)
    assert (code, "the daemon does not run" in output) == (69, True)
    code, output = await bridge.command("contacts", "delete", FIRST, "--fmt", "3")
    assert code == 69, "another failure than one of the dialect"
    assert json.loads((await bridge.command("groups", "list", "--json"))[1])[0]["name"] == "Day"
