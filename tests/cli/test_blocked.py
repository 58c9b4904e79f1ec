"""``blocked``: who is locked out after wrong passwords, and how to let them in again."""

from __future__ import annotations

from tests.night_calls.asking import said
from tests.running import Running
from tests.serving.clients import bound, connect, listed


async def lock_out(bridge: Running) -> None:
    for _ in range(10):
        peer = await connect(bridge)
        assert (await peer.bind(password=b"wrong")).command_status == 0x0E
        await peer.close()
    peer = await connect(bridge)
    assert (await peer.bind(password=b"secret12")).command_status == 0x0D
    await peer.close()


async def test_a_blocked_client_is_found_with_its_attempts_and_let_in_again(
    bridge: Running,
) -> None:
    await lock_out(bridge)
    address, account = await listed(bridge, "blocked", "list")
    assert (address["address"], address["account"], address["attempts"]) == ("127.0.0.1", "", 10)
    assert (account["account"], account["names"]) == ("crm", ["crm"])
    head, first, second = (await said(bridge, "blocked", "list")).splitlines()
    assert " ".join(head.split()) == ("address account until attempts first last tried as")
    assert (first.split()[:2], second.split()[:2]) == (["127.0.0.1", "all"], ["127.0.0.1", "crm"])
    assert first.split()[-1] == "crm"
    assert await said(bridge, "blocked", "lift", "127.0.0.1") == "2 blocks lifted.\n"
    await (await bound(bridge)).close()
    await bridge.event("audit", action="lift_block", address="127.0.0.1", blocks=2)


async def test_the_block_of_one_account_is_lifted_alone(bridge: Running) -> None:
    await lock_out(bridge)
    one = ("blocked", "lift", "127.0.0.1", "--account", "crm")
    assert await said(bridge, *one) == "1 block lifted.\n"
    [left] = await listed(bridge, "blocked", "list")
    assert left["account"] == ""
    assert await listed(bridge, "blocked", "lift", "127.0.0.1") == {"count": 1}


async def test_an_address_that_is_not_blocked_is_not_found(bridge: Running) -> None:
    assert await said(bridge, "blocked", "list") == "Nobody is blocked.\n"
    code, output = await bridge.command("blocked", "lift", "192.0.2.7")
    assert (code, output) == (66, "Error: nothing found: 192.0.2.7 is not blocked\n")
