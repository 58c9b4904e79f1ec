"""The whole way of a webhook: the running listener, a store, and the receivers of notices.

Faults are: an unexpected answer, no answer, a 200 without storing, and stored data that cannot be
told.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import re
import socket
import sqlite3
import tempfile
import threading
import time
from collections.abc import Coroutine, Generator, Sequence
from contextlib import suppress
from email import message_from_bytes
from email.policy import default
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import structlog

from bridge.cli.stored import local
from bridge.cli.tables import printable
from bridge.config.settings import settings_from
from bridge.feedback.hooks import LIMITS, HooksListener
from bridge.feedback.incoming import IncomingMessages
from bridge.feedback.status_updates import Statuses, meaning_of
from bridge.model.message import FINAL, Receipts
from bridge.model.notice import MAIL, Incoming, Kind, Owed, Told, receivers_of
from bridge.smpp.outbound.mobile_originated import incoming_pdus
from bridge.smpp.outbound.receipt import receipt
from bridge.smpp.protocol.codec import decode
from bridge.smtp.outbound import phone_mail as mails
from bridge.smtp.outbound.mime import Letter
from bridge.smtp.outbound.report import MailIdentity
from bridge.smtp.reply_address import ReplyAddresses
from bridge.store.sqlite.engine import SqliteStore
from bridge.trace.finding import utc
from bridge.trace.story import Around, document, incoming_document, incoming_steps, steps
from tests.onway import sent, stored, upstream_id
from tests.samples import message
from tests.smpp.outbound.test_mobile_originated import read, style

T = TypeVar("T")

SECRET = "9f86d081884c7d659a2feaa0c55ad015"
#: Sent messages with known upstream ids.
ON_THEIR_WAY = range(1, 201)
#: Time limit of an answer (seconds).
PATIENCE = 30.0
#: Most inputs for one store: a larger store would slow down later inputs.
_INPUTS_A_STORE = 5000

_SETTINGS = settings_from(
    {
        "hooks": {"listen": ["127.0.0.1:0"], "secret": SECRET},
        "reports": {"smarthost": "127.0.0.1:25"},
        "accounts": {
            "crm": {"password": "x", "sender": "Shop", "incoming_to": "desk@shop.example"},
            "erp": {"password": "x", "sender": "Bank", "protocols": ["smtp"]},
        },
    }
)
_STYLES = [
    style(),
    style(0x50, default_alphabet="utf8", incoming_long="payload", receipt_pdu="data_sm"),
    style(0x33, default_alphabet="gsm7-packed", receipt_id="hex", receipt_dates="seconds"),
]
_HOUSE = MailIdentity("bridge.test", "bridge@sms.example.com", "sms.example.com", frozenset())
_REPLIES = ReplyAddresses(SECRET, "sms.example.com", 86400, _SETTINGS.accounts)
_AROUND = Around(0, utc)
_PHONE = re.compile(r"(?:\+|00)?([1-9][0-9]{4,14})")


class Answer(NamedTuple):
    status: int
    body: bytes


class Hooks:
    """The daemon's listener of ``[hooks]``, in its own thread, with a store in ``folder``.

    A request has to arrive within ``request_within`` seconds.
    """

    def __init__(self, folder: Path, request_within: float = 60.0) -> None:
        self._limits = LIMITS._replace(request_within=request_within)
        self._file = folder / "bridge.db"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hooks")
        self.store = SqliteStore(self._file)
        self._port = 0
        self._texts: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        self.run(self._start())
        self._reading = sqlite3.connect(self._file)
        return self

    def __exit__(self, *_: object) -> None:
        self._reading.close()
        self.run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE)

    async def _start(self) -> None:
        await self.store.open()
        both = Receipts.SUCCESS | Receipts.FAILURE
        await sent(self.store, *(message(id, receipts=both) for id in ON_THEIR_WAY))
        ids = count(100_000)
        incoming = IncomingMessages(_SETTINGS, self.store, lambda: next(ids))
        statuses = Statuses(self.store)
        self._listener = HooksListener(
            _SETTINGS.hooks, statuses.take, incoming.take, limits=self._limits
        )
        [endpoint] = await self._listener.start()
        self._port = endpoint.port

    async def _stop(self) -> None:
        await self._listener.close()
        await self.store.close()

    # --- over the wire -----------------------------------------------------------------------

    def ask(self, pieces: Sequence[bytes], answers: int) -> list[Answer]:
        """Sends requests one after the other; expects as many answers, and no other octets."""
        with self._connected() as connection:
            for piece in pieces:
                connection.sendall(piece)
            with connection.makefile("rb") as stream:
                return [_answer(stream) for _ in range(answers)]

    def talk(self, octets: bytes) -> bytes:
        """Sends any octets and ends the input; returns everything that comes back."""
        said = b""
        # Not TimeoutError: an answer or an end is due.
        with self._connected() as connection, suppress(ConnectionError):
            connection.sendall(octets)
            connection.shutdown(socket.SHUT_WR)
            while received := connection.recv(65536):
                said += received
        return said

    def _connected(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._port), PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    # --- what came of it ---------------------------------------------------------------------

    def judge(self, hook: str, body: bytes, answer: Answer) -> None:
        """Checks the answer, its truth, and that all stored data can be told."""
        if len(body) > LIMITS.max_body:
            assert answer.status == 413, answer
            return
        assert answer.status in (200, 400, 422), answer
        if answer.body:
            assert json.loads(answer.body).keys() <= {"error", "refused"}
        elements = _elements(body)
        if hook == "status":
            named = [named for element in elements if (named := _status(element))]
            assert answer.status == 200 or not named, answer
            for id, words in _by_id(named).items():
                self._knows(id, words)
        else:
            phoned = [one for element in elements if (one := _phoned(element))]
            assert answer.status == 200 or not phoned, answer
            for uid, text in phoned:
                if uid:
                    self._has(uid, text)
        self.run(self._told())

    def _knows(self, id: str, words: list[str]) -> None:
        found = re.fullmatch(upstream_id(0)[:-12] + r"([0-9a-f]{12})", id)
        number = int(found[1], 16) if found else 0
        if number in ON_THEIR_WAY:
            one = self.run(stored(self.store, number))
            assert one.status
            if any(meaning_of(word) for word in words):
                assert one.state in FINAL
            self.run(self._tells(number))
        else:
            assert self._rows("SELECT 1 FROM early_status WHERE upstream_id = ?", id)

    def _has(self, uid: str, text: str) -> None:
        [(kept,)] = self._rows("SELECT text FROM incoming WHERE uid = ?", uid)
        assert kept == self._texts.setdefault(uid, text)

    def _rows(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        return self._reading.execute(query, values).fetchall()

    async def _tells(self, id: int) -> None:
        """The trace of a message."""
        story = await self.store.story(id)
        assert story is not None
        json.dumps(document(story, _AROUND, text=True)).encode()
        for step in steps(story):
            _shown(step.at, step.what, step.says)

    async def _told(self) -> None:
        """Tells all owed notices."""
        now = int(time.time())
        for queue in (receivers_of("crm"), MAIL):
            while owed := await self.store.claim_notices(queue, now, 1000):
                for one in owed:
                    if one.incoming is not None:
                        await self._tells_incoming(one, one.incoming)
                    elif queue != MAIL:
                        assert one.notice.kind is Kind.STATE
                        for how in _STYLES:
                            decode(receipt(one, how).frame(1))
                await self.store.told([Told(one.notice.id, True, "taken") for one in owed])

    async def _tells_incoming(self, owed: Owed, incoming: Incoming) -> None:
        if owed.notice.queue == MAIL:
            letter = mails.compose(owed, _SETTINGS.accounts["crm"], _HOUSE, _REPLIES)
            assert isinstance(letter, Letter)
            assert max(map(len, letter.octets.split(b"\r\n"))) <= 998
            read_again = message_from_bytes(letter.octets, policy=default)
            assert not read_again.defects
            lines = re.split(r"\r\n?|\n", incoming.text.rstrip("\r\n"))
            assert read_again.get_content() == "\r\n".join([*lines, ""]), incoming
            return
        for how in _STYLES:
            pdus = incoming_pdus(incoming, how)
            text = read([decode(pdu.frame(n)) for n, pdu in enumerate(pdus, 1)], how.alphabet)
            assert text == incoming.text or (len(pdus) == 255 and incoming.text.startswith(text))
        [found] = await self.store.from_phones(incoming.uid, 1)
        json.dumps(incoming_document(found, _AROUND, text=True)).encode()
        for step in incoming_steps(found):
            _shown(step.at, step.what, step.says)


def _shown(at: int, *words: str) -> None:
    local(at).encode()
    for word in words:
        assert printable(word).isprintable()
        word.encode()


def _answer(stream: Any) -> Answer:
    """The next final answer of a connection."""
    while True:
        line = stream.readline()
        assert line, "no answer"
        status = int(re.fullmatch(rb"HTTP/1\.1 ([1-5]\d\d) [^\r\n]*\r\n", line)[1])  # type: ignore[index]
        length = 0
        while (field := stream.readline()) != b"\r\n":
            name, _, value = field.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if status != 100:
            return Answer(status, stream.read(length))


# --- the same documents, read by other means -----------------------------------------------------


def _elements(body: bytes) -> list[dict[str, Any]]:
    """The objects of the array, or the single object, with normalised names; none if it is not
    JSON."""

    try:
        found = json.loads(body.decode("utf-8-sig", "replace"), strict=False)
    except (ValueError, RecursionError):
        return []
    elements = found if isinstance(found, list) else [found]
    return [_alike(element) for element in elements if isinstance(element, dict)]


def _alike(element: dict[str, Any]) -> dict[str, Any]:
    return {name.lower().replace("_", ""): value for name, value in element.items()}


def _string(value: object) -> str:
    """A string or a whole number; an unpaired surrogate is an invalid character."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    if isinstance(value, int):
        return str(value)
    return re.sub("[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", value)


def _status(element: dict[str, Any]) -> tuple[str, str] | None:
    """The ``messageId`` and the word of a status."""
    id, word = element.get("messageid"), element.get("deliverystatus")
    if not (isinstance(id, str) and isinstance(word, str)):
        return None
    id, word = _string(id), _string(word)
    if not (0 < len(id) <= 128 and 0 < len(word) <= 64):
        return None
    return (id, word) if (id + word).isprintable() else None


def _by_id(named: list[tuple[str, str]]) -> dict[str, list[str]]:
    words: dict[str, list[str]] = {}
    for id, word in named:
        words.setdefault(id, []).append(word)
    return words


def _phoned(element: dict[str, Any]) -> tuple[str, str] | None:
    """The ``idUuid`` and the text of a message to an account."""
    if "text" not in element:
        return None
    values = [element.get(name) for name in ("iduuid", "alphaname", "phonenumber", "text")]
    uid, to, phone, text = map(_string, values)
    if any(isinstance(value, int) and not -(2**63) <= value < 2**64 for value in values):
        uid = ""  # JSON parsers disagree about such a number
    uid = "".join(char for char in uid if char.isprintable())[:128]
    to = "".join(char for char in to if char.isprintable()).strip().lower()
    if to not in ("shop", "bank") or not _PHONE.fullmatch(phone.replace(" ", "")):
        return None
    return uid, text.replace("\0", "")


# --- for coverage-guided fuzzing -----------------------------------------------------------------


def request(path: str, body: bytes, *, chunks: Sequence[int] = (), head: str = "") -> bytes:
    """A POST of the body, whole or in chunks that end at these positions."""
    first = f"POST {path} HTTP/1.1\r\nHost: x\r\n{head}"
    if not chunks:
        return f"{first}Content-Length: {len(body)}\r\n\r\n".encode() + body
    ends = [*sorted({end for end in chunks if 0 < end < len(body)}), len(body)]
    pieces = [body[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    coded = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece)
    return f"{first}Transfer-Encoding: chunked\r\n\r\n".encode() + coded + b"0\r\n\r\n"


def path_of(hook: str) -> str:
    return f"/hooks/cascade/{SECRET}/{hook}"


#: Each hook, chunks, a repetition, a whole request (see :func:`one_input`).
FIRST_OCTETS = (0, 1, 2, 5, 0x80)


def seeds() -> list[bytes]:
    """Documented bodies and requests (see :func:`one_input`)."""
    status = json.dumps({"messageId": upstream_id(1), "deliverystatus": "delivered", "cost": 0.35})
    phoned = json.dumps(
        {"idUuid": "9b1d", "alphaName": "Shop", "phoneNumber": "380501234567", "text": "Yes"}
    )
    bodies = [status.encode(), phoned.encode(), f"[{status},{status}]".encode()]
    raw = [request(path_of("status"), body, head="X-Y: z\r\n") for body in bodies]
    return [*bodies, *raw, request(path_of("incoming"), bodies[1], chunks=(5, 9))]


def one_input(data: bytes) -> None:
    """Sends ``data``: as a body if its first octet is below 128, else as a whole request.

    Bit 0 of that octet chooses the hook, bit 1 chunks, bit 2 a repetition, bits 3 to 6 the number
    of pieces.
    """
    if not data:
        return
    running = next(_RUNNING)
    how, octets = data[0], data[1:]
    if how >= 128:
        answered(running.talk(octets))
        return
    hook = ("status", "incoming")[how & 1]
    chunks = range(7, len(octets), 1 + len(octets) // 5) if how & 2 else ()
    asked = request(path_of(hook), octets, chunks=chunks) * (2 if how & 4 else 1)
    size = 1 + len(asked) // (1 + (how >> 3))
    pieces = [asked[at : at + size] for at in range(0, len(asked), size)]
    for answer in running.ask(pieces, 2 if how & 4 else 1):
        running.judge(hook, octets, answer)


def answered(said: bytes) -> None:
    """Checks that all that came back are answers, without internal errors."""
    while said:
        found = re.match(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n", said)
        assert found, said
        assert int(found[1]) in (100, 200, 400, 404, 405, 408, 413, 422, 431), said
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)\r\n", found[0])
        said = said[found.end() + (int(length[1]) if length else 0) :]


def _running() -> Generator[Hooks, None, None]:
    structlog.configure(processors=[_nothing])
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    while True:
        with tempfile.TemporaryDirectory() as folder, Hooks(Path(folder)) as running:
            yield from islice(iter(lambda: running, None), _INPUTS_A_STORE)


def _nothing(*_: object) -> Any:
    raise structlog.DropEvent


_RUNNING = _running()
atexit.register(_RUNNING.close)
