"""query_sm, cancel_sm and replace_sm, on the wire."""

from __future__ import annotations

import time
from typing import Any

import pytest

from bridge.model.failure import Failure, Reason
from bridge.model.message import MessageType, Receipts, State
from bridge.model.notice import Unjoined, UnjoinedPart, part_notice
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.pdu import (
    CancelSm,
    Empty,
    Pdu,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
)
from tests.samples import NOW
from tests.smpp.peer import FIRST_ID, bridge, stored


@pytest.mark.parametrize(
    ("state", "message_state", "final_date", "error_code"),
    [
        (State.ACCEPTED, 1, b"", 0),
        (State.SENDING, 1, b"", 0),
        (State.SENT, 1, b"", 0),
        (State.HELD, 1, b"", 0),
        (State.DELIVERED, 2, b"260101000000000+", 0),
        (State.EXPIRED, 3, b"260101000000000+", 248),
        (State.CANCELLED, 4, b"260101000000000+", 0),
        (State.UNDELIVERABLE, 5, b"260101000000000+", 6),
        (State.REJECTED, 8, b"260101000000000+", 255),
    ],
)
async def test_query_tells_the_state(
    state: State, message_state: int, final_date: bytes, error_code: int
) -> None:
    async with bridge() as running:
        running.relay.known[FIRST_ID] = [stored(state)]
        peer = await running.bound()
        id = b"%d" % FIRST_ID
        resp = await peer.ask("query_sm", QuerySm(id, 0, 0, b"Shop"))
        assert resp.body == QuerySmResp(id, final_date, message_state, error_code)
        assert running.relay.asked == [("query", "crm", FIRST_ID)]


async def test_query_tells_the_error_that_a_receipt_would() -> None:
    async with bridge() as running:
        running.relay.known[1] = [stored(State.REJECTED, "WRONG_PHONE")]
        peer = await running.bound()
        resp = await peer.ask("query_sm", QuerySm(b"1"))
        assert resp.body == QuerySmResp(b"1", b"260101000000000+", 8, 249)


@pytest.mark.parametrize(
    ("state", "answer"),
    [
        (None, QuerySmResp(b"1", b"", 1, 0)),
        (State.EXPIRED, QuerySmResp(b"1", b"260101000500000+", 3, 248)),
        (State.REJECTED, QuerySmResp(b"1", b"260101000500000+", 8, 255)),
    ],
)
async def test_query_of_a_part_without_a_message_tells_how_it_stands(
    state: State | None, answer: QuerySmResp
) -> None:
    about = Unjoined("+380501234567", "Shop", NOW, 1, 2, (2,), 0)
    end = None if state is None else part_notice("crm", 1, about, NOW + 300, state)
    async with bridge() as running:
        running.relay.alone[1] = UnjoinedPart(1, "crm", about, NOW, end)
        peer = await running.bound(interface_version=0x50)
        assert (await peer.ask("query_sm", QuerySm(b"1"))).body == answer


@pytest.mark.parametrize(
    ("states", "told"),
    [
        ((State.DELIVERED, State.SENT), 1),
        ((State.DELIVERED, State.DELIVERED), 2),
        ((State.DELIVERED, State.UNDELIVERABLE, State.EXPIRED), 5),
    ],
)
async def test_query_of_several_messages_tells_of_one_on_its_way_or_how_it_went_worst(
    states: tuple[State, ...], told: int
) -> None:
    async with bridge() as running:
        running.relay.known[1] = [stored(state) for state in states]
        peer = await running.bound()
        resp = await peer.ask("query_sm", QuerySm(b"1"))
        assert isinstance(resp.body, QuerySmResp)
        assert resp.body.message_state == told


async def test_a_message_scheduled_at_the_provider_is_on_its_way() -> None:
    async with bridge() as running:
        scheduled = stored(State.SENT, scheduled_at=int(time.time()) + 3600)
        running.relay.known[1] = [scheduled._replace(sent_at=NOW)]
        peer = await running.bound(interface_version=0x50)
        resp = await peer.ask("query_sm", QuerySm(b"1"))
        assert isinstance(resp.body, QuerySmResp)
        assert resp.body.message_state == 1


@pytest.mark.parametrize(
    ("version", "fields", "told"),
    [
        (0x50, {"scheduled_at": int(time.time()) + 3600}, 0),
        (0x50, {"due_at": int(time.time()) + 3600}, 0),
        (0x50, {"due_at": int(time.time()) + 3600, "attempts": 1}, 1),
        (0x34, {"scheduled_at": int(time.time()) + 3600}, 1),
    ],
)
async def test_scheduled_is_a_state_of_5_0(version: int, fields: dict[str, Any], told: int) -> None:
    async with bridge() as running:
        running.relay.known[1] = [stored(State.ACCEPTED, **fields)]
        peer = await running.bound(interface_version=version)
        resp = await peer.ask("query_sm", QuerySm(b"1"))
        assert isinstance(resp.body, QuerySmResp)
        assert resp.body.message_state == told


@pytest.mark.parametrize(
    ("command", "body", "status"),
    [
        ("query_sm", QuerySm, CommandStatus.ESME_RQUERYFAIL),
        ("cancel_sm", lambda id: CancelSm(message_id=id), CommandStatus.ESME_RCANCELFAIL),
        ("replace_sm", ReplaceSm, CommandStatus.ESME_RREPLACEFAIL),
    ],
)
@pytest.mark.parametrize("id", [b"4711", b"no-such-id", b"0x10", b"9" * 64])
async def test_what_is_not_found_has_a_status_of_its_own(
    command: str, body: Any, status: CommandStatus, id: bytes
) -> None:
    async with bridge() as running:
        peer = await running.bound()
        resp = await peer.ask(command, body(id), number=9)
        assert (resp.sequence_number, resp.command_status) == (9, status)


async def test_cancel_by_id() -> None:
    async with bridge() as running:
        running.relay.known[FIRST_ID] = [stored(State.ACCEPTED)]
        peer = await running.bound()
        resp = await peer.ask("cancel_sm", CancelSm(message_id=b"%d" % FIRST_ID))
        assert resp == Pdu("cancel_sm_resp", 1, Empty())
        assert running.relay.asked == [("cancel", "crm", FIRST_ID)]


async def test_cancel_by_source_destination_and_service_type() -> None:
    async with bridge() as running:
        running.relay.matching = 2
        peer = await running.bound()
        body = CancelSm(b"promo", b"", 5, 0, b"Shop", 1, 1, b"380501234567")
        assert (await peer.ask("cancel_sm", body)).command_status == CommandStatus.ESME_ROK
        body = body._replace(service_type=b"", source_addr=b".")
        assert (await peer.ask("cancel_sm", body)).command_status == CommandStatus.ESME_ROK
        assert running.relay.asked == [
            ("cancel_matching", "crm", "Shop", "+380501234567", MessageType.PROMO),
            ("cancel_matching", "crm", "", "+380501234567", None),
        ]
        running.relay.matching = 0
        resp = await peer.ask("cancel_sm", body)
        assert resp.command_status == CommandStatus.ESME_RCANCELFAIL


async def test_cancel_without_id_and_destination_cancels_nothing() -> None:
    async with bridge() as running:
        peer = await running.bound()
        resp = await peer.ask("cancel_sm", CancelSm(source_addr=b"Shop"))
        assert resp.command_status == CommandStatus.ESME_RCANCELFAIL
        assert running.relay.asked == []


@pytest.mark.parametrize(
    ("old", "octets", "text"),
    [
        ("text", b"new @\x00", "new ¡@"),
        ("текст", "новий".encode("utf-16-be"), "новий"),
        ("text in UCS-2", "new".encode("utf-16-be"), "new"),
        ("текст", b"odd", "odd"),
        ("text", b"", ""),
    ],
)
async def test_replace_reads_the_text_in_the_alphabet_of_the_old_one(
    old: str, octets: bytes, text: str
) -> None:
    async with bridge() as running:
        running.relay.known[5] = [stored(State.ACCEPTED, text=old)]
        peer = await running.bound()
        body = ReplaceSm(b"5", 0, 0, b"Shop", b"", b"000000010000000R", 1, 0, octets)
        assert await peer.ask("replace_sm", body) == Pdu("replace_sm_resp", 1, Empty())
        wanted = {
            "sender": "Shop",
            "text": text,
            "scheduled_at": None,
            "ttl": 3600,
            "receipts": Receipts.SUCCESS | Receipts.FAILURE,
        }
        assert running.relay.asked[1:] == [("replace", "crm", 5, wanted)]


async def test_a_replacement_that_the_rules_refuse_is_refused_as_what_it_is() -> None:
    async with bridge() as running:
        running.relay.known[5] = [stored(State.ACCEPTED)]
        peer = await running.bound()
        resp = await peer.ask("replace_sm", ReplaceSm(b"5", validity_period=b"soon"))
        assert resp.command_status == CommandStatus.ESME_RINVEXPIRY
        running.relay.refuses = Failure(Reason.TEXT_TOO_LONG)
        resp = await peer.ask("replace_sm", ReplaceSm(b"5", short_message=b"x"))
        assert resp.command_status == CommandStatus.ESME_RINVMSGLEN


async def test_a_query_that_cannot_be_answered_now_is_not_told_as_not_found() -> None:
    async with bridge() as running:
        running.relay.alone[1] = UnjoinedPart(
            1, "crm", Unjoined("1", "", NOW, 1, 2, (2,), 0), NOW, None
        )
        running.relay.refuses = Failure(Reason.OPERATION_FAILED)
        peer = await running.bound()
        resp = await peer.ask("query_sm", QuerySm(b"1"))
        assert resp.command_status == CommandStatus.ESME_RSYSERR
