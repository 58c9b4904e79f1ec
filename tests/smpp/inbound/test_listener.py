"""The listener's sockets: TLS, reload, proxies, addresses."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.config.settings import Endpoint, Smpp, settings_from
from bridge.smpp.inbound.listener import SmppListener
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.pdu import (
    Bind,
    Pdu,
)
from tests.smpp.peer import Bridge, Peer, a_submit, bridge
from tests.support import Pair, make_certificate


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_certificate(tmp_path_factory.mktemp("tls"), "first")


def tls_settings(pair: Pair, **more: Any) -> dict[str, Any]:
    certificate, key = map(str, pair)
    listen = {"listen": [], "tls_listen": ["127.0.0.1:0"]}
    return {**listen, "certificate": certificate, "private_key": key, **more}


def trusting(pair: Pair) -> dict[str, Any]:
    context = ssl.create_default_context(cafile=pair[0])
    return {"ssl": context, "server_hostname": "localhost"}


V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes((192, 0, 2, 7, 127, 0, 0, 1, 4, 0, 10, 215))


async def test_a_reload_replaces_certificates_and_ends_no_session(
    certificate: Pair, tmp_path: Path
) -> None:
    second = make_certificate(tmp_path, "second")
    async with bridge(tls_settings(certificate)) as running:
        old = await running.connect(**trusting(certificate))
        assert (await old.bind()).command_status == CommandStatus.ESME_ROK
        for pair, works in (((second[0], certificate[1]), False), (second, True)):
            settings = settings_from({"smpp": tls_settings(pair)}).smpp
            if works:
                running.listener.reload(settings)
            else:  # a key that belongs to another certificate
                with pytest.raises(ssl.SSLError):
                    running.listener.reload(settings)
        with pytest.raises(ssl.SSLError):
            await running.connect(**trusting(certificate))
        new = await running.connect(**trusting(second))
        assert (await new.bind()).command_status == CommandStatus.ESME_ROK
        assert (await old.ask("submit_sm", a_submit())).command_status == CommandStatus.ESME_ROK


async def test_a_reload_changes_limits_and_timers_of_new_connections() -> None:
    async with bridge() as running:
        first = await running.bound()
        limits = {"max_connections_per_address": 1, "system_id": "newer", "bind_timeout": "50ms"}
        running.listener.reload(settings_from({"smpp": limits}).smpp)
        second = await running.connect()
        assert (await second.bind()).command_status == CommandStatus.ESME_RBINDFAIL
        assert (await first.ask("enquire_link")).command == "enquire_link_resp"
        third = await running.connect()
        assert await third.ends()


@pytest.mark.parametrize("header", [b"PROXY TCP4 192.0.2.7 127.0.0.1 1024 2775\r\n", V2])
async def test_networks_see_the_client_behind_a_proxy(header: bytes) -> None:
    proxies = {"proxies": ["127.0.0.1"]}
    async with bridge(proxies, {"networks": ["192.0.2.0/24"]}) as running:
        peer = await running.connect()
        peer.writer.write(header)
        with capture_logs() as logs:
            assert (await peer.bind()).command_status == CommandStatus.ESME_ROK
            await peer.ask("submit_sm", a_submit())
        assert logs[0]["peer"] == "192.0.2.7"
        assert running.relay.submissions[0].peer == "192.0.2.7"


async def test_only_proxies_name_another_client() -> None:
    header = b"PROXY TCP4 192.0.2.7 127.0.0.1 1024 2775\r\n"
    async with bridge({"proxies": ["192.0.2.1"]}, {"networks": ["127.0.0.1"]}) as running:
        liar = await running.connect()
        liar.writer.write(header)
        assert (await liar.read()).command == "generic_nack"
        honest = await running.connect()
        assert (await honest.bind()).command_status == CommandStatus.ESME_ROK
    async with bridge({"proxies": ["127.0.0.1"]}) as running:
        silent = await running.connect()
        silent.write(Pdu("bind_transmitter", 1, Bind(b"crm", b"secret")))
        assert await silent.ends()


async def test_the_proxy_header_comes_before_tls(certificate: Pair) -> None:
    smpp = tls_settings(certificate, proxies=["127.0.0.1"])
    async with bridge(smpp, {"networks": ["192.0.2.0/24"]}) as running:
        raw = socket.create_connection(("127.0.0.1", running.port))
        raw.sendall(V2)
        raw.setblocking(False)
        peer = Peer(*await asyncio.open_connection(sock=raw, **trusting(certificate)))
        running.peers.append(peer)
        assert (await peer.bind()).command_status == CommandStatus.ESME_ROK


async def test_answers_are_not_held_back_to_be_sent_with_others() -> None:
    async with bridge() as running:
        await running.bound()
        [connection] = running.listener._connections
        raw = connection._transport.get_extra_info("socket")
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_handshakes_that_say_nothing_give_way_and_keep_nobody_out(certificate: Pair) -> None:
    limits = {"max_connections": 5, "max_connections_per_address": 3, "bind_timeout": "1h"}
    async with bridge(tls_settings(certificate, **limits)) as running:
        silent = [
            await asyncio.open_connection(
                "127.0.0.1", running.port, local_addr=(f"127.0.0.{number % 3 + 2}", 0)
            )
            for number in range(12)
        ]
        reading = {asyncio.create_task(reader.read()) for reader, _ in silent}
        async with asyncio.timeout(30):
            # No descriptors are left to them: those over the limits are closed.
            while len(reading) > 5:
                _, reading = await asyncio.wait(reading, return_when=asyncio.FIRST_COMPLETED)
            peer = await running.connect(**trusting(certificate))
            assert (await peer.bind()).command_status == CommandStatus.ESME_ROK
        for task in reading:
            task.cancel()
        for _, writer in silent:
            writer.close()


async def test_tls_has_its_own_listener(certificate: Pair) -> None:
    smpp = {
        "tls_listen": ["127.0.0.1:0"],
        "certificate": str(certificate[0]),
        "private_key": str(certificate[1]),
    }
    running = Bridge(smpp, {})
    plain, secure = await running.listener.start()
    try:
        context = ssl.create_default_context(cafile=certificate[0])
        peer = Peer(
            *await asyncio.open_connection(
                "127.0.0.1", secure.port, ssl=context, server_hostname="localhost"
            )
        )
        assert (await peer.bind()).command_status == CommandStatus.ESME_ROK
        assert (await peer.ask("submit_sm", a_submit())).command_status == CommandStatus.ESME_ROK
        assert (await peer.ask("unbind")).command == "unbind_resp"
        assert await peer.ends()
        await peer.close()
        assert plain.port != secure.port
        lost = Peer(*await asyncio.open_connection("127.0.0.1", plain.port))
        lost.writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")  # TLS to the plain port
        assert (await lost.read()).command == "generic_nack"
        await lost.close()
    finally:
        await running.listener.close()
        running.accounts.close()


async def test_an_address_in_use_is_an_error_and_leaves_nothing_open() -> None:
    async with bridge() as running:
        settings = settings_from({"accounts": {}}).smpp.model_copy(
            update={"listen": [Endpoint("127.0.0.1", 0), Endpoint("127.0.0.1", running.port)]}
        )
        assert isinstance(settings, Smpp)
        before = asyncio.all_tasks()
        second = SmppListener(
            settings, running.accounts, running.relay, running.gathering, running.outbox
        )
        with pytest.raises(OSError):
            await second.start()
        assert asyncio.all_tasks() == before
