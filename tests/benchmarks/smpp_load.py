"""A minimal SMPP client: binds, keeps a window full, counts answers."""

from __future__ import annotations

import asyncio
import struct
import time

_HEADER = struct.Struct("!IIII")


def _pdu(command_id: int, sequence: int, body: bytes) -> bytes:
    return _HEADER.pack(16 + len(body), command_id, 0, sequence) + body


def submit_body(phone: str, text: bytes, data_coding: int = 0, esm_class: int = 0) -> bytes:
    """A submit_sm body (SMPP 3.4 §4.4.1) from the account's default sender."""
    return b"".join(
        (
            b"\0\0\0\0\1\1",
            phone.encode(),
            bytes((0, esm_class)),
            b"\0\0\0\0\0\0",
            bytes((data_coding, 0, len(text))),
            text,
        )
    )


class _Session(asyncio.Protocol):
    def __init__(self, load: Load) -> None:
        self._load = load
        self._buffer = b""
        self._sent: dict[int, float] = {}
        self._sequence = 1
        self.bound = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        credentials = f"{self._load.system_id}\0{self._load.password}\0".encode()
        transport.write(_pdu(9, 1, credentials + b"\0\x34\0\0\0"))  # type: ignore[attr-defined]

    def start(self) -> None:
        self._fill(self._load.window)

    def _fill(self, n: int) -> None:
        pdus = []
        now = time.perf_counter()
        for _ in range(n):
            body = self._load.next_body()
            if body is None:
                break
            self._sequence += 1
            self._sent[self._sequence] = now
            pdus.append(_pdu(4, self._sequence, body))
        if pdus:
            self._transport.write(b"".join(pdus))  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        at, answered = 0, 0
        now = time.perf_counter()
        while len(data) - at >= 16:
            length, command_id, status, sequence = _HEADER.unpack_from(data, at)
            if len(data) - at < length:
                break
            at += length
            if command_id == 0x80000009:
                if status:
                    self.bound.set_exception(RuntimeError(f"bind status {status:#x}"))
                else:
                    self.bound.set_result(None)
            elif command_id == 0x80000004:
                answered += 1
                # Other servers have ids that are no numbers.
                if length > 17 and (id := data[at - length + 16 : at - 1]).isdigit():
                    self._load.ids.add(int(id))
                self._load.answered(status, now - self._sent.pop(sequence))
            elif command_id == 0x15:
                self._transport.write(_pdu(0x80000015, sequence, b""))  # type: ignore[attr-defined]
        self._buffer = data[at:]
        if answered:
            self._fill(answered)


class Load:
    """``count`` submits over ``binds`` sessions, each with ``window`` unanswered at most."""

    def __init__(self, port: int, count: int, binds: int, window: int, bodies: list[bytes]) -> None:
        self.system_id, self.password = "bench", "bench"
        self.window = window
        self.statuses: dict[int, int] = {}
        self.latencies: list[float] = []
        self.ids: set[int] = set()
        self._port, self._count, self._binds = port, count, binds
        self._bodies = bodies
        self._given = 0
        self._mark = 0
        self._at_mark = asyncio.Event()

    def next_body(self) -> bytes | None:
        if self._given >= self._count:
            return None
        self._given += 1
        return self._bodies[self._given % len(self._bodies)]

    def answered(self, status: int, latency: float) -> None:
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.latencies.append(latency)
        if len(self.latencies) == self._mark:
            self._at_mark.set()
        if len(self.latencies) == self._count:
            self._done.set_result(None)

    async def reaches(self, count: int) -> None:
        """Waits for this number of answers."""
        self._mark = count
        if len(self.latencies) < count:
            self._at_mark.clear()
            async with asyncio.timeout(60):
                await self._at_mark.wait()

    async def run(self) -> float:
        """Seconds from the first submit to the last answer."""
        loop = asyncio.get_running_loop()
        self._done = loop.create_future()
        sessions = []
        for _ in range(self._binds):
            transport, session = await loop.create_connection(
                lambda: _Session(self), "127.0.0.1", self._port
            )
            await session.bound
            sessions.append((transport, session))
        began = time.perf_counter()
        for _, session in sessions:
            session.start()
        async with asyncio.timeout(300):
            await self._done
        took = time.perf_counter() - began
        for transport, _ in sessions:
            transport.abort()
        return took


class _PacedSession(asyncio.Protocol):
    """A bound session: one submit at a time, with pauses."""

    def __init__(self, paced: Paced) -> None:
        self._paced = paced
        self._buffer = b""
        self._sequence = 1
        self._at = 0.0
        self.bound = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        account = self._paced.account.encode()
        body = b"%b\0%b\0\0\x34\0\0\0" % (account, account)
        transport.write(_pdu(9, 1, body))  # type: ignore[attr-defined]

    def submit(self) -> None:
        if self._transport.is_closing():
            return
        self._sequence += 1
        self._at = time.perf_counter()
        body = self._paced.next_body()
        self._transport.write(_pdu(4, self._sequence, body))  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        while len(data) >= 16 and len(data) >= (length := int.from_bytes(data[:4], "big")):
            _, command_id, status, sequence = _HEADER.unpack_from(data)
            data = data[length:]
            if command_id == 0x80000009:
                self.bound.set_result(status)
            elif command_id == 0x80000004:
                assert not status, f"status {status:#x}"
                self._paced.latencies.append(time.perf_counter() - self._at)
                asyncio.get_running_loop().call_later(self._paced.pause, self.submit)
            elif command_id == 0x15:
                self._transport.write(_pdu(0x80000015, sequence, b""))  # type: ignore[attr-defined]
        self._buffer = data


class Paced:
    """Sessions that submit one message every ``pause`` seconds, or nothing for 0.

    They use several loopback addresses, with a thousand at most from each.
    """

    def __init__(
        self, port: int, binds: int, pause: float, first: int = 0, account: str = "bench"
    ) -> None:
        self._port, self._binds, self._next = port, binds, first
        self.account = account
        self.pause = pause
        self.latencies: list[float] = []
        self._transports: list[asyncio.Transport] = []

    def next_body(self) -> bytes:
        self._next += 1
        return submit_body(f"38050{self._next:07}", f"Your code is {self._next:07}.".encode())

    async def __aenter__(self) -> Paced:
        loop = asyncio.get_running_loop()
        offset = 2 if self.pause else 10
        for n in range(self._binds):
            transport, session = await loop.create_connection(
                lambda: _PacedSession(self),
                "127.0.0.1",
                self._port,
                local_addr=(f"127.0.0.{offset + n // 900}", 0),
            )
            assert not await session.bound
            self._transports.append(transport)
            if self.pause:
                loop.call_later(self.pause * n / self._binds, session.submit)
        return self

    async def __aexit__(self, *_: object) -> None:
        for transport in self._transports:
            transport.abort()


class Unbound:
    """A bad client: it submits without reading answers (``reads`` False), or sends one octet of its
    submits per second."""

    def __init__(self, port: int, *, reads: bool) -> None:
        self._port, self._reads = port, reads

    async def __aenter__(self) -> Unbound:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1024)
        self._writer = writer
        writer.write(_pdu(9, 1, b"bench\0bench\0\0\x34\0\0\0"))
        await reader.readexactly(16)
        self._task = asyncio.create_task(self._trickle() if self._reads else self._flood())
        return self

    async def _flood(self) -> None:
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]
        body = submit_body("12", b"a wrong number is refused at once")
        for n in range(2, 1_000_000):
            self._writer.write(_pdu(4, n, body))
            await self._writer.drain()

    async def _trickle(self) -> None:
        octets = _pdu(4, 2, submit_body("12", b"slowly"))
        for n in range(1_000_000):
            self._writer.write(octets[n % len(octets) :][:1])
            await asyncio.sleep(1)

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        self._writer.transport.abort()
