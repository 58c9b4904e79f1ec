"""Statements use their indexes, however small the tables were when they were planned."""

from __future__ import annotations

import re

import pytest

from bridge.model.notice import Kind, Notice
from bridge.store import Acceptance, unjoined
from bridge.store.postgres import connection as pg
from bridge.store.postgres import notices as pg_notices
from bridge.store.postgres import retention as pg_retention
from bridge.store.postgres import statuses as pg_statuses
from bridge.store.postgres.attempts import _BEGIN, _CHANGED, _SENT
from tests.samples import NOW, message
from tests.store.conftest import Engine

_FENCE = "0, gen_random_uuid(), 0"
_OWED = {"notice_owed", "notice_pkey"}
#: Statements with sample parameters, and the indexes that they must use.
_PLANS = {
    "begin": (_BEGIN, f"{_FENCE}, '{{1}}', 'accepted', 5, 7", {"message_pkey"}),
    "sent": (
        _SENT,
        f"{_FENCE}, '{{1}}', '{{1}}', '{{}}', 7, 'accepted', '{{}}'",
        {"message_pkey"},
    ),
    "changed": (_CHANGED, f"{_FENCE}, '{{1}}', '{{}}', 7, 'accepted'", {"message_pkey"}),
    "find": (pg_statuses._FIND_SENT, "'{up-1}'", {"message_upstream"}),
    "ended": (pg_statuses._FIND_ENDED, "'{1}', 'sent'", {"message_pkey"}),
    "status": (pg_statuses._CHANGE, "'{1}', '{}'", {"message_pkey"}),
    "early": (pg_statuses._PAGE, "0, 10", {"message_upstream"}),
    "poll": (pg_statuses._POLL, "false, 7, 10", {"message_poll"}),
    "claim": (pg_notices._CLAIM, "0, 'q', 7, 10, '{0}'", _OWED | {"notice_about"}),
    "told": (pg_notices._TOLD, "0, '{1}', '{}'", {"notice_pkey"}),
    "expire": (pg_notices._EXPIRE, "7, 7, 10, 'mail', 7", _OWED),
    "submissions": (pg_retention._FORGET_SUBMISSIONS, "'{1}'", {"message_submission"}),
    "lonely": (pg_retention._SWEEP_LONELY, "7, 7, 10", {"notice_about", "notice_pkey"}),
    "part": (f"SELECT id {unjoined.END.format(id='$1')}", "7", {"notice_about"}),
}


@pytest.mark.parametrize("rows", [None, 0, 3], ids=["nothing known", "empty", "three"])
@pytest.mark.parametrize("statement", _PLANS)
async def test_a_statement_planned_for_a_small_table_uses_its_indexes(
    postgresql: Engine, database: str, statement: str, rows: int | None
) -> None:
    sql, parameters, indexes = _PLANS[statement]
    store = await postgresql.open()
    await store.accept(Acceptance(tuple(message(id) for id in range(rows or 0))))
    owed = [Notice("q", "crm", Kind.DELAY, id, id, NOW, NOW) for id in range(rows or 0)]
    await store.owe(owed)
    connection = await pg.connect(database)
    try:
        if rows is not None:
            await connection.execute("VACUUM ANALYZE")
        await connection.execute(f"PREPARE statement AS {sql}")
        plan = await connection.fetch(f"EXPLAIN EXECUTE statement({parameters})")
    finally:
        await connection.close()
    text = "\n".join(row[0] for row in plan)
    scans = re.findall(r"Scan (?:using|on) ((?:message|notice)_\w+).*\n +(.*)", text)
    assert {index for index, _ in scans} == indexes
    # No index is scanned completely.
    assert all(how.startswith("Index Cond") for _, how in scans), text
    assert "Seq Scan" not in text
