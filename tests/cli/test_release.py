"""``release``: messages of a held account or upstream are sent."""

from __future__ import annotations

from bridge.sandbox import Sandbox
from tests.night_calls.asking import said
from tests.running import Running
from tests.serving.clients import bound, listed
from tests.smpp.peer import a_submit


async def test_messages_that_waited_are_sent(bridge: Running, sandbox: Sandbox) -> None:
    await said(bridge, "hold", "account", "crm")
    peer = await bound(bridge)
    assert (await peer.ask("submit_sm", a_submit())).command_status == 0
    assert await said(bridge, "release", "account", "crm") == "The account crm is released.\n"
    await sandbox.wait_for(1)
    await bridge.event("audit", action="release", scope="account")
    await peer.close()


async def test_the_answer_for_programs_names_what_is_released(bridge: Running) -> None:
    await said(bridge, "hold", "upstream", "cascade")
    released = await listed(bridge, "release", "upstream", "cascade")
    assert released == {"scope": "upstream", "name": "cascade"}
    assert await listed(bridge, "hold") == []


async def test_what_is_not_held_is_not_found(bridge: Running) -> None:
    for scope, name, words in (
        ("account", "crm", "account crm is not held"),
        ("account", "nobody", "no account nobody"),
        ("upstream", "cascade", "upstream cascade is not held"),
    ):
        code, output = await bridge.command("release", scope, name)
        assert (code, output) == (66, f"Error: nothing found: {words}\n")


async def test_both_the_kind_and_the_name_are_needed(bridge: Running) -> None:
    for arguments in ((), ("account",)):
        assert (await bridge.command("release", *arguments))[0] == 64
    await bridge.terminate()
    assert (await bridge.command("release", "account", "crm"))[0] == 69
