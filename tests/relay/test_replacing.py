"""A submission that replaces a waiting message (``replace_if_present_flag``)."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import asyncpg

from bridge.model.failure import Failure, Reason
from bridge.model.message import State
from bridge.sandbox import Sandbox
from tests.relay.waiting import WINDOW, later, state
from tests.relaying import id_of, relaying, written_to
from tests.samples import submission
from tests.store.conftest import database, postgres  # noqa: F401 - fixtures
from tests.store.postgres.server import Server, Wire


async def test_the_same_text_takes_the_place_of_one_that_waits_and_is_sent_once(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox, accounts=WINDOW) as bridge:
        first = await bridge.submit(later())
        replacing = submission(replace_if_present=True)
        second = await bridge.submit(replacing._replace(scheduled_at=int(time.time()) + 3600))
        # The waiting message is identical: it stays, and the client gets its id.
        assert id_of(second) == id_of(first)
        assert await state(bridge, first) is State.ACCEPTED


async def test_a_waiting_message_stays_if_its_replacement_is_refused(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    accounts = {"crm": {"schedule": "bridge"}}
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        first = await bridge.submit(later())
        with written_to(tmp_path):
            newer = submission(text="newer", replace_if_present=True)
            refused = await bridge.submit(newer)
            assert isinstance(refused, Failure)
            assert refused.reason is Reason.BRIDGE_FULL
        assert await state(bridge, first) is State.ACCEPTED
        assert await state(bridge, await bridge.submit(newer)) is State.SENT
        assert await state(bridge, first) is State.CANCELLED


async def test_a_commit_whose_answer_is_lost_has_replaced_what_it_stored_and_nothing_else(
    tmp_path: Path,
    sandbox: Sandbox,
    postgres: Server,  # noqa: F811
    database: str,  # noqa: F811
) -> None:
    wire = Wire(postgres)
    await wire.open()
    accounts = {"crm": {"schedule": "bridge"}}
    store = {"url": wire.url(database)}
    async with relaying(tmp_path, sandbox, accounts=accounts, store=store) as bridge:
        first = await bridge.submit(later())
        wire.lose(b"COMMIT")
        lost = asyncio.ensure_future(
            bridge.submit(later()._replace(text="newer", replace_if_present=True))
        )
        connection = await asyncpg.connect(database)
        async with asyncio.timeout(30):
            sql = "SELECT text, state FROM message"
            while len(rows := await connection.fetch(sql)) < 2:  # noqa: ASYNC110 - a row
                await asyncio.sleep(0.01)
        await connection.close()
        assert {(text == "newer", state) for text, state in rows} == {
            (True, "accepted"),
            (False, "cancelled"),
        }
        wire.mend()
        assert await state(bridge, await lost) is State.ACCEPTED
        assert await state(bridge, first) is State.CANCELLED
    await wire.close()


async def test_the_last_of_simultaneous_replacements_waits(
    tmp_path: Path, sandbox: Sandbox, store: dict[str, Any] | None
) -> None:
    accounts = {"crm": {"schedule": "bridge"}}
    async with relaying(tmp_path, sandbox, accounts=accounts, store=store) as bridge:
        newer = [later()._replace(text=f"{n}", replace_if_present=True) for n in range(5)]
        outcomes = await asyncio.gather(*map(bridge.submit, newer))
        assert [await state(bridge, one) for one in outcomes] == [
            *[State.CANCELLED] * 4,
            State.ACCEPTED,
        ]


async def test_a_message_that_may_have_been_delivered_is_not_replaced(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox, unknown_outcome="hold") as bridge:
        sandbox.fault("hang-up-after", count=1)
        first = await bridge.submit(submission())
        assert await state(bridge, first) is State.HELD
        newer = await bridge.submit(submission(text="newer", replace_if_present=True))
        assert await state(bridge, newer) is State.SENT
        assert await state(bridge, first) is State.HELD
