"""Verbs of the directory: one transaction, whose statements mean the same on both engines."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bridge.model.failure import Failure, Reason
from bridge.store import Store, StoreError
from bridge.store.directory.verb import Statement, Verb, marks
from bridge.store.rows import Row

INSERT = (
    "INSERT INTO black_list (account, phone, blocks, comment) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (account, phone) DO UPDATE SET comment = excluded.comment RETURNING id, phone"
)


def _insert(phones: Sequence[str], comment: str = "") -> Verb[Sequence[Row]]:
    return (yield Statement(INSERT, many=[("crm", phone, 1, comment) for phone in phones]))


def _find(phones: Sequence[str]) -> Verb[list[str]]:
    rows = yield Statement(
        f"SELECT phone FROM black_list WHERE account = ? AND phone IN ({marks(phones)}) "
        "AND blocks = ? ORDER BY phone",
        ("crm", *phones, 1),
    )
    return [phone for [phone] in rows]


async def test_an_insert_of_many_rows_returns_ids_in_their_order(store: Store) -> None:
    phones = [f"+38050{n:07}" for n in range(700, 0, -1)]
    rows = await store.change(_insert, phones)
    assert [phone for _, phone in sorted(map(tuple, rows))] == phones


async def test_an_insert_may_change_rows_that_are_there(store: Store) -> None:
    first = await store.change(_insert, ["+380501111111", "+380502222222"])
    again = await store.change(_insert, ["+380501111111"], "\0 and \ue000")
    assert [id for id, _ in again] == [first[0][0]]

    def comments() -> Verb[list[str]]:
        rows = yield Statement("SELECT comment FROM black_list ORDER BY id")
        return [comment for [comment] in rows]

    assert await store.look_up(comments) == ["\0 and \ue000", ""]


async def test_no_rows_insert_nothing(store: Store) -> None:
    assert list(await store.change(_insert, [])) == []


async def test_a_list_of_any_length_may_stand_between_other_values(store: Store) -> None:
    phones = [f"+38050{n:07}" for n in range(600)]
    await store.change(_insert, phones)
    for count in (1, 2, 49, 50, 400):
        assert await store.look_up(_find, phones[:count]) == phones[:count]
    assert await store.look_up(_find, ["+380671234567"]) == []


async def test_a_delete_runs_for_each_row(store: Store) -> None:
    def delete(phones: Sequence[str]) -> Verb[None]:
        yield Statement(
            "DELETE FROM black_list WHERE phone = ?", many=[(phone,) for phone in phones]
        )

    phones = [f"+38050{n:07}" for n in range(5)]
    await store.change(_insert, phones)
    await store.change(delete, phones[:3])
    assert await store.look_up(_find, phones) == phones[3:]


def _phones() -> Verb[list[str]]:
    rows = yield Statement("SELECT phone FROM black_list ORDER BY phone")
    return [phone for [phone] in rows]


async def test_a_verb_that_fails_changes_nothing_and_stops_no_other(store: Store) -> None:
    def fail(phone: str) -> Verb[None]:
        yield from _insert([phone])
        raise Failure(Reason.NOT_FOUND, phone)

    def misspell() -> Verb[None]:
        yield from _insert(["+380504444444"])
        yield Statement("SELECT nothing FROM black_list")

    ended = await asyncio.gather(
        store.change(_insert, ["+380501111111"]),
        store.change(fail, "+380502222222"),
        store.change(misspell),
        store.change(_insert, ["+380503333333"]),
        return_exceptions=True,
    )
    assert [isinstance(one, (Failure, StoreError)) for one in ended] == [False, True, True, False]
    assert isinstance(ended[1], Failure)
    assert ended[1].detail == "+380502222222"
    assert await store.look_up(_phones) == ["+380501111111", "+380503333333"]


async def test_a_verb_reads_what_it_has_written(store: Store) -> None:
    def add_and_list() -> Verb[list[str]]:
        yield from _insert(["+380501111111"])
        return (yield from _phones())

    assert await store.change(add_and_list) == ["+380501111111"]
