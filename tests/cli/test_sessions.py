"""``sessions``: who is connected, and what a session did; ending sessions."""

from __future__ import annotations

from bridge.sandbox import Sandbox
from tests.night_calls.asking import said
from tests.running import Running
from tests.serving.clients import bound, listed
from tests.smpp.peer import a_submit
from tests.smtp.client import connected


async def test_sessions_are_listed_with_what_they_did(bridge: Running, sandbox: Sandbox) -> None:
    smtp, _ = await bridge.ready()
    peer = await bound(bridge)
    assert (await peer.ask("submit_sm", a_submit())).command_status == 0
    assert (await peer.ask("submit_sm", a_submit(to=b"123"))).command_status == 0x0B
    async with connected(smtp.port):
        first, second = await listed(bridge, "sessions", "list")
        assert (first["protocol"], first["account"]) == ("smtp", "")
        assert (second["protocol"], second["account"]) == ("smpp", "crm")
        assert (second["bind"], second["submitted"], second["refused"]) == ("transceiver", 2, 1)
        assert (second["window"], second["in_flight"]) == (1000, 0)
        assert second["last_error"] == "ESME_RINVDSTADR: wrong phone number"
        head, line = (await said(bridge, "sessions", "list", "--account", "crm")).splitlines()
        assert head.split()[:4] == ["id", "protocol", "bind", "account"]
        cells = line.split()
        assert cells[:4] == [second["id"], "smpp", "transceiver", "crm"]
        assert cells[6:10] == ["0/1000", "2", "1", "0"]
        [mail] = await listed(bridge, "sessions", "list", "--protocol", "smtp")
        assert mail["id"] == first["id"]
    await peer.close()


async def test_a_closed_session_is_unbound_or_hears_421(bridge: Running) -> None:
    smtp, _ = await bridge.ready()
    peer = await bound(bridge)
    async with connected(smtp.port) as client:
        for session in await listed(bridge, "sessions", "list"):
            assert await said(bridge, "sessions", "close", session["id"]) == "1 session ended.\n"
        assert (await client.reply()).startswith("421 ")
        assert (await peer.read()).command == "unbind"
        await peer.close()
    await bridge.event("unbound", reason="closed by an operator")
    await bridge.event("audit", action="close_sessions", account="")


async def test_all_sessions_of_an_account_are_closed(bridge: Running) -> None:
    peers = [await bound(bridge) for _ in range(2)]
    assert await listed(bridge, "sessions", "close", "--account", "crm") == {"count": 2}
    for peer in peers:
        assert (await peer.read()).command == "unbind"
        await peer.close()


async def test_what_is_not_open_is_not_found(bridge: Running) -> None:
    assert await said(bridge, "sessions", "list") == "No session is open.\n"
    for options, name in ((("smpp-99",), "smpp-99"), (("--account", "crm"), "crm")):
        code, output = await bridge.command("sessions", "close", *options)
        assert (code, output) == (66, f"Error: nothing found: no session of {name} is open\n")


async def test_one_session_or_one_account_must_be_named(bridge: Running) -> None:
    for options in ((), ("smpp-1", "--account", "crm")):
        code, output = await bridge.command("sessions", "close", *options)
        assert (code, "Give ID or --account." in output) == (64, True)


async def test_without_a_daemon_there_are_no_sessions_to_list(bridge: Running) -> None:
    await bridge.terminate()
    code, output = await bridge.command("sessions", "list")
    socket = bridge.config.parent / "admin.sock"
    assert code == 69
    assert output == f"Error: the daemon does not run: {socket}: No such file or directory\n"
