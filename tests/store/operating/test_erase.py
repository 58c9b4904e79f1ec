"""A number is erased with everything stored about it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from bridge.model.contact import BlackListEntry, Blocks, Contact, Group, Template
from bridge.model.failure import Failure, Reason
from bridge.model.mail_record import Original, dump_refused, load_refused
from bridge.model.message import Receipts, State
from bridge.model.notice import MAIL, Kind, Notice, Told
from bridge.store import Acceptance, Alias, Change, Part, PartGroup, Status, Store
from bridge.store.directory.black_list import (
    add_to_black_list,
    black_list_changes,
    delete_from_black_list,
    list_black_list,
)
from bridge.store.directory.contacts import add_contact, list_contacts
from bridge.store.directory.groups import add_group
from bridge.store.directory.importing import Entry
from bridge.store.directory.staging import (
    CONTACTS,
    SEND_OUT,
    SendOut,
    StagedPhone,
    abandoned_imports,
    begin_import,
    commit_import,
    commit_send_out,
    finish_import,
    merge_step,
    stage_black_list,
    stage_contacts,
    stage_phones,
    staged_phones,
)
from bridge.store.directory.templates import add_template
from bridge.store.directory.verb import Statement, Verb
from bridge.store.directory.versions import BLACK_LIST
from bridge.store.operating.erase import Erased, erase, find_about
from bridge.store.operating.mentions import Numbers
from bridge.store.operating.refusals import Refusal, find_refusals, keep_refusals
from bridge.store.rows import to_row
from bridge.store.sqlite.schema import MIGRATIONS
from bridge.store.types import StagedLines
from tests.samples import NOW, message
from tests.store.conftest import Engine
from tests.store.samples import CRM, incoming, owed

PHONE, OTHER = "+380501234567", "+380671234567"
REGIONS = {"crm": "UA", "shop": "UA", "berlin": "DE"}


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


async def erased(store: Store, *phones: str) -> Erased:
    """Erases the phones."""
    numbers = Numbers(phones, REGIONS)
    return await erase(store, numbers, await store.look_up(find_about, numbers))


async def test_records_are_counted_before_they_are_deleted(store: Store) -> None:
    await fill(store)
    found = Erased(messages=2, incoming=1, notices=0, refusals=1, contacts=1, mentions=0, left=2)
    for _ in range(2):
        assert (await store.look_up(find_about, Numbers([PHONE], REGIONS))).counts == found
    assert await erased(store, PHONE) == found
    assert await erased(store, PHONE) == Erased(0, 0, 0, 0, 0, 0, left=2)


def orphans(table: str, column: str) -> Verb[int]:
    [[count]] = yield Statement(
        f"SELECT count(*) FROM {table} WHERE {column} NOT IN (SELECT id FROM message) "
        f"AND {column} NOT IN (SELECT id FROM incoming)"
    )
    return int(count)


async def test_ended_messages_go_with_all_that_belongs_to_them(store: Store) -> None:
    await fill(store)
    await erased(store, PHONE)
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
    await erased(store, PHONE)
    assert [one.phones for one in await store.look_up(list_contacts, "crm")] == [(OTHER,)]
    refusals = await store.look_up(find_refusals, [], "", "", 0, 9)
    assert [one.phone for one in refusals] == [OTHER]
    listed = await store.look_up(list_black_list, "crm")
    assert [one.phone for one in listed] == [PHONE, OTHER]


async def test_several_numbers_are_erased_at_once(store: Store) -> None:
    await fill(store)
    found = Erased(messages=3, incoming=2, notices=0, refusals=2, contacts=2, mentions=0, left=2)
    assert await erased(store, PHONE, OTHER) == found


def rows(table: str) -> Verb[int]:
    [[count]] = yield Statement(f"SELECT count(*) FROM {table}")
    return int(count)


def mentions(table: str, column: str) -> Verb[int]:
    [[count]] = yield Statement(
        f"SELECT count(*) FROM {table} WHERE {column} LIKE ?", (f"%{PHONE[-9:]}%",)
    )
    return int(count)


def group(destination: str, reference: int) -> PartGroup:
    return PartGroup("crm", "Shop", destination, reference, 2)


async def test_expired_parts_are_erased_and_waiting_ones_are_left(store: Store) -> None:
    for id, phone in ((1, PHONE), (2, OTHER)):
        receipts = int(Receipts.FAILURE)
        await store.add_part(Part(id, group(phone, id), 1, b"x", receipts, NOW - 600), NOW - 900)
    assert await erased(store, PHONE) == Erased(0, 0, 0, 0, 0, 0, left=1)
    assert len(await store.expired_parts(NOW - 300, 9)) == 2
    assert await erased(store, PHONE) == Erased(0, 0, 1, 0, 0, 0, left=0)
    assert await store.unjoined(1) is None
    assert await store.look_up(mentions, "notice", "content") == 0
    assert await store.unjoined(2) is not None
    assert [one.notice.known_as for one in await owed(store)] == [2]


async def test_the_parts_of_an_ended_message_go_with_it(store: Store) -> None:
    for id in (11, 12):
        await store.add_part(Part(id, group(PHONE, 7), id - 10, b"text", 0, NOW), NOW - 900)
    joined = Acceptance((message(1, phone=PHONE),), aliases=(Alias(11, 1),), parts=group(PHONE, 7))
    await store.accept(joined)
    await store.finish(0, [Change(1, State.REJECTED)])
    await erased(store, PHONE)
    assert await store.look_up(mentions, "part_group", "destination") == 0


def report(id: int, about: int, *addresses: str) -> Notice:
    """A report of refused recipients."""
    refused = [
        (Original("erp@shop.example", to=one), Failure(Reason.PROHIBITED)) for one in addresses
    ]
    return Notice(MAIL, "crm", Kind.REFUSED, about, id, NOW, NOW, content=dump_refused(refused))


async def test_a_refused_recipient_goes_from_the_reports_of_mails_to_others(store: Store) -> None:
    await store.accept(Acceptance((message(1, phone=OTHER), message(2, phone=OTHER))))
    await store.owe(
        [
            report(1, 1, "050 123-45-67@sms.example.com", "0501234568@sms.example.com"),
            report(2, 2, "380501234567+promo@sms.example.com"),
        ]
    )
    assert (await erased(store, PHONE)).notices == 2
    [one] = await owed(store, MAIL)
    assert [to.to for to, _ in load_refused(one.notice.content)] == ["0501234568@sms.example.com"]
    assert (await erased(store, PHONE)).notices == 0


async def test_a_report_on_others_outlives_the_message_that_it_is_about(store: Store) -> None:
    await store.accept(Acceptance((message(1, phone=PHONE),)))
    await store.owe([report(1, 1, "0671234567@sms.example.com")])
    await store.finish(0, [Change(1, State.REJECTED)])
    assert (await erased(store, PHONE)).messages == 1
    [one] = await owed(store, MAIL)
    assert load_refused(one.notice.content)[0][0].to == "0671234567@sms.example.com"
    await store.told([Told(one.notice.id, True, "taken")])
    await store.sweep(NOW + 10**6, NOW + 10**6, 100)
    assert await store.look_up(rows, "notice") == 0, "retention takes it"


async def test_the_submission_of_erased_messages_goes_with_the_last(store: Store) -> None:
    both = [message(id, submission_id=9, phone=phone) for id, phone in ((1, PHONE), (2, OTHER))]
    await store.accept(Acceptance(tuple(both)))
    await store.finish(0, [Change(1, State.REJECTED), Change(2, State.REJECTED)])
    await erased(store, PHONE)
    assert await store.look_up(rows, "submission") == 1
    await erased(store, OTHER)
    assert await store.look_up(rows, "submission") == 0


async def test_a_number_that_left_the_black_list_is_forgotten(store: Store) -> None:
    for phone in (PHONE, OTHER):
        await store.change(add_to_black_list, "crm", phone, Blocks.ALL)
    await store.change(delete_from_black_list, "crm", [PHONE])
    await erased(store, PHONE)
    await erased(store, OTHER)
    changes = await store.look_up(black_list_changes, "crm", 0)
    assert [change.phone for _, change in changes] == [OTHER]


WRITTEN = ("+380501234567", "380501234567", "0501234567", "050 123-45-67", "+38 (050) 123 45 67")


async def fill_mentions(store: Store) -> None:
    """Records of other people that name the number, in several forms."""
    await store.change(
        add_contact,
        "shop",
        Contact(0, (OTHER,), "Olha", phone_other=f"0991112233, {WRITTEN[3]}", comments=WRITTEN[4]),
    )
    await store.change(add_to_black_list, "shop", OTHER, Blocks.ALL, f"wife of {WRITTEN[2]}")
    await store.change(add_to_black_list, "shop", PHONE, Blocks.ALL, "asked on the phone")
    entries = [
        Entry(2, Contact(0, (PHONE,), "Anna"), ("All",)),
        Entry(3, Contact(0, ("+380931112233",), "Ivan", phone_other=WRITTEN[1]), ("All",)),
    ]
    for committed in (True, False):
        file = await store.change(begin_import, "shop", CONTACTS, NOW)
        await store.change(stage_contacts, file.id, entries, NOW)
        if committed:
            await store.change(commit_import, file.id, NOW)
    file = await store.change(begin_import, "shop", BLACK_LIST, NOW)
    numbers = [BlackListEntry(1, OTHER, Blocks.ALL, f"see {WRITTEN[0]}")]
    await store.change(stage_black_list, file.id, numbers, NOW)
    # A command by SMS: the phone is the peer of messages to others.
    await store.accept(Acceptance((message(7, phone=OTHER, peer=PHONE),)))
    refusals = [
        Refusal(NOW, "recipient", "smtp", "crm", "192.0.2.7", WRITTEN[3], "no"),
        Refusal(NOW, "submission", "http", "crm", "192.0.2.7", "g7", f"no group {WRITTEN[1]}"),
    ]
    await store.change(keep_refusals, refusals)


TABLES = re.findall(r"CREATE TABLE (\w+)", "".join(MIGRATIONS))


def all_rows(table: str) -> Verb[list[str]]:
    found = yield Statement(f"SELECT * FROM {table}")
    return [f"{table}: {value}" for row in found for value in row]


async def dumped(store: Store) -> list[str]:
    """All values of the database that name the number in any form."""
    values = [value for table in TABLES for value in await store.look_up(all_rows, table)]
    return [value for value in values if "501234567" in re.sub(r"\D", "", value)]


async def test_nothing_of_the_number_is_left_in_the_database_but_its_black_list_entry(
    store: Store,
) -> None:
    await fill(store)
    await fill_mentions(store)
    for id in (3, 4):
        await store.move([id], State.CANCELLED)
    await store.note_statuses([Status("up-3", "delivered", State.DELIVERED, NOW)])
    assert len(await dumped(store)) > 20
    assert (await erased(store, PHONE)).mentions == 8
    entry = ["black_list: +380501234567", "black_list_change: +380501234567"]
    assert sorted(await dumped(store)) == sorted(2 * entry)
    assert await erased(store, PHONE) == Erased(0, 0, 0, 0, 0, 0, 0)
    [contact] = await store.look_up(list_contacts, "shop")
    assert (contact.phones, contact.name, contact.phone_other) == ((OTHER,), "Olha", "0991112233")
    listed = await store.look_up(list_black_list, "shop")
    assert [one.comment for one in listed] == ["wife of", "asked on the phone"]
    [stored] = await store.messages([7])
    assert (stored.message.phone, stored.message.peer) == (OTHER, "")


async def test_the_same_digits_of_another_country_stay(store: Store) -> None:
    for account in ("crm", "berlin"):
        contact = Contact(0, (OTHER,), phone_other="0441234567", comments="at 0441234567")
        await store.change(add_contact, account, contact)
        await store.change(add_to_black_list, account, OTHER, Blocks.ALL, "see 0441234567")
        await store.change(add_group, account, Group(0, "0441234567"))
        file = await store.change(begin_import, account, CONTACTS, NOW)
        await store.change(stage_contacts, file.id, [Entry(2, contact, ())], NOW)
        refusal = Refusal(NOW, "recipient", "smtp", account, "192.0.2.7", "0441234567", "no")
        await store.change(keep_refusals, [refusal])
    found = await erased(store, "+380441234567")
    assert (found.mentions, found.refusals) == (3, 1)
    assert found.elsewhere == ("group 0441234567 of crm",)
    for account, other, comment in (("crm", "", "see"), ("berlin", "0441234567", "see 0441234567")):
        [contact] = await store.look_up(list_contacts, account)
        assert (contact.phone_other, contact.comments) == (other, f"at {other}".strip())
        [entry] = await store.look_up(list_black_list, account)
        assert entry.comment == comment


async def test_staged_lines_of_others_are_imported_without_the_number(store: Store) -> None:
    await fill_mentions(store)
    await erased(store, PHONE)
    [file, *_] = await store.change(abandoned_imports, (CONTACTS,), NOW + 1, NOW)
    while await store.change(merge_step, file, 9, NOW):
        pass
    contacts = await store.look_up(list_contacts, "shop")
    assert [(one.name, one.phone_other) for one in contacts] == [
        ("Olha", "0991112233"),
        ("Ivan", ""),
    ]


async def test_messages_that_a_send_out_is_still_to_make_are_on_their_way(store: Store) -> None:
    file = await store.change(begin_import, "crm", SEND_OUT, NOW)
    staged = [StagedPhone(1, PHONE, 101), StagedPhone(2, OTHER, 102)]
    await store.change(stage_phones, file.id, staged, NOW)
    head = json.dumps({"message": to_row(message(0, submission_id=103, phone=""))})
    await store.change(commit_send_out, file.id, "crm", head, SendOut(103, "", NOW, 2, 2, 0), NOW)
    assert (await erased(store, PHONE)).left == 1
    assert await store.look_up(staged_phones, file.id, 9) == staged


async def test_a_send_out_to_the_number_alone_goes_with_it(store: Store) -> None:
    file = await store.change(begin_import, "crm", SEND_OUT, NOW)
    await store.change(stage_phones, file.id, [StagedPhone(1, PHONE, 101)], NOW)
    one = message(101, submission_id=103, phone=PHONE)
    head = json.dumps({"message": to_row(one._replace(phone=""))})
    row = SendOut(103, f"To {WRITTEN[2]}", NOW, 1, 1, 0)
    await store.change(commit_send_out, file.id, "crm", head, row, NOW)
    await store.accept(Acceptance((one,), staged=StagedLines(file.id, 0, 1)))
    await store.change(finish_import, file.id)
    await store.finish(0, [Change(101, State.REJECTED)])
    assert (await erased(store, PHONE)).elsewhere == ()
    assert await dumped(store) == []


async def test_what_only_its_owner_can_change_is_listed(store: Store) -> None:
    await store.change(add_group, "crm", Group(0, f"Family of {WRITTEN[2]}"))
    await store.change(add_template, "crm", Template(0, "call", f"Call {WRITTEN[4]}!"))
    await store.change(add_template, "crm", Template(0, "other", "Call 0501234568!"))
    assert (await erased(store, PHONE)).elsewhere == (
        "group Family of 0501234567 of crm",
        "template call of crm",
    )


async def test_the_file_of_the_store_keeps_no_octet_of_the_number(
    sqlite: Engine, tmp_path: Path
) -> None:
    store = await sqlite.open()
    await fill_mentions(store)
    await store.change(delete_from_black_list, "shop", [PHONE])
    await erased(store, PHONE)
    await store.close()
    octets = (tmp_path / "bridge.db").read_bytes()
    assert OTHER.encode() in octets
    assert not os.path.exists(tmp_path / "bridge.db-wal"), "the log is gone"  # noqa: ASYNC240
    assert not [number for number in WRITTEN if number.encode() in octets]
