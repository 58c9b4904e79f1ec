"""Messages found by the Message-ID of their mail."""

from __future__ import annotations

import orjson

from bridge.model.ids import first_id
from bridge.store import Acceptance, Store
from bridge.store.operating.finding import find_by_message_id
from tests.samples import NOW, message

STRANGE = '<17_4%a\\"b@erp.example.com>'


async def accept(store: Store, id: int, message_id: str) -> None:
    envelope = orjson.dumps({"message_id": message_id}).decode()
    await store.accept(Acceptance((message(id, envelope=envelope),)))


async def found(store: Store, message_id: str, since: int = 0, limit: int = 9) -> list[int]:
    messages = await store.look_up(find_by_message_id, message_id, limit, since)
    return [one.message.id for one in messages]


async def test_a_mail_is_found_by_its_message_id_with_or_without_brackets(store: Store) -> None:
    await accept(store, 101, STRANGE)
    await store.accept(Acceptance((message(102),)))
    for text in (STRANGE, STRANGE.strip("<>")):
        assert await found(store, text) == [101]
    await accept(store, 103, "no-brackets@erp.example.com")
    assert await found(store, "<no-brackets@erp.example.com>") == [103]


async def test_a_mail_is_not_found_by_a_part_of_its_message_id(store: Store) -> None:
    await accept(store, 101, "<11@a.example.com>")
    for part in ("1@a.example.com", "<11@a.example", "@"):
        assert await found(store, part) == []


async def test_a_subject_is_no_message_id(store: Store) -> None:
    record = {"message_id": "<1@a.example>", "subject": '"message_id":"<2@a.example>"'}
    await store.accept(Acceptance((message(101, envelope=orjson.dumps(record).decode()),)))
    assert await found(store, "2@a.example") == []


async def test_signs_of_the_id_match_only_themselves(store: Store) -> None:
    await accept(store, 101, "<17_4%a@erp.example.com>")
    for other in ("17x4%a@erp.example.com", "17_4xxa@erp.example.com", "17_4%a@erp_example.com"):
        assert await found(store, other) == []


async def test_the_newest_messages_of_a_mail_come_first(store: Store) -> None:
    first = first_id(NOW)
    for id in (first - 1, first, first + 1, first + 2):
        await accept(store, id, "<1@a.example>")
    assert await found(store, "1@a.example", NOW) == [first + 2, first + 1, first]
    assert await found(store, "1@a.example", NOW, limit=1) == [first + 2]
