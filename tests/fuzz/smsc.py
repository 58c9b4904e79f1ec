"""The whole way of a call of the SMSC dialect: the running listener, the relay, a store.

Faults are: an HTTP status other than 200, an empty body, an answer that a client cannot read, an
unexpected exception.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import re
import tempfile
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree

import structlog
import uvloop

from bridge.accounts.accounts import Accounts
from bridge.config.settings import parse_endpoint, settings_from
from bridge.dialect.answers import Format
from bridge.sandbox import Sandbox
from bridge.smsc.service import smsc_listener
from bridge.smsc.soap import ENVELOPE_11, ENVELOPE_12, METHODS
from tests.relaying import relaying

LOGIN = b"login=crm&psw=secret"
BOUNDARY = "xYz"
CALLS = (
    *("send.php", "status.php", "balance.php", "phones.php", "templates.php", "senders.php"),
    *("jobs.php", "get.php", "users.php"),
)
#: The content types of parameters; none: the query.
WAYS = (
    "",
    "application/x-www-form-urlencoded",
    f"multipart/form-data; boundary={BOUNDARY}",
    "application/json",
)
#: Each call in each format and way, and SOAP (see :func:`taken`).
FIRST_OCTETS = range(len(CALLS) * len(Format) * (len(WAYS) + 1))
_SETTINGS = settings_from(
    {
        "smsc": {"listen": ["127.0.0.1:0"], "prices": {"UA": "0.4"}},
        "cascade": {"authorization_key": "key"},
        # A wrong password must not block later inputs.
        "login": {"max_failures": 1000, "failures_within": "1s", "blocked_for": "1s"},
        "accounts": {"crm": {"password": "secret", "sender": "Shop", "protocols": ["http"]}},
    }
)
#: Most inputs for one store: a larger store would slow down later inputs.
_INPUTS_A_STORE = 5000
#: The folder of the fuzzer's stores: in memory, where a commit does not wait for a disk.
_IN_MEMORY = Path("/dev/shm")
_PATIENCE = 30.0
#: Lines of the text and number formats.
_TEXT = re.compile(
    r"OK|ERROR = [1-9] \([^\n]+\)(, ID - [\w.-]+)?|ID = \d+|\d+(\.\d+)?( SMS)?"
    r"|OK - \d+ SMS, ID - [\w.-]+(, COST - [\d.]+(, BALANCE - [\d.]+)?)?|[\d.]+ \(\d+ SMS\)"
    r"|\w+ = [^\n]*"
)
_NUMBERS = re.compile(r"OK|[\w.-]+,-[1-9]|\d+(\.\d+)?|[^\n]*,[^\n]*|Shop")
_ROOTS = {"result", "list", "phone", "group", "template", "job"}


class Answer(NamedTuple):
    status: int
    content_type: str
    body: bytes


class Face:
    """The daemon's listener of the dialect, and a kept connection to it."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, target: str, content_type: str = "", body: bytes = b"") -> Answer:
        """A GET without body and content type, else a POST."""
        method = "POST" if content_type or body else "GET"
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        if content_type:
            head += f"Content-Type: {content_type}\r\n"
        async with asyncio.timeout(_PATIENCE):
            if self._streams is None:
                self._streams = await asyncio.open_connection(*self._address)
            reader, writer = self._streams
            writer.write(f"{head}\r\n".encode("latin-1") + body)
            said = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status = re.match(r"HTTP/1\.1 (\d+) ", said)
            length = re.search(r"(?i)\ncontent-length: (\d+)", said)
            kind = re.search(r"(?i)\ncontent-type: ([^\r]+)", said)
            assert status, said
            assert length, said
            octets = await reader.readexactly(int(length[1]))
            if re.search(r"(?i)\nconnection: close", said):
                await self.close()
        return Answer(int(status[1]), kind[1] if kind else "", octets)

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


@asynccontextmanager
async def facing(folder: Path, *, virtual: bool = False) -> AsyncIterator[Face]:
    """With a store in ``folder`` and a sandbox API, which gets nothing if ``virtual``."""
    accounts_with = {"crm": {"virtual": virtual}}
    async with Sandbox() as sandbox, relaying(folder, sandbox, accounts=accounts_with) as world:
        accounts = Accounts(_SETTINGS)
        listener = smsc_listener(_SETTINGS, accounts, world.relay, world.directory)
        [endpoint] = await listener.start()
        face = Face(*parse_endpoint(str(endpoint)))
        try:
            yield face
        finally:
            await face.close()
            await listener.close()
            accounts.close()


# --- what an answer may be -----------------------------------------------------------------------


def judge(answer: Answer) -> None:
    """Checks that a client of the dialect can read the answer."""
    assert answer.status == 200, answer
    assert answer.body.strip(), answer
    kind, _, charset = answer.content_type.partition("; charset=")
    text = answer.body.decode(charset)
    match kind:
        case "application/json":
            found = json.loads(text)
            records = found if isinstance(found, list) else [found]
            assert all(isinstance(record, dict) and record for record in records), answer
            assert all(1 <= record.get("error_code", 1) <= 9 for record in records), answer
        case "text/xml":
            root = ElementTree.fromstring(answer.body)
            assert root.tag in _ROOTS, answer
            assert 1 <= int(root.findtext("error_code") or 1) <= 9, answer
        case "text/html":
            for line in text.split("\n"):
                assert _TEXT.fullmatch(line) or _NUMBERS.fullmatch(line), answer
        case _:
            raise AssertionError(answer)


def judge_soap(answer: Answer) -> None:
    """Checks for one response or fault in an envelope of the request's version."""
    assert answer.status == 200, answer
    root = ElementTree.fromstring(answer.body)
    assert root.tag in (f"{{{ENVELOPE_11}}}Envelope", f"{{{ENVELOPE_12}}}Envelope"), answer
    [[told]] = root
    name = told.tag.rpartition("}")[2]
    assert name in {"Fault", *(method.response for method in METHODS.values())}, answer


# --- calls ---------------------------------------------------------------------------------------


def call_of(call: str, way: str, fmt: int, octets: bytes) -> tuple[str, str, bytes]:
    """The target, content type and body of a call with these parameters."""
    query = LOGIN + b"&fmt=%d" % fmt
    if not way:
        # Only characters that are allowed in a request line.
        given = quote(octets[:20_000], safe="=&%+,;:-._~")
        return f"/sys/{call}?{given}&{query.decode()}", "", b""
    target = f"/sys/{call}?{query.decode()}"
    if way == "application/json":
        target = "/rest/send/?" + query.decode()
    if way == WAYS[1]:
        octets += b"&" + LOGIN
    return target, way, octets


async def taken(face: Face, octets: bytes, how: int) -> None:
    """Makes a call: ``how`` chooses the call, the format, and the content type or SOAP."""
    how, call = divmod(how, len(CALLS))
    fmt, way = how % len(Format), how // len(Format)
    if way >= len(WAYS):
        judge_soap(await face.ask("/sys/soap.php", "text/xml", octets or b" "))
        return
    judge(await face.ask(*call_of(CALLS[call], WAYS[way], fmt, octets)))


def envelope(method: str, version: str = ENVELOPE_11, **arguments: str) -> bytes:
    """A SOAP request with the login."""
    given = {"login": "crm", "psw": "secret", **arguments}
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in given.items())
    return (
        f'<s:Envelope xmlns:s="{version}"><s:Body><m:{method} xmlns:m="urn:x">{inner}'
        f"</m:{method}></s:Body></s:Envelope>"
    ).encode()


FORMS = (
    b"phones=380501234567&mes=Your+code+is+1234&id=7&cost=3&op=1&err=1&sender=Shop&time=0-24",
    b"phones=380501234567;12,G7&mes=%CF%F0%E8%E2%E5%F2&translit=1&maxsms=1&valid=00:30&period=2",
    b"list=380501234567:one%0a380671112233,380631112233;two&nl=1&cost=1&charset=utf-8",
    b"phone=380501234567,&id=7,&all=2&charset=koi8-r",
    b"add=1&phone=%2b380501234567&name=Anna&grp=1|2&bd=1.2.1990&myid=7&cmt=a&tags=b&pho=c",
    b"add_group=1&name=Night&num=7",
    b"chg_group=1&grp=1&name=Day",
    b"move_group=2&grp=1&phone=380501234567",
    b"get=1&search=a&after_id=1&lmt=5",
    b"get_group=1",
    b"add_black=1&phone=380501234567&type=2&cmt=x",
    b"get_black=1",
    b"del=1&phone=380501234567&id=1",
    b"add=1&name=Friday&msg=x&format=sms&fl[1]=1&phones=380501234567&mes=y&tpl=Friday",
    b"get_all=1&get_answers=1&hour=168",
)


def seeds() -> list[bytes]:
    """Parameters of every call in each form, and SOAP requests (see :func:`one_input`)."""
    multipart = b"".join(
        b'--xYz\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name, value)
        for name, value in ((b"phones", b"380501234567"), (b"mes", b"x"))
    )
    return [
        *FORMS,
        multipart + b"--xYz--\r\n",
        json.dumps({"phones": ["380501234567", 12], "mes": "x", "err": True}).encode(),
        envelope("send_sms2", phones="380501234567", mes="x", query="maxsms=1&amp;nl=1"),
        envelope("get_status", ENVELOPE_12, phone="380501234567", id="7", all="2"),
    ]


def one_input(data: bytes) -> None:
    """Makes a call with ``data``; its first octet is ``how``."""
    if not data:
        return
    loop, face, faults = next(_RUNNING)
    try:
        loop.run_until_complete(taken(face, data[1:], data[0]))
        assert not faults, faults
    except BaseException:
        _RUNNING.close()  # Its threads would keep the process from ending.
        raise


def _running() -> Generator[tuple[asyncio.AbstractEventLoop, Face, list[Any]]]:
    faults: list[Any] = []
    structlog.configure(processors=[faults_into(faults)])
    for library in ("uvicorn.error", "python_multipart"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    loop = uvloop.new_event_loop()  # the daemon's
    while True:
        memory = _IN_MEMORY if _IN_MEMORY.is_dir() else None
        with tempfile.TemporaryDirectory(dir=memory) as folder:
            world = facing(Path(folder), virtual=True)
            face = loop.run_until_complete(world.__aenter__())
            try:
                yield from repeat((loop, face, faults), _INPUTS_A_STORE)
            finally:
                loop.run_until_complete(world.__aexit__(None, None, None))


def faults_into(faults: list[Any]) -> Any:
    """A log processor that keeps only events with a traceback."""

    def keep(_: object, __: str, event: dict[str, Any]) -> Any:
        if event.get("exc_info"):
            faults.append(event)
        raise structlog.DropEvent

    return keep


_RUNNING = _running()
atexit.register(_RUNNING.close)
