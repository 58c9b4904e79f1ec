"""status.php of a running daemon."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from bridge.accounts.accounts import Account
from bridge.dialect.answers import Format
from bridge.model.failure import Failure, Reason
from bridge.sandbox import Sandbox
from bridge.smsc.call import Call, Operation
from bridge.smsc.parameters import Parameters
from bridge.smsc.send import Sending
from bridge.smsc.status import StatusOf
from tests.relaying import relaying, taking_no
from tests.smsc.calling import FIRST, LOGIN, SECOND, smsc


async def no_groups(account: Account, address: str) -> AsyncIterator[str]:
    raise Failure(Reason.NOT_FOUND)
    yield ""


class TestStatus:
    async def test_by_number_and_id(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            await face.call("send", phones=FIRST, mes="Привіт", id=7)
            answer = await face.json("status", phone=FIRST, id=7)
            assert (answer["status"], answer["err"]) == (0, 0)
            answer = await face.json("status", phone=FIRST, id=7, all=2)
            assert answer["message"] == "Привіт"
            assert answer["status_name"] == "Sent"
            assert {"send_date", "send_timestamp", "last_timestamp", "id"} <= answer.keys()
            text = await face.call("status", phone=FIRST, id=7)
            assert text.startswith("Status = 0, check_time = ")
            numbers = await face.call("status", phone=FIRST, id=7, fmt=1)
            assert numbers.split(",")[0] == "0"

    async def test_by_the_id_that_was_given(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            answer = await face.json("send", phones=FIRST, mes="x")
            assert 0 < answer["id"] < 2**31
            assert (await face.json("status", phone=FIRST, id=answer["id"]))["status"] == 0

    async def test_messages_of_many_wait_before_they_are_made(
        self, tmp_path: Path, sandbox: Sandbox
    ) -> None:
        phones = [f"38050{n:07}" for n in range(300)]
        async with relaying(tmp_path, sandbox) as at:
            crm, directory = at.account(), at.directory

            async def ask(operation: Operation, **given: str) -> Any:
                parameters = Parameters(given, "utf-8")
                call = Call(crm, parameters, Format.JSON, "127.0.0.1", time.time())
                return json.loads(await operation(call))

            sending = Sending(at.relay, dict, str, count(100).__next__, directory, no_groups)
            status = StatusOf(at.relay)
            with taking_no(tmp_path, "import_line", "DELETE"):
                sent = await ask(sending, phones=",".join(phones), mes="x" * 161)
                assert sent == {"id": 100, "cnt": 600}
                one = await ask(status, phone=phones[7], id="100", all="1")
                assert (one["status"], one["message"], one["sms_cnt"]) == (-1, "x" * 161, 2)
                asked = (phones[299], "380631112233", phones[0])
                found = await ask(status, phone=",".join(asked), id="100,100,100", all="1")
                assert [one["status"] for one in found] == [-1, -3, -1]
                with pytest.raises(Failure, match="not sent yet"):
                    await ask(status, phone=phones[7], id="100", **{"del": "1"})
            async with asyncio.timeout(30):
                while one["status"] != 0:
                    await asyncio.sleep(0.01)
                    one = await ask(status, phone=phones[7], id="100")

    async def test_an_unknown_message_is_no_error(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            assert (await face.json("status", phone=FIRST, id=7))["status"] == -3
            await face.call("send", phones=FIRST, mes="x", id=7)
            assert (await face.json("status", phone=SECOND, id=7))["status"] == -3

    async def test_lists_have_as_many_numbers_as_ids_and_at_least_one(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            for phones, ids in ((",", ","), (f"{FIRST},{SECOND}", "7"), ("," * 9, "1,2")):
                answer = await face.call("status", phone=phones, id=ids)
                assert answer == "ERROR = 1 (parameters error)"
            many = ",".join([FIRST] * 1001)
            form = LOGIN | {"phone": many, "id": ",".join(["7"] * 1001), "fmt": "1"}
            assert (await face.client.post("/sys/status.php", data=form)).text == "0,-1"

    async def test_a_deleted_message_is_not_found_any_more(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            sent = {"phone": FIRST, "id": 7}
            for fmt, answer in enumerate(
                ("OK", "OK", "<result>OK</result>", '{\n"result": "OK"\n}')
            ):
                await face.call("send", phones=FIRST, mes=f"{fmt}", id=7)
                id = (await face.json("status", **sent, all=2))["int_id"]
                assert await face.call("status", **sent, **{"del": 1}, fmt=fmt) == answer
                assert (await face.json("status", **sent))["status"] == -3
            error = "ERROR = 5 (save error)"
            assert await face.call("status", **sent, **{"del": 1}) == error
            # Everybody else still finds it, with what its client did.
            code, printed = await face.bridge.command("trace", str(id))
            assert code == 0, printed
            assert "by the client: status.php does not find it any more" in printed
            own = (await face.json("send", phones=SECOND, mes="x"))["id"]
            await face.call("send", phones=FIRST, mes="x", id=8)
            both = {"phone": f"{FIRST},{SECOND}", "id": f"8,{own}"}
            # All or none.
            assert await face.call("status", **both | {"id": f"8,{own}1"}, **{"del": 1}) == error
            assert [one["status"] for one in await face.json("status", **both)] == [0, 0]
            assert await face.call("status", **both, **{"del": 1}) == "OK"
            assert [one["status"] for one in await face.json("status", **both)] == [-3, -3]

    async def test_one_by_its_id_of_the_bridge_too(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            await face.call("send", phones=FIRST, mes="x", id=7)
            id = (await face.json("status", phone=FIRST, id=7, all=2))["int_id"]
            assert await face.call("status", phone=FIRST, id=id, **{"del": 1}) == "OK"
            assert (await face.json("status", phone=FIRST, id=id))["status"] == -3
            assert (await face.json("status", phone=FIRST, id=7))["status"] == -3

    async def test_a_waiting_message_is_not_deleted(self, tmp_path: Path) -> None:
        async with smsc(tmp_path, 'schedule = "bridge"') as face:
            await face.call("send", phones=FIRST, mes="x", id=7, time="+60")
            answer = await face.call("status", phone=FIRST, id=7, **{"del": 1}, fmt=1)
            assert answer == "0,-5"
            assert (await face.json("status", phone=FIRST, id=7))["status"] == -1

    async def test_lists(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            await face.call("send", phones=FIRST, mes="x", id=7)
            answer = await face.json("status", phone=f"{FIRST},{SECOND}", id="7,8")
            assert [one["status"] for one in answer] == [0, -3]
            answer = await face.json("status", phone=f"{FIRST},", id="7,")
            assert len(answer) == 1
            error = await face.call("status", phone=f"{FIRST},", id="7,8")
            assert error == "ERROR = 1 (parameters error)"
