"""status.php of a running daemon."""

from __future__ import annotations

from pathlib import Path

from tests.smsc.calling import FIRST, SECOND, smsc


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

    async def test_an_unknown_one_is_no_error(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            assert (await face.json("status", phone=FIRST, id=7))["status"] == -3
            await face.call("send", phones=FIRST, mes="x", id=7)
            assert (await face.json("status", phone=SECOND, id=7))["status"] == -3

    async def test_lists(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            await face.call("send", phones=FIRST, mes="x", id=7)
            answer = await face.json("status", phone=f"{FIRST},{SECOND}", id="7,8")
            assert [one["status"] for one in answer] == [0, -3]
            answer = await face.json("status", phone=f"{FIRST},", id="7,")
            assert len(answer) == 1
            error = await face.call("status", phone=f"{FIRST},", id="7,8")
            assert error == "ERROR = 1 (parameters error)"
