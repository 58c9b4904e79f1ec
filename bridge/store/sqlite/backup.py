"""Copies the SQLite file while the daemon writes: one snapshot, verified before it gets its name.

``VACUUM INTO`` reads the file in one transaction, so that commits do not disturb it; the backup API
of SQLite starts again with every commit of another connection.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from bridge.store.errors import StoreError


def back_up(source: sqlite3.Connection, to: Path) -> None:
    """Writes the copy. Raises OSError, sqlite3.Error, or :class:`StoreError` if the copy is
    damaged; the copy is then removed."""
    if to.exists():
        raise StoreError(f"{to} exists already")
    unverified = to.with_name(f"{to.name}.{os.getpid()}.part")
    # Texts and numbers are private.
    os.close(os.open(unverified, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    try:
        source.execute("VACUUM INTO ?", (str(unverified),))
        _verify(unverified, source)
        with unverified.open("rb") as copy:
            os.fsync(copy.fileno())
        unverified.rename(to)
        _sync_folder(to.parent)
    finally:
        unverified.unlink(missing_ok=True)


def _verify(copy: Path, source: sqlite3.Connection) -> None:
    with contextlib.closing(sqlite3.connect(f"{copy.resolve().as_uri()}?mode=ro", uri=True)) as one:
        [found] = one.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise StoreError(f"the copy is not sound: {found}")
        versions = [c.execute("PRAGMA user_version").fetchone() for c in (one, source)]
        if versions[0] != versions[1]:
            raise StoreError("the copy is not complete: it has another schema version")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
