"""Mail clients, on kept or new connections, by SMTP (with and without TLS) and by LMTP.

Like a mail server, a client keeps a mail without an answer or with a temporary refusal, and sends
it again with the same Message-ID.
"""

from __future__ import annotations

import asyncio
import base64
import random
import re
import ssl
import time
from collections.abc import Callable
from typing import Final

from tests.chaos.node import Node, Reached, one_ready
from tests.chaos.record import Record, Said, Text, Try
from tests.chaos.smpp_session import ANY_CERTIFICATE

_ID: Final = re.compile(r"ID - (\d+)")
_WITHIN: Final = 30.0
#: Most tries of a mail.
TRIES: Final = 6
DOMAIN: Final = "sms.example.com"


class _Connection:
    """One SMTP connection of an account, logged in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(
        cls, port: int, account: str, hello: str, context: ssl.SSLContext | None
    ) -> _Connection:
        connection = cls(*await asyncio.open_connection("127.0.0.1", port, ssl=context))
        login = base64.b64encode(f"\0{account}\0secret12".encode()).decode()
        for code, command in (
            ("220", ""),
            ("250", f"{hello} client.test"),
            ("235", "AUTH PLAIN " + login),
        ):
            if not (await connection.ask(command)).startswith(code):
                connection.close()
                raise ConnectionRefusedError
        return connection

    async def ask(self, command: str) -> str:
        """Sends a command; returns the whole reply. Raises EOFError if the connection ends."""
        if command:
            self._writer.write(command.encode() + b"\r\n")
        lines: list[str] = []
        async with asyncio.timeout(_WITHIN):
            while not lines or lines[-1][3:4] == "-":
                line = (await self._reader.readline()).decode()
                if not line.endswith("\n"):
                    raise EOFError
                lines.append(line)
        return "".join(lines)

    async def mail(self, sender: str, recipients: list[str], notify: str, octets: str) -> str:
        """Sends a mail; returns the reply to the text, or the first refusal before it."""
        reply = await self.ask(f"MAIL FROM:<{sender}>")
        if not reply.startswith("250"):
            return reply
        for recipient in recipients:
            reply = await self.ask(f"RCPT TO:<{recipient}>{notify}")
            if not reply.startswith("250"):
                await self.ask("RSET")
                return reply
        reply = await self.ask("DATA")
        return await self.ask(octets + "\r\n.") if reply.startswith("354") else reply

    def close(self) -> None:
        self._writer.transport.abort()


class MailClient:
    """Sends mails one after the other while ``busy``. ``keeps``: over one connection."""

    def __init__(
        self,
        account: str,
        nodes: list[Node],
        record: Record,
        chance: random.Random,
        busy: Callable[[], bool],
        pause: float,
        *,
        keeps: bool,
        lmtp: bool = False,
    ) -> None:
        self._account = account
        self._nodes = nodes
        self._record = record
        self._chance = chance
        self._busy = busy
        self._pause = pause
        self._keeps = keeps
        self._lmtp = lmtp
        self._kept: _Connection | None = None
        self._run = ""

    async def run(self) -> None:
        """Runs until it is no longer busy and its last mail is accepted or given up."""
        while self._busy():
            text = self._record.text(self._account, "mail")
            # LMTP has a reply for each recipient, and each is a submission.
            count = 1 if self._lmtp else self._chance.choice((1, 1, 1, 1, 2, 3))
            text.phones = (text.phone, *(self._record.phone() for _ in range(count - 1)))
            text.sender = f"{text.phone[1:]}@client.test"
            text.intermediate = False
            text.final = self._chance.random() < 0.5  # NOTIFY=SUCCESS,FAILURE
            await self._deliver(text)
            await asyncio.sleep(self._chance.expovariate(1 / self._pause))
        if self._kept is not None:
            self._kept.close()

    async def _deliver(self, text: Text) -> None:
        recipients = [f"{phone[1:]}@{DOMAIN}" for phone in text.phones]
        octets = (
            f"Message-ID: <{text.phone[1:]}@client.test>\r\nSubject: chaos\r\n"
            f"From: <{text.sender}>\r\nTo: <{recipients[0]}>\r\n\r\n{text.text}"
        )
        notify = " NOTIFY=SUCCESS,FAILURE" if text.final else ""
        for _ in range(TRIES):
            one = await self._try(text, recipients, notify, octets)
            if one is not None and (one.said is Said.YES or one.status.startswith("5")):
                return
            await asyncio.sleep(self._chance.uniform(0.2, 2))

    async def _try(self, text: Text, recipients: list[str], notify: str, octets: str) -> Try | None:
        """One try; None if nothing was sent."""
        try:
            if self._kept is None:
                node, at = await one_ready(self._nodes, self._chance)
                self._run = node.run
                self._kept = await self._open(at)
        except (OSError, EOFError, TimeoutError):
            return None
        one = Try(self._run, time.monotonic())
        text.parts[0].append(one)
        try:
            reply = await self._kept.mail(text.sender, recipients, notify, octets)
        except (OSError, EOFError, TimeoutError):
            self._drop()
            return one
        one.status = reply.splitlines()[-1][:100]
        if reply.startswith("250"):
            found = _ID.search(reply)
            one.said, one.id = Said.YES, int(found[1]) if found else 0
        else:
            one.said = Said.NO
            self._drop()
        self._record.answered(text, one)
        if not self._keeps or self._chance.random() < 0.05:
            self._drop()
        return one

    async def _open(self, at: Reached) -> _Connection:
        if self._lmtp:
            return await _Connection.open(at.lmtp, self._account, "LHLO", None)
        if self._chance.random() < 0.3:
            return await _Connection.open(at.smtps, self._account, "EHLO", ANY_CERTIFICATE)
        return await _Connection.open(at.smtp, self._account, "EHLO", None)

    def _drop(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None
