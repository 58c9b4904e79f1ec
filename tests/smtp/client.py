"""A client that sends raw octets and reads whole replies."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

#: Most seconds for a reply: a guard, which no test waits for.
WITHIN = 30.0

HELLO = b"EHLO x\r\n"
ENVELOPE = b"MAIL FROM:<a@b.cd>\r\nRCPT TO:<380501234567@sms.example.com>\r\nDATA\r\n"
MAIL = b"Subject: x\r\n\r\ntext\r\n.\r\n"


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, octets: bytes) -> None:
        self.writer.write(octets)

    async def reply(self, within: float = WITHIN) -> str:
        """The next reply, all its lines; empty when the server closed the connection."""
        lines: list[str] = []
        async with asyncio.timeout(within):
            while True:
                line = (await self.reader.readline()).decode()
                lines.append(line)
                if line[3:4] != "-":
                    return "".join(lines).rstrip("\r\n")

    async def replies(self, count: int) -> list[str]:
        return [await self.reply() for _ in range(count)]

    async def ask(self, command: str | bytes) -> str:
        octets = command.encode() if isinstance(command, str) else command
        self.send(octets + b"\r\n")
        return await self.reply()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        async with asyncio.timeout(WITHIN):
            await self.writer.start_tls(context, server_hostname="localhost")

    def reset(self) -> None:
        """Closes the connection with an RST."""
        self.writer.transport.abort()


@asynccontextmanager
async def connected(
    port: int, *, context: ssl.SSLContext | None = None, greet: bool = True
) -> AsyncIterator[Client]:
    """A client that has read the greeting and, with ``greet``, the extensions."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    client = Client(reader, writer)
    try:
        if greet:
            assert (await client.reply()).startswith("220 ")
            assert (await client.ask("EHLO client.test")).startswith("250")
        yield client
    finally:
        writer.close()
        try:
            async with asyncio.timeout(WITHIN):
                await writer.wait_closed()
        except (OSError, ssl.SSLError, TimeoutError):
            pass
