"""``drain``: the bridge finishes and answers requests in flight, and stops."""

from __future__ import annotations

import asyncio

from bridge.sandbox import Sandbox
from tests.night_calls.asking import said
from tests.running import Running
from tests.serving.clients import bound, listed
from tests.smpp.peer import a_submit


async def test_requests_in_flight_are_answered_before_the_stop(
    bridge: Running, sandbox: Sandbox
) -> None:
    sandbox.fault("slow", seconds=1)
    peer = await bound(bridge)
    asked = asyncio.create_task(peer.ask("submit_sm", a_submit()))
    await sandbox.wait_for(1)
    assert await said(bridge, "drain") == "The bridge stops; 1 session will be ended.\n"
    assert (await asked).command_status == 0
    await bridge.ended()
    await bridge.event("audit", action="drain", sessions=1)
    await peer.close()


async def test_the_number_of_sessions_is_told(bridge: Running) -> None:
    assert await listed(bridge, "drain", "--all") == {"count": 0}
    await bridge.ended()
    code, output = await bridge.command("drain")
    assert (code, "the daemon does not run" in output) == (69, True)


async def test_a_node_that_is_not_there_is_not_found(bridge: Running) -> None:
    code, output = await bridge.command("drain", "--node", "2")
    assert (code, output) == (66, "Error: nothing found: no node 2\n")
    code, output = await bridge.command("drain", "--node", "0", "--all")
    assert (code, "Give --node or --all." in output) == (64, True)
    assert await said(bridge, "drain", "--node", "0") == (
        "The bridge stops; 0 sessions will be ended.\n"
    )
