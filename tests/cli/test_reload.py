"""``reload``: new settings are taken over, and what needs a restart is named."""

from __future__ import annotations

from tests.night_calls.asking import said
from tests.running import Running
from tests.serving.clients import bound, change, listed


async def test_what_is_taken_over_and_what_needs_a_restart_is_named(bridge: Running) -> None:
    assert await said(bridge, "reload") == "Nothing has changed.\n"
    change(
        bridge, ("[accounts.crm]", "[accounts.crm]\nrate = 5"), ("[smpp]", "[smpp]\nproxies = []")
    )
    change(bridge, ('listen = ["127.0.0.1:0"]', 'listen = ["127.0.0.1:0", "[::1]:0"]'))
    taken, *restart = (await said(bridge, "reload")).splitlines()
    assert taken == "taken over     accounts.crm.rate"
    assert restart == [f"needs restart  {table}.listen" for table in ("smtp", "smpp", "admin")]


async def test_messages_of_a_removed_account_are_held(bridge: Running) -> None:
    text = bridge.config.read_text()
    erp = '[accounts.erp]\npassword = "secret12"\nsender = "Shop"\n'
    bridge.config.write_text(text + erp)
    await said(bridge, "reload")
    bridge.config.write_text(text)
    assert "held           the messages of erp; its sessions are ended\n" in (
        await said(bridge, "reload")
    )


async def test_invalid_settings_change_nothing_and_are_listed(bridge: Running) -> None:
    peer = await bound(bridge)
    change(bridge, ("[accounts.crm]", "[accounts.crm]\nrate = true\ncolour = 1"))
    code, output = await bridge.command("reload")
    assert code == 78
    first, *mistakes = output.splitlines()
    assert first == "Error: bad parameter: the configuration has 2 mistakes; nothing changed"
    assert len(mistakes) == 2
    assert all(line.startswith(f"  {bridge.config}: accounts.crm.") for line in mistakes)
    assert "found true; allowed: " in "".join(mistakes)
    assert len(await listed(bridge, "sessions", "list")) == 1
    await bridge.event("reload_failed")
    await peer.close()


async def test_programs_get_the_keys_as_lists(bridge: Running) -> None:
    change(bridge, ("[accounts.crm]", "[accounts.crm]\nrate = 5"))
    assert await listed(bridge, "reload") == {
        "changed": ["accounts.crm.rate"],
        "need_restart": [],
        "removed_accounts": [],
        "failed": {},
    }
    await bridge.terminate()
    assert (await bridge.command("reload"))[0] == 69
