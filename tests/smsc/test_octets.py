"""Answers on the wire, octet by octet: recorded layouts, and statuses in every format."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree

import httpx

from tests.smsc.calling import FIRST, LOGIN, SECOND, Smsc, smsc

DATE = r"\d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d"
TEXT = "a, b; c = d"


async def answered(face: Smsc, name: str, /, **parameters: Any) -> httpx.Response:
    query = LOGIN | {"fmt": "3", "charset": "utf-8"} | parameters
    return await face.client.get(f"/sys/{name}.php", params=query)


async def test_recorded_answers_have_their_octets_and_their_length(tmp_path: Path) -> None:
    async with smsc(tmp_path, more='balance = "15.00"\nprices = { UA = "0.4" }') as face:
        for name, parameters, octets in (
            ("send", {"phones": FIRST, "mes": "x", "id": 1}, b'{\n"id": 1,\n"cnt": 1\n}'),
            ("send", {"phones": FIRST, "mes": "x", "cost": 1}, b'{\n"cost": "0.4",\n"cnt": 1\n}'),
            ("balance", {}, b'{\n"balance": "15.00"\n}'),
            ("send", {}, b'{\n"error": "parameters error",\n"error_code": 1\n}'),
            ("senders", {"get": 1}, b'[{\n"sender": "Shop"\n}]'),
            ("phones", {"get": 1}, b'{\n"error": "record not found",\n"error_code": 3\n}'),
        ):
            response = await answered(face, name, **parameters)
            assert response.content == octets, name
            assert response.headers["content-length"] == str(len(octets))
            assert response.headers["content-type"] == "application/json; charset=utf-8"
        # As recorded: an answer to a submission has 21 octets, an error in parameters 48.
        assert len(b'{\n"id": 1,\n"cnt": 1\n}') == 21
        assert len(b'{\n"error": "parameters error",\n"error_code": 1\n}') == 48


async def test_what_was_created_has_a_number_of_its_own(tmp_path: Path) -> None:
    async with smsc(tmp_path) as face:
        for command in (
            {"add_group": 1, "name": "Night"},
            {"add": 1, "phone": FIRST, "name": "Anna"},
            {"add_black": 1, "phone": SECOND},
        ):
            response = await answered(face, "phones", **command)
            assert re.fullmatch(rb'\{\n"id": \d+\n\}', response.content), command


async def test_no_answer_is_empty(tmp_path: Path) -> None:
    commands: list[dict[str, Any]] = [{}, {"get": 1}, {"get_answers": 1}, {"get_group": 1}]
    async with smsc(tmp_path) as face:
        for name in ("balance", "phones", "templates", "senders", "jobs", "get"):
            for fmt in range(4):
                for command in commands:
                    assert await face.call(name, fmt=fmt, **command), (name, fmt, command)


async def test_xml_in_another_charset_needs_no_declaration(tmp_path: Path) -> None:
    async with smsc(tmp_path) as face:
        await face.call("phones", add_group=1, name="Ніч")
        response = await answered(face, "phones", get_group=1, fmt="2", charset="windows-1251")
        assert ElementTree.fromstring(response.content).findtext("group/name") == "Ніч"


class TestStatuses:
    """The status of a sent message, with each ``all`` in each format."""

    TEXTS: ClassVar[dict[int, str]] = {
        0: f"Status = 0, check_time = {DATE}",
        1: (
            f"Status = 0, check_time = {DATE}, send_date = {DATE}, phone = {FIRST}, cost = .*, "
            f"sender_id = Shop, status_name = Sent, message = {TEXT}, type = 0, ID = 7, sms_cnt = 1"
        ),
        2: (
            f"Status = 0, check_time = {DATE}, send_date = {DATE}, phone = {FIRST}, mccmnc = , "
            "country = UA, operator = , region = , cost = .*, sender_id = Shop, "
            rf"status_name = Sent, message = {TEXT}, type = 0, ID = 7, int_id = \d+, "
            "sms_cnt = 1, format = 0"
        ),
    }
    #: The numbers of fields into which the provider's library splits.
    FIELDS: ClassVar[dict[int, int]] = {0: 3, 1: 9, 2: 12}
    MEMBERS: ClassVar[dict[int, list[str]]] = {
        0: ["status", "last_date", "last_timestamp", "err"],
        1: [
            *("status", "last_date", "last_timestamp", "err", "send_date", "send_timestamp"),
            *("phone", "cost", "sender_id", "status_name", "message", "type", "id", "sms_cnt"),
        ],
        2: [
            *("status", "last_date", "last_timestamp", "err", "send_date", "send_timestamp"),
            *("phone", "mccmnc", "country", "operator", "region", "cost", "sender_id"),
            *("status_name", "message", "type", "id", "int_id", "sms_cnt", "format"),
        ],
    }

    async def test_a_single_message(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            await face.call("send", phones=FIRST, mes=TEXT, id=7)
            asked = {"phone": FIRST, "id": 7}
            for every in range(3):
                text = await face.call("status", **asked, all=every)
                assert re.fullmatch(self.TEXTS[every], text), text
                fields = (await face.call("status", **asked, all=every, fmt=1)).split(
                    ",", self.FIELDS[every] - 1
                )
                assert len(fields) == self.FIELDS[every]
                assert (fields[0], fields[2]) == ("0", "0")
                if every:
                    assert (fields[4], fields[-1]) == (FIRST, TEXT)
                record = await face.json("status", **asked, all=every)
                assert list(record) == self.MEMBERS[every]
                xml = ElementTree.fromstring(await face.call("status", **asked, all=every, fmt=2))
                assert xml.tag == "result"
                assert [member.tag for member in xml] == self.MEMBERS[every]

    async def test_a_list_of_messages(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            await face.call("send", phones=FIRST, mes=TEXT, id=7)
            asked = {"phone": f"{FIRST},{SECOND}", "id": "7,8"}
            lines = (await face.call("status", **asked, fmt=1)).split("\n")
            assert [line.split(",")[3:] for line in lines] == [["7", FIRST], ["8", SECOND]]
            for every in (1, 2):
                lines = (await face.call("status", **asked, all=every, fmt=1)).split("\n")
                assert lines[0].endswith(f",Sent,{TEXT},7")
                assert lines[1].startswith("-3,0,0,0,")
                assert lines[1].endswith(",8")
            lines = (await face.call("status", **asked)).split("\n")
            assert [line.split(" = ")[0] for line in lines] == ["Status", "Status"]
            [one] = json.loads((await answered(face, "status", phone=f"{FIRST},", id="7,")).text)
            assert (one["id"], one["phone"]) == (7, FIRST)
            xml = ElementTree.fromstring(await face.call("status", **asked, fmt=2))
            assert [member.findtext("status") for member in xml] == ["0", "-3"]

    async def test_a_message_that_is_unknown(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            asked = {"phone": FIRST, "id": 7}
            assert await face.call("status", **asked, fmt=1) == "-3,0,0"
            assert (await face.call("status", **asked)).startswith("Status = -3, ")
            assert (await face.json("status", **asked, all=2))["status_name"] == "Not found"
            xml = await face.call("status", **asked, fmt=2)
            assert ElementTree.fromstring(xml).findtext("status") == "-3"


async def test_prices_and_balance_follow_a_reload(tmp_path: Path) -> None:
    async with smsc(tmp_path, more='balance = "15.00"\nprices = { UA = "0.4" }') as face:
        config = face.bridge.config
        written = config.read_text().replace('"15.00"', '"7.5"').replace('"0.4"', '"1.1"')
        config.write_text(written)
        code, printed = await face.bridge.command("reload")
        assert code == 0, printed
        assert await face.call("balance") == "7.5"
        assert await face.call("send", phones=FIRST, mes="x", cost=1, fmt=1) == "1.1,1"
