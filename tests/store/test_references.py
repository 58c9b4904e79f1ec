"""Messages by their client's reference, and messages from phones."""

from __future__ import annotations

from bridge.model.ids import first_id
from bridge.store import Acceptance, Alias, Event, Store
from bridge.store.references import (
    delete_for_client,
    incoming_of,
    newest_with_id,
    newest_with_reference,
)
from tests.samples import NOW, message
from tests.store.samples import CRM, incoming

PHONE, OTHER = "+380501234567", "+380671112233"


async def test_the_newest_message_with_a_reference_and_a_phone_is_found(store: Store) -> None:
    await store.accept(
        Acceptance(
            (
                message(1, reference="7"),
                message(2, reference="7"),
                message(3, reference="7", phone=OTHER),
                message(4, reference="7", account="shop"),
                message(5),
            )
        )
    )
    for reference, phone, id in (
        ("7", PHONE, 2),
        ("7", OTHER, 3),
        ("8", PHONE, None),
        ("", PHONE, None),
    ):
        found = await store.look_up(newest_with_reference, "crm", reference, phone)
        assert found == id, (reference, phone)


async def test_a_message_is_found_by_its_id_an_alias_or_its_submission_and_its_phone(
    store: Store,
) -> None:
    await store.accept(
        Acceptance(
            (message(11, submission_id=10), message(12, submission_id=10, phone=OTHER)),
            aliases=(Alias(7, 10),),
        )
    )
    await store.accept(Acceptance((message(20),), aliases=(Alias(8, 20),)))
    for id, phone, found in (
        (10, PHONE, 11),
        (10, OTHER, 12),
        (7, OTHER, 12),
        (12, OTHER, 12),
        (12, PHONE, None),
        (20, PHONE, 20),
        (8, PHONE, 20),
        (9, PHONE, None),
    ):
        assert await store.look_up(newest_with_id, "crm", id, phone) == found, (id, phone)
        assert await store.look_up(newest_with_id, "shop", id, phone) is None


async def test_a_client_deletes_messages_from_its_answers(store: Store) -> None:
    messages = [
        message(1, reference="7"),
        message(2, reference="7"),
        message(3, reference="7", phone=OTHER),
        message(4, reference="7", account="shop"),
        message(5),
        message(6),
        *(message(n, reference=f"r{n}") for n in range(100, 1200)),
    ]
    await store.accept(Acceptance(tuple(messages)))
    await store.change(delete_for_client, "crm", [messages[1], messages[4]], NOW + 1)
    await store.change(delete_for_client, "crm", [messages[1], *messages[6:]], NOW + 2)
    deleted = [
        m.id
        for m in messages
        if await store.look_up(newest_with_id, m.account, m.id, m.phone) is None
    ]
    # The earlier one with the same reference and phone went too.
    assert deleted == [1, 2, 5, *range(100, 1200)]
    assert await store.look_up(newest_with_reference, "crm", "7", PHONE) is None
    assert await store.look_up(newest_with_reference, "crm", "7", OTHER) == 3
    assert await store.look_up(newest_with_reference, "shop", "7", PHONE) == 4
    story = await store.story(2)
    assert story is not None
    assert story.events == (Event(NOW + 1, "deleted", ""),)
    # A new message is found again.
    await store.accept(Acceptance((message(2000, reference="7"),)))
    assert await store.look_up(newest_with_reference, "crm", "7", PHONE) == 2000


async def test_messages_from_phones_are_listed_from_the_oldest_on(store: Store) -> None:
    first = first_id(NOW)
    ids = (first - 1, first, first + 1, first + 2)
    texts = [incoming(id, f"uid-{id}") for id in ids]
    texts.append(incoming(first + 3, "uid-other")._replace(account="shop"))
    for one in texts:
        await store.take_incoming([(one, [CRM])])

    async def listed(since: int, after: int = 0, limit: int = 9) -> list[int]:
        found = await store.look_up(incoming_of, "crm", since, after, limit)
        assert all(one in texts for one in found)
        return [one.id - first for one in found]

    assert await listed(NOW - 1) == [-1, 0, 1, 2]
    assert await listed(NOW) == [0, 1, 2]
    assert await listed(NOW, limit=2) == [0, 1]
    assert await listed(NOW, after=first + 1) == [2]
    assert await listed(NOW, after=first - 1) == [0, 1, 2]


async def test_messages_from_phones_to_one_sender(store: Store) -> None:
    await store.take_incoming([(incoming(50), [CRM]), (incoming(51, "uid-2"), [CRM])])
    for to, ids in (("Shop", [50, 51]), ("Bank", []), ("", [50, 51])):
        found = await store.look_up(incoming_of, "crm", 0, 0, 10, to=to)
        assert [one.id for one in found] == ids
