"""The types of results: what both engines return is what the types say, to the last field."""

from __future__ import annotations

import types
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from bridge.model.message import Message, State, Stored
from bridge.model.notice import MAIL, Owed, Told, UnjoinedPart
from bridge.store import (
    Acceptance,
    Alias,
    AnsweredIncoming,
    Change,
    Gathered,
    Lane,
    Noted,
    Part,
    Receivers,
    Store,
    Story,
)
from tests.samples import NOW, message
from tests.store.samples import BOTH, CRM, asking, delivered, incoming, part


def mistakes(value: Any, kind: Any, where: str = "result") -> list[str]:
    """Where a value is not of this type. Exact: a bool is no int, and a list no tuple."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        found = [mistakes(value, one, where) for one in arguments]
        return [] if [] in found else found[0]
    if origin in (tuple, list):
        if type(value) is not origin:
            return [f"{where} is a {type(value).__name__}"]
        return [bad for one in value for bad in mistakes(one, arguments[0], where)]
    if type(value) is not kind:
        is_enum = isinstance(kind, type) and issubclass(kind, Enum) and isinstance(value, kind)
        return [] if is_enum else [f"{where} is a {type(value).__name__}"]
    if hasattr(kind, "_fields"):
        hints = get_type_hints(kind)
        return [
            bad
            for name in kind._fields
            for bad in mistakes(getattr(value, name), hints[name], f"{kind.__name__}.{name}")
        ]
    return []


async def test_results_are_of_the_types_that_the_interface_declares(store: Store) -> None:
    results: list[tuple[object, object]] = []
    aliases = (Alias(20, 1, int(BOTH)),)
    one = asking(1, options=("a",), scheduled_at=NOW, reference="r")
    await store.accept(Acceptance((one,), aliases=aliases))
    await store.accept(Acceptance((message(2),)))
    results.append((await store.lanes(), list[Lane]))
    results.append((await store.waiting(Lane("crm", 4, "async"), NOW, 9), list[Message]))
    results.append((await store.next_due(NOW - 1), int))
    results.append((await store.begin(900, [one]), frozenset))
    await store.finish(900, [Change(1, State.SENT, "up-1", poll_at=NOW)])
    results.append((await store.to_poll(NOW, 9), list[Stored]))
    results.append((await store.note_statuses([delivered(1, cost="0.1")]), list[Noted]))
    await store.take_incoming([(incoming(50), [CRM, MAIL])])
    owed = await store.claim_notices(CRM, NOW + 60, 9)
    results.append((owed, list[Owed]))
    await store.told([Told(owed[0].notice.id, True, "taken")])
    results.append((await store.from_phones("50", 9), list[AnsweredIncoming]))
    results.append((await store.story(20), Story))
    results.append((await store.move([2, 3], State.HELD), list[int]))
    results.append((await store.find("r", 9), list[Stored]))
    await store.note_receivers("crm", True)
    results.append((await store.receivers("crm"), list[Receivers]))
    for n in (1, 2, 3):
        results.append((await store.add_part(part(60 + n, n), 0), Gathered))
    results.append((await store.unjoined(61), UnjoinedPart))
    results.append((await store.expired_parts(NOW + 1, 9), list[Part]))
    results.append((await store.unjoined(61), UnjoinedPart))
    results.append((await store.expire_notices(NOW + 9, NOW + 9, 9), int))
    assert all(result for result, _ in results[:3])
    assert [bad for result, kind in results for bad in mistakes(result, kind)] == []


def test_each_effect_of_a_status_has_words_of_its_own() -> None:
    assert len({noted.value for noted in Noted}) == len(Noted.__members__) == 5
