"""``hold``: messages of an account or an upstream wait until ``release``, over restarts too."""

from __future__ import annotations

import pytest

from bridge.sandbox import Sandbox
from tests.night_calls.asking import said
from tests.running import Running, running
from tests.serving.clients import bound, listed
from tests.smpp.peer import a_submit


@pytest.mark.parametrize("what", [("account", "crm"), ("upstream", "cascade")])
async def test_a_hold_stops_new_messages_and_survives_a_restart(
    what: tuple[str, str], bridge: Running, sandbox: Sandbox
) -> None:
    assert await said(bridge, "hold", *what) == f"The {' '.join(what)} is held.\n"
    peer = await bound(bridge)
    # The client need not wait for a result that cannot come.
    assert (await peer.ask("submit_sm", a_submit())).command_status == 0
    await peer.close()
    await bridge.terminate()
    async with running(bridge.config) as second:
        assert await listed(second, "hold") == [{"scope": what[0], "name": what[1]}]
        assert not sandbox.messages
        await said(second, "release", *what)
        await sandbox.wait_for(1)


async def test_holds_are_listed_with_a_daemon_and_without(bridge: Running) -> None:
    assert await said(bridge, "hold") == "Nothing is held.\n"
    held = await listed(bridge, "hold", "upstream", "cascade")
    assert held == {"scope": "upstream", "name": "cascade"}
    for _ in range(2):
        assert await said(bridge, "hold") == "held      name\nupstream  cascade\n"
        await bridge.terminate()
    code, output = await bridge.command("hold", "account", "crm")
    assert (code, "the daemon does not run" in output) == (69, True)


async def test_unknown_names_are_not_found(bridge: Running) -> None:
    for scope, words in (("account", "no account nobody"), ("upstream", "no upstream nobody")):
        code, output = await bridge.command("hold", scope, "nobody")
        assert (code, output) == (66, f"Error: nothing found: {words}\n")
    code, output = await bridge.command("hold", "account")
    assert (code, "Give the name of the account." in output) == (64, True)
    assert (await bridge.command("hold", "planet", "earth"))[0] == 64
