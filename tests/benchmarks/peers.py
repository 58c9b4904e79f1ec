"""Servers to compare with: they accept a mail and discard or queue it.

    python -m tests.benchmarks.peers PORT

runs aiosmtpd, the library under the bridge's own SMTP, with a handler that does nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.benchmarks.harness import cpu_seconds, running
from tests.smtp import relays
from tests.support import free_port


class Peer(NamedTuple):
    """A listening server; ``cpu`` gives the CPU time of all its processes (seconds)."""

    port: int
    cpu: Callable[[], float]


@contextmanager
def aiosmtpd(folder: Path) -> Iterator[Peer]:
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.peers", str(port)]
    with running(command, port, folder / "aiosmtpd.log") as process:
        yield Peer(port, partial(cpu_seconds, process.pid))


@contextmanager
def smtp_sink(folder: Path) -> Iterator[Peer]:
    """Postfix' test server in C, the upper bound."""
    port = free_port()
    # It refuses to serve as root.
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    command = [which("smtp-sink") or "smtp-sink", *user, f"127.0.0.1:{port}", "1000"]
    with running(command, port, folder / "smtp-sink.log") as process:
        yield Peer(port, partial(cpu_seconds, process.pid))


#: Every mail stays in the queue, and nothing slows the client down.
_QUEUED = """\
smtpd_client_restrictions = check_client_access static:HOLD
in_flow_delay = 0
"""


@contextmanager
def postfix(_: Path) -> Iterator[Peer]:
    """Postfix, which queues each mail durably, as it does by default."""
    with relays.postfix(_QUEUED) as server:
        yield Peer(server.port, partial(_cpu_of_family, server.master))


def _cpu_of_family(pid: int) -> float:
    """The CPU time of a process, its children and ended children (proc(5), "stat")."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name may contain anything; state and parent follow it.
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if stat.parent.name == str(pid):
            ticks += sum(map(int, fields[11:15]))
        elif fields[1] == str(pid):
            ticks += sum(map(int, fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def which(name: str) -> str | None:
    """A program of Postfix, which may be in a folder outside of the path."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


_MAILRISE = """\
listen: {{host: 127.0.0.1, port: {port}}}
tls: {{mode: "off"}}
configs:
  "*@sms.example.com":
    urls: ["json://127.0.0.1:{sink}"]
"""


@contextmanager
def mailrise(folder: Path) -> Iterator[Peer]:
    """mailrise, which makes a request of each mail; the other end only answers 200."""
    port, sink = free_port(), free_port()
    (folder / "mailrise.yaml").write_text(_MAILRISE.format(port=port, sink=sink))
    taker = [sys.executable, "-m", "tests.benchmarks.peers", str(sink), "http"]
    command = [which("mailrise") or "mailrise", str(folder / "mailrise.yaml")]
    with (
        running(taker, sink, folder / "taker.log"),
        running(command, port, folder / "mailrise.log") as process,
    ):
        yield Peer(port, partial(cpu_seconds, process.pid))


#: Servers that need a program.
_PROGRAMS = {smtp_sink: "smtp-sink", postfix: "postfix", mailrise: "mailrise"}


def can_run(peer: Callable[[Path], AbstractContextManager[Peer]]) -> bool:
    """Whether the server is installed; Postfix must also be started by root."""
    if peer is postfix and os.geteuid():
        return False
    return peer not in _PROGRAMS or which(_PROGRAMS[peer]) is not None


class _Nothing:
    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        return "250 OK"


async def _serve(port: int) -> None:
    logging.getLogger("mail.log").setLevel(logging.WARNING)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(_Nothing(), loop=loop, hostname="peer.test", ident="peer"),
        "127.0.0.1",
        port,
        backlog=1024,
    )
    await server.serve_forever()


class _Taken(asyncio.Protocol):
    """Answers 200 to each request, of which only the length is read."""

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, _, rest = self._buffer.partition(b"\r\n\r\n")
            found = re.search(rb"(?i)content-length: *(\d+)", head)
            length = int(found[1]) if found else 0
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")  # type: ignore[attr-defined]


async def _take(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Taken, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    main = (_take if "http" in sys.argv else _serve)(int(sys.argv[1]))
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)
