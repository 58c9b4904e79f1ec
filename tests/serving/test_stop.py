"""A stop while the database is away: within the time limit, without loss."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.sandbox import Sandbox
from tests.chaos.fault_proxy import FaultProxy, Way
from tests.serving.daemon import serving, write_config
from tests.serving.test_serve import load
from tests.store.conftest import database, postgres  # noqa: F401 - fixtures
from tests.store.postgres.server import Server


@pytest.fixture
async def proxy(postgres: Server) -> AsyncIterator[FaultProxy]:  # noqa: F811
    path = f"{postgres.folder}/.s.PGSQL.5432"
    proxy = FaultProxy(lambda: asyncio.open_unix_connection(path))
    await proxy.start()
    yield proxy
    await proxy.close()


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
