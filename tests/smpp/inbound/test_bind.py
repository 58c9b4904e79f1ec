"""Binds on the wire: accepted binds, and refusals."""

from __future__ import annotations

import struct

import pytest
from structlog.testing import capture_logs

from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.layouts import RESPONSES
from bridge.smpp.protocol.pdu import (
    Bind,
    BindResp,
    Pdu,
)
from bridge.smpp.protocol.tlvs import SC_INTERFACE_VERSION
from tests.smpp.peer import a_submit, bridge, failure_text


@pytest.mark.parametrize("command", ["bind_transmitter", "bind_receiver", "bind_transceiver"])
async def test_a_bind_is_answered_by_its_own_response(command: str) -> None:
    async with bridge({"system_id": "smsc"}) as running:
        peer = await running.connect()
        resp = await peer.bind(command)
        assert resp.command == RESPONSES[command]
        assert resp.command_status == CommandStatus.ESME_ROK
        assert resp.body == BindResp(b"smsc")


@pytest.mark.parametrize(
    ("interface_version", "told"), [(0x33, None), (0x34, b"\x34"), (0x50, b"\x50")]
)
async def test_the_version_is_told_to_clients_that_know_the_tlv(
    interface_version: int, told: bytes | None
) -> None:
    async with bridge() as running:
        peer = await running.connect()
        resp = await peer.bind("bind_transmitter", interface_version=interface_version)
        assert resp.command_status == CommandStatus.ESME_ROK
        assert resp.tlv(SC_INTERFACE_VERSION) == told


@pytest.mark.parametrize(("name", "password"), [(b"crm", b"wrong"), (b"nobody", b"secret")])
async def test_a_wrong_login_is_refused_and_may_be_tried_again(
    name: bytes, password: bytes
) -> None:
    async with bridge() as running:
        peer = await running.connect()
        resp = await peer.bind(name=name, password=password)
        assert resp.command_status == CommandStatus.ESME_RINVPASWD
        assert resp.body == BindResp()
        assert (
            await peer.ask("submit_sm", a_submit())
        ).command_status == CommandStatus.ESME_RINVBNDSTS
        assert (await peer.bind()).command_status == CommandStatus.ESME_ROK


async def test_a_5_0_bind_is_told_why() -> None:
    async with bridge() as running:
        peer = await running.connect()
        resp = await peer.bind(password=b"wrong", interface_version=0x50)
        assert resp.command_status == CommandStatus.ESME_RINVPASWD
        assert failure_text(resp) == "ERROR = 2 (wrong login or password)"


async def test_an_account_that_may_not_use_smpp_is_refused() -> None:
    async with bridge(account={"protocols": ["smtp"]}) as running:
        peer = await running.connect()
        assert (await peer.bind()).command_status == CommandStatus.ESME_RBINDFAIL


async def test_a_second_bind_is_refused_and_the_session_stays() -> None:
    async with bridge() as running:
        peer = await running.bound()
        assert (await peer.bind()).command_status == CommandStatus.ESME_RALYBND
        assert (await peer.ask("submit_sm", a_submit())).command_status == CommandStatus.ESME_ROK


async def test_max_binds_counts_binds_of_the_account_that_are_open() -> None:
    async with bridge(account={"max_binds": 2}) as running:
        first = await running.bound()
        await running.bound("bind_receiver")
        third = await running.connect()
        assert (await third.bind()).command_status == CommandStatus.ESME_RBINDFAIL
        other = await running.connect()
        assert (await other.bind(name=b"other")).command_status == CommandStatus.ESME_ROK
        assert (await first.ask("unbind")).command == "unbind_resp"
        assert await first.ends()
        assert (await third.bind()).command_status == CommandStatus.ESME_ROK


@pytest.mark.parametrize("limit", ["max_connections", "max_connections_per_address"])
async def test_connections_over_the_limit_hear_so_at_their_bind(limit: str) -> None:
    async with bridge({limit: 1}) as running:
        first = await running.bound()
        second = await running.connect()
        resp = await second.bind(interface_version=0x50)
        assert resp.command_status == CommandStatus.ESME_RBINDFAIL
        assert "too many connections" in failure_text(resp)
        assert await second.ends()
        assert (await first.ask("enquire_link")).command == "enquire_link_resp"
        await first.close()
        third = await running.connect()
        while (await third.bind()).command_status:  # until the end of the first one is noticed
            third = await running.connect()


async def test_an_account_may_be_kept_to_some_kinds_of_binds() -> None:
    async with bridge(account={"binds": ["receiver"]}) as running:
        peer = await running.connect()
        with capture_logs() as logs:
            assert (
                await peer.bind("bind_transmitter")
            ).command_status == CommandStatus.ESME_RBINDFAIL
        assert "accounts.crm.binds does not name transmitter" in logs[-1]["reason"]
        assert (await peer.bind("bind_receiver")).command_status == CommandStatus.ESME_ROK


async def test_a_password_may_be_longer_than_the_specification_has_room_for() -> None:
    async with bridge(account={"password": "p" * 64}) as running:
        peer = await running.connect()
        resp = await peer.bind(password=b"p" * 8)
        assert resp.command_status == CommandStatus.ESME_RINVPASWD
        assert (await peer.bind(password=b"p" * 64)).command_status == CommandStatus.ESME_ROK


async def test_pdus_after_a_bind_wait_for_its_answer() -> None:
    async with bridge() as running:
        peer = await running.connect()
        peer.write(
            Pdu("bind_transceiver", 1, Bind(b"crm", b"secret")),
            Pdu("submit_sm", 2, a_submit(b"one")),
            Pdu("submit_sm", 3, a_submit(b"two")),
        )
        answers = [await peer.read() for _ in range(3)]
        assert [a.command for a in answers] == ["bind_transceiver_resp"] + ["submit_sm_resp"] * 2
        assert [a.sequence_number for a in answers] == [1, 2, 3]
        assert [s.text for s in running.relay.submissions] == ["one", "two"]


async def test_a_client_that_leaves_during_the_password_check_is_forgotten() -> None:
    async with bridge(account={"max_binds": 1}) as running:
        for _ in range(3):
            peer = await running.connect()
            peer.write(Pdu("bind_transceiver", 1, Bind(b"crm", b"secret")))
            peer.writer.transport.abort()
        peer = await running.connect()
        while (await peer.bind()).command_status:
            peer = await running.connect()


async def test_a_client_that_keeps_guessing_is_disconnected() -> None:
    async with bridge() as running:
        peer = await running.connect()
        for _ in range(5):
            assert (await peer.bind(password=b"wrong")).command_status
        assert await peer.ends()


@pytest.mark.parametrize(
    "limits", [{"max_connections": 3}, {"max_connections_per_address": 3}], ids=lambda one: str(one)
)
async def test_idle_connections_give_way_to_new_ones_the_oldest_first(
    limits: dict[str, int],
) -> None:
    async with bridge(limits) as running:
        bound = await running.bound()
        idle = [await running.connect() for _ in range(2)]
        for _ in range(2):
            # An answered connection has been counted.
            newer = await running.connect()
            assert (await newer.ask("enquire_link")).command_status == CommandStatus.ESME_ROK
            assert await idle.pop(0).ends()
            idle.append(newer)
        assert (await idle[-1].bind()).command_status == CommandStatus.ESME_ROK
        assert (await bound.ask("enquire_link")).command_status == CommandStatus.ESME_ROK


async def test_where_all_are_bound_a_new_one_is_told_that_there_is_no_room() -> None:
    async with bridge({"max_connections": 2}) as running:
        for _ in range(2):
            await running.bound()
        refused = await (await running.connect()).bind()
        assert refused.command_status == CommandStatus.ESME_RBINDFAIL


async def test_pdus_of_many_tlvs_before_a_bind_are_answered_by_their_headers() -> None:
    async with bridge() as running:
        peer = await running.connect()
        many = struct.pack(">IIII", 69_996, 4, 0, 7) + b"\x14\0\0\0" * 17_495
        peer.writer.write(many * 3)
        for _ in range(3):
            assert (await peer.read()).command_status == CommandStatus.ESME_RINVBNDSTS
        assert (await peer.bind()).command_status == CommandStatus.ESME_ROK
        # After a bind they are decoded; turns are limited all the same.
        peer.writer.write(many * 3)
        for _ in range(3):
            assert (await peer.read()).command == "submit_sm_resp"
