"""A stop: nothing accepted is lost, nothing is sent without a yes; in time, whatever is away."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest

from bridge.sandbox import Sandbox
from tests.chaos.fault_proxy import FaultProxy, Way, in_front_of
from tests.serving.daemon import Bridge, serving, write_config
from tests.serving.test_serve import load
from tests.serving.traffic import Traffic, by_api, by_smpp, by_smsc, by_smtp
from tests.smtp.client import ENVELOPE, connected
from tests.store.conftest import database, postgres  # noqa: F401 - fixtures
from tests.store.postgres.server import Server


@pytest.fixture
async def proxy(postgres: Server) -> AsyncIterator[FaultProxy]:  # noqa: F811
    path = f"{postgres.folder}/.s.PGSQL.5432"
    proxy = FaultProxy(lambda: asyncio.open_unix_connection(path))
    await proxy.start()
    yield proxy
    await proxy.close()


#: Becomes a program that is passed these descriptors as sockets of these names: sd_listen_fds(3).
_PASS = """
import fcntl, os, sys
fds, names, *command = sys.argv[1:]
kept = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in fds.split()]
for place, fd in enumerate(kept, 3):
    os.dup2(fd, place)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(kept)), LISTEN_FDNAMES=names)
os.execv(command[0], command)
"""


@asynccontextmanager
async def passed(config: Path, sockets: Mapping[str, socket.socket]) -> AsyncIterator[Bridge]:
    """``serve`` with listening sockets that outlive it."""
    fds = [one.fileno() for one in sockets.values()]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _PASS, " ".join(map(str, fds)), ":".join(sockets)),
        *(sys.executable, "-m", "bridge.cli", "serve", "--config", str(config)),
        stderr=asyncio.subprocess.PIPE,
        pass_fds=fds,
        env=dict(os.environ),
    )
    bridge = Bridge(process, config)
    try:
        yield bridge
    finally:
        if process.returncode is None:
            process.kill()
        await bridge.ended()


async def test_stops_under_traffic_lose_nothing_and_send_nothing_without_a_yes(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    account = 'protocols = ["smtp", "smpp", "http"]'
    config = write_config(tmp_path, sandbox.url, 'domains = ["sms.example.com"]', account)
    doors = {"smtp": by_smtp, "smpp": by_smpp, "admin": by_api, "smsc": by_smsc}
    with ExitStack() as stack:
        sockets = {
            f"{name}.listen": stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            for name in doors
        }
        ports = [one.getsockname()[1] for one in sockets.values()]
        traffic = Traffic(dict(zip(doors.values(), ports, strict=True)))
        for _ in range(2):
            async with passed(config, sockets) as bridge:
                await traffic.more(5)
                assert await bridge.terminate() == 0
        async with passed(config, sockets) as bridge:
            await traffic.more(1)
            await traffic.end()
            await sandbox.wait_for(len(traffic.accepted))
            assert await bridge.terminate() == 0
    sent = Counter(message.text for message in sandbox.messages)
    accepted = Counter(traffic.accepted)
    lost, without_yes = accepted - sent, sent - accepted
    assert not lost
    assert not without_yes


async def test_what_comes_while_requests_are_in_flight_is_answered(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    account = """
        protocols = ["smtp", "http"]
        answer_within = "10m"
        trusted_networks = ["127.0.0.1"]
    """
    domains = 'domains = ["sms.example.com"]'
    async with in_front_of(sandbox.url) as between:
        config = write_config(tmp_path, between.url, domains, account)
        async with serving(config) as bridge:
            smtp, _ = await bridge.ready()
            api = int((await bridge.api()).rpartition(":")[2])
            between.turn(Way.SILENT)
            in_flight = asyncio.ensure_future(by_api(api, "in flight"))
            await sandbox.wait_for(1)
            async with connected(smtp.port) as client:
                client.send(ENVELOPE + b"Subject: x\r\n\r\nby ")
                await client.replies(3)
                bridge.process.terminate()
                await bridge.event("stopping")
                await by_api(api, "by API")
                client.send(b"mail\r\n.\r\n")
                assert "(queued)" in await client.reply()
            between.turn(Way.OPEN)
            await in_flight
            assert await bridge.ended() == 0
        async with serving(config):
            await sandbox.wait_for(3)
    assert sorted(m.text for m in sandbox.messages) == ["by API", "by mail", "in flight"]


@pytest.mark.parametrize(
    ("way", "stop_timeout", "code"),
    [(Way.SHUT, "55s", 0), (Way.STALLED, "1s", 69), (Way.DEAF, "1s", 69)],
    ids=["refused", "stalled", "deaf"],
)
async def test_a_stop_with_the_database_away_ends_in_time(
    tmp_path: Path,
    sandbox: Sandbox,
    proxy: FaultProxy,
    database: str,  # noqa: F811
    way: Way,
    stop_timeout: str,
    code: int,
) -> None:
    name = database.partition("?")[0].rpartition("/")[2]
    config = write_config(tmp_path, sandbox.url)
    told = config.read_text()
    own = f'sqlite:///{tmp_path}/bridge.db"'
    url = f'postgresql://bridge@127.0.0.1:{proxy.port}/{name}"\nlease = "2s"'
    told = told.replace(own, url).replace("[admin]", f'[admin]\nstop_timeout = "{stop_timeout}"')
    config.write_text(told.replace("[store]", 'timeout = "1s"\n[store]', 1))
    async with serving(config) as bridge:
        _, smpp = await bridge.ready()
        sandbox.fault("slow", seconds=0.8)
        submitting = asyncio.ensure_future(load(smpp.port, 1, 1, 1).run())
        await sandbox.wait_for(1)
        # The database is away when the API's answer comes.
        proxy.turn(way)
        bridge.process.terminate()
        assert await bridge.ended() == code
        await bridge.event("stop_incomplete")
        submitting.cancel()
        await asyncio.gather(submitting, return_exceptions=True)
    proxy.turn(Way.OPEN)
    async with serving(config) as again:
        await again.event("attempt_interrupted")
