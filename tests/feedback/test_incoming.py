"""The account of a message from a phone, and its notices, with a real store."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from bridge.config.settings import settings_from
from bridge.feedback.incoming import IncomingMessages, owners_of, queues_of
from bridge.model.failure import Failure, Reason
from bridge.model.notice import MAIL, Incoming, Kind, receivers_of
from bridge.store.sqlite.engine import SqliteStore
from tests.samples import NOW
from tests.store.conftest import Clock

Make = Callable[..., IncomingMessages]


@pytest.fixture
def make(store: SqliteStore, clock: Clock) -> Make:
    ids = count(1)

    def make(incoming: str = "", smarthost: str = "", **accounts: Any) -> IncomingMessages:
        table = {name: {"password": "x"} | own for name, own in accounts.items()}
        settings = settings_from(
            {
                "hooks": {"incoming": incoming},
                "reports": {"smarthost": smarthost},
                "accounts": table,
            }
        )
        return IncomingMessages(settings, store, lambda: next(ids), clock=clock)

    return make


def body(*changes: dict[str, Any]) -> bytes:
    documents = [
        {
            "idUuid": "u1",
            "alphaName": "Shop",
            "phoneNumber": "380501234567",
            "text": "Так",
            "dt": NOW - 60,
        }
        | change
        for change in changes or ({},)
    ]
    return orjson.dumps(documents[0] if len(documents) == 1 else documents)


async def owed(store: SqliteStore, queue: str) -> list[Incoming]:
    claimed = await store.claim_notices(queue, NOW + 7200, 10)
    assert all(one.notice.kind is Kind.INCOMING for one in claimed)
    return [one.incoming for one in claimed if one.incoming is not None]


async def test_it_belongs_to_the_account_that_alone_has_the_sender(
    store: SqliteStore, make: Make
) -> None:
    incoming = make(crm={"sender": "Shop"}, erp={"sender": "Bank", "senders": ["Bank UA"]})
    assert await incoming.take(body()) == 0
    assert await incoming.take(body({"idUuid": "u2", "alphaName": "BANK ua", "text": ""})) == 0
    [first] = await owed(store, receivers_of("crm"))
    assert first == Incoming(1, "u1", "crm", "+380501234567", "Shop", "Так", NOW - 60, NOW)
    [second] = await owed(store, receivers_of("erp"))
    assert (second.account, second.text) == ("erp", "")


async def test_a_shared_and_an_unknown_sender_go_to_the_account_named_for_it(
    store: SqliteStore, make: Make
) -> None:
    shared = {"sender": "Shop"}
    incoming = make("desk", crm=shared, erp={"senders": ["shop"]}, desk={})
    await incoming.take(body({"idUuid": "u1"}, {"idUuid": "u2", "alphaName": "Nobody"}))
    await incoming.take(body({"idUuid": "u3", "alphaName": ""}))
    assert [one.uid for one in await owed(store, receivers_of("desk"))] == ["u1", "u2", "u3"]


async def test_a_message_without_an_account_is_refused_and_logged(
    store: SqliteStore, make: Make
) -> None:
    incoming = make(crm={"sender": "Bank"})
    with capture_logs() as logs, pytest.raises(Failure) as caught:
        await incoming.take(body())
    assert caught.value.reason is Reason.NOT_FOUND
    [log] = [log for log in logs if log["event"] == "incoming_unrouted"]
    assert (log["log_level"], log["to"], log["uid"]) == ("error", "Shop", "u1")


async def test_the_others_of_an_array_are_taken(store: SqliteStore, make: Make) -> None:
    incoming = make(crm={"sender": "Shop"})
    refused = await incoming.take(
        body({"alphaName": "Nobody"}, {"idUuid": "u2"}, {"phoneNumber": "?"})
    )
    assert refused == 2
    assert [one.uid for one in await owed(store, receivers_of("crm"))] == ["u2"]


async def test_each_that_cannot_be_read_is_told_by_its_id(make: Make) -> None:
    incoming = make(crm={"sender": "Shop"})
    for document in (
        body({"phoneNumber": "KYIVSTAR"}),
        body({"phoneNumber": "KYIVSTAR"}, {"phoneNumber": "1", "idUuid": None}),
    ):
        with capture_logs() as logs, pytest.raises(Failure) as caught:
            await incoming.take(document)
        assert (caught.value.reason, caught.value.detail) == (
            Reason.BAD_PARAMETER,
            "no phoneNumber",
        )
        [log] = logs
        assert (log["event"], log["cause"]) == ("incoming_unreadable", "no phoneNumber")
        assert log["uids"] == ["u1"]


async def test_it_is_stored_once_however_often_it_comes(store: SqliteStore, make: Make) -> None:
    incoming = make(crm={"sender": "Shop"})
    with capture_logs() as logs:
        await incoming.take(body())
        await incoming.take(body())
        await incoming.take(body({}, {}))
    assert len(await owed(store, receivers_of("crm"))) == 1
    assert [log["event"] for log in logs].count("incoming_repeated") == 3


async def test_without_an_id_what_it_says_is_its_name(
    store: SqliteStore, make: Make, clock: Clock
) -> None:
    incoming = make(crm={"sender": "Shop"})
    nameless = {"idUuid": None}
    await incoming.take(body(nameless, nameless, nameless | {"text": "Ні"}))
    assert len(await owed(store, receivers_of("crm"))) == 2
    # Without a time, an equal message soon afterwards counts as the same.
    timeless = nameless | {"dt": None}
    await incoming.take(body(timeless, timeless))
    clock.now += 3600
    await incoming.take(body(timeless))
    assert len(await owed(store, receivers_of("crm"))) == 2


async def test_no_message_is_from_the_future(store: SqliteStore, make: Make) -> None:
    await make(crm={"sender": "Shop"}).take(body({"dt": NOW + 7200}))
    [one] = await owed(store, receivers_of("crm"))
    assert one.at == NOW


@pytest.mark.parametrize(
    ("own", "smarthost", "queues"),
    [
        ({}, "", [receivers_of("crm")]),
        ({"binds": ["transmitter"]}, "", []),
        ({"binds": ["receiver"]}, "", [receivers_of("crm")]),
        ({"protocols": ["smtp"]}, "mx:25", []),
        ({"incoming_to": "a@b.c"}, "", [receivers_of("crm")]),
        ({"incoming_to": "a@b.c"}, "mx:25", [receivers_of("crm"), MAIL]),
        ({"incoming_to": "a@b.c", "protocols": ["smtp"]}, "mx:25", [MAIL]),
    ],
)
async def test_the_receivers_of_a_message_from_a_phone(
    store: SqliteStore, make: Make, own: dict[str, Any], smarthost: str, queues: list[str]
) -> None:
    table = {"password": "x", "sender": "Shop"} | own
    settings = settings_from({"accounts": {"crm": table}})
    assert queues_of("crm", settings.accounts["crm"], mails=bool(smarthost)) == queues
    with capture_logs() as logs:
        await make(smarthost=smarthost, crm={"sender": "Shop"} | own).take(body())
    for queue in (receivers_of("crm"), MAIL):
        assert len(await owed(store, queue)) == (queue in queues)
    [taken] = [log for log in logs if log["event"] == "incoming_taken"]
    assert taken["log_level"] == ("info" if queues else "warning")


def test_senders_are_compared_without_case() -> None:
    accounts = {
        "a": {"password": "x", "sender": "Shop", "senders": ["shop", "ШОП"]},
        "b": {"password": "x", "sender": "Bank"},
        "c": {"password": "x", "senders": ["BANK", "Own"]},
    }
    owners = owners_of(settings_from({"accounts": accounts}))
    assert owners == {"shop": "a", "шоп": "a", "own": "c"}
