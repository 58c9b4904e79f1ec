"""The SMSC listener with all its operations; ids for submissions without one."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from bridge.directory.verbs import add_contact, add_group
from bridge.model.contact import Contact, Group
from bridge.sandbox import Sandbox
from bridge.smsc import service
from bridge.smsc.service import LIMITED, ShortIds, smsc_listener
from tests.relaying import relaying

LOGIN = {"login": "crm", "psw": "secret", "fmt": "1"}


def test_short_ids_follow_the_clock() -> None:
    assert ShortIds(lambda: 0.0).next() == 1
    now = 1_767_225_600.0
    ids = ShortIds(lambda: now)
    first = ids.next()
    assert 0 < first < 2**31
    now += 1
    assert ids.next() - first == 256


def test_no_short_id_comes_twice_even_if_the_clock_is_set_back() -> None:
    now = 1_767_225_600.0
    ids = ShortIds(lambda: now)
    given = [ids.next() for _ in range(1000)]
    now -= 3600
    given += [ids.next() for _ in range(1000)]
    assert len(set(given)) == 2000


def test_no_short_id_is_zero() -> None:
    # The clock's 31 bits are all zero now.
    ids = ShortIds(lambda: float(2**31 // 256 * 1000))
    assert ids.next() == 1


async def test_every_operation_is_served_and_others_are_not(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    own = {"protocols": ["http"], "networks": ["127.0.0.1"]}
    async with relaying(tmp_path, sandbox, accounts={"crm": own}) as at:
        smsc = at.settings.smsc.model_validate(
            {"listen": ["127.0.0.1:0"], "prices": {"UA": "0.40"}}
        )
        settings = at.settings.model_copy(update={"smsc": smsc})
        group = await at.directory.change(add_group, "crm", Group(0, "Night", 7))
        for n in range(3):
            contact = Contact(0, (f"+38050123456{n}",), "", (group,))
            await at.directory.change(add_contact, "crm", contact)
        listener = smsc_listener(settings, at.accounts, at.relay, at.directory)
        [endpoint] = await listener.start()
        async with httpx.AsyncClient(
            base_url=f"http://{endpoint}/sys/", params=LOGIN, timeout=30
        ) as client:
            try:
                names = (
                    "send",
                    "status",
                    "balance",
                    "phones",
                    "templates",
                    "senders",
                    "jobs",
                    "get",
                )
                for name in names:
                    answer = await client.get(f"{name}.php")
                    assert "no such call" not in answer.headers.get("x-reason", ""), name
                answer = await client.get("other.php")
                assert answer.headers["x-reason"] == "bad parameter: no such call"
                assert {f"{name}.php" for name in ("phones", "jobs")} < LIMITED
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(service, "_PAGE", 2)  # the group takes two pages
                    price: dict[str, str | int] = {"phones": "G7", "mes": "x", "cost": 1}
                    assert (await client.get("send.php", params=price)).text == "1.2,3"
            finally:
                await listener.close()
