"""Starting, reloading, draining and closing; proxies."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.config.settings import Smtp
from bridge.model.message import Accepted
from tests.smtp.client import ENVELOPE, MAIL, connected
from tests.smtp.conftest import Certificate, make_certificate
from tests.smtp.inbound.test_connection import SlowRelay
from tests.smtp.standins import DOMAIN, ID, StandInAccounts, running


async def test_the_bound_addresses_are_told(certificate: Certificate) -> None:
    settings = certificate.settings(listen=["127.0.0.1:0"] * 2, tls_listen=["127.0.0.1:0"])
    async with running(**settings) as part:
        assert [endpoint.host for endpoint in part.endpoints] == ["127.0.0.1"] * 3
        assert len({endpoint.port for endpoint in part.endpoints} - {0}) == 3


async def test_all_addresses_or_none() -> None:
    async with running() as first:
        with pytest.raises(OSError, match="address"):
            async with running(listen=["127.0.0.1:0", f"127.0.0.1:{first.port}"]):
                pass


async def test_drain_ends_idle_sessions_and_answers_mails_in_flight() -> None:
    relay = SlowRelay()
    async with (
        running(relay=relay) as part,
        connected(part.port) as idle,
        connected(part.port) as between,
        connected(part.port) as receiving,
        connected(part.port) as waiting,
    ):
        await between.ask("MAIL FROM:<a@b>")
        waiting.send(ENVELOPE + MAIL)
        await waiting.replies(3)
        first = await relay.taken()
        receiving.send(ENVELOPE + b"half ")
        await receiving.replies(3)
        drained = asyncio.create_task(part.listener.drain(5))
        for client in (idle, between):
            assert await client.reply() == "421 4.3.2 Service shutting down"
            assert await client.reply() == ""
        with pytest.raises(OSError):
            async with connected(part.port):
                pass
        assert not drained.done()
        first.set_result(Accepted(ID, 1))
        assert (await waiting.reply()).startswith("250 2.0.0")
        assert (await waiting.reply()).startswith("421 4.3.2")
        receiving.send(b"mail\r\n.\r\n")
        (await relay.taken()).set_result(Accepted(ID, 1))
        assert (await receiving.reply()).startswith("250 2.0.0")
        await drained


async def test_a_mail_that_comes_with_the_farewell_is_not_taken() -> None:
    chunk = b"MAIL FROM:<a@b.cd>\r\nRCPT TO:<380501234567@sms.example.com>\r\nBDAT 2 LAST\r\nhi"
    async with running() as part, connected(part.port) as client:
        [connection] = part.listener._connections
        # It has arrived, and the drain comes before the session's turn.
        connection.data_received(chunk)
        await part.listener.drain(5)
        assert await client.reply() == "421 4.3.2 Service shutting down"
        assert await client.reply() == ""
        assert part.relay.submitted == []


async def test_a_mail_that_comes_with_the_end_of_its_time_is_not_taken() -> None:
    async with running() as part, connected(part.port) as client:
        client.send(ENVELOPE + b"half ")
        await client.replies(3)
        [connection] = part.listener._connections
        connection.data_received(b"a mail\r\n.\r\n")
        assert connection._dialog is not None
        connection._dialog.deadline = 0
        connection._timeout_cb()
        assert (await client.reply()).startswith("421 4.4.2")
        assert await client.reply() == ""
        assert part.relay.submitted == []


async def test_drain_does_not_wait_for_ever() -> None:
    relay = SlowRelay()
    async with running(relay=relay) as part, connected(part.port) as client:
        client.send(ENVELOPE + MAIL)
        await client.replies(3)
        answer = await relay.taken()
        await part.listener.drain(0.05)
        assert (await client.reply()).startswith("421 4.3.2")
        assert not answer.cancelled()


async def test_nothing_is_left_running() -> None:
    before = asyncio.all_tasks()
    async with running() as part, connected(part.port) as client:
        client.send(ENVELOPE + MAIL)
        await client.replies(4)
    assert asyncio.all_tasks() == before


# --- reload


def settings(**given: Any) -> Smtp:
    base = {"listen": ["127.0.0.1:0"], "domains": [DOMAIN], "hostname": "bridge.test"}
    return Smtp.model_validate({**base, **given})


async def test_limits_and_domains_change_in_the_middle_of_a_session() -> None:
    async with running() as part, connected(part.port) as client:
        await client.ask("MAIL FROM:<a@b>")
        assert (await client.ask(f"RCPT TO:<380501234567@{DOMAIN}>")).startswith("250")
        part.listener.reload(settings(domains=["new.example"], max_size=2048), dsn=True)
        assert (await client.ask(f"RCPT TO:<380501234568@{DOMAIN}>")).startswith("550 5.7.1")
        assert (await client.ask("RCPT TO:<380501234568@new.example>")).startswith("250")
        extensions = await client.ask("EHLO x")
        assert "SIZE 2048" in extensions
        assert "DSN" in extensions


async def test_a_new_certificate_serves_new_sessions_and_ends_none(
    certificate: Certificate, tmp_path: Path
) -> None:
    live = Certificate(tmp_path / "live.crt", tmp_path / "live.key")
    for source, target in zip(certificate, live, strict=True):
        shutil.copy(source, target)
    renewed = make_certificate(tmp_path)
    both = {"tls_listen": ["127.0.0.1:0"], **live.settings()}
    async with (
        running(**both) as part,
        connected(part.tls_port, context=certificate.context()) as old,
    ):
        for source, target in zip(renewed, live, strict=True):
            shutil.copy(source, target)
        part.listener.reload(settings(**both))
        assert await old.ask("NOOP") == "250 2.0.0 OK"
        async with connected(part.tls_port, context=renewed.context()) as new:
            assert await new.ask("NOOP") == "250 2.0.0 OK"
        async with connected(part.port) as upgraded:
            await upgraded.ask("STARTTLS")
            await upgraded.start_tls(renewed.context())
            assert await upgraded.ask("NOOP") == "250 2.0.0 OK"


async def test_a_certificate_that_does_not_fit_changes_nothing(
    certificate: Certificate, tmp_path: Path
) -> None:
    other = make_certificate(tmp_path)
    both = certificate.settings(tls_listen=["127.0.0.1:0"])
    async with running(**both) as part:
        for wrong in (other.private_key, tmp_path / "missing"):
            with pytest.raises(OSError):
                part.listener.reload(settings(**{**both, "private_key": wrong, "max_size": 2048}))
        async with connected(part.tls_port, context=certificate.context()) as client:
            assert "SIZE 10485760" in await client.ask("EHLO x")


async def test_tls_can_begin_with_a_reload(certificate: Certificate) -> None:
    async with running() as part:
        part.listener.reload(settings(**certificate.settings()))
        async with connected(part.port) as client:
            assert "STARTTLS" in await client.ask("EHLO x")
            assert (await client.ask("STARTTLS")).startswith("220")
            await client.start_tls(certificate.context())
            assert await client.ask("NOOP") == "250 2.0.0 OK"


# --- proxies

HEADER = b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n"


async def test_the_client_behind_a_proxy_is_the_one_that_counts() -> None:
    accounts = StandInAccounts(trusted_network="192.0.2.0/24")
    limits: dict[str, Any] = {"proxies": ["127.0.0.0/8"], "max_connections_per_address": 1}
    async with (
        running(accounts=accounts, **limits) as part,
        connected(part.port, greet=False) as client,
        connected(part.port, greet=False) as second,
        connected(part.port, greet=False) as another,
    ):
        client.send(HEADER)
        await client.reply()
        await client.ask("EHLO x")
        client.send(ENVELOPE + MAIL)
        assert (await client.replies(4))[-1].startswith("250 2.0.0")
        second.send(HEADER)
        assert "from this address" in await second.reply()
        another.send(HEADER.replace(b"2.7", b"2.8"))
        assert (await another.reply()).startswith("220")
    assert part.relay.submitted[0].peer == "192.0.2.7"


async def test_a_proxy_without_a_header_is_cut_off_with_a_line_in_the_log() -> None:
    async with running(proxies=["127.0.0.0/8"]) as part:
        with capture_logs() as logs:
            async with connected(part.port, greet=False) as client:
                client.send(b"EHLO client.test\r\n")
                with contextlib.suppress(ConnectionError):  # It closed with unread octets.
                    assert await client.reply() == ""
    [event] = [event for event in logs if event["event"] == "proxy_refused"]
    assert event["address"] == "127.0.0.1"


async def test_a_proxy_header_of_another_client_is_a_command() -> None:
    for proxies in ([], ["192.0.2.0/24"]):
        async with (
            running(proxies=proxies) as part,
            connected(part.port, greet=False) as client,
        ):
            await client.reply()
            assert (await client.ask(HEADER[:-2])).startswith("500 5.5.2")


async def test_an_account_may_have_so_many_sessions() -> None:
    limits: dict[str, Any] = {"max_connections_per_account": 1}
    async with running(**limits) as part:
        async with connected(part.port) as first:
            async with connected(part.port, greet=False) as second:
                refused = "421 4.7.0 ERROR = 9 (too many connections: of this account)"
                assert await second.reply() == refused
            await first.ask("QUIT")
            assert await first.reply() == ""
        async with connected(part.port):
            pass
