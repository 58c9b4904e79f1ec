"""``serve`` with sockets from systemd-socket-activate."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bridge.cli import Exit
from bridge.cli.clients import ToSend, by_smpp, by_smtp
from bridge.config.settings import Endpoint
from bridge.sandbox import Sandbox
from tests.serving.daemon import Bridge, write_config
from tests.support import free_port, program

SENDING = ToSend(("+380501234567",), "Hello", "crm", "secret12")


@asynccontextmanager
async def activated(config: Path, **sockets: str) -> AsyncIterator[Bridge]:
    """``serve`` with these addresses as named sockets."""
    activate = program("systemd-socket-activate")
    process = await asyncio.create_subprocess_exec(
        *(activate, *(f"--listen={address}" for address in sockets.values())),
        f"--fdname={':'.join(sockets)}",
        *(sys.executable, "-m", "bridge.cli", "serve", "--config", str(config)),
        stderr=asyncio.subprocess.PIPE,
    )
    # It starts the program with the first connection, which waits in the backlog.
    bridge = Bridge(process, config)
    try:
        await bridge.event("not json")
        yield bridge
    finally:
        if process.returncode is None:
            process.kill()
        await bridge.ended()


async def first_client(address: str) -> None:
    """Connects, once something listens; this starts the daemon."""
    host, _, port = address.rpartition(":")
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


async def test_clients_are_served_at_the_sockets_that_were_passed(tmp_path: Path) -> None:
    smtp, smpp = free_port(), free_port()
    async with Sandbox() as sandbox:
        config = write_config(tmp_path, sandbox.url)
        addresses = {"smtp": f"127.0.0.1:{smtp}", "smpp": f"127.0.0.1:{smpp}"}
        async with activated(config, **addresses) as bridge:
            await first_client(addresses["smtp"])
            ready = await bridge.event("ready")
            assert ready["smtp"] == [addresses["smtp"]]
            assert ready["smpp"] == [addresses["smpp"]]
            # No socket was passed for it: the configuration applies.
            assert re.fullmatch(r"127\.0\.0\.1:\d+", ready["admin"][0])
            for by, port in ((by_smtp, smtp), (by_smpp, smpp)):
                reply = await asyncio.to_thread(by, Endpoint("127.0.0.1", port), SENDING)
                assert reply.accepted, reply.text
            assert await bridge.terminate() == 0
        assert [message.text for message in sandbox.messages] == ["Hello"] * 2


async def test_an_ipv4_client_of_a_dual_stack_socket_is_in_its_ipv4_network(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with Sandbox() as sandbox:
        own = 'networks = ["127.0.0.1"]'
        config = write_config(tmp_path, sandbox.url, account=own)
        # "::" accepts IPv4 too, like a ListenStream= with only a port.
        async with activated(config, smtp=f"[::]:{port}") as bridge:
            await first_client(f"127.0.0.1:{port}")
            await bridge.event("ready")
            # Passwords in the clear are allowed on the loopback.
            reply = await asyncio.to_thread(by_smtp, Endpoint("127.0.0.1", port), SENDING)
            assert reply.accepted, reply.text
            assert await bridge.terminate() == 0
            accepted = await bridge.event("submission_accepted")
            assert accepted["peer"].startswith("127.0.0.1")


async def test_sockets_with_a_name_that_is_no_key_stop_the_start(tmp_path: Path) -> None:
    port = free_port()
    config = write_config(tmp_path, "http://127.0.0.1:1")
    async with activated(config, mail=f"127.0.0.1:{port}") as bridge:
        await first_client(f"127.0.0.1:{port}")
        assert await bridge.ended() == Exit.CONFIG
        said = " ".join(event.get("line", "") for event in bridge.events)
        assert "mail.listen" in said


async def test_a_socket_for_tls_needs_a_certificate(tmp_path: Path) -> None:
    port = free_port()
    config = write_config(tmp_path, "http://127.0.0.1:1")
    async with activated(config, **{"smtp.tls_listen": f"127.0.0.1:{port}"}) as bridge:
        await first_client(f"127.0.0.1:{port}")
        assert await bridge.ended() == Exit.CONFIG
        said = " ".join(event.get("line", "") for event in bridge.events)
        assert "smtp.certificate" in said
