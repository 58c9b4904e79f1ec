"""Logins, refusals and limits of calls to a running daemon."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

import httpx

from bridge.sandbox import Sandbox
from tests.chaos.fault_proxy import Way, in_front_of
from tests.smsc.calling import FIRST, LOGIN, Smsc, smsc


class TestLogins:
    WRONG: ClassVar[list[tuple[dict[str, str], str]]] = [
        ({"login": "crm", "psw": "wrong"}, "ERROR = 2 (authorise error)"),
        ({"login": "nobody", "psw": "secret12"}, "ERROR = 2 (authorise error)"),
        ({"login": "crm"}, "ERROR = 1 (parameters error)"),
        ({}, "ERROR = 1 (parameters error)"),
        ({"apikey": "wrong"}, "ERROR = 2 (authorise error)"),
    ]

    async def test_wrong_credentials_are_refused(self, tmp_path: Path) -> None:
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
        ({"translit": 3}, 1),
        ({"list": "no phone here"}, 1),
        ({"mes": "x" * 5000}, 1),
    ]

    async def test_of_a_submission(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            for parameters, code in self.OF_A_SUBMISSION:
                sent = {"phones": FIRST, "mes": "hello", "id": 541, "fmt": 1} | parameters
                assert await face.call("send", **sent) == f"541,-{code}", parameters
            assert not face.sandbox.messages

    async def test_the_exact_reason_is_in_a_header_and_in_the_log(self, tmp_path: Path) -> None:
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

    async def test_of_other_methods(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            query = LOGIN | {"phones": FIRST, "mes": "x", "fmt": "3"}
            for method in ("HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"):
                response = await face.client.request(method, "/sys/send.php", params=query)
                assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")
                assert method == "HEAD" or response.json()["error_code"] == 1
                assert response.headers["x-reason"] == f"bad parameter: method {method}"
            # Some SOAP clients look first whether the description is there.
            assert (await face.client.head("/sys/soap.php?wsdl")).status_code == 200
            assert not face.sandbox.messages

    async def test_of_a_compressed_body(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            body = gzip.compress(urlencode(LOGIN | {"phones": FIRST, "mes": "x"}).encode())
            headers = {"content-encoding": "gzip"}
            url = "/sys/send.php?fmt=1"
            response = await face.client.post(url, content=body, headers=headers)
            assert response.text == "0,-1"
            assert response.headers["x-reason"] == "bad parameter: Content-Encoding gzip"

    async def test_of_a_body_that_is_too_large(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            body = b"fmt=3&mes=" + b"x" * 5 * 1024 * 1024
            error = '{\n"error": "parameters error",\n"error_code": 1\n}'
            for target, status, answer in (
                ("/sys/send.php?fmt=3", 200, error),
                ("/sys/send.php?fmt=1", 200, "0,-1"),
                ("/rest/send/", 200, error),
                # Some clients take everything with status 200 but JSON with "error" as success.
                ("/sys/send.php", 413, "ERROR = 1 (parameters error)"),
            ):
                response = await face.client.post(target, content=body)
                assert (response.status_code, response.text) == (status, answer), target

    async def test_what_the_api_says_comes_back(self, tmp_path: Path) -> None:
        async with smsc(tmp_path) as face:
            face.sandbox.fault("400")
            assert await face.call("send", phones=FIRST, mes="x", fmt=1, id=3) == "3,-7"


async def test_three_identical_calls_in_a_minute(tmp_path: Path) -> None:
    async with smsc(tmp_path) as face:
        answers = [await face.call("phones", get_group=1, fmt=1) for _ in range(4)]
        assert answers == ["0,-3"] * 3 + ["0,-9"]
        assert await face.call("phones", get_group=1, fmt=1, pp=1) == "0,-3"


async def test_fifteen_calls_at_once(tmp_path: Path, sandbox: Sandbox) -> None:
    patient = 'answer_within = "60s"'
    async with (
        in_front_of(sandbox.url) as between,
        smsc(tmp_path, account=patient, sandbox=sandbox, api=between.url) as face,
    ):
        between.turn(Way.SILENT)

        async def send(n: int) -> str:
            return await face.call("send", phones=FIRST, mes=f"text {n}", fmt=1, id=n + 1)

        limits = httpx.Limits(max_connections=40)
        face.client._transport = httpx.AsyncHTTPTransport(limits=limits)
        answers = asyncio.as_completed([send(n) for n in range(20)])
        refused = [await answer for answer in islice(answers, 6)]
        assert all(answer.endswith("-9") for answer in refused), refused
        between.turn(Way.OPEN)
        accepted = [await answer for answer in answers]
        assert not any(answer.endswith("-9") for answer in accepted), accepted


def names(face: Smsc) -> list[str]:
    return [event["event"] for event in face.bridge.events]


async def test_a_refusal_stands_in_the_log_once_with_its_reason(tmp_path: Path) -> None:
    async with smsc(tmp_path) as face:
        for _ in range(3):
            await face.call("users")
        await face.bridge.event("call_refused", reason="bad parameter: no such call")
        assert names(face).count("call_refused") == 1
