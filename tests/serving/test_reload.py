"""A reload with connected clients: changes take effect at once, and sessions stay."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.sandbox import Sandbox
from bridge.smpp.protocol.pdu import Pdu
from tests.serving.clients import bound, change, connect, listed
from tests.serving.daemon import Bridge, serving, write_config
from tests.smpp.peer import a_submit
from tests.smtp.client import connected


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Bridge]:
    config = write_config(tmp_path, sandbox.url, account="rate = 0")
    config.write_text(
        config.read_text()
        + """
        [accounts.erp]
        password = "secret12"
        sender = "Shop"
        """
    )
    async with serving(config) as bridge:
        yield bridge


async def reload(bridge: Bridge) -> list[str]:
    code, said = await bridge.command("reload")
    assert code == 0, said
    return said.splitlines()


async def test_a_lowered_limit_applies_to_open_sessions(bridge: Bridge) -> None:
    peer = await bound(bridge)
    for _ in range(3):
        assert (await peer.ask("submit_sm", a_submit())).command_status == 0
    change(bridge, ("rate = 0", "rate = 0.001\nwindow = 7"))
    assert await reload(bridge) == [
        "taken over     accounts.crm.rate",
        "taken over     accounts.crm.window",
    ]
    assert (await peer.ask("submit_sm", a_submit())).command_status == 0
    assert (await peer.ask("submit_sm", a_submit())).command_status == 0x58
    [session] = await listed(bridge, "sessions", "list")
    assert (session["window"], session["throttled"]) == (7, 1)
    await peer.close()


async def test_a_new_daily_limit_counts_earlier_messages_of_the_day(bridge: Bridge) -> None:
    peer = await bound(bridge)
    for _ in range(3):
        assert (await peer.ask("submit_sm", a_submit())).command_status == 0
    change(bridge, ("rate = 0", "daily_limit = 3"))
    await reload(bridge)
    assert (await peer.ask("submit_sm", a_submit())).command_status == 0x58
    await peer.close()


async def test_a_new_password_applies_to_the_next_login(bridge: Bridge) -> None:
    peer = await bound(bridge)
    old = '[accounts.crm]\n        password = "secret12"'
    change(bridge, (old, old.replace("secret12", "other-12")))
    bridge.process.send_signal(signal.SIGHUP)
    await bridge.event("reloaded", changed=["accounts.crm.password"])
    assert (await peer.ask("submit_sm", a_submit())).command_status == 0
    second = await connect(bridge)
    assert (await second.bind(password=b"secret12")).command_status == 0x0E
    assert (await second.bind(password=b"other-12")).command_status == 0
    await second.close()
    await peer.close()


async def test_a_removed_account_is_unbound_and_its_waiting_messages_are_held(
    bridge: Bridge, sandbox: Sandbox
) -> None:
    smtp, _ = await bridge.ready()
    gone, stays = await bound(bridge), await connect(bridge)
    assert (await stays.bind(name=b"erp", password=b"secret12")).command_status == 0
    await bridge.command("hold", "upstream", "cascade")
    assert (await gone.ask("submit_sm", a_submit(b"of crm"))).command_status == 0
    change(bridge, ("[accounts.crm]", "[accounts.desk]"))
    said = await reload(bridge)
    assert "held           the messages of crm; its sessions are ended" in said
    await gone.hear("unbind")
    await gone.close()
    await bridge.event("account_removed", account="crm", sessions=1)
    await bridge.command("release", "upstream", "cascade")
    assert (await stays.ask("submit_sm", a_submit(b"of erp"))).command_status == 0
    await sandbox.wait_for(1)
    assert [message.text for message in sandbox.messages] == ["of erp"]
    # The account is back, and its waiting messages are sent.
    change(bridge, ("[accounts.desk]", "[accounts.crm]"))
    await reload(bridge)
    await sandbox.wait_for(2)
    assert [message.text for message in sandbox.messages] == ["of erp", "of crm"]
    change(bridge, ("[accounts.crm]", "[accounts.desk]"))
    await reload(bridge)
    # A new account may log in.
    new = await connect(bridge)
    assert (await new.bind(name=b"desk", password=b"secret12")).command_status == 0
    assert (await new.ask("submit_sm", a_submit(b"of desk"))).command_status == 0
    await new.close()
    await stays.close()
    async with connected(smtp.port) as client:
        assert (await client.ask("NOOP")).startswith("250")


async def test_messages_of_an_unconfigured_account_are_held_until_it_is_back(
    bridge: Bridge, sandbox: Sandbox
) -> None:
    peer = await bound(bridge)
    await bridge.command("hold", "upstream", "cascade")
    assert (await peer.ask("submit_sm", a_submit(b"of crm"))).command_status == 0
    await bridge.kill()
    await peer.close()
    change(bridge, ("[accounts.crm]", "[accounts.desk]"))
    async with serving(bridge.config) as again:
        await again.event("account_unknown", account="crm")
        await again.command("release", "upstream", "cascade")
        erp = await connect(again)
        assert (await erp.bind(name=b"erp", password=b"secret12")).command_status == 0
        assert (await erp.ask("submit_sm", a_submit(b"of erp"))).command_status == 0
        assert [message.text for message in sandbox.messages] == ["of erp"]
        await erp.close()
        change(again, ("[accounts.desk]", "[accounts.crm]"))
        await reload(again)
        await sandbox.wait_for(2)


async def test_an_account_gets_upstream_keys_of_its_own(bridge: Bridge, sandbox: Sandbox) -> None:
    peer = await bound(bridge)
    change(bridge, ("rate = 0", 'cascade = {viber_auth_token = "crm-key"}'))
    await reload(bridge)
    assert (await peer.ask("submit_sm", a_submit(b"with its own"))).command_status == 0
    other = await connect(bridge)
    assert (await other.bind(name=b"erp", password=b"secret12")).command_status == 0
    assert (await other.ask("submit_sm", a_submit(b"with the common one"))).command_status == 0
    assert [message.keys for message in sandbox.messages] == [
        ("X-Viber-Auth-Token",),
        ("X-Authorization-Key",),
    ]
    await other.close()
    await peer.close()


async def test_a_new_key_is_tried_at_once_where_the_old_one_was_refused(
    bridge: Bridge, sandbox: Sandbox
) -> None:
    peer = await bound(bridge)
    change(bridge, ('"test-key"', '"wrong"'))
    await reload(bridge)
    peer.write(Pdu("submit_sm", 7, a_submit()))
    await bridge.event("upstream_held")
    change(bridge, ('"wrong"', '"test-key"'))
    await reload(bridge)
    assert (await peer.read()).command_status == 0
    assert sandbox.message_count == 1
    await bridge.event("upstream_released")
    await peer.close()


async def test_a_broken_file_changes_nothing_and_says_what_is_wrong(bridge: Bridge) -> None:
    peer = await bound(bridge)
    change(bridge, ("rate = 0", 'rate = "fast"'))
    code, said = await bridge.command("reload", "--config", str(bridge.config))
    assert code == 78
    assert "accounts.crm.rate" in said
    assert (await peer.ask("submit_sm", a_submit())).command_status == 0
    await peer.close()


async def test_what_needs_a_restart_is_named(bridge: Bridge) -> None:
    await bridge.ready()
    key = 'authorization_key = "test-key"'
    change(bridge, (key, f"{key}\nmax_batch = 7"))
    assert await reload(bridge) == ["needs restart  cascade.max_batch"]
    await bridge.event("reload_incomplete", key="cascade.max_batch")
