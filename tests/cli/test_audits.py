"""``audits``: who read texts and who changed something."""

from __future__ import annotations

import getpass

import httpx

from tests.night_calls.asking import said, submit
from tests.running import Running
from tests.serving.clients import bound, listed
from tests.serving.daemon import OPERATE


async def test_changes_are_listed_with_their_author_the_newest_first(bridge: Running) -> None:
    assert await said(bridge, "audits") == "No texts were read, and nothing was changed.\n"
    await said(bridge, "hold", "account", "crm")
    await said(bridge, "release", "account", "crm")
    head, *rows = (await said(bridge, "audits")).splitlines()
    assert head.split() == ["at", "action", "by", "about"]
    assert [row.split()[1] for row in rows] == ["release", "hold"]
    assert rows[0].split()[2] == getpass.getuser()
    assert rows[0].endswith("scope account, name crm")
    [newest] = await listed(bridge, "audits", "--limit", "1")
    assert (newest["action"], newest["about"]) == ("release", {"scope": "account", "name": "crm"})


async def test_those_of_one_message(bridge: Running) -> None:
    peer = await bound(bridge)
    first, second = [await submit(peer, to) for to in (b"380501234567", b"380671234567")]
    headers = {"Authorization": f"Bearer {OPERATE}"}
    async with httpx.AsyncClient(
        base_url=await bridge.api(), headers=headers, timeout=30
    ) as client:
        assert (await client.get(f"/api/v1/texts/{second}")).status_code == 200
    [read] = await listed(bridge, "audits", "--id", str(second))
    assert (read["action"], read["about"]["id"]) == ("show_text", str(second))
    assert await said(bridge, "audits", "--id", str(first)) == (
        "Nobody read or changed this message.\n"
    )
    await peer.close()


async def test_without_a_daemon_there_are_none(bridge: Running) -> None:
    await bridge.terminate()
    code, output = await bridge.command("audits")
    assert (code, "the daemon does not run" in output) == (69, True)
    assert (await bridge.command("audits", "--limit", "0"))[0] == 64
