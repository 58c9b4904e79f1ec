"""Operating several nodes on one PostgreSQL: a command to any node works on all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bridge.sandbox import Sandbox
from tests.night_calls.asking import page
from tests.serving.clients import bound, change, connect, listed
from tests.serving.daemon import Bridge, serving, write_config
from tests.smpp.peer import Peer
from tests.store.conftest import database, postgres  # noqa: F401 - fixtures


def config_of(folder: Path, api: str, database: str) -> Path:  # noqa: F811
    folder.mkdir()
    path = write_config(folder, api, account="rate = 0")
    text = path.read_text().replace(f"sqlite:///{folder}/bridge.db", database)
    path.write_text(text.replace("[smtp]", 'lease = "60s"\n[smtp]'))
    return path


@pytest.fixture
async def nodes(tmp_path: Path, database: str) -> AsyncIterator[list[Bridge]]:  # noqa: F811
    """The first two nodes, and a session of ``crm`` at each."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox())
        found = []
        for name in ("first", "second"):
            config = config_of(tmp_path / name, sandbox.url, database)
            found.append(await stack.enter_async_context(serving(config)))
            await found[-1].ready()
        yield found


@pytest.fixture
async def peers(nodes: list[Bridge]) -> AsyncIterator[list[Peer]]:
    found = [await bound(node) for node in nodes]
    yield found
    for peer in found:
        await peer.close()


async def test_the_nodes_are_listed_with_their_health(nodes: list[Bridge]) -> None:
    first, second = nodes
    rows = await listed(first, "nodes")
    assert [row["pid"] for row in rows] == [first.process.pid, second.process.pid]
    assert [row["missing"] for row in rows] == [[], []]
    assert len({row["node"] for row in rows}) == 2
    code, said = await second.command("nodes")
    assert code == 0
    assert [line.split()[2] for line in said.splitlines()[1:]] == [
        str(first.process.pid),
        str(second.process.pid),
    ]
    _, said = await first.command("top", "--once")
    assert any(
        line.startswith(f"node      {rows[1]['node']} ") and " ready" in line
        for line in said.splitlines()
    )
    assert "Other nodes" in await page(first, "/")


async def test_a_node_that_does_not_answer_is_named(nodes: list[Bridge]) -> None:
    first, second = nodes
    [_, row] = await listed(first, "nodes")
    await second.kill()
    [_, silent] = await listed(first, "nodes")
    assert (silent["node"], silent["missing"]) == (row["node"], ["it does not answer"])


async def test_sessions_of_all_nodes_are_listed_and_closed(
    nodes: list[Bridge], peers: list[Peer]
) -> None:
    numbers = [row["node"] for row in await listed(nodes[0], "nodes")]
    sessions = await listed(nodes[0], "sessions", "list")
    assert [one["node"] for one in sessions] == numbers
    assert [one["id"] for one in sessions] == [f"smpp-1@{number}" for number in numbers]
    [account] = await listed(nodes[0], "accounts", "list")
    assert account["binds"] == 2
    _, said = await nodes[1].command("sessions", "list")
    assert said.split()[0] == "node"
    assert " Node " in await page(nodes[0], "/sessions")
    code, said = await nodes[0].command("sessions", "close", sessions[1]["id"])
    assert (code, said) == (0, "1 session ended.\n")
    await peers[1].hear("unbind")
    # The other one goes when its peer has answered, or soon after.
    async with asyncio.timeout(60):
        while len(left := await listed(nodes[1], "sessions", "list")) > 1:
            pass
    assert left[0]["id"] == sessions[0]["id"]
    again = await bound(nodes[1])
    code, said = await nodes[1].command("sessions", "close", "--account", "crm")
    assert (code, said) == (0, "2 sessions ended.\n")
    for peer in (peers[0], again):
        await peer.hear("unbind")
    await again.close()
    await peers[0].close()
    async with asyncio.timeout(60):
        while (ended := await nodes[1].command("sessions", "close", "--account", "crm"))[0] == 0:
            pass
    assert ended[0] == 66


async def test_a_block_is_seen_and_lifted_from_another_node(nodes: list[Bridge]) -> None:
    first, second = nodes
    for _ in range(10):
        peer = await connect(second)
        await peer.bind(password=b"wrong")
        await peer.close()
    blocked = await listed(first, "blocked", "list")
    assert {one["account"] for one in blocked} == {"", "crm"}
    code, said = await first.command("blocked", "lift", "127.0.0.1")
    assert (code, said) == (0, "2 blocks lifted.\n")
    await (await bound(second)).close()


async def test_a_reload_reaches_every_node_and_says_which_kept_its_settings(
    nodes: list[Bridge],
) -> None:
    first, second = nodes
    for node in nodes:
        change(node, ("rate = 0", "rate = 5"))
    code, said = await first.command("reload")
    assert (code, said) == (0, "taken over     accounts.crm.rate\n")
    for node in nodes:
        await node.event("reloaded", changed=["accounts.crm.rate"])
    change(first, ("rate = 5", "rate = 6"))
    change(second, ("rate = 5", "rate = true"))
    code, said = await first.command("reload")
    assert code == 78
    number = (await listed(first, "nodes"))[1]["node"]
    assert "taken over     accounts.crm.rate\n" in said
    assert f"node {number} kept its settings: " in said
    assert "accounts.crm.rate" in said.splitlines()[-1]


async def test_the_log_level_is_set_at_every_node(nodes: list[Bridge]) -> None:
    first, second = nodes
    code, said = await first.command("log-level", "debug", "--for", "10m")
    assert code == 0
    assert said.splitlines()[0].startswith("debug, until ")
    answer = await listed(second, "log-level")
    assert answer["level"] == "debug"
    assert set(answer["nodes"].values()) == {"debug"}
    for node in nodes:
        await node.event("audit", action="set_log_level", log_level="debug")
    found = await listed(first, "audits")
    assert sum(one["action"] == "set_log_level" for one in found) == 2


async def test_a_node_is_drained_from_another_one(nodes: list[Bridge]) -> None:
    first, second = nodes
    number = str((await listed(first, "nodes"))[1]["node"])
    code, said = await first.command("drain", "--node", "63")
    assert code == 66
    assert "no node 63" in said
    code, _ = await first.command("drain", "--node", number)
    assert code == 0
    assert await second.ended() == 0
    assert len(await listed(first, "nodes")) == 1
    assert (await first.command("drain", "--all"))[0] == 0
    assert await first.ended() == 0
