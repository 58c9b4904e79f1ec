"""The whole bridge as a process between real clients and the sandbox API."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.sandbox import Sandbox
from tests.benchmarks.smpp_load import Load, submit_body
from tests.serving.daemon import Bridge, run, serving, write_config
from tests.support import program


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Bridge]:
    async with serving(write_config(tmp_path, sandbox.url)) as bridge:
        yield bridge


def bodies(count: int) -> list[bytes]:
    return [submit_body(f"38050{n:07}", b"text %d" % n) for n in range(count)]


def load(port: int, count: int, binds: int, window: int) -> Load:
    load = Load(port, count, binds, window, bodies(count))
    load.system_id, load.password = "crm", "secret12"
    return load


async def test_the_ready_event_comes_once_with_the_addresses(bridge: Bridge) -> None:
    smtp, smpp = await bridge.ready()
    assert smtp.port != smpp.port != 0
    for endpoint in (smtp, smpp):
        _, writer = await asyncio.open_connection(*endpoint)
        writer.close()
        await writer.wait_closed()
    assert await bridge.terminate() == 0
    assert [event["event"] for event in bridge.events if event["event"] == "ready"] == ["ready"]
    assert bridge.events[-2]["event"] == "stopped"


async def test_a_second_daemon_on_the_same_store_does_not_start(
    bridge: Bridge, tmp_path: Path
) -> None:
    await bridge.ready()
    async with serving(bridge.config) as second:
        assert await second.ended() == 69
        [said] = [event["line"] for event in second.events if "line" in event]
        assert "in use by another cascade-bridge" in said
        assert str(bridge.process.pid) in said
        assert "Traceback" not in said


async def test_an_address_in_use_is_named(bridge: Bridge, tmp_path: Path, sandbox: Sandbox) -> None:
    smtp, _ = await bridge.ready()
    folder = tmp_path / "other"
    folder.mkdir()
    config = write_config(folder, sandbox.url)
    config.write_text(config.read_text().replace("127.0.0.1:0", str(smtp), 1))
    async with serving(config) as second:
        assert await second.ended() == 69
        lines = [event["line"] for event in second.events if "line" in event]
        assert any("address already in use" in line for line in lines)
        assert not any("Traceback" in line for line in lines)


async def test_three_recipients_one_wrong(bridge: Bridge, sandbox: Sandbox) -> None:
    smtp, _ = await bridge.ready()
    code, said = await run(
        program("swaks"),
        *("--server", str(smtp), "--auth", "PLAIN", "-au", "crm", "-ap", "secret12"),
        *("--from", "erp@example.com", "--body", "Замовлення готове"),
        *("--header", "Content-Type: text/plain; charset=utf-8"),
        "--to",
        "380501234567@sms.example.com,12345@sms.example.com,0671234567@sms.example.com",
    )
    assert "550 5.1.3 ERROR = 7 (wrong phone number)" in said
    assert "250 2.0.0 OK - 2 SMS, ID - " in said
    assert [m.phone for m in sandbox.messages] == ["+380501234567", "+380671234567"]
    assert {m.text for m in sandbox.messages} == {"Замовлення готове"}
    assert len(sandbox.requests) == 1
    assert code in (0, 24)  # swaks exits with 24 if some recipients were refused


async def test_one_of_fifty_submits_that_the_api_refuses(bridge: Bridge, sandbox: Sandbox) -> None:
    _, smpp = await bridge.ready()
    sandbox.fault("400", phones=["+380500000017"])
    submits = load(smpp.port, 50, 5, 10)
    await submits.run()
    assert submits.statuses == {0: 49, 0x0B: 1}
    assert sandbox.message_count == 49
    assert not sandbox.duplicates


async def test_sigterm_finishes_what_is_in_flight(bridge: Bridge, sandbox: Sandbox) -> None:
    _, smpp = await bridge.ready()
    sandbox.fault("slow", seconds=1)
    submits = load(smpp.port, 20, 2, 10)
    running = asyncio.create_task(submits.run())
    await sandbox.wait_for(20, timeout=30)
    assert await bridge.terminate() == 0
    await running
    assert submits.statuses == {0: 20}
    assert sandbox.message_count == 20
    assert not sandbox.duplicates


async def stored(folder: Path, count: int) -> None:
    """Waits until the store has this number of messages."""
    with contextlib.closing(sqlite3.connect(folder / "bridge.db")) as connection:
        async with asyncio.timeout(30):
            counting = "SELECT count(*) FROM message"
            while connection.execute(counting).fetchone() != (count,):  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def test_sigterm_answers_what_cannot_be_sent_now(
    bridge: Bridge, sandbox: Sandbox, tmp_path: Path
) -> None:
    _, smpp = await bridge.ready()
    sandbox.fault("401")
    submits = load(smpp.port, 20, 2, 10)
    running = asyncio.create_task(submits.run())
    await bridge.event("upstream_held")
    await stored(tmp_path, 20)
    assert await bridge.terminate() == 0
    await running
    assert submits.statuses == {0: 20}
    assert sandbox.message_count == 0
    sandbox.clear_faults()
    async with serving(bridge.config) as again:
        event = await again.event("ready")
        assert event["backlog"] == 20
        await sandbox.wait_for(20, timeout=30)
    assert not sandbox.duplicates


@pytest.mark.parametrize("answers", [200, 2000])
async def test_answered_submissions_survive_kill_9(
    bridge: Bridge, sandbox: Sandbox, tmp_path: Path, answers: int
) -> None:
    smtp, smpp = await bridge.ready()
    submits = load(smpp.port, 1_000_000, 4, 50)
    sending = asyncio.create_task(submits.run())
    mails = asyncio.create_task(_mails(smtp.port))
    await submits.reaches(answers)
    await bridge.kill()
    accepted = await mails
    sending.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sending
    assert set(submits.statuses) == {0}
    with contextlib.closing(sqlite3.connect(tmp_path / "bridge.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        stored = {id for (id,) in connection.execute("SELECT id FROM message")}
    assert submits.ids <= stored
    assert len(submits.ids) >= answers
    assert accepted <= stored
    # and the next run sends waiting messages and those in flight
    async with serving(bridge.config) as again:
        await again.ready()
        async with asyncio.timeout(30):
            while {int(m.id) for m in sandbox.messages} < stored:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    # only messages in flight when it died
    assert sum(sandbox.duplicates.values()) <= 4 * 50 + 1


async def _mails(port: int) -> set[int]:
    """The ids of mails answered with 250, until the server is gone."""
    ids: set[int] = set()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.readline()
        login = "AUTH PLAIN AGNybQBzZWNyZXQxMg=="
        for n in range(1_000_000):
            commands = ["EHLO client", login] if not n else []
            commands += ["MAIL FROM:<a@b.c>", f"RCPT TO:<38067{n:07}@sms.example.com>", "DATA"]
            for command in [*commands, f"Subject: s\r\n\r\ntext {n}\r\n."]:
                writer.write(command.encode() + b"\r\n")
                line = b"-"
                while line[3:4] == b"-" or line == b"-":
                    line = await reader.readline()
                    if not line:
                        raise ConnectionError
            if line.startswith(b"250"):
                ids.add(int(line.rpartition(b"ID - ")[2].split()[0]))
    except ConnectionError:
        pass
    return ids


async def test_a_full_disk_is_reported_and_recovered_from(bridge: Bridge, sandbox: Sandbox) -> None:
    smtp, smpp = await bridge.ready()

    async def submit(status: int) -> None:
        submits = load(smpp.port, 1, 1, 1)
        await submits.run()
        assert submits.statuses == {status: 1}

    async def mail() -> str:
        _, said = await run(
            program("swaks"),
            *("--server", str(smtp), "--auth", "PLAIN", "-au", "crm", "-ap", "secret12"),
            *("--from", "a@b.c", "--to", "380501234567@sms.example.com"),
        )
        return said

    await submit(0)
    unlimited = resource.prlimit(bridge.process.pid, resource.RLIMIT_FSIZE)
    # Its files cannot grow, as on a full disk.
    resource.prlimit(bridge.process.pid, resource.RLIMIT_FSIZE, (4096, unlimited[1]))
    await submit(0x14)
    assert "452 4.3.1 ERROR = 9 (bridge full)" in await mail()
    assert sandbox.message_count == 1
    resource.prlimit(bridge.process.pid, resource.RLIMIT_FSIZE, unlimited)
    await submit(0)
    assert "250 2.0.0 OK - 1 SMS" in await mail()
    assert sandbox.message_count == 3
    await bridge.event("store_recovered")


async def test_a_stop_with_a_full_disk_ends(tmp_path: Path, sandbox: Sandbox) -> None:
    config = write_config(tmp_path, sandbox.url)
    config.write_text(config.read_text().replace("[store]", 'timeout = "1s"\n[store]', 1))
    async with serving(config) as bridge:
        _, smpp = await bridge.ready()
        sandbox.fault("slow", seconds=0.8)
        submitting = asyncio.ensure_future(load(smpp.port, 1, 1, 1).run())
        await sandbox.wait_for(1)
        # The disk is full when the API's answer comes.
        resource.prlimit(bridge.process.pid, resource.RLIMIT_FSIZE, (4096, -1))
        bridge.process.terminate()
        async with asyncio.timeout(30):
            assert await bridge.ended() == 0
        await bridge.event("stop_incomplete")
        await asyncio.gather(submitting, return_exceptions=True)


async def test_a_mail_that_comes_again_after_a_restart_gets_its_first_answer(
    bridge: Bridge, sandbox: Sandbox
) -> None:
    async def mail(port: int) -> str:
        code, said = await run(
            program("swaks"),
            *("--server", f"127.0.0.1:{port}", "--auth", "PLAIN", "-au", "crm", "-ap", "secret12"),
            *("--from", "a@b.c", "--to", "380501234567@sms.example.com", "--body", "once"),
            *("--header", "Message-Id: <order-1@erp.example.com>"),
        )
        assert code == 0, said
        [line] = [line for line in said.splitlines() if "OK - 1 SMS, ID - " in line]
        return line

    smtp, _ = await bridge.ready()
    first = await mail(smtp.port)
    await bridge.kill()
    async with serving(bridge.config) as again:
        smtp, _ = await again.ready()
        assert await mail(smtp.port) == first
        await again.event("submission_repeated")
    assert [m.text for m in sandbox.messages] == ["once"]


async def test_new_connections_during_a_stop_do_not_delay_it(bridge: Bridge) -> None:
    for endpoint in (await bridge.ready()) * 6:
        _, writer = await asyncio.open_connection(*endpoint)
        writer.transport.abort()
    assert await bridge.terminate() == 0
    assert "drain_incomplete" not in [event["event"] for event in bridge.events]
