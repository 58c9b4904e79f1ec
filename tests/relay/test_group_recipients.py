"""Options of groups among the recipients, and recipients that one send-out cannot have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bridge.model.contact import Contact, Group
from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, MessageType, Route
from bridge.sandbox import Sandbox
from bridge.store.directory.contacts import add_contact
from bridge.store.directory.groups import add_group
from bridge.store.directory.staging import list_send_outs
from tests.relay.test_send_outs import FIRST, SECOND, group_of, to
from tests.relaying import reason_of, relaying


async def test_a_send_out_to_groups_has_one_text(tmp_path: Path) -> None:
    async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
        one = to(await group_of(bridge, FIRST), SECOND, name="May")
        other = one.recipients[1]._replace(text="other")
        outcome = await bridge.submit(one._replace(recipients=(one.recipients[0], other)))
        assert reason_of(outcome) is Reason.BAD_PARAMETER


async def test_groups_without_common_hours_are_refused(tmp_path: Path) -> None:
    async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
        await group_of(bridge, FIRST, hours="9-12")
        id = await bridge.directory.change(add_group, "crm", Group(0, "Late", hours="14-18"))
        await bridge.directory.change(add_contact, "crm", Contact(0, (SECOND,), groups=(id,)))
        outcome = await bridge.submit(to("G7", "Late"))
        assert isinstance(outcome, Failure)
        assert outcome.description == "bad parameter: the groups have no common hours"


@pytest.mark.parametrize(
    "differs", [{"message_type": MessageType.PROMO}, {"route": Route.TG_VIBER}]
)
async def test_its_messages_are_alike(tmp_path: Path, differs: dict[str, Any]) -> None:
    async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
        one = to(FIRST, SECOND, name="May")
        other = one.recipients[1]._replace(**differs)
        outcome = await bridge.submit(one._replace(recipients=(one.recipients[0], other)))
        assert isinstance(outcome, Failure)
        assert outcome.reason is Reason.BAD_PARAMETER


async def test_a_name_is_one_line_and_a_duration_has_a_limit(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        outcome = await bridge.submit(to(FIRST, name=" a\n b\0"))
        assert isinstance(outcome, Accepted)
        assert [one.name for one in await bridge.store.look_up(list_send_outs, "crm")] == ["a b"]
        for wrong in ({"name": "x" * 256}, {"spread": 30 * 86400 + 1}):
            refused = await bridge.submit(to(FIRST, SECOND, **wrong))
            assert isinstance(refused, Failure)
            assert refused.reason is Reason.BAD_PARAMETER
