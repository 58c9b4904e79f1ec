"""Requested imports: run one after the other, with their progress.

A file may take many seconds, so the caller gets the id of a run, and polls its progress.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import structlog

from bridge.directory.directory import Directory
from bridge.directory.importing import (
    Lines,
    black_list_lines,
    contact_lines,
    group_lines,
    template_lines,
)
from bridge.model.failure import Failure, Reason
from bridge.store import StoreError
from bridge.store.directory.importing import Imported
from bridge.store.directory.staging import CONTACTS, TEMPLATES
from bridge.store.directory.versions import BLACK_LIST, GROUPS

log = structlog.get_logger()

#: Most finished runs that are remembered, and most files that wait.
_REMEMBERED: Final = 100
_WAITING: Final = 8

#: The reader for each kind of file; it gets the region of the account.
READERS: Final[dict[str, Callable[[bytes, str], Lines[Any]]]] = {
    CONTACTS: contact_lines,
    GROUPS: lambda octets, region: group_lines(octets),
    TEMPLATES: lambda octets, region: template_lines(octets),
    BLACK_LIST: black_list_lines,
}


@dataclass
class ImportRun:
    """``phase`` is ``waiting``, ``read``, ``stored`` or, at the end, ``finished``; ``done`` of
    ``of`` lines are done (0: total unknown). ``failure`` is the reason for an early end."""

    id: int
    account: str
    kind: str
    preview: bool
    phase: str = "waiting"
    done: int = 0
    of: int = 0
    result: Imported | None = None
    failure: Failure | None = None

    def tell(self, phase: str, done: int, of: int) -> None:
        self.phase, self.done, self.of = phase, done, of


class Imports:
    """The imports of all accounts. Belongs to one event loop: :meth:`run` it."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._runs: dict[int, ImportRun] = {}
        self._waiting: asyncio.Queue[tuple[ImportRun, Lines[Any]]] = asyncio.Queue(_WAITING)
        self._numbers = count(1)

    def begin(
        self, account: str, kind: str, octets: bytes, region: str, *, preview: bool
    ) -> ImportRun:
        """Queues a file of this kind. Raises Failure if too many wait."""
        run = ImportRun(next(self._numbers), account, kind, preview)
        try:
            self._waiting.put_nowait((run, READERS[kind](octets, region)))
        except asyncio.QueueFull:
            raise Failure(Reason.BRIDGE_FULL, "too many imports wait") from None
        self._runs[run.id] = run
        for id in list(self._runs)[: -_REMEMBERED - _WAITING]:
            del self._runs[id]
        return run

    def find(self, account: str, id: int) -> ImportRun:
        """A run of this account; raises Failure (nothing found)."""
        run = self._runs.get(id)
        if run is None or run.account != account:
            raise Failure(Reason.NOT_FOUND, f"no import {id}")
        return run

    async def run(self) -> None:
        """Runs the queued imports until it is cancelled."""
        while True:
            run, lines = await self._waiting.get()
            act = self._directory.importer.preview if run.preview else self._directory.importer.take
            try:
                run.result = await act(run.account, run.kind, lines, run.tell)
                if not run.preview:
                    await self._directory.refresh()
                    log.info(
                        "file_imported",
                        account=run.account,
                        kind=run.kind,
                        added=run.result.added,
                        changed=run.result.changed,
                        wrong=len(run.result.wrong),
                    )
            except Failure as failure:
                run.failure = failure
            except StoreError as error:
                run.failure = error.failure
                log.warning("import_failed", account=run.account, error=str(error))
            run.phase = "finished"
