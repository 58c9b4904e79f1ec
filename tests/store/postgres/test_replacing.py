"""Messages that replace waiting ones: the store sees messages that its caller has not seen."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bridge.model.message import MessageType, State
from bridge.store import Acceptance, Change, MoreWait, SeenWaiting, Superseded
from tests.samples import message
from tests.store.postgres.nodes import Nodes


def replacing(id: int, *seen: int, kind: MessageType | None = None, **fields: Any) -> Acceptance:
    """A message that replaces all that its node has seen waiting."""
    superseded = tuple(Superseded(one, by=id) for one in seen)
    waiting = SeenWaiting(frozenset(seen), kind)
    return Acceptance((message(id, **fields),), superseded=superseded, seen=waiting)


async def test_a_message_that_was_not_seen_makes_the_caller_look_again(nodes: Nodes) -> None:
    first, second = await nodes.open(), await nodes.open()
    await first.accept(Acceptance((message(1),)))
    with pytest.raises(MoreWait):
        await second.accept(replacing(2))
    assert await second.message(2) is None
    await second.accept(replacing(2, 1))
    states = [one.state for one in await first.messages([1, 2])]
    assert states == [State.CANCELLED, State.ACCEPTED]


@pytest.mark.parametrize(
    "other",
    [
        {"sender": "Other"},
        {"phone": "+380671234567"},
        {"account": "shop"},
        {"message_type": MessageType.PROMO},
    ],
    ids=lambda other: str(*other),
)
async def test_other_messages_are_not_replaced(nodes: Nodes, other: dict[str, Any]) -> None:
    store = await nodes.open()
    await store.accept(Acceptance((message(1, **other),)))
    await store.accept(replacing(2, kind=MessageType.TRANSACTION))
    assert await store.backlog() == 2


async def test_only_waiting_and_held_messages_are_replaced(nodes: Nodes) -> None:
    store = await nodes.open()
    await store.accept(Acceptance((message(1), message(2))))
    await store.finish(0, [Change(1, State.SENT, "up-1")])
    await store.move([2], State.HELD)
    with pytest.raises(MoreWait):
        await store.accept(replacing(3))
    await store.accept(replacing(3, 2))


async def test_in_one_group_only_those_that_have_not_seen_enough_are_refused(
    nodes: Nodes,
) -> None:
    store = await nodes.open()
    await store.accept(Acceptance((message(1),)))
    answers = await asyncio.gather(
        store.accept(replacing(2)),
        store.accept(Acceptance((message(3, phone="+380671234567"),))),
        store.accept(replacing(4, 1)),
        return_exceptions=True,
    )
    assert isinstance(answers[0], MoreWait)
    assert list(answers[1:]) == [{}, {}]


async def test_of_two_that_replace_at_two_nodes_at_once_one_has_to_look_again(
    nodes: Nodes,
) -> None:
    first, second = await nodes.open(), await nodes.open()
    for id in range(10, 50, 2):
        phone = f"+3805012345{id}"
        answers = await asyncio.gather(
            first.accept(replacing(id, phone=phone)),
            second.accept(replacing(id + 1, phone=phone)),
            return_exceptions=True,
        )
        assert sorted(map(str, map(type, answers))) == sorted(map(str, (dict, MoreWait)))
