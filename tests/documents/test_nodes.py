"""What the page on several nodes types and shows is tried on a PostgreSQL server."""

from __future__ import annotations

import asyncio
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.documents.pages import BLOCKS
from tests.store.postgres.server import Server, binaries
from tests.support import missing

#: Language → its blocks on the page.
SHOWN: dict[str, list[str]] = {}
for _block in BLOCKS:
    if _block.page == "docs/nodes.md":
        SHOWN.setdefault(_block.language, []).append(_block.text)
#: pg_hba.conf may name TLS on a server that has none.
_NO_TLS = "hostssl record cannot match because SSL is "


@pytest.fixture
def bin() -> Path:
    found = binaries()
    if found is None or not (found / "createuser").exists():
        missing("PostgreSQL with createuser and createdb")
    return found


@pytest.fixture
def server(bin: Path) -> Iterator[Server]:
    """A server with the page's line in its pg_hba.conf."""
    server = Server(bin)
    [rule] = SHOWN["pg_hba"]
    (server.folder / "data/pg_hba.conf").write_text(f"local all all trust\n{rule}")
    server.start()
    yield server
    server.remove()


async def test_the_page_sets_the_database_up(bin: Path, server: Server) -> None:
    [store] = SHOWN["toml"]
    url = tomllib.loads(store)["store"]["url"].replace("db.example.com", "")
    environment = {"PGHOST": str(server.folder), "PGUSER": "bridge", "PATH": str(bin)}
    for line in SHOWN["sh"][0].splitlines():
        sudo, *command = line.split()[2:]
        assert sudo == "postgres"
        await asyncio.to_thread(
            subprocess.run,
            command,
            env=environment,
            # Without a terminal the new password is read here, twice.
            input="secret\nsecret\n",
            start_new_session=True,
            check=True,
            text=True,
        )
    connection = await asyncpg.connect(url, host=str(server.folder))
    try:
        assert await connection.fetchval("SELECT current_user") == "cascade"
        # Only a database's owner may do so.
        await connection.execute("CREATE TABLE a_table ()")
    finally:
        await connection.close()


async def test_postgresql_knows_the_settings_the_rule_and_the_query(server: Server) -> None:
    [settings], [query] = SHOWN["postgresql"], SHOWN["sql"]
    async with server.database() as url:
        connection = await asyncpg.connect(url)
        try:
            for line in settings.splitlines():
                key, _, value = line.partition(" = ")
                # As the file would be: only the server itself knows what may stand there.
                await connection.execute(f"ALTER SYSTEM SET {key} = '{value}'")
            columns = (await connection.prepare(query)).get_attributes()
            assert columns[0].name == "relname"
            rules = await connection.fetch("SELECT error FROM pg_hba_file_rules")
            first, second = (row["error"] for row in rules)
            assert first is None
            assert second is None or second.startswith(_NO_TLS)
        finally:
            await connection.close()
