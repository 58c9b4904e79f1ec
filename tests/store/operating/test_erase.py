"""A number is erased with everything stored about it."""

from __future__ import annotations

from bridge.model.contact import Blocks, Contact
from bridge.model.message import State
from bridge.model.notice import MAIL, Kind, Notice
from bridge.store import Acceptance, Alias, Change, Store
from bridge.store.directory.black_list import add_to_black_list, list_black_list
from bridge.store.directory.contacts import add_contact, list_contacts
from bridge.store.directory.verb import Statement, Verb
from bridge.store.operating.erase import Erased, erase
from bridge.store.operating.refusals import Refusal, find_refusals, keep_refusals
from tests.samples import NOW, message
from tests.store.samples import CRM, incoming, owed

PHONE, OTHER = "+380501234567", "+380671234567"


async def fill(store: Store) -> None:
    """Two ended and two other messages of a number, and an ended one of another number."""
    phones = {1: PHONE, 2: PHONE, 3: PHONE, 4: PHONE, 5: OTHER}
    for id, phone in phones.items():
        one = message(id, phone=phone)
        delay = Notice(MAIL, "crm", Kind.DELAY, id, id, NOW, NOW)
        await store.accept(Acceptance((one,), aliases=(Alias(10 + id, id),), notices=(delay,)))
    changes = [Change(id, State.REJECTED, failure="WRONG_PHONE") for id in (1, 2, 5)]
    await store.finish(0, [*changes, Change(3, State.SENT, "up-3")])
    await store.take_incoming([(incoming(50), [CRM])])
    await store.take_incoming([(incoming(51, "uid-2")._replace(phone=OTHER), [CRM])])
    for phone in (PHONE, OTHER):
        await store.change(add_contact, "crm", Contact(0, (phone,)))
        refusal = Refusal(NOW, "submission", "smpp", "crm", "192.0.2.7", phone, "no")
        await store.change(keep_refusals, [refusal])
        await store.change(add_to_black_list, "crm", phone, Blocks.ALL)


async def test_records_are_counted_before_they_are_deleted(store: Store) -> None:
    await fill(store)
    found = Erased(messages=2, incoming=1, refusals=1, contacts=1, left=2)
    for really in (False, False, True):
        assert await store.change(erase, [PHONE], really=really) == found
    assert await store.change(erase, [PHONE], really=True) == Erased(0, 0, 0, 0, left=2)


def orphans(table: str, column: str) -> Verb[int]:
    [[count]] = yield Statement(
        f"SELECT count(*) FROM {table} WHERE {column} NOT IN (SELECT id FROM message) "
        f"AND {column} NOT IN (SELECT id FROM incoming)"
    )
    return int(count)


async def test_ended_messages_go_with_all_that_belongs_to_them(store: Store) -> None:
    await fill(store)
    await store.change(erase, [PHONE], really=True)
    ended = [await store.story(id) for id in (1, 2, 11, 12)]
    assert ended == [None] * 4
    for table, column in (("alias", "message_id"), ("event", "message_id"), ("notice", "about")):
        assert await store.look_up(orphans, table, column) == 0, table
    # Messages on their way stay, and everything of other numbers.
    assert [one.message.id for one in await store.messages(range(1, 6))] == [3, 4, 5]
    story = await store.story(15)
    assert story is not None
    assert len(story.aliases) == len(story.events) == len(story.notices) == 1
    assert [one.notice.about for one in await owed(store, MAIL)] == [3, 4, 5]
    assert [one.notice.about for one in await owed(store)] == [51]
    assert await store.from_phones(PHONE, 9) == []
    assert len(await store.from_phones(OTHER, 9)) == 1


async def test_contacts_and_refusals_go_and_the_black_list_stays(store: Store) -> None:
    await fill(store)
    await store.change(erase, [PHONE], really=True)
    assert [one.phones for one in await store.look_up(list_contacts, "crm")] == [(OTHER,)]
    refusals = await store.look_up(find_refusals, [], "", "", 0, 9)
    assert [one.phone for one in refusals] == [OTHER]
    listed = await store.look_up(list_black_list, "crm")
    assert [one.phone for one in listed] == [PHONE, OTHER]


async def test_several_numbers_are_erased_at_once(store: Store) -> None:
    await fill(store)
    erased = await store.change(erase, [PHONE, OTHER], really=True)
    assert erased == Erased(messages=3, incoming=2, refusals=2, contacts=2, left=2)
