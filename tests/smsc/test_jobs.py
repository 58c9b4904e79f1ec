"""``jobs.php``: send-outs as clients begin, list and stop them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from bridge.dialect.answers import Format
from bridge.dialect.times import MOSCOW
from bridge.directory.verbs import list_send_outs
from bridge.model.failure import Failure, Reason
from bridge.sandbox import Sandbox
from bridge.smsc.call import Call
from bridge.smsc.jobs import Jobs
from bridge.smsc.parameters import Parameters
from tests.relaying import Relaying, relaying
from tests.samples import NOW
from tests.smsc.calling import FIRST, LOGIN, SECOND, smsc


async def test_send_outs(tmp_path: Path) -> None:
    async with smsc(tmp_path, 'schedule = "bridge"') as face:
        id = (await face.json("jobs", add=1, name="Friday", phones=FIRST, mes="x", period=1))["id"]
        # Clients keep it in 32 bits.
        assert 0 < id < 2**31
        [job] = await face.json("jobs", get_all=1)
        assert (job["id"], job["name"], job["phones"], job["cnt"]) == (id, "Friday", 1, 1)
        assert await face.json("jobs", get=1, id=id) == [job]
        await face.sandbox.wait_for(1)
        assert (await face.json("status", phone=FIRST, id=id))["status"] >= -1
        later = await face.json(
            "jobs", add=1, name="Later", phones=f"{FIRST},{SECOND}", mes="y", time="+60"
        )
        assert await face.call("jobs", cancel=1, id=later["id"]) == "OK"
        assert await face.call("jobs", cancel=1, id=later["id"], pp=1, fmt=1) == "0,-3"
        assert (await face.json("status", phone=SECOND, id=later["id"]))["status"] == -2
        assert await face.call("jobs", get=1, id=1, fmt=1) == "0,-3"
        assert (
            await face.call("jobs", add=1, name="x", phones=FIRST, mes="x", rpt=2, fmt=1) == "0,-1"
        )


async def test_a_send_out_of_another_protocol(tmp_path: Path) -> None:
    async with smsc(tmp_path) as face:
        api, login = await face.bridge.api(), (LOGIN["login"], LOGIN["psw"])
        for reference in ("17", "order-1", ""):
            document = {"to": FIRST, "text": "x", "name": f"by API {reference}".strip()}
            sent = await face.client.post(
                f"{api}/api/v1/messages", json=document | {"reference": reference}, auth=login
            )
            assert sent.status_code == 202, sent.text
        ids = {job["name"]: job["id"] for job in await face.json("jobs", get_all=1)}
        assert ids["by API 17"] == 17
        for name in ("by API order-1", "by API"):
            [job] = await face.json("jobs", get=1, id=ids[name])
            assert job["name"] == name


# --- without a daemon ------------------------------------------------------------------------


class Jobbing:
    """A client of jobs.php."""

    def __init__(self, at: Relaying) -> None:
        self.at = at
        self._jobs = Jobs(at.relay, at.directory, count(100).__next__)

    async def call(self, fmt: Format = Format.JSON, *, account: str = "crm", **given: Any) -> str:
        parameters = Parameters({name: str(value) for name, value in given.items()}, "utf-8")
        owner = self.at.account(account)
        return await self._jobs(Call(owner, parameters, fmt, "127.0.0.1", NOW))

    async def json(self, **given: Any) -> Any:
        return json.loads(await self.call(**given))

    async def refusal(self, **given: Any) -> Reason:
        with pytest.raises(Failure) as refused:
            await self.call(**given)
        return refused.value.reason


@asynccontextmanager
async def jobs(folder: Path, sandbox: Sandbox) -> AsyncIterator[Jobbing]:
    async with relaying(folder, sandbox, accounts={"crm": {}, "shop": {}}) as at:
        yield Jobbing(at)


async def test_a_send_out_is_listed_with_its_figures(tmp_path: Path, sandbox: Sandbox) -> None:
    async with jobs(tmp_path, sandbox) as client:
        numbers = f"{FIRST},{SECOND},12"
        id = (await client.json(add=1, name="Friday", phones=numbers, mes="x" * 161))["id"]
        assert id == 100
        [job] = await client.json(get_all=1)
        assert (job["id"], job["name"]) == (id, "Friday")
        assert (job["phones"], job["cnt"], job["refused"]) == (2, 4, 1)
        [send_out] = await client.at.directory.look_up(list_send_outs, "crm")
        at = datetime.fromtimestamp(send_out.at, timezone(MOSCOW))
        assert job["date"] == f"{at:%d.%m.%Y %H:%M:%S}"
        await client.call(add=1, name="Saturday", phones=FIRST, mes="y")
        assert [job["name"] for job in await client.json(get_all=1)] == ["Saturday", "Friday"]


async def test_a_send_out_that_waits_is_stopped(tmp_path: Path, sandbox: Sandbox) -> None:
    async with jobs(tmp_path, sandbox) as client:
        await client.at.dispatcher.set_hold("account", "crm", True)
        for switch in ("cancel", "del"):
            id = (await client.json(add=1, name=switch, phones=FIRST, mes=switch))["id"]
            assert await client.call(Format.TEXT, **{switch: "1"}, id=id) == "OK"
        await client.at.dispatcher.set_hold("account", "crm", False)
        await client.at.drained()
        assert sandbox.message_count == 0


async def test_a_send_out_that_is_sent_can_be_taken_off_the_list(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with jobs(tmp_path, sandbox) as client:
        ids = [
            (await client.json(add=1, name=name, phones=FIRST, mes=name))["id"]
            for name in ("a", "b")
        ]
        await sandbox.wait_for(2)
        await client.at.drained()
        assert await client.refusal(cancel=1, id=ids[0]) is Reason.NOT_FOUND
        assert await client.call(Format.TEXT, **{"del": "1"}, id=ids[0]) == "OK"
        assert [job["id"] for job in await client.json(get_all=1)] == [ids[1]]
        assert await client.refusal(**{"del": 1}, id=ids[0]) is Reason.NOT_FOUND


async def test_a_send_out_belongs_to_its_account(tmp_path: Path, sandbox: Sandbox) -> None:
    async with jobs(tmp_path, sandbox) as client:
        id = (await client.json(add=1, name="a", phones=FIRST, mes="x"))["id"]
        for given in ({"get": 1, "id": id}, {"del": 1, "id": id}, {"get_all": 1}):
            assert await client.refusal(account="shop", **given) is Reason.NOT_FOUND


async def test_a_call_that_says_too_little_or_too_much_is_refused(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    new = {"add": 1, "name": "a", "phones": FIRST, "mes": "x"}
    async with jobs(tmp_path, sandbox) as client:
        for given, reason in (
            ({}, Reason.BAD_PARAMETER),
            (new | {"name": ""}, Reason.BAD_PARAMETER),
            (new | {"name": "x" * 300}, Reason.BAD_PARAMETER),
            (new | {"rpt": 2}, Reason.BAD_PARAMETER),
            (new | {"phones": "12"}, Reason.WRONG_PHONE),
            ({"get": 1}, Reason.NOT_FOUND),
            ({"get": 1, "id": 0}, Reason.NOT_FOUND),
            ({"get": 1, "id": "x"}, Reason.BAD_PARAMETER),
            ({"del": 1, "id": 4711}, Reason.NOT_FOUND),
            ({"get_all": 1}, Reason.NOT_FOUND),
        ):
            assert await client.refusal(**given) is reason, given
        assert await client.json(**(new | {"rpt": 0}))
