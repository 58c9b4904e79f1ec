"""Transactions outside the writer whose confirmation gets lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from bridge.model.contact import Blocks, Contact, Group, Template
from bridge.model.message import Receipts, State
from bridge.store import Acceptance, Replacement, StoreError, StoreFull
from bridge.store.directory.black_list import add_to_black_list, delete_from_black_list
from bridge.store.directory.contacts import add_contact, list_contacts
from bridge.store.directory.groups import add_group, change_group, list_groups
from bridge.store.directory.templates import add_template
from bridge.store.directory.verb import Verb
from bridge.store.postgres.engine import PostgresStore
from tests.samples import message
from tests.store.postgres.server import Wire, execute, found, written

T = TypeVar("T")


async def test_a_cancel_or_replace_with_a_lost_confirmation_succeeds(
    remote: PostgresStore, wire: Wire, database: str
) -> None:
    await remote.accept(Acceptance((message(1), message(2)), claimed=False))
    wire.lose(b"COMMIT")
    moved = asyncio.create_task(remote.move([1, 7], State.CANCELLED))
    await written(database, "message", 1, "state = 'cancelled'")
    wire.mend()
    async with asyncio.timeout(30):
        assert await moved == [1]
    wire.lose(b"COMMIT")
    new = Replacement(2, "another text", "", 1, Receipts.NONE)
    replaced = asyncio.create_task(remote.replace(new))
    await written(database, "message", 2, "text = 'another text'")
    # The connection may be lost before the second answer.
    await execute(database, "UPDATE message SET state = 'sent' WHERE id = 2")
    wire.mend()
    async with asyncio.timeout(30):
        assert await replaced


async def test_a_change_of_the_directory_with_a_lost_confirmation_succeeds(
    remote: PostgresStore, wire: Wire, database: str
) -> None:
    async def change(verb: Callable[[], Coroutine[Any, Any, T]], table: str, how: str) -> T:
        wire.lose(b"COMMIT")
        changing = asyncio.create_task(verb())
        await found(database, table, how)
        wire.mend()
        async with asyncio.timeout(30):
            return await changing

    contact = Contact(0, ("+380501234567",), name="Olena")
    id = await change(
        lambda: remote.change(add_contact, "crm", contact), "contact", "name = 'Olena'"
    )
    assert [one.id for one in await remote.look_up(list_contacts, "crm")] == [id]
    group = await change(
        lambda: remote.change(add_group, "crm", Group(0, "Staff", 5)), "contact_group", "number = 5"
    )
    await change(
        lambda: remote.change(change_group, "crm", group, {"number": 6}),
        "contact_group",
        "number = 6",
    )
    await change(
        lambda: remote.change(add_to_black_list, "crm", "+380501234567", Blocks.ALL),
        "black_list",
        "true",
    )
    gone = await change(
        lambda: remote.change(delete_from_black_list, "crm", ["+380501234567"]),
        "black_list_change",
        "blocks IS NULL",
    )
    assert gone == 1
    await change(
        lambda: remote.change(add_template, "crm", Template(0, "hello", "Hello")),
        "template",
        "true",
    )
    await change(lambda: remote.set_hold("account", "crm", True), "hold", "true")


async def test_a_change_that_was_not_committed_is_made_again(
    remote: PostgresStore, wire: Wire
) -> None:
    wire.lose(b"INSERT INTO contact_group")
    adding = asyncio.create_task(remote.change(add_group, "crm", Group(0, "Others", 6)))
    async with asyncio.timeout(30):
        while not wire.losing:  # noqa: ASYNC110 - a state, no event
            await asyncio.sleep(0.01)
        wire.mend()
        id = await adding
    assert [one.id for one in await remote.look_up(list_groups, "crm")] == [id]


async def test_a_transaction_that_stayed_open_at_the_server_is_ended_and_made_again(
    remote: PostgresStore, wire: Wire
) -> None:
    wire.lose(b"INSERT INTO contact_group")
    adding = asyncio.create_task(remote.change(add_group, "crm", Group(0, "Others", 6)))
    async with asyncio.timeout(30):
        while not wire.losing:  # noqa: ASYNC110 - a state, no event
            await asyncio.sleep(0.01)
        wire.unnoticed = True
        wire.mend()
        id = await adding
    assert [one.id for one in await remote.look_up(list_groups, "crm")] == [id]


async def test_a_change_that_may_have_been_committed_fails_with_these_words(
    remote: PostgresStore, wire: Wire, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await remote.change(add_group, "crm", Group(0, "Staff", 5))
    monkeypatch.setattr("bridge.store.postgres.connection.PATIENCE", 0.2)
    wire.lose(b"COMMIT")
    adding = asyncio.create_task(remote.change(add_group, "crm", Group(0, "Others", 6)))
    await found(database, "contact_group", "number = 6")
    wire.closed = True
    wire.cut()
    async with asyncio.timeout(30):
        with pytest.raises(StoreError, match="may have been done"):
            await adding
    wire.mend()


async def test_a_change_that_the_database_refuses_is_not_repeated(
    remote: PostgresStore, database: str
) -> None:
    runs = 0

    def add() -> Verb[int]:
        nonlocal runs
        runs += 1
        return (yield from add_group("crm", Group(0, f"Group {runs}")))

    await execute(
        database,
        "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$; "
        "CREATE TRIGGER no_room BEFORE INSERT ON contact_group EXECUTE FUNCTION no_room();",
    )
    with pytest.raises(StoreFull, match="could not extend"):
        await remote.change(add)
    assert runs == 1
