"""What the connections of one listener share."""

from __future__ import annotations

from bridge.config.settings import settings_from
from bridge.smpp.protocol.command_status import CommandStatus
from tests.smpp.peer import a_submit, bridge


async def test_connections_are_numbered_from_the_listeners_start() -> None:
    async with bridge() as one, bridge() as other:
        for running in (one, other):
            for _ in range(2):
                await running.bound()
            assert [info.id for info in running.listener.sessions()] == ["smpp-1", "smpp-2"]


async def test_replaced_settings_are_those_of_new_connections() -> None:
    async with bridge({"system_id": "before"}) as running:
        old = await running.connect()
        settings = settings_from(
            {"smpp": {"listen": ["127.0.0.1:0"], "system_id": "after", "max_connections": 1}}
        )
        running.listener.reload(settings.smpp)
        resp = await old.bind()
        assert resp.body == (b"after",)
        # The limit counts for the next connection, and ends none.
        late = await running.connect()
        assert (await late.bind()).command_status != CommandStatus.ESME_ROK
        assert (await old.ask("submit_sm", a_submit())).command_status == CommandStatus.ESME_ROK


async def test_a_connection_that_was_accepted_too_late_is_dropped() -> None:
    async with bridge() as running:
        peer = await running.bound()
        running.listener._services.closing = True
        assert await (await running.connect()).ends()
        # What is bound goes on until its own end.
        assert (await peer.ask("enquire_link")).command == "enquire_link_resp"
