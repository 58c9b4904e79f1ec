"""A daemon with PostgreSQL: whose clock counts, and what is not logged."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg

from bridge.sandbox import Sandbox
from tests.chaos.node import faketime
from tests.serving.daemon import serving, write_config
from tests.smpp.peer import Peer, a_submit
from tests.store.conftest import database, postgres  # noqa: F401 - fixtures
from tests.support import free_port, missing

AHEAD = 20


async def test_a_node_whose_clock_is_ahead_goes_by_the_clock_of_the_database(
    tmp_path: Path,
    sandbox: Sandbox,
    database: str,  # noqa: F811
) -> None:
    library = faketime()
    if library is None:
        missing("libfaketime")
    config = write_config(tmp_path, sandbox.url)
    text = config.read_text().replace(f"sqlite:///{tmp_path}/bridge.db", database)
    config.write_text(text)
    clock = {"LD_PRELOAD": str(library), "FAKETIME": f"+{AHEAD}", "DONT_FAKE_MONOTONIC": "1"}
    async with serving(config, **clock) as bridge:
        _, smpp = await bridge.ready()
        peer = Peer(*await asyncio.open_connection(*smpp))
        await peer.bind(password=b"secret12")
        answer = await peer.ask("submit_sm", a_submit())
        assert answer.command_status == 0
        skew = await bridge.event("clock_skewed")
        assert abs(skew["seconds"] - AHEAD) < AHEAD / 4
        await bridge.terminate()
    connection = await asyncpg.connect(database)
    try:
        [age] = await connection.fetchrow(
            "SELECT extract(epoch FROM now())::float8 - accepted_at FROM message"
        )
    finally:
        await connection.close()
    assert age > -2, "it would expire messages and parts of other nodes before their time"


async def test_the_password_of_the_database_is_never_logged(
    tmp_path: Path,
    sandbox: Sandbox,
    database: str,  # noqa: F811
) -> None:
    more = "&" if "?" in database else "?"
    for url, serves in (
        (f"{database}{more}password=s3cr3t-pw", True),
        (f"postgresql://bridge:s3cr3t-pw@127.0.0.1:{free_port()}/x", False),
    ):
        config = write_config(tmp_path, sandbox.url)
        text = config.read_text().replace(f"sqlite:///{tmp_path}/bridge.db", url)
        config.write_text(f'{text}\n[log]\nlevel = "debug"\n')
        async with serving(config) as bridge:
            if serves:
                await bridge.ready()
                assert await bridge.terminate() == 0
            else:
                assert await bridge.ended()
            assert "s3cr3t" not in repr(bridge.events)
            assert any("postgresql://" in repr(event) for event in bridge.events)
