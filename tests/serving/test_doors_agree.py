"""One table for all protocols: the same submission gives the same messages, refusals and codes."""

from __future__ import annotations

import asyncio
import re
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from bridge.sandbox import Sandbox
from bridge.smpp.protocol.pdu import DistributionList, SmeAddress, SubmitMulti, Tlv
from bridge.smpp.protocol.tlvs import ADDITIONAL_STATUS_INFO_TEXT, MESSAGE_PAYLOAD
from tests.serving.clients import connect
from tests.serving.daemon import OPERATE, Bridge, serving, write_config
from tests.smpp.peer import Peer, a_submit
from tests.smtp.client import Client, connected

FIRST, SECOND, THIRD = "+380501234567", "+380671112233", "+380631112233"
#: Blocked numbers: for all, bulk, and single messages.
NEVER, NOT_BULK, NOT_SINGLE = "+380501110000", "+380501110001", "+380501110002"
ABROAD, WRONG = "+420601234567", "12345"
#: A group by its number, the only form in the SMSC line; its members are FIRST and SECOND.
GROUP, EMPTY_GROUP, NO_GROUP = "g7", "g8", "g99"
#: Groups with options: hours that begin in two hours, and one part at most. Their member is THIRD.
LATER_GROUP, SHORT_GROUP = "g9", "g10"
#: Groups with FIRST and NEVER, and with NEVER alone.
PARTLY_BLOCKED, BLOCKED = "g11", "g12"
DAY = 86400


class Case(NamedTuple):
    """A submission, and its result: an fmt ``code``, or messages to these ``phones``.

    ``ahead`` is the schedule (seconds from now), ``hours`` the validity, or a ``ttl`` that is none;
    ``sent`` and ``named`` are the message's text and sender where they differ from the
    submission's, ``later``: it is scheduled though the submission is not. Protocols in ``cannot``
    cannot express it.
    """

    to: tuple[str, ...]
    text: str = "Замовлення готове"
    sender: str = ""
    ahead: int = 0
    hours: int = 0
    ttl: str = ""
    template: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    translit: str = ""
    code: int = 0
    phones: tuple[str, ...] = ()
    sent: str = ""
    named: str = ""
    later: bool = False
    cannot: frozenset[str] = frozenset()


#: SMPP and the SMSC line have no templates; only the SMSC dialect has transliteration.
NO_TEMPLATES = frozenset({"line", "smpp"})
NO_TRANSLIT = frozenset({"mail", "smpp", "api"})

CASES = {
    "one": Case((FIRST,), phones=(FIRST,)),
    "a national number": Case(("0501234567",), phones=(FIRST,)),
    "ascii": Case((FIRST,), "Order 17 is ready [now] {x}", phones=(FIRST,)),
    "two, one of them twice": Case((FIRST, SECOND, FIRST), phones=(FIRST, SECOND)),
    "a sender of the account": Case((FIRST,), sender="Shop UA", phones=(FIRST,)),
    "a sender in other capitals": Case(
        (FIRST,), sender="SHOP UA", named="Shop UA", phones=(FIRST,)
    ),
    "a number with a fraction": Case(("380501234567.0",), phones=(FIRST,)),
    "some right": Case((FIRST, WRONG), phones=(FIRST,)),
    "wrong phone": Case((WRONG,), code=7),
    "all wrong": Case((WRONG, "999"), code=7),
    "country": Case((ABROAD,), code=6),
    "sender": Case((FIRST,), sender="Bank", code=6),
    "variables of the API": Case((FIRST,), "%name=1% hello", code=6),
    "empty": Case((FIRST,), "", code=1),
    "blanks": Case((FIRST,), "  \n ", code=1),
    "two parts": Case((FIRST,), "x" * 306, phones=(FIRST,)),
    "two parts of the extension table": Case((FIRST,), "€" * 152, phones=(FIRST,)),
    "two parts in Cyrillic": Case((FIRST,), "я" * 134, phones=(FIRST,)),
    "two parts of emoji": Case((FIRST,), "😀" * 66, phones=(FIRST,)),
    "two lines": Case((FIRST,), "one\n\ntwo", phones=(FIRST,)),
    "too long": Case((FIRST,), "x" * 307, code=1),
    "too long for the extension table": Case((FIRST,), "€" * 153, code=1),
    "too long in Cyrillic": Case((FIRST,), "я" * 135, code=1),
    "too long in emoji": Case((FIRST,), "😀" * 67, code=1),
    "too long, to a group": Case((GROUP,), "x" * 307, code=1),
    "no such country": Case(("+999501234567",), code=7),
    "a short number": Case(("101",), code=7),
    "schedule": Case((FIRST,), ahead=2 * DAY, phones=(FIRST,)),
    "schedule too far ahead": Case((FIRST,), ahead=40 * DAY, code=1),
    "validity": Case((FIRST,), hours=2, phones=(FIRST,), cannot=frozenset({"line"})),
    "no validity": Case((FIRST,), ttl="wrong", code=1, cannot=frozenset({"line"})),
    "group": Case((GROUP,), phones=(FIRST, SECOND)),
    "group and phones": Case((GROUP, SECOND, THIRD), phones=(FIRST, SECOND, THIRD)),
    "group with hours": Case((LATER_GROUP,), phones=(THIRD,), later=True),
    "group with hours and a schedule": Case((LATER_GROUP,), ahead=DAY, phones=(THIRD,)),
    "group of one part": Case((SHORT_GROUP,), "я" * 70, phones=(THIRD,)),
    "too long for a group of one part": Case((SHORT_GROUP,), "я" * 71, code=1),
    "unknown group": Case((NO_GROUP,), code=3),
    "empty group": Case((EMPTY_GROUP,), code=3),
    "black list": Case((NEVER,), code=6),
    "black list, bulk": Case((NOT_BULK,), phones=(NOT_BULK,)),
    "black list, bulk of two": Case((NOT_BULK, FIRST), phones=(FIRST,)),
    "black list, single": Case((NOT_SINGLE,), code=6),
    "black list, single of two": Case((NOT_SINGLE, FIRST), phones=(NOT_SINGLE, FIRST)),
    "black list, in a group": Case((PARTLY_BLOCKED,), phones=(FIRST,)),
    "black list, a whole group": Case((BLOCKED,), code=6),
    "template": Case(
        (FIRST,),
        "",
        template="ready",
        variables=(("name", "Анна"), ("order", "17")),
        phones=(FIRST,),
        sent="Анна: 17",
        cannot=NO_TEMPLATES,
    ),
    "template to a group": Case(
        (GROUP,),
        "",
        template="ready",
        variables=(("name", "Анна"), ("order", "17")),
        phones=(FIRST, SECOND),
        sent="Анна: 17",
        cannot=NO_TEMPLATES,
    ),
    "template without a variable": Case(
        (FIRST,), "", template="ready", variables=(("name", "x"),), code=1, cannot=NO_TEMPLATES
    ),
    "unknown template": Case((FIRST,), "", template="none", code=3, cannot=NO_TEMPLATES),
    "Latin letters by sound": Case(
        (FIRST,), "Щедрий", translit="1", sent="Shhedrij", phones=(FIRST,), cannot=NO_TRANSLIT
    ),
    "Latin letters by look": Case(
        (FIRST,), "Щедрий", translit="2", sent="W'egpuu'", phones=(FIRST,), cannot=NO_TRANSLIT
    ),
    "no such transliteration": Case((FIRST,), translit="3", code=1, cannot=NO_TRANSLIT),
}

_CODE = re.compile(r"ERROR = (\d)")


def code_in(answer: str) -> int:
    found = _CODE.search(answer)
    return int(found[1]) if found else 0


class Doors:
    """A client of each protocol; each returns the fmt code of the answer, 0 for success."""

    def __init__(self, mail: Client, line: Client, smpp: Peer, smsc: str, api: str) -> None:
        self._mail = mail
        self._line = line
        self._smpp = smpp
        self._http = httpx.AsyncClient(timeout=30)
        self._smsc = smsc
        self._api = api
        self.all: dict[str, Callable[[Case], Awaitable[int]]] = {
            "mail": self.mail,
            "line": self.line,
            "smpp": self.smpp,
            "smsc": self.smsc,
            "api": self.api,
        }

    async def close(self) -> None:
        await self._http.aclose()
        await self._smpp.close()

    async def mail(self, case: Case) -> int:
        headers = ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"]
        for name, value in (
            ("Sender", case.sender),
            ("TTL", case.ttl or (f"{case.hours}h" if case.hours else "")),
            ("Template", case.template),
            ("Schedule", moment(case.ahead).isoformat() if case.ahead else ""),
        ):
            if value:
                headers.append(f"X-Cascade-{name}: {value}")
        headers += [f"X-Cascade-Var: {name}={value}" for name, value in case.variables]
        return await send_mail(self._mail, case.to, "\n".join([*headers, "", case.text]))

    async def line(self, case: Case) -> int:
        at = f"{moment(case.ahead + 3 * 3600):%d%m%y%H%M}" if case.ahead else ""
        phones = ",".join(case.to).upper()
        text = (
            f"[text]crm:secret12::{at}:{case.translit},0,{case.sender}:{phones}:{case.text}[/text]"
        )
        head = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
        return await send_mail(self._line, ("send",), head + text)

    async def smpp(self, case: Case) -> int:
        schedule = f"{moment(case.ahead):%y%m%d%H%M%S}000+".encode() if case.ahead else b""
        fields: dict[str, Any] = {
            "source_addr": case.sender.encode(),
            "schedule_delivery_time": schedule,
            "validity_period": b"200101000000000+" if case.ttl else b"",
            "data_coding": 8,
        }
        if case.hours:
            fields["validity_period"] = b"000000%02d0000000R" % case.hours
        octets = case.text.encode("utf-16-be")
        tlvs = (Tlv(MESSAGE_PAYLOAD, octets),) if len(octets) > 254 else ()
        fields["short_message"] = b"" if tlvs else octets
        if len(case.to) == 1 and not case.to[0].startswith("g"):
            [to] = case.to
            ton = 1 if to.startswith("+") else 0
            submit = a_submit(to=to.lstrip("+").encode())._replace(dest_addr_ton=ton, **fields)
            answer = await self._smpp.ask("submit_sm", submit, *tlvs)
        else:
            addresses = tuple(
                DistributionList(to.encode())
                if to.startswith("g")
                else SmeAddress(int(to.startswith("+")), 1, to.lstrip("+").encode())
                for to in case.to
            )
            many = SubmitMulti(dest_address=addresses)._replace(**fields)
            answer = await self._smpp.ask("submit_multi", many, *tlvs)
        said = (answer.tlv(ADDITIONAL_STATUS_INFO_TEXT) or b"").decode()
        assert bool(answer.command_status) == bool(said), answer
        return code_in(said)

    async def smsc(self, case: Case) -> int:
        parameters = {
            "login": "crm",
            "psw": "secret12",
            "charset": "utf-8",
            "fmt": "3",
            "phones": ",".join(case.to),
            "mes": case.text,
            "sender": case.sender,
            "time": f"0{int(moment(case.ahead).timestamp())}" if case.ahead else "",
            "valid": case.ttl or (str(case.hours) if case.hours else ""),
            "tpl": case.template,
            "translit": case.translit,
            **{f"var[{name}]": value for name, value in case.variables},
        }
        answer = await self._http.post(f"http://{self._smsc}/sys/send.php", data=parameters)
        code: int = answer.json().get("error_code", 0)
        return code

    async def api(self, case: Case) -> int:
        document: dict[str, Any] = {"to": list(case.to), "text": case.text, "sender": case.sender}
        if case.ahead:
            document["schedule"] = moment(case.ahead).isoformat()
        if case.ttl or case.hours:
            document["ttl"] = case.hours * 3600
        if case.template:
            document |= {"template": case.template, "variables": dict(case.variables)}
        answer = await self._http.post(
            f"{self._api}/api/v1/messages", json=document, auth=("crm", "secret12")
        )
        code: int = 0 if answer.status_code == 202 else answer.json()["code"]
        return code


def moment(ahead: int) -> datetime:
    """This number of seconds ahead of now, as a whole minute."""
    return datetime.fromtimestamp((int(time.time()) + ahead) // 60 * 60, UTC)


async def send_mail(client: Client, to: tuple[str, ...], mail: str) -> int:
    """The code of the reply to the mail, or to RCPT if no recipient is left."""
    assert (await client.ask("MAIL FROM:<a@b.cd>")).startswith("250")
    replies = [await client.ask(f"RCPT TO:<{one}@sms.example.com>") for one in to]
    if not any(reply.startswith("250") for reply in replies):
        assert (await client.ask("RSET")).startswith("250")
        return code_in(replies[0])
    assert (await client.ask("DATA")).startswith("354")
    answer = await client.ask(mail.replace("\n", "\r\n").encode() + b"\r\n.")
    assert answer[:1] in "25", answer
    # A 250 can name refused recipients.
    return 0 if answer.startswith("250") else code_in(answer)


@asynccontextmanager
async def doors(
    folder: Path, sandbox: Sandbox, more: str = ""
) -> AsyncIterator[tuple[Bridge, Doors]]:
    """``more`` are further lines of the account."""
    config = write_config(
        folder,
        sandbox.url,
        more='smsc_address = "send"',
        account=f"""
        {more}
        protocols = ["smtp", "smpp", "http"]
        senders = ["Shop", "Shop UA"]
        region = "UA"
        countries = ["UA"]
        zone = "UTC"
        max_parts = 2
        """,
    )
    config.write_text(config.read_text() + '\n[smsc]\nlisten = ["127.0.0.1:0"]\n')
    async with serving(config) as bridge:
        ready = await bridge.event("ready")
        smtp, _ = await bridge.ready()
        async with connected(smtp.port) as mail, connected(smtp.port) as line:
            login = b64encode(b"\0crm\0secret12").decode()
            assert (await mail.ask(f"AUTH PLAIN {login}")).startswith("235")
            smpp = await connect(bridge)
            bound = await smpp.bind(password=b"secret12", interface_version=0x50)
            assert bound.command_status == 0
            api = await bridge.api()
            await fill(api)
            there = Doors(mail, line, smpp, ready["smsc"][0], api)
            try:
                yield bridge, there
            finally:
                await there.close()


async def fill(api: str) -> None:
    """Fills the directory for the cases."""
    hour = moment(0).hour
    later = f"{(hour + 2) % 24}-{(hour + 3) % 24 or 24}"
    async with httpx.AsyncClient(
        base_url=f"{api}/api/v1/accounts/crm",
        headers={"Authorization": f"Bearer {OPERATE}"},
        timeout=30,
    ) as client:
        for path, document in (
            ("/groups", {"name": "Night shift", "number": 7}),
            ("/groups", {"name": "Nobody", "number": 8}),
            ("/groups", {"name": "Later", "number": 9, "hours": later}),
            ("/groups", {"name": "Short", "number": 10, "max_parts": 1}),
            ("/groups", {"name": "Partly", "number": 11}),
            ("/groups", {"name": "Blocked", "number": 12}),
            ("/contacts", {"phone": FIRST, "groups": ["g7", "Partly"]}),
            ("/contacts", {"phone": NEVER, "groups": ["Partly", "Blocked"]}),
            ("/contacts", {"phone": SECOND, "groups": ["Night shift"]}),
            ("/contacts", {"phone": THIRD, "groups": ["Later", "Short"]}),
            ("/blacklist", {"phone": NEVER}),
            ("/blacklist", {"phone": NOT_BULK, "blocks": "bulk"}),
            ("/blacklist", {"phone": NOT_SINGLE, "blocks": "single"}),
            ("/templates", {"name": "ready", "message": "{name}: {order}"}),
        ):
            answer = await client.post(path, json=document)
            assert answer.status_code == 200, answer.text


async def test_every_door_gives_the_same(tmp_path: Path) -> None:
    wrong: list[str] = []
    async with Sandbox() as sandbox, doors(tmp_path, sandbox) as (_, there):
        for name, case in CASES.items():
            for door, submit in there.all.items():
                if door in case.cannot:
                    continue
                before = len(sandbox.messages)
                async with asyncio.timeout(30):
                    code = await submit(case)
                if code == 0:
                    await sandbox.wait_for(before + max(1, len(case.phones)))
                new = sandbox.messages[before:]
                got = (
                    code,
                    sorted(message.phone for message in new),
                    {message.text for message in new},
                    {message.item["fromName"] for message in new},
                    {"scheduledSent" in message.item for message in new},
                    {message.item["ttl"] // 3600 for message in new if case.hours},
                )
                expected = (
                    case.code,
                    sorted(case.phones),
                    {case.sent or case.text} if case.phones else set(),
                    {case.named or case.sender or "Shop"} if case.phones else set(),
                    {bool(case.ahead) or case.later} if case.phones else set(),
                    {case.hours} if case.hours else set(),
                )
                if got != expected:
                    wrong.append(f"{name}, {door}: {got} instead of {expected}")
    assert not wrong, "\n".join(wrong)


async def test_the_same_message_by_another_door_is_the_same(tmp_path: Path) -> None:
    refusing = 'duplicate_window = "1m"\nduplicates = "refuse"'
    async with Sandbox() as sandbox, doors(tmp_path, sandbox, refusing) as (_, there):
        for door, submit in there.all.items():
            case = Case((FIRST,), f"by {door}")
            assert await submit(case) == 0, door
            again = {name: await other(case) for name, other in there.all.items()}
            assert again == dict.fromkeys(there.all, 9), door
        assert len(sandbox.messages) == len(there.all)
