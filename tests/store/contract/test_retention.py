"""Retention: deleted and kept messages."""

from __future__ import annotations

import json

import orjson

from bridge.model.ids import first_id
from bridge.model.message import State
from bridge.model.notice import MAIL, Kind, Notice, Told
from bridge.store import Acceptance, Alias, Change, Noted, Store
from bridge.store.directory.staging import (
    SEND_OUT,
    ImportFile,
    SendOut,
    StagedPhone,
    begin_import,
    commit_send_out,
    find_send_out,
    finish_import,
    list_send_outs,
    stage_phones,
)
from bridge.store.directory.verb import Statement, Verb
from bridge.store.references import submission_of
from bridge.store.rows import to_row
from bridge.store.types import StagedLines
from tests.samples import NOW, message
from tests.store.conftest import Clock
from tests.store.samples import (
    CRM,
    asking,
    delivered,
    incoming,
    sent,
)


async def test_old_ended_messages_are_blanked_and_later_deleted(store: Store, clock: Clock) -> None:

    old, younger, waiting = (first_id(NOW - age) for age in (300, 200, 100))
    for id in (old, younger, waiting):
        await store.accept(Acceptance((message(id, fallback="f", options=("a", "b")),)))
    clock.now = NOW - 290
    await store.finish(0, [Change(old, State.REJECTED)])
    clock.now = NOW - 190
    await store.finish(0, [Change(younger, State.REJECTED)])
    clock.now = NOW
    while await store.sweep(NOW - 250, NOW - 150, 1):
        pass
    assert await store.message(old) is None
    stored = await store.message(younger)
    assert stored is not None
    assert (stored.message.text, stored.message.fallback, stored.message.options) == ("", "", ())
    stored = await store.message(waiting)
    assert stored is not None
    assert stored.message.text


async def test_the_ids_of_a_message_are_deleted_with_it(store: Store, clock: Clock) -> None:

    first = first_id(NOW - 300)
    both = tuple(message(first + n, submission_id=first) for n in (1, 2))
    await store.accept(Acceptance(both, aliases=(Alias(first + 9, first + 1),)))
    clock.now = NOW - 290
    await store.finish(0, [Change(one.id, State.REJECTED) for one in both])
    clock.now = NOW
    while await store.sweep(NOW - 250, NOW - 250, 1):
        pass
    assert await store.message(first + 9) is None
    assert await store.submission(first) == []


async def test_the_text_of_a_message_that_ends_late_goes_too(store: Store, clock: Clock) -> None:

    early, late = first_id(NOW - 300), first_id(NOW - 299)
    for id in (early, late):
        await store.accept(Acceptance((message(id),)))
    clock.now = NOW - 290
    await store.finish(0, [Change(late, State.REJECTED)])
    for _ in range(3):
        await store.sweep(0, NOW - 200, 10)
    await store.finish(0, [Change(early, State.REJECTED)])
    for _ in range(3):
        await store.sweep(0, NOW + 7200, 10)
    for id in (early, late):
        stored = await store.message(id)
        assert stored is not None
        assert stored.message.text == ""


async def test_notices_and_messages_from_phones_are_deleted_with_their_messages(
    store: Store, clock: Clock
) -> None:
    await sent(store, asking(1))
    await store.note_statuses([delivered(1)])
    await store.take_incoming([(incoming(50), [CRM])])
    owed = await store.claim_notices(CRM, NOW + 60, 100)
    await store.told([Told(one.notice.id, True, "taken") for one in owed])
    clock.now = NOW + 90 * 86400
    later = int(clock.now) - 86400
    while await store.sweep(later, later, 100):
        pass
    assert await store.story(1) is None
    assert await store.from_phones("50", 10) == []
    assert await store.claim_notices(CRM, int(clock.now), 100) == []


async def test_a_message_with_an_owed_notice_is_kept_with_its_text(
    store: Store, clock: Clock
) -> None:
    id = first_id(NOW)
    await sent(store, asking(id))
    await store.note_statuses([delivered(id)])
    await store.take_incoming([(incoming(id + 1), [CRM])])
    clock.now = NOW + 90 * 86400
    later = int(clock.now) - 86400
    for _ in range(3):
        await store.sweep(later, later, 1)
    owed = await store.claim_notices(CRM, int(clock.now), 10)
    answer, receipt = sorted(owed, key=lambda one: one.notice.kind.value)
    assert receipt.stored is not None
    assert receipt.stored.message.text
    assert answer.incoming == incoming(id + 1)
    await store.told([Told(one.notice.id, True, "taken") for one in owed])
    # A message from a phone is kept until its last notice has ended.
    for _ in range(3):
        await store.sweep(later, later, 10)
    assert await store.message(id) is None
    assert len(await store.from_phones(str(id + 1), 10)) == 1
    for _ in range(3):
        await store.sweep(int(clock.now) + 1, later, 10)
    assert await store.from_phones(str(id + 1), 10) == []


async def test_a_message_that_was_sent_is_kept_until_its_end(store: Store, clock: Clock) -> None:
    id = first_id(NOW)
    await sent(store, asking(id, scheduled_at=NOW + 30 * 86400, expires_at=NOW + 31 * 86400))
    clock.now = NOW + 30 * 86400 + 120
    now = int(clock.now)
    for _ in range(3):
        await store.sweep(now - 30 * 86400, now - 3600, 10)
    stored = await store.message(id)
    assert stored is not None
    assert stored.message.text
    assert list(await store.note_statuses([delivered(id, now)])) == [Noted.CHANGED]
    assert [one.notice.about for one in await store.claim_notices(CRM, now, 10)] == [id]


async def test_mails_and_receipts_expire_at_different_ages(store: Store, clock: Clock) -> None:
    mail = Notice(MAIL, "crm", Kind.REFUSED, 0, 1, NOW, NOW)
    receipt = Notice(CRM, "crm", Kind.REFUSED, 0, 2, NOW, NOW)
    await store.owe([mail, receipt])
    clock.now = NOW + 100
    assert await store.expire_notices(NOW + 1, NOW, 10) == 1
    assert await store.claim_notices(MAIL, NOW + 100, 10) == []
    assert await store.expire_notices(NOW, NOW + 1, 10) == 1


async def test_a_blanked_message_has_no_subject_of_its_mail(store: Store, clock: Clock) -> None:
    old = first_id(NOW - 300)
    kept = '{"return_path":"a@b.cd","subject":"Your code is 1234","to":"c@d"}'
    await store.accept(Acceptance((asking(old, envelope=kept),)))
    clock.now = NOW - 290
    await store.finish(0, [Change(old, State.REJECTED)])
    clock.now = NOW
    await store.sweep(NOW - 9999, NOW - 150, 10)
    stored = await store.message(old)
    assert stored is not None
    assert stored.message.text == ""
    assert orjson.loads(stored.message.envelope) == {"return_path": "a@b.cd", "to": "c@d"}


def rows(table: str) -> Verb[int]:
    [[count]] = yield Statement(f"SELECT count(*) FROM {table}")
    return int(count)


async def test_no_table_keeps_rows_of_deleted_messages(store: Store, clock: Clock) -> None:
    first = first_id(NOW)
    both = tuple(asking(first + n, submission_id=first) for n in (1, 2))
    await store.accept(Acceptance(both, aliases=(Alias(first + 9, first + 1, 3),)))
    await store.take_incoming([(incoming(first + 5), [CRM])])
    refused = [Change(one.id, State.REJECTED, cause="1003", notify=True) for one in both]
    await store.finish(0, refused)
    while owed := await store.claim_notices(CRM, NOW, 9):
        await store.told([Told(one.notice.id, True, "taken") for one in owed])
    tables = ("message", "submission", "alias", "event", "notice", "incoming")
    assert all([await store.look_up(rows, table) for table in tables])
    clock.now = NOW + 86400
    while await store.sweep(NOW + 3600, NOW + 3600, 100):
        pass
    assert {table: await store.look_up(rows, table) for table in tables} == dict.fromkeys(tables, 0)


async def send_out(store: Store, id: int, numbers: int) -> ImportFile:
    """A committed send-out of some messages, none of which is made yet."""
    file = await store.change(begin_import, "crm", SEND_OUT, NOW)
    staged = [StagedPhone(n, f"+38050{n:07}", id - 9 + n) for n in range(1, numbers + 1)]
    await store.change(stage_phones, file.id, staged, NOW)
    head = json.dumps({"message": to_row(message(0, submission_id=id, phone=""))})
    row = SendOut(id, "May", NOW, numbers, numbers, 0)
    aliases = [Alias(77, id)]
    await store.change(commit_send_out, file.id, "crm", head, row, NOW, None, 0, aliases)
    return file


async def make(store: Store, file: ImportFile, id: int, number: int) -> None:
    """Makes the next message of a send-out, which the API refuses at once."""
    one = message(id - 9 + number, submission_id=id, phone=f"+38050{number:07}")
    await store.accept(Acceptance((one,), staged=StagedLines(file.id, number - 1, number)))
    await store.finish(0, [Change(one.id, State.REJECTED)])


async def test_a_send_out_is_kept_as_long_as_one_of_its_messages(
    store: Store, clock: Clock
) -> None:
    id = first_id(NOW) + 9
    file = await send_out(store, id, 2)
    await make(store, file, id, 1)
    clock.now = NOW + 7200
    await make(store, file, id, 2)
    await store.change(finish_import, file.id)
    await store.sweep(NOW + 3600, NOW + 3600, 100)
    assert [one.name for one in await store.look_up(list_send_outs, "crm")] == ["May"]
    clock.now = NOW + 86400
    while await store.sweep(NOW + 7300, NOW + 7300, 100):
        pass
    for table in ("message", "submission", "alias", "send_out", "import_file", "import_line"):
        assert await store.look_up(rows, table) == 0, table


async def test_a_send_out_is_kept_until_all_its_messages_are_made(
    store: Store, clock: Clock
) -> None:
    id = first_id(NOW) + 9
    file = await send_out(store, id, 2)
    await make(store, file, id, 1)
    clock.now = NOW + 86400
    for _ in range(3):
        await store.sweep(NOW + 3600, NOW + 3600, 100)
    assert await store.look_up(rows, "message") == 0
    assert await store.look_up(submission_of, 77) == id
    assert (await store.look_up(find_send_out, "crm", id)).name == "May"
    await make(store, file, id, 2)
    await store.change(finish_import, file.id)
    while await store.sweep(NOW + 86500, NOW + 86500, 100):
        pass
    for table in ("message", "submission", "alias", "send_out"):
        assert await store.look_up(rows, table) == 0, table
