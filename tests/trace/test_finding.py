"""Messages, parts and refusals by whatever an operator knows of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from bridge.model.mail_record import Original, dump
from bridge.model.message import State
from bridge.store.directory.staging import (
    SEND_OUT,
    SendOut,
    StagedPhone,
    begin_import,
    commit_send_out,
    stage_phones,
)
from bridge.store.operating.refusals import Refusal, keep_refusals
from bridge.store.rows import to_row
from bridge.store.sqlite.engine import SqliteStore
from bridge.trace.finding import (
    by_id,
    by_name,
    by_reference,
    names_of,
    refusals_of,
    story_of,
    utc,
)
from tests.samples import NOW, message
from tests.store.samples import sent


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "bridge.db")
    await store.open()
    await sent(
        store,
        message(7, reference="order-7"),
        message(8, submission_id=7, phone="+380671112233"),
        message(0xABCDEF12, envelope=dump(Original(message_id="<1@shop.example>"))),
    )
    yield store
    await store.close()


async def test_a_send_out_is_found_before_its_messages_are_made(store: SqliteStore) -> None:
    file = await store.change(begin_import, "crm", SEND_OUT, NOW)
    await store.change(stage_phones, file.id, [StagedPhone(1, "+380631112233", 21)], NOW)
    common = message(0, phone="", submission_id=22, reference="may")
    head = orjson.dumps({"message": to_row(common)}).decode()
    await store.change(
        commit_send_out, file.id, "crm", head, SendOut(22, "May", NOW, 1, 1, 0, "may"), NOW
    )
    for known in (await by_id(store, "22"), await by_reference(store, "may")):
        [one] = known
        assert (one.message.id, one.message.phone, one.state) == (22, "", State.ACCEPTED)
        assert (await story_of(store, one)).stored == one
    [one] = await by_name(store, "0631112233", {"UA"}, 10, 0)
    assert (one.message.id, one.message.phone) == (21, "+380631112233")
    assert await by_name(store, "0631112233", {"UA"}, 10, NOW + 1) == []
    assert await by_id(store, "23") == []


async def found(store: SqliteStore, text: str) -> list[int]:
    return [one.message.id for one in await by_name(store, text, {"UA"}, 10, 0)]


async def test_an_id_leads_to_a_message_or_to_all_of_a_submission(store: SqliteStore) -> None:
    assert [one.message.id for one in await by_id(store, "7")] == [7, 8]
    assert [one.message.id for one in await by_id(store, "8")] == [8]
    assert [one.message.id for one in await by_id(store, "abcdef12")] == [0xABCDEF12]
    assert await by_id(store, "nothing") == []


async def test_a_phone_is_found_in_any_form_of_its_region(store: SqliteStore) -> None:
    assert await found(store, "067 111-22-33") == [8]
    assert await found(store, "+380671112233") == [8]


async def test_a_reference_an_upstream_id_and_a_message_id_are_names(store: SqliteStore) -> None:
    assert await found(store, "order-7") == [7]
    assert await found(store, "up-8") == [8]
    assert await found(store, "<1@shop.example>") == [0xABCDEF12]
    assert await found(store, "1@shop.example") == [0xABCDEF12]


async def test_refusals_of_a_phone(store: SqliteStore) -> None:
    refusal = Refusal(NOW, "recipient", "smtp", "crm", "10.0.0.1", "+380501234567", "no")
    await store.change(keep_refusals, [refusal, refusal._replace(phone="+380671112233")])
    assert await refusals_of(store, "0501234567", {"UA"}, 10, 0) == [refusal]


def test_a_text_may_mean_a_phone_of_each_region() -> None:
    assert names_of("601123456", {"UA", "CZ"}) >= {"601123456", "+420601123456"}
    assert names_of("order-7", {"UA"}) == {"order-7"}


def test_times_for_programs_are_utc() -> None:
    assert utc(NOW) == "2026-01-01T00:00:00Z"
