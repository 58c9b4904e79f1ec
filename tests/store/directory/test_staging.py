"""Files of the directory: staged, committed, processed, on both engines."""

from __future__ import annotations

import json
import re

import pytest

from bridge.model.contact import BlackListEntry, Blocks, Contact
from bridge.model.failure import Failure, Reason
from bridge.store import Acceptance, Store
from bridge.store.directory.black_list import (
    black_list_changes,
    list_black_list,
)
from bridge.store.directory.contacts import list_contacts
from bridge.store.directory.importing import Entry, Imported
from bridge.store.directory.staging import (
    CONTACTS,
    SEND_OUT,
    SendOut,
    abandoned_imports,
    begin_import,
    commit_import,
    commit_send_out,
    discard_step,
    find_send_out,
    list_send_outs,
    merge_step,
    stage_black_list,
    stage_contacts,
)
from bridge.store.directory.verb import Statement, Verb
from bridge.store.directory.versions import BLACK_LIST, versions
from bridge.store.rows import to_row
from bridge.store.types import Fingerprint
from tests.samples import NOW, message
from tests.store.conftest import Engine

KINDS = (CONTACTS, BLACK_LIST)
ENTRIES = [
    Entry(n, Contact(0, (f"+38050{n:07}",), f"Контакт {n}", birthday="01.02.1990"), ("All",))
    for n in range(2, 7)
]


async def test_staged_lines_take_effect_after_the_commit(store: Store) -> None:
    file = await store.change(begin_import, "crm", CONTACTS, 100)
    await store.change(stage_contacts, file.id, ENTRIES[:3], 101)
    await store.change(stage_contacts, file.id, ENTRIES[3:], 102)
    assert await store.look_up(list_contacts, "crm") == []
    await store.change(commit_import, file.id, 103)
    steps, last = [], 0
    while (step := await store.change(merge_step, file, 2, 104, last)) is not None:
        steps.append(step[0])
        last = step[1]
    assert steps == [
        Imported(2, 0, 0, ("All",), ()),
        Imported(2, 0, 0, (), ()),
        Imported(1, 0, 0, (), ()),
    ]
    contacts = await store.look_up(list_contacts, "crm")
    assert [(c.phones, c.name, c.birthday) for c in contacts] == [
        (e.contact.phones, e.contact.name, e.contact.birthday) for e in ENTRIES
    ]
    assert await store.change(abandoned_imports, KINDS, 1000, 1000) == []


async def test_a_file_goes_on_after_a_restart(engine: Engine) -> None:
    store = await engine.open()
    file = await store.change(begin_import, "crm", CONTACTS, 100)
    await store.change(stage_contacts, file.id, ENTRIES, 101)
    await store.change(commit_import, file.id, 102)
    await store.change(merge_step, file, 2, 103)
    assert await store.change(abandoned_imports, KINDS, 103, 200) == []
    await store.close()
    again = await engine.open()
    [left] = await again.change(abandoned_imports, KINDS, 104, 200)
    assert left == file._replace(committed=True)
    # It is returned once.
    assert await again.change(abandoned_imports, KINDS, 104, 200) == []
    while await again.change(merge_step, left, 2, 200) is not None:
        pass
    assert len(await again.look_up(list_contacts, "crm")) == 5


async def test_a_file_that_was_not_committed_leaves_nothing(store: Store) -> None:
    file = await store.change(begin_import, "crm", CONTACTS, 100)
    await store.change(stage_contacts, file.id, ENTRIES, 101)
    [left] = await store.change(abandoned_imports, KINDS, 102, 200)
    assert not left.committed
    while await store.change(discard_step, file.id, 2):
        pass
    assert await store.change(abandoned_imports, KINDS, 1000, 1000) == []


async def test_an_imported_black_list_has_a_version_and_no_list_of_changes(store: Store) -> None:
    entries = [BlackListEntry(2, "+1", Blocks.ALL), BlackListEntry(3, "+2", Blocks.SINGLE, "x")]
    file = await store.change(begin_import, "crm", BLACK_LIST, 100)
    await store.change(stage_black_list, file.id, entries, 101)
    await store.change(commit_import, file.id, 102)
    while await store.change(merge_step, file, 1, 103) is not None:
        pass
    assert await store.look_up(versions, BLACK_LIST) == {"crm": 1}
    assert await store.look_up(black_list_changes, "crm", 0) == []
    listed = await store.look_up(list_black_list, "crm")
    assert [entry[1:] for entry in listed] == [entry[1:] for entry in entries]


async def test_a_send_out_is_found_by_each_of_its_ids(store: Store) -> None:
    send_outs = [
        SendOut(5000, "May", 100, 2, 4, 0, "17"),
        SendOut(5001, "June", 101, 3, 3, 1),
        SendOut(5002, "July", 102, 1, 1, 0, "17"),
    ]
    for one in send_outs:
        file = await store.change(begin_import, "crm", SEND_OUT, one.at)
        await store.change(commit_send_out, file.id, "crm", "{}", one, one.at)
    assert await store.look_up(list_send_outs, "crm") == send_outs[::-1]
    # The newest of a client's id.
    for id, found in ((5000, 0), (5001, 1), (17, 2)):
        assert await store.look_up(find_send_out, "crm", id) == send_outs[found]
    for account, id in (("crm", 18), ("crm", 0), ("shop", 17)):
        with pytest.raises(Failure) as caught:
            await store.look_up(find_send_out, account, id)
        assert caught.value.reason is Reason.NOT_FOUND


def made_meanwhile(verb: Verb[int], id: int) -> Verb[int]:
    """The verb; after its first look for the messages of a send-out, another node has made them."""
    statement, made = next(verb), False
    while True:
        rows = yield statement
        if not made and re.match("SELECT .* FROM (import_file|message) ", statement.sql):
            made = True
            yield Statement("UPDATE message SET submission_id = ?", (id,))
            yield Statement("DELETE FROM import_file WHERE committed = 1")
        try:
            statement = verb.send(rows)
        except StopIteration as end:
            found: int = end.value
            return found


async def test_a_duplicate_is_recognised_while_the_first_one_is_made(store: Store) -> None:
    await store.accept(Acceptance((message(5, submission_id=6),)))
    told = []
    for id in (20, 30):
        file = await store.change(begin_import, "crm", SEND_OUT, NOW)
        head = json.dumps({"message": to_row(message(0, phone="", submission_id=id))})
        send_out = SendOut(id, "", NOW, 1, 1, 0)
        known = Fingerprint(b"the same", id, NOW + 60)

        verb = commit_send_out(file.id, "crm", head, send_out, NOW, known, unless_sent=True)
        told.append(await store.change(made_meanwhile, verb, 20))
    assert told == [20, 20]
