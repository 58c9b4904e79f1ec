"""A Zabbix server with the recipe's media type; its test button sends like an action."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import asyncpg

from tests.recipes.conftest import PASSWORD, Served
from tests.recipes.pages import DOCS
from tests.recipes.test_monitoring import running
from tests.smpp.test_kannel import listening
from tests.store.postgres.server import Server, binaries
from tests.support import free_port, missing, program

SCHEMA = Path("/usr/share/zabbix-server-pgsql/schema.sql.gz")
CONFIG = """\
LogType=console
PidFile={folder}/pid
SocketDir={folder}
DBHost={database}
DBName={name}
DBUser=bridge
ListenPort={port}
ListenIP=127.0.0.1
AllowRoot=1
"""
#: The least data with which a Zabbix server starts, and a session of an administrator.
DATA = """
INSERT INTO role (roleid, name, type, readonly) VALUES (3, 'Super admin role', 3, 1);
INSERT INTO usrgrp (usrgrpid, name) VALUES (7, 'Zabbix administrators');
INSERT INTO users (userid, username, name, surname, passwd, roleid)
    VALUES (1, 'Admin', '', '', '', 3);
INSERT INTO users_groups (id, usrgrpid, userid) VALUES (4, 7, 1);
INSERT INTO hstgrp (groupid, name) VALUES (5, 'Discovered hosts');
INSERT INTO config (configid, alert_usrgrpid, discovery_groupid, dbversion_status)
    VALUES (1, 7, 5, '');
INSERT INTO sessions (sessionid, userid, lastaccess, status)
    VALUES ('0123456789abcdef0123456789abcdef', 1, extract(epoch from now())::int, 0);
"""
TEXT = "Проблема: диск web1 заповнений"


def recipe() -> dict[str, str]:
    """The table of the page: fields of the media type, and their values."""
    text = (DOCS / "recipes.md").read_text("utf-8")
    rows = text.partition("\n## Zabbix\n")[2].partition("\n## ")[0]
    cells = [line.strip("| ").split(" | ") for line in rows.splitlines() if line.startswith("| ")]
    return dict(cells[1:])


async def asked(port: int, request: dict[str, Any]) -> dict[str, Any]:
    """The server's answer (Zabbix protocol: ZBXD, flags, length)."""
    body = json.dumps(request).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"ZBXD\x01" + len(body).to_bytes(8, "little") + body)
    head = await reader.readexactly(13)
    answer = await reader.readexactly(int.from_bytes(head[5:9], "little"))
    writer.close()
    return dict(json.loads(answer))


def zabbix_schema() -> str:
    if not SCHEMA.exists():
        missing("the schema of Debian's zabbix-server-pgsql")
    return gzip.decompress(SCHEMA.read_bytes()).decode()


async def test_the_test_of_the_media_type_reaches_the_phone(served: Served) -> None:
    zabbix, found = program("zabbix_server"), binaries()
    if found is None:
        missing("PostgreSQL")
    schema, fields = zabbix_schema(), recipe()
    assert fields["SMTP server, port"] == "`127.0.0.1`, `2525`"
    server, port = Server(found), free_port()
    server.start()
    # Its sockets want short paths.
    folder = Path(mkdtemp(prefix="zabbix-"))
    try:
        async with server.database() as url:
            connection = await asyncpg.connect(url)
            await connection.execute(schema)
            await connection.execute(DATA)
            await connection.execute(
                "INSERT INTO media_type (mediatypeid, type, name, smtp_server, smtp_port,"
                " smtp_helo, smtp_email, smtp_security, smtp_authentication, username, passwd,"
                " content_type)"
                " VALUES (1, 0, 'SMS', '127.0.0.1', $1, 'monitor', $2, 0, 1, 'crm', $3, 0)",
                served.smtp,
                fields["SMTP email"].strip("`"),
                PASSWORD,
            )
            await connection.close()
            name = url.partition("@/")[2].partition("?")[0]
            config = CONFIG.format(folder=folder, database=server.folder, name=name, port=port)
            (folder / "zabbix.conf").write_text(config)
            async with running(folder, zabbix, "-f", "-c", str(folder / "zabbix.conf")):
                await listening(port)
                test = {
                    "mediatypeid": "1",
                    "sendto": "380501234567@sms.example.com",
                    "subject": "Problem",
                    "message": TEXT,
                }
                request = {"request": "alert.send", "sid": "0123456789abcdef0123456789abcdef"}
                answer = await asked(port, {**request, "data": test})
                assert answer["response"] == "success", answer
                assert await served.text() == TEXT
    finally:
        server.remove()
        rmtree(folder)
