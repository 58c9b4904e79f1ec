"""``nodes``: the nodes that share the store, with their health."""

from __future__ import annotations

import os
import socket

from bridge import __version__
from tests.night_calls.asking import said
from tests.running import Running
from tests.serving.clients import bound, listed


async def test_the_only_node_is_listed(bridge: Running) -> None:
    peer = await bound(bridge)
    head, row = (await said(bridge, "nodes")).splitlines()
    assert " ".join(head.split()) == (
        "node host pid version up for health sessions in flight accepted sent log"
    )
    cells = row.split()
    assert cells[:4] == ["0", socket.gethostname(), str(os.getpid()), __version__]
    assert cells[5:7] == ["ready", "1"]
    assert cells[-1] == "info"
    [node] = await listed(bridge, "nodes")
    assert (node["node"], node["missing"], node["in_flight"]) == (0, [], 0)
    await peer.close()


async def test_the_trouble_of_a_node_is_named(bridge: Running) -> None:
    await said(bridge, "hold", "upstream", "cascade")
    held = "upstream cascade is held: by an operator"
    assert held in await said(bridge, "nodes")
    [node] = await listed(bridge, "nodes")
    assert node["missing"] == [held]


async def test_without_a_daemon_no_node_is_listed(bridge: Running) -> None:
    await bridge.terminate()
    code, output = await bridge.command("nodes")
    assert (code, "the daemon does not run" in output) == (69, True)
