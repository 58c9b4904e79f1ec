"""Refusals in the log become records of the store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.admin.refusals import RefusalKeeper
from bridge.config.settings import AccountSettings
from bridge.store.operating.refusals import Refusal, find_refusals
from bridge.store.sqlite.engine import SqliteStore
from tests.samples import NOW


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "bridge.db")
    await store.open()
    yield store
    await store.close()


async def kept(store: SqliteStore, event: str, **fields: Any) -> list[Refusal]:
    own = AccountSettings.model_validate({"password": "x", "region": "CZ"})
    keeper = RefusalKeeper(store, {"praha": own}.get, lambda: NOW)
    keeper.watch("warning", {"event": event, **fields})
    await keeper.flush()
    return await store.look_up(find_refusals, [], "", "", 0, 10)


async def test_a_refused_recipient_is_kept_with_its_number_in_e164(store: SqliteStore) -> None:
    fields = {"account": "crm", "address": "10.0.0.1", "reply": "550 5.1.1 no"}
    [found] = await kept(store, "recipient_refused", recipient="0501234567@sms.example", **fields)
    assert found == Refusal(
        NOW, "recipient", "smtp", "crm", "10.0.0.1", "+380501234567", "550 5.1.1 no"
    )


async def test_a_number_is_read_by_the_accounts_region(store: SqliteStore) -> None:
    [found] = await kept(store, "submission_refused", account="praha", recipient="601 123 456")
    assert found.phone == "+420601123456"


async def test_a_tag_behind_the_number_does_not_belong_to_it(store: SqliteStore) -> None:
    [found] = await kept(store, "recipient_refused", recipient="380501234567+promo")
    assert found.phone == "+380501234567"


async def test_what_is_no_number_is_kept_as_written(store: SqliteStore) -> None:
    [found] = await kept(store, "submission_refused", recipient="Night shift", reason="no\0group")
    assert (found.phone, found.reason) == ("Night shift", "nogroup")


async def test_a_count_of_refusals_is_not_kept_as_another_one(store: SqliteStore) -> None:
    assert not await kept(store, "recipient_refused", reply="550 5.1.3", repeated=3)


async def test_throttled_submits_are_counted_in_one_record(store: SqliteStore) -> None:
    [found] = await kept(store, "submissions_throttled", submits=12, reason="too fast")
    assert (found.kind, found.reason) == ("throttled", "12 submits: too fast")


async def test_an_event_without_a_reason_has_a_plain_one(store: SqliteStore) -> None:
    [found] = await kept(store, "login_failed", account="crm", protocol="http")
    assert (found.protocol, found.reason) == ("http", "wrong login or password")


async def test_other_events_are_no_refusals(store: SqliteStore) -> None:
    assert await kept(store, "submission_accepted", account="crm") == []


async def test_refusals_wait_while_the_store_cannot_take_them(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "later.db")
    keeper = RefusalKeeper(store, lambda _: None, lambda: NOW)
    keeper.watch("warning", {"event": "token_refused", "address": "10.0.0.1"})
    await keeper.flush()  # it is not open yet
    await store.open()
    await keeper.flush()
    assert len(await store.look_up(find_refusals, [], "", "token", 0, 10)) == 1
    await store.close()
