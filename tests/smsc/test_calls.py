"""Calls of the SMSC dialect to a running daemon: sending, queries, refusals."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from tests.smsc.calling import FIRST, LOGIN, SECOND, THIRD, Smsc, smsc


async def test_one_text(tmp_path: Path) -> None:
    async with smsc(tmp_path) as face:
        assert await face.call("send", phones=FIRST, mes="Привіт", id=77) == "OK - 1 SMS, ID - 77"
        assert await face.call("send", phones=FIRST, mes="hi", id=78, fmt=1) == "78,1"
        phones = f"{FIRST};\r\n{SECOND}\r\n"
        answer = await face.json("send", phones=phones, mes="x" * 161, id="order-1")
        assert answer == {"id": "order-1", "cnt": 4}
        texts = [message.item["text"] for message in face.sandbox.messages]
        assert texts == ["Привіт", "hi", "x" * 161, "x" * 161]


@pytest.mark.parametrize(
    ("charset", "python"),
    [("", "cp1251"), ("windows-1251", "cp1251"), ("koi8-r", "koi8-r"), ("utf-8", "utf-8")],
)
async def test_every_charset_and_every_way(tmp_path: Path, charset: str, python: str) -> None:
    text = "Ваш код 1234"
    fields: dict[str, Any] = {**LOGIN, "phones": FIRST, "charset": charset}
    form = "&".join(f"{name}={value}" for name, value in fields.items()).encode()
    form += b"&mes=" + text.encode(python).replace(b" ", b"+")
    files = {name: (None, value.encode()) for name, value in fields.items()}
    async with smsc(tmp_path) as face:
        headers = {"content-type": "application/x-www-form-urlencoded"}
        for response in (
            await face.client.post("/sys/send.php", content=form, headers=headers),
            await face.client.post(
                "/sys/send.php", files=files | {"mes": (None, text.encode(python))}
            ),
            await face.client.post(
                "/sys/send.php",
                params=LOGIN | {"phones": FIRST},
                content=form,
                headers=headers,
            ),
        ):
            assert response.text.startswith("OK - 1 SMS, ID - ")
        assert [m.item["text"] for m in face.sandbox.messages] == [text] * 3


async def test_rest(tmp_path: Path) -> None:
    async with smsc(tmp_path) as face:
        body = LOGIN | {"phones": [FIRST], "mes": "Привіт", "id": 5}
        response = await face.client.post("/rest/send/", json=body)
        assert response.content == b'{\n"id": 5,\n"cnt": 1\n}'
        assert face.sandbox.messages[0].item["text"] == "Привіт"


class TestLogins:
    WRONG: ClassVar[list[tuple[dict[str, str], str]]] = [
        ({"login": "crm", "psw": "wrong"}, "ERROR = 2 (authorise error)"),
        ({"login": "nobody", "psw": "secret12"}, "ERROR = 2 (authorise error)"),
        ({"login": "crm"}, "ERROR = 1 (parameters error)"),
        ({}, "ERROR = 1 (parameters error)"),
        ({"apikey": "wrong"}, "ERROR = 2 (authorise error)"),
    ]

    async def test_wrong_ones(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            for login, answer in self.WRONG:
                query = login | {"phones": FIRST, "mes": "x"}
                response = await face.client.get("/sys/send.php", params=query)
                assert response.text == answer, login
            assert not face.sandbox.messages

    async def test_md5_and_key(self, tmp_path: Path) -> None:
        async with smsc(tmp_path, 'api_key = "the-key"') as face:
            md5 = hashlib.md5(b"secret12").hexdigest()
            for login in (
                {"login": "crm", "psw": md5},
                {"apikey": "the-key"},
                {"login": "", "psw": "the-key"},
                {"login": "crm", "psw": "secret12", "apikey": "the-key"},
            ):
                response = await face.client.get("/sys/balance.php", params=login)
                assert response.text == "0"

    async def test_wrong_ones_block_the_address(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            for _ in range(10):
                await face.client.get("/sys/balance.php", params={"login": "crm", "psw": "x"})
            response = await face.client.get("/sys/balance.php", params=LOGIN)
            assert response.text == "ERROR = 4 (ip is blocked)"

    async def test_networks(self, tmp_path: Path) -> None:
        async with smsc(tmp_path, more='networks = ["192.0.2.0/24"]') as face:
            response = await face.client.get("/sys/balance.php", params=LOGIN)
            assert response.text == "ERROR = 2 (authorise error)"
            assert "network" in response.headers["x-reason"]


class TestRefusals:
    """Every refusal has an answer of the dialect, with the client's id."""

    OF_A_SUBMISSION: ClassVar[list[tuple[dict[str, Any], int]]] = [
        ({"phones": "12"}, 7),
        ({"phones": ""}, 1),
        ({"mes": " "}, 1),
        ({"phones": "G7"}, 3),
        ({"sender": "Bank"}, 6),
        ({"time": "3113260000"}, 1),
        ({"valid": "25"}, 1),
        ({"hlr": 1}, 1),
        ({"ping": "1"}, 1),
        ({"mes": "__CALL__hello"}, 1),
        ({"cost": 4}, 1),
        ({"translit": 2}, 1),
        ({"list": "no phone here"}, 1),
        ({"mes": "x" * 5000}, 1),
    ]

    async def test_of_a_submission(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            for parameters, code in self.OF_A_SUBMISSION:
                sent = {"phones": FIRST, "mes": "hello", "id": 541, "fmt": 1} | parameters
                assert await face.call("send", **sent) == f"541,-{code}", parameters
            assert not face.sandbox.messages

    async def test_say_exactly_why_in_a_header_and_in_the_log(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            for mes, more, reason in (
                ("x", {"hlr": "1"}, "bad parameter: hlr cannot be sent"),
                ("x", {"sender": "Bank"}, "sender not allowed"),
                ("", {}, "no text: mes"),
            ):
                query = LOGIN | {"phones": FIRST, "mes": mes} | more
                response = await face.client.get("/sys/send.php", params=query)
                assert response.headers["x-reason"] == reason
                await face.bridge.event(
                    "call_refused",
                    account="crm",
                    reason=reason,
                    path="/sys/send.php",
                )

    async def test_an_operation_that_does_not_exist(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            for path in ("/sys/users.php", "/sys/", "/", "/sys/../etc", "/sys/send.php%00"):
                response = await face.client.get(path, params=LOGIN)
                assert response.status_code == 200
                assert response.text == "ERROR = 1 (parameters error)"

    async def test_of_a_body_that_is_too_large(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            body = b"mes=" + b"x" * 5 * 1024 * 1024
            response = await face.client.post("/sys/send.php", content=body)
            assert response.text == "ERROR = 1 (parameters error)"

    async def test_what_the_api_says_comes_back(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            face.sandbox.fault("400")
            assert await face.call("send", phones=FIRST, mes="x", fmt=1, id=3) == "3,-7"


class TestCosts:
    async def test_a_price_sends_nothing(self, tmp_path: Path) -> None:
        async with smsc(tmp_path, more='prices = { UA = "0.4", CZ = "1" }') as face:
            answer = await face.json("send", phones=f"{FIRST},420777123456", mes="x" * 161, cost=1)
            assert answer == {"cost": "2.8", "cnt": 4}
            assert not face.sandbox.messages

    async def test_with_the_answer(self, tmp_path: Path) -> None:
        async with smsc(tmp_path, "daily_limit = 100", 'prices = { UA = "0.4" }') as face:
            answer = await face.json("send", phones=FIRST, mes="x", cost=3, id=1)
            assert answer == {"id": 1, "cnt": 1, "cost": "0.4", "balance": "99"}
            assert await face.call("balance") == "99"

    async def test_without_a_table_nothing_is_invented(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            assert await face.call("send", phones=FIRST, mes="x", cost=3, fmt=1, id=1) == "1,1,0,0"

    async def test_every_number_and_the_wrong_ones(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            sent = {"phones": f"{FIRST},12", "mes": "x", "id": 1}
            answer = await face.json("send", **sent, op=1)
            assert [(n["phone"], n["error"]) for n in answer["phones"]] == [
                (FIRST, ""),
                ("12", "7"),
            ]
            answer = await face.json("send", **sent, err=1)
            assert [n["phone"] for n in answer["phones"]] == ["12"]


class TestTexts:
    DONE: ClassVar[list[tuple[dict[str, Any], str]]] = [
        ({"mes": "Привет", "translit": 1}, "Privet"),
        ({"mes": r"one\ntwo", "nl": 1}, "one\ntwo"),
        ({"mes": "x" * 400, "maxsms": 1}, "x" * 160),
        ({"mes": "a: b, c; d"}, "a: b, c; d"),
    ]

    async def test_what_is_done_to_a_text(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            for parameters, text in self.DONE:
                await face.call("send", phones=FIRST, **parameters)
                assert face.sandbox.messages[-1].item["text"] == text

    async def test_a_list_has_a_text_a_row(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            rows = f"{FIRST}:one: 1\n{SECOND},{THIRD};two\n\n"
            answer = await face.json("send", list=rows)
            assert answer["cnt"] == 3
            texts = {m.phone: m.item["text"] for m in face.sandbox.messages}
            assert texts == {f"+{FIRST}": "one: 1", f"+{SECOND}": "two", f"+{THIRD}": "two"}

    async def test_a_route_by_a_switch_or_a_prefix(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            await face.call("send", phones=FIRST, mes="x", viber=1)
            await face.call("send", phones=FIRST, mes="__VIBER__y")
            paths = {request.path for request in face.sandbox.requests}
            assert all("tg-viber" in path for path in paths)
            assert face.sandbox.messages[1].item["text"] == "y"


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


async def test_three_identical_calls_in_a_minute(tmp_path: Path) -> None:
    async with smsc(tmp_path) as face:
        answers = [await face.call("phones", get_group=1, fmt=1) for _ in range(4)]
        assert answers == ["0,-3"] * 3 + ["0,-9"]
        assert await face.call("phones", get_group=1, fmt=1, pp=1) == "0,-3"


async def test_fifteen_calls_at_once(tmp_path: Path) -> None:
    async with smsc(tmp_path) as face:
        face.sandbox.fault("slow", seconds=1)

        async def send(n: int) -> str:
            return await face.call("send", phones=FIRST, mes=f"text {n}", fmt=1, id=n + 1)

        limits = httpx.Limits(max_connections=40)
        face.client._transport = httpx.AsyncHTTPTransport(limits=limits)
        answers = await asyncio.gather(*(send(n) for n in range(20)))
        refused = [answer for answer in answers if answer.endswith("-9")]
        assert len(refused) == 6


async def test_messages_from_phones(tmp_path: Path) -> None:
    async with smsc(tmp_path, account="") as face:
        assert await face.json("get", get_answers=1) == []


async def test_senders(tmp_path: Path) -> None:
    async with smsc(tmp_path, 'senders = ["Bank"]') as face:
        response = await face.client.get(
            "/sys/senders.php", params=LOGIN | {"get": 1, "fmt": 3, "charset": "utf-8"}
        )
        assert response.content == b'[{\n"sender": "Bank"\n},\n{\n"sender": "Shop"\n}]'


def names(face: Smsc) -> list[str]:
    return [event["event"] for event in face.bridge.events]


async def test_a_refusal_stands_in_the_log_once_with_its_reason(tmp_path: Path) -> None:
    async with smsc(tmp_path) as face:
        for _ in range(3):
            await face.call("users")
        await face.bridge.event("call_refused", reason="bad parameter: no such call")
        assert names(face).count("call_refused") == 1
