"""A virtual account: handled like any other, but nothing is sent to the API."""

from __future__ import annotations

from pathlib import Path

from bridge.sandbox import Sandbox
from bridge.smpp.protocol.pdu import MessageIdResp, Pdu
from tests.night_calls.asking import until
from tests.serving.clients import bound, change, connect
from tests.serving.daemon import serving, write_config
from tests.smpp.peer import a_submit


async def test_a_submit_is_answered_receipted_as_delivered_and_not_sent(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with serving(write_config(tmp_path, sandbox.url, account="virtual = true")) as bridge:
        peer = await bound(bridge)
        answer = await peer.ask("submit_sm", a_submit(registered_delivery=1))
        assert answer.command_status == 0
        assert isinstance(answer.body, MessageIdResp)
        receipt = await peer.read()
        assert receipt.command == "deliver_sm"
        assert b"stat:DELIVRD" in getattr(receipt.body, "short_message", b"")
        peer.write(Pdu("deliver_sm_resp", receipt.sequence_number, MessageIdResp(b"")))
        wrong = await peer.ask("submit_sm", a_submit(to=b"123"), number=2)
        assert wrong.command_status == 0x0B
        story = await until(bridge, "delivered", "trace", answer.body.message_id.decode())
        assert "nothing went to the API: the account is virtual" in story
        assert "the API says" not in story
        assert not sandbox.requests
        await peer.close()


async def test_a_new_account_may_be_virtual_after_a_reload(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with serving(write_config(tmp_path, sandbox.url)) as bridge:
        await bridge.ready()
        trial = '[accounts.trial]\npassword = "secret12"\nsender = "Shop"\nvirtual = true\n'
        change(bridge, ("[accounts.crm]", f"{trial}\n[accounts.crm]"))
        code, said = await bridge.command("reload")
        assert (code, said) == (0, "taken over     accounts.trial\n")
        peer = await connect(bridge)
        assert (await peer.bind(name=b"trial", password=b"secret12")).command_status == 0
        answer = await peer.ask("submit_sm", a_submit(registered_delivery=1))
        assert answer.command_status == 0
        assert (await peer.read()).command == "deliver_sm"
        assert not sandbox.requests
        change(bridge, ("virtual = true", "virtual = false"))
        code, said = await bridge.command("reload")
        assert (code, said) == (0, "needs restart  accounts.trial.virtual\n")
        await peer.close()


async def test_a_real_account_stays_real_until_a_restart(tmp_path: Path, sandbox: Sandbox) -> None:
    async with serving(write_config(tmp_path, sandbox.url, account="rate = 0")) as bridge:
        peer = await bound(bridge)
        change(bridge, ("rate = 0", "virtual = true"))
        for _ in range(2):
            code, said = await bridge.command("reload")
            assert (code, "needs restart  accounts.crm.virtual\n" in said) == (0, True)
            answer = await peer.ask("submit_sm", a_submit())
            assert answer.command_status == 0
        assert sandbox.message_count == 2
        await peer.close()
