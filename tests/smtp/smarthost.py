"""A mail server for the bridge's own mails; tests choose its replies."""

from __future__ import annotations

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any, NamedTuple, cast

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Taken(NamedTuple):
    """One mail: its envelope and its octets."""

    return_path: str
    recipients: list[str]
    octets: bytes

    @property
    def mail(self) -> EmailMessage:
        found = email.message_from_bytes(self.octets, policy=email.policy.default)
        assert isinstance(found, EmailMessage)
        return found

    @property
    def status(self) -> dict[str, str]:
        """The fields of the only recipient in its delivery status."""
        for part in self.mail.walk():
            if part.get_content_type() == "message/delivery-status":
                _, group = cast(list[EmailMessage], part.get_payload())
                return {name: str(value) for name, value in group.items()}
        raise AssertionError("no delivery status")


class Smarthost:
    """The received mails. ``says`` are its replies by command or by recipient; others are the usual
    ones."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.says: dict[str, str] = {}
        self.logins: list[str] = []
        self.connections = 0
        self.port = 0
        self._came = asyncio.Event()

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def mails(self, count: int = 1) -> list[Taken]:
        """Waits until it has this many mails."""
        async with asyncio.timeout(30):
            while len(self.taken) < count:
                await self._came.wait()
                self._came.clear()
        return self.taken

    # Called by aiosmtpd.

    async def handle_EHLO(
        self, server: SMTP, session: Any, envelope: Any, name: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = name
        if "EHLO" in self.says:
            return [self.says["EHLO"]]
        return responses

    async def handle_MAIL(
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if "MAIL" in self.says:
            return self.says["MAIL"]
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        said = self.says.get(address) or self.says.get("RCPT")
        if said:
            return said
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        if "DATA" in self.says:
            return self.says["DATA"]
        # aiosmtpd passes the null path as written.
        return_path = (envelope.mail_from or "").replace("<>", "")
        taken = Taken(return_path, list(envelope.rcpt_tos), envelope.content)
        self.taken.append(taken)
        self._came.set()
        return self.says.get("TAKEN", "250 2.0.0 queued as 77")

    def authenticate(
        self, server: SMTP, session: Any, envelope: Any, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        self.logins.append(f"{data.login.decode()}:{data.password.decode()}")
        return AuthResult(success=data.password == b"right", handled=False)


@asynccontextmanager
async def smarthost(
    host: Smarthost | None = None, port: int = 0, **options: Any
) -> AsyncIterator[Smarthost]:
    """A running smarthost. ``options`` are those of aiosmtpd's SMTP; ``host`` continues an earlier
    one."""
    taking = host or Smarthost()
    loop = asyncio.get_running_loop()
    settings: dict[str, Any] = {"decode_data": False, "enable_SMTPUTF8": True, "loop": loop}
    settings |= options
    server = await loop.create_server(lambda: SMTP(taking, **settings), "127.0.0.1", port)
    taking.port = server.sockets[0].getsockname()[1]
    try:
        yield taking
    finally:
        server.close()
