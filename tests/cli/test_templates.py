"""``templates``: texts with variables, by name or id."""

from __future__ import annotations

from bridge.sandbox import Sandbox
from tests.night_calls.asking import said
from tests.running import Running
from tests.serving.clients import listed

TEXT = "{name}, замовлення {order} готове"


async def test_a_template_is_added_changed_and_deleted(bridge: Running) -> None:
    add = ("templates", "add", "ready", TEXT, "--sender", "Shop")
    assert await said(bridge, *add) == "Added (id 1).\n"
    [template] = await listed(bridge, "templates", "list")
    assert (template["name"], template["message"]) == ("ready", TEXT)
    assert (template["variables"], template["sender"]) == (["name", "order"], "Shop")
    assert await said(bridge, "templates", "change", "ready", "--message", "done") == "Changed.\n"
    shown = await said(bridge, "templates", "show", "1", "--fmt", "1")
    assert shown == "1,sms,done,ready,Shop,0\n"
    assert await said(bridge, "templates", "delete", "1") == "Deleted.\n"
    assert await said(bridge, "templates", "list") == "There are no templates.\n"


async def test_templates_are_a_table(bridge: Running) -> None:
    await said(bridge, "templates", "add", "ready", TEXT)
    head, row = (await said(bridge, "templates", "list")).splitlines()
    assert head.split() == ["id", "name", "variables", "sender", "message"]
    assert " ".join(row.split()) == f"1 ready name, order - {TEXT}"


async def test_an_unknown_template_is_not_found(bridge: Running) -> None:
    for command in (("show", "x"), ("change", "x", "--message", "y"), ("delete", "x")):
        code, output = await bridge.command("templates", *command)
        assert (code, "no such template" in output) == (66, True), output
    code, output = await bridge.command("templates", "show", "x", "--fmt", "0")
    assert (code, output) == (66, "ERROR = 3 (record not found)\n")


async def test_a_message_is_sent_with_the_values_of_the_variables(
    bridge: Running, sandbox: Sandbox
) -> None:
    await said(bridge, "templates", "add", "ready", TEXT)
    smtp, _ = await bridge.ready()
    login = ("--account", "crm", "--password", "secret12", "--server", str(smtp))
    send = ("send", "+380501234567", *login, "--template", "ready", "--var", "name=Анна")
    code, output = await bridge.command(*send)
    assert (code, "ERROR = 1" in output) == (65, True), output
    await said(bridge, *send, "--var", "order=17")
    assert [one.text for one in sandbox.messages] == ["Анна, замовлення 17 готове"]
    code, output = await bridge.command("send", "+380501234567", *login, "--template", "nothing")
    assert (code, "ERROR = 3" in output) == (65, True), output


async def test_an_export_is_what_import_reads(bridge: Running) -> None:
    await said(bridge, "templates", "add", "ready", TEXT)
    csv = (await said(bridge, "templates", "export")).removeprefix("\ufeff")
    assert csv.splitlines()[0] == "name,message,format,sender,flag"
    file = bridge.config.parent / "templates.csv"
    file.write_text(csv + "late,come later,sms,,0\n")
    result = await listed(bridge, "templates", "import", str(file), "--yes")
    assert (result["added"], result["changed"], result["unchanged"]) == (1, 0, 1)
