"""Contacts, groups, black list and templates by the SMSC dialect."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from tests.smsc.calling import FIRST, LOGIN, SECOND, THIRD, smsc


async def test_contacts_and_groups(tmp_path: Path) -> None:
    async with smsc(tmp_path) as face:
        group = (await face.json("phones", add_group=1, name="Night", num=7))["id"]
        assert await face.call("phones", add_group=1, name="night", fmt=1) == "0,-5"
        contact = await face.json(
            "phones", add=1, phone=f"+{FIRST}, {SECOND}", name="Анна", grp=group, myid=4321
        )
        assert contact["id"] > 0
        query = LOGIN | {"get": "1", "fmt": "3", "charset": "utf-8"}
        response = await face.client.get("/sys/phones.php", params=query)
        assert response.text == (
            f'[{{\n"phone": "{FIRST},{SECOND}",\n"name": "Анна",\n"group": {group},\n'
            '"first_name": "",\n"last_name": "",\n"middle_name": "",\n"birthday": "",\n'
            '"id": "4321",\n"comments": "",\n"tags": "",\n"phone_other": ""\n}]'
        )
        groups = await face.json("phones", get_group=1)
        assert groups == [{"id": group, "name": "Night", "number": 7, "cnt": "1"}]
        assert await face.call("phones", chg=1, phone=FIRST, name="Ганна", bd="1.2.1990") == "OK"
        assert await face.call("phones", get=1, search="ганна", fmt=1) == (
            f"{FIRST};{SECOND},Ганна,{group},,,,01.02.1990,4321,,,"
        )
        assert await face.json("phones", move_group=3, phone=FIRST, grp=group) == {"result": "OK"}
        assert (await face.json("phones", get=1, phone=FIRST))[0]["group"] == "0"
        text = await face.call("phones", **{"del": 1}, phone=FIRST, fmt=2)
        assert text == "<result>OK</result>"
        assert await face.call("phones", get=1) == "ERROR = 3 (record not found)"
        assert await face.call("phones", del_group=1, grp=group) == "OK"
        assert await face.call("phones", del_group=1, grp=group) == "ERROR = 3 (record not found)"


async def test_a_message_to_a_group(tmp_path: Path) -> None:
    async with smsc(tmp_path) as face:
        group = (await face.json("phones", add_group=1, name="Night", num=7))["id"]
        for phone in (FIRST, SECOND):
            await face.call("phones", add=1, phone=phone, name=phone, grp=group)
        answer = await face.json("send", phones=f"G7,{FIRST}", mes="Alarm", id=1)
        assert answer == {"id": 1, "cnt": 2}
        assert sorted(m.phone for m in face.sandbox.messages) == [f"+{FIRST}", f"+{SECOND}"]
        # With op its numbers are listed, with err those that got nothing.
        await face.call("phones", add_black=1, phone=SECOND)
        sent = {"phones": f"G7,{THIRD},{FIRST}", "mes": "x", "fmt": 1, "id": 2}
        listed = [f"{FIRST},,0,,", f"{SECOND},,,-1,6", f"{THIRD},,0,,"]
        assert (await face.call("send", **sent, op=1)).split("\n") == ["2,2", *listed]
        assert (await face.call("send", **sent, err=1)).split("\n") == ["2,2", listed[1]]
        only = sent | {"phones": "G8", "err": 1}
        assert (await face.call("send", **only)).split("\n") == ["2,-3", "G8,,,-1,3"]


async def test_the_black_list(tmp_path: Path) -> None:
    async with smsc(tmp_path) as face:
        assert await face.call("phones", add_black=1, phone=FIRST, type=0, cmt="a & b", fmt=1)
        text = await face.call("phones", get_black=1, fmt=2)
        record = ElementTree.fromstring(text)[0]
        assert {one.tag: one.text for one in record if one.tag != "id"} == {
            "phone": FIRST,
            "type": "0",
            "comment": "a & b",
        }
        assert await face.call("send", phones=FIRST, mes="x", fmt=1, id=9) == "9,-6"
        assert await face.call("phones", del_black=1, phone=FIRST) == "OK"
        assert await face.call("send", phones=FIRST, mes="x", fmt=1, id=9) == "9,1"


async def test_wrong_parameters(tmp_path: Path) -> None:
    async with smsc(tmp_path) as face:
        for parameters, code in (
            ({}, 1),
            ({"add": 1}, 1),
            # Only send.php has a code for wrong numbers.
            ({"add": 1, "phone": "12"}, 1),
            ({"get": 1, "phone": "12"}, 1),
            ({"del": 1, "phone": f"{FIRST},12"}, 1),
            ({"add_black": 1, "phone": "12"}, 1),
            # None of several is left out.
            ({"add_black": 1, "phone": f"{FIRST},{SECOND}"}, 1),
            ({"add": 1, "mail": "anna@example.com", "name": "Anna"}, 1),
            ({"add_group": 1, "name": "By mail", "type": 1}, 1),
            ({"add": 1, "phone": FIRST, "bd": "31.02.1990"}, 1),
            ({"add": 1, "phone": FIRST, "grp": 999}, 3),
            ({"add_group": 1, "name": "123"}, 1),
            ({"move_group": 9, "phone": FIRST, "grp": 1}, 1),
            ({"chg": 1, "phone": FIRST, "name": "x"}, 3),
            ({"add_black": 1, "phone": FIRST, "type": 7}, 1),
        ):
            assert await face.call("phones", fmt=1, **parameters) == f"0,-{code}", parameters


async def test_templates(tmp_path: Path) -> None:
    async with smsc(tmp_path) as face:
        id = (await face.json("templates", add=1, name="Code", msg="Your code", sender="Shop"))[
            "id"
        ]
        assert await face.json("templates", get=1) == [
            {
                "id": id,
                "format": "sms",
                "message": "Your code",
                "name": "Code",
                "sender": "Shop",
                "flag": 0,
            }
        ]
        assert await face.call("templates", chg=1, id=id, msg="New", **{"fl[1]": 1}) == "OK"
        [changed] = await face.json("templates", get=1, pp=1)
        assert (changed["message"], changed["flag"]) == ("New", 1)
        assert await face.call("templates", **{"del": 1}, id=id) == "OK"
        error = await face.call("templates", chg=1, id=id, msg="x")
        assert error == "ERROR = 3 (record not found)"


async def test_a_list_of_numbers_has_a_limit(tmp_path: Path) -> None:
    async with smsc(tmp_path) as face:
        numbers = ",".join(f"38050{n:07}" for n in range(10_001))
        for command in ("del", "del_black"):
            form = LOGIN | {command: "1", "phone": numbers, "fmt": "1"}
            response = await face.client.post("/sys/phones.php", data=form)
            assert response.text == "0,-1"
            assert response.headers["x-reason"] == "bad parameter: more than 10000 phones"
