"""Changes of waiting messages: held, released, replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.model.message import (
    Accepted,
    State,
)
from bridge.sandbox import Sandbox
from bridge.store import StoreFull
from tests.relaying import relaying
from tests.samples import numbered, submission

QUEUED: dict[str, dict[str, Any]] = {"crm": {"answer": "queued"}}


async def test_a_replacement_that_is_stored_is_said_though_the_store_is_away_right_after(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with relaying(tmp_path, sandbox, accounts=QUEUED) as bridge:
        await bridge.dispatcher.set_hold("account", "crm", True)
        outcome = await bridge.submit(submission())
        assert isinstance(outcome, Accepted)

        async def fail(*_: object) -> Any:
            raise StoreFull("the store is away")

        with monkeypatch.context() as broken:
            for question in ("lanes", "next_due"):
                broken.setattr(bridge.store, question, fail)
            await bridge.relay.replace(bridge.account(), outcome.id, text="another")
        await bridge.dispatcher.set_hold("account", "crm", False)
        await sandbox.wait_for(1)
        assert [one.text for one in sandbox.messages] == ["another"]


async def test_one_message_can_be_held_and_released(tmp_path: Path, sandbox: Sandbox) -> None:
    async with relaying(tmp_path, sandbox, accounts={"crm": {"answer": "queued"}}) as bridge:
        await bridge.dispatcher.set_hold("upstream", "cascade", True)
        outcome = await bridge.submit(submission())
        assert isinstance(outcome, Accepted)
        stored = await bridge.relay.query(bridge.account(), outcome.id)
        assert await bridge.dispatcher.move(stored, State.HELD) == [outcome.id]
        await bridge.dispatcher.set_hold("upstream", "cascade", False)
        await bridge.submit(numbered(1))
        await bridge.drained()
        assert sandbox.message_count == 1
        stored = await bridge.relay.query(bridge.account(), outcome.id)
        assert await bridge.dispatcher.move(stored, State.ACCEPTED) == [outcome.id]
        await bridge.drained()
        assert sandbox.message_count == 2
