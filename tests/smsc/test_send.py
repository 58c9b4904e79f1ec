"""send.php of a running daemon: texts, charsets, costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bridge.accounts.accounts import Account
from bridge.config.settings import settings_from
from bridge.dialect.answers import Format
from bridge.directory.verbs import add_contact, add_group
from bridge.model.contact import Contact, Group
from bridge.model.failure import Failure, Reason
from bridge.sandbox import Sandbox
from bridge.smsc.call import Call
from bridge.smsc.parameters import Parameters
from bridge.smsc.send import Sending, submission_of
from tests.relaying import relaying
from tests.smsc.calling import FIRST, LOGIN, SECOND, THIRD, smsc


async def failing_group(account: Account, address: str) -> AsyncIterator[str]:
    raise Failure(Reason.OPERATION_FAILED)
    yield ""


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


async def test_the_rest_form_is_answered_in_json(tmp_path: Path) -> None:
    async with smsc(tmp_path) as face:
        body = LOGIN | {"phones": [FIRST], "mes": "Привіт", "id": 5}
        response = await face.client.post("/rest/send/", json=body)
        assert response.content == b'{\n"id": 5,\n"cnt": 1\n}'
        assert face.sandbox.messages[0].item["text"] == "Привіт"


class TestCosts:
    async def test_a_price_sends_nothing(self, tmp_path: Path) -> None:
        async with smsc(tmp_path, more='prices = { UA = "0.4", CZ = "1" }') as face:
            answer = await face.json("send", phones=f"{FIRST},420777123456", mes="x" * 161, cost=1)
            assert answer == {"cost": "2.8", "cnt": 4}
            assert not face.sandbox.messages

    async def test_the_answer_has_cost_and_balance_if_asked(self, tmp_path: Path) -> None:
        async with smsc(tmp_path, "daily_limit = 100", 'prices = { UA = "0.4" }') as face:
            answer = await face.json("send", phones=FIRST, mes="x", cost=3, id=1)
            assert answer == {"id": 1, "cnt": 1, "cost": "0.4", "balance": "99"}
            assert await face.call("balance") == "99"

    async def test_a_refused_group_among_the_numbers_costs_nothing(self, tmp_path: Path) -> None:
        async with smsc(tmp_path, more='prices = { UA = "0.4" }') as face:
            for cost, answer in ((1, "0.4 (1 SMS)"), (2, "OK - 1 SMS, ID - 7, COST - 0.4")):
                call = face.call("send", phones=f"g99,{FIRST}", mes="hi", id=7, cost=cost)
                assert await call == answer
            assert len(face.sandbox.messages) == 1

    async def test_an_accepted_call_is_never_told_as_refused(
        self, tmp_path: Path, sandbox: Sandbox
    ) -> None:
        async with relaying(tmp_path, sandbox) as at:
            group = await at.directory.change(add_group, "crm", Group(0, "Ops", 7))
            contact = Contact(0, (f"+{FIRST}",), groups=(group,))
            await at.directory.change(add_contact, "crm", contact)
            await at.directory.refresh()
            prices = {"UA": "0.4"}
            ids = count(100).__next__
            # The store fails after the call is accepted.
            sending = Sending(at.relay, lambda: prices, str, ids, at.directory, failing_group)
            for cost, told in ((0, "op"), (2, "err")):
                given = {"phones": "g7", "mes": "hi", "cost": str(cost), told: "1", "id": "9"}
                parameters = Parameters(given, "utf-8")
                call = Call(at.account(), parameters, Format.TEXT, "127.0.0.1", time.time())
                assert await sending(call) == "OK - 1 SMS, ID - 9"
            await sandbox.wait_for(2)

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


async def test_a_duplicate_is_answered_with_the_first_id_which_leads_to_its_status(
    tmp_path: Path,
) -> None:
    async with smsc(tmp_path, 'duplicate_window = "1h"') as face:
        for first, again in (
            ({"phones": FIRST, "mes": "x"}, {}),
            ({"phones": SECOND, "mes": "x", "id": "order-1"}, {"id": "order-2"}),
            ({"phones": f"{FIRST},{SECOND}", "mes": "y"}, {}),
            ({"phones": ",".join(TestManyNumbers.PHONES), "mes": "z"}, {"id": "7"}),
        ):
            one = await face.json("send", **first)
            assert await face.json("send", **first | again) == one
            phone = first["phones"].partition(",")[0]
            assert (await face.json("status", phone=phone, id=one["id"]))["status"] in (-1, 0)
        job = {"add": 1, "name": "May", "phones": FIRST, "mes": "w", "fmt": 3}
        assert await face.call("jobs", **job) == await face.call("jobs", **job, pp=1)
        # The first one came by another protocol, without a reference.
        api, login = await face.bridge.api(), (LOGIN["login"], LOGIN["psw"])
        document = {"to": FIRST, "text": "by API"}
        sent = await face.client.post(f"{api}/api/v1/messages", json=document, auth=login)
        answer = await face.json("send", phones=FIRST, mes="by API")
        assert answer["id"] == sent.json()["id"]
        assert (await face.json("status", phone=FIRST, id=answer["id"]))["status"] == 0


class TestManyNumbers:
    PHONES: ClassVar[list[str]] = [f"38050{n:07}" for n in range(300)]

    async def test_the_answer_has_each_of_them(self, tmp_path: Path) -> None:
        async with smsc(tmp_path, more='prices = { UA = "0.4" }') as face:
            sent = {"phones": ",".join([*self.PHONES, "12"]), "mes": "x", "id": 1}
            answer = await face.json("send", **sent, op=1, cost=2)
            assert (answer["id"], answer["cnt"], answer["cost"]) == (1, 300, "120")
            assert [n["phone"] for n in answer["phones"]] == [*self.PHONES, "12"]
            assert answer["phones"][-1]["error"] == "7"
            await face.sandbox.wait_for(300)
            assert sorted(m.phone for m in face.sandbox.messages) == [f"+{n}" for n in self.PHONES]

    async def test_a_list_has_a_text_for_each(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            rows = "\n".join(f"{phone}:text {phone}" for phone in self.PHONES)
            assert (await face.json("send", list=rows))["cnt"] == 300
            await face.sandbox.wait_for(300)
            texts = {m.item["text"] for m in face.sandbox.messages}
            assert texts == {f"text {phone}" for phone in self.PHONES}

    async def test_others_are_served_while_they_are_read(self) -> None:
        rows = "\n".join(f"38050{n:07}:text {n}" for n in range(10_000))
        own = {"password": "secret12"}
        account = Account("crm", settings_from({"accounts": {"crm": own}}).accounts["crm"])
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        running = asyncio.create_task(other())
        parameters = Parameters({"list": rows, "translit": "1"}, "utf-8")
        call = Call(account, parameters, Format.JSON, "", time.time())
        submission = await submission_of(call, "1")
        running.cancel()
        assert len(submission.recipients) == 10_000
        assert turns > 3


class TestTexts:
    DONE: ClassVar[list[tuple[dict[str, Any], str]]] = [
        ({"mes": "Привет", "translit": 1}, "Privet"),
        ({"mes": "Привет", "translit": 2}, "IIpuBem"),
        ({"mes": r"one\ntwo", "nl": 1}, "one\ntwo"),
        ({"mes": "x" * 400, "maxsms": 1}, "x" * 160),
        ({"mes": "a: b, c; d"}, "a: b, c; d"),
    ]

    async def test_switches_change_the_text(self, tmp_path: Path) -> None:
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
