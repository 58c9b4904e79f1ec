"""Servers to measure beside the bridge: they take a mail and throw it away.

    python -m tests.benchmarks.peers PORT

runs aiosmtpd, the library under the bridge's own SMTP, with a handler that does nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.benchmarks.harness import running
from tests.support import free_port


@contextmanager
def aiosmtpd(folder: Path) -> Iterator[tuple[int, int]]:
    """Port and process id."""
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.peers", str(port)]
    with running(command, port, folder / "aiosmtpd.log") as process:
        yield port, process.pid


@contextmanager
def smtp_sink(folder: Path) -> Iterator[tuple[int, int]]:
    """Postfix' test server in C, the upper bound; port and process id."""
    port = free_port()
    # It refuses to serve as root.
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    command = [which("smtp-sink") or "smtp-sink", *user, f"127.0.0.1:{port}", "1000"]
    with running(command, port, folder / "smtp-sink.log") as process:
        yield port, process.pid


def which(name: str) -> str | None:
    """A program of Postfix, which may stand in a folder that is not on the path."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


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


if __name__ == "__main__":
    main = _serve(int(sys.argv[1]))
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)
