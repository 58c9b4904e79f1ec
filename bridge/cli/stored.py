"""What ``status`` and ``trace`` share: they read the store themselves, beside a daemon or without
one, and find messages by whatever somebody knows of them.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import click

from bridge.cli import Exit, Stop
from bridge.config.settings import Settings
from bridge.model.failure import Failure
from bridge.model.message import Stored
from bridge.model.notice import UnjoinedPart
from bridge.model.phone import normalise
from bridge.store import AnsweredIncoming, Store, StoreError
from bridge.store.engines import engine_of

#: The short ids of SMPP 3.3, and those of up to 53 bits.
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{8}")
_DECIMAL = re.compile(r"[0-9]{1,16}", re.ASCII)


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[Store]:
    """The store, opened for reading alone; whatever is the matter with it is one sentence."""
    try:
        store = engine_of(settings.store.url, settings.store.lease)
        try:
            await store.open_reading()
            yield store
        finally:
            await store.close()
    except StoreError as error:
        raise Stop(str(error), Exit.UNAVAILABLE) from None


async def by_id(store: Store, text: str) -> list[Stored]:
    """The message or the submission's messages with this id, in the order of their ids."""
    for id in _ids(text):
        found = await store.submission(id)
        if not found and (message := await store.message(id)) is not None:
            found = [message]
        if found:
            return found
    return []


async def part_by_id(store: Store, text: str) -> UnjoinedPart | None:
    """The part with this id, where it leads to no message (:func:`by_id`)."""
    for id in _ids(text):
        if (part := await store.unjoined(id)) is not None:
            return part
    return None


def _ids(text: str) -> list[int]:
    ids = [int(text, 16)] if _HEXADECIMAL.fullmatch(text) else []
    return ids + ([int(text)] if _DECIMAL.fullmatch(text) else [])


async def by_name(
    store: Store, text: str, regions: Iterable[str], limit: int, since: int
) -> list[Stored]:
    """Messages to this phone, in any form that a region allows, or with this reference or upstream
    id, of those accepted since then (Unix time); the newest first."""
    names = _names(text, regions)
    found = {one.message.id: one for name in names for one in await store.find(name, limit, since)}
    return [found[id] for id in sorted(found, reverse=True)][:limit]


async def from_phones(
    store: Store, text: str, regions: Iterable[str], limit: int, since: int
) -> list[AnsweredIncoming]:
    """Messages from this phone, or with this id of ours or the provider's; the newest first."""
    names = _names(text, regions)
    found = {
        one.incoming.id: one
        for name in names
        for one in await store.from_phones(name, limit, since)
    }
    return [found[id] for id in sorted(found, reverse=True)][:limit]


def _names(text: str, regions: Iterable[str]) -> set[str]:
    """What somebody wrote, and the phones that it may mean."""
    names = {text}
    for region in regions:
        with suppress(Failure):
            names.add(normalise(text, region))
    return names


def local(unix_time: int) -> str:
    """A time for people: where they are, with its zone."""
    return datetime.fromtimestamp(unix_time).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def utc(unix_time: int) -> str:
    """A time for programs (RFC 3339)."""
    return datetime.fromtimestamp(unix_time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def printable(text: str) -> str:
    """One line that does nothing to a terminal; the API and clients may write anything."""
    return "".join(char if char.isprintable() else " " for char in text)


def echo_rows(rows: Sequence[tuple[str, str]]) -> None:
    """Prints rows of a name and its meaning, which may have several lines."""
    width = max(len(name) for name, _ in rows)
    for name, meaning in rows:
        first, *more = meaning.split("\n")
        click.echo(f"{name:<{width}}  {printable(first)}".rstrip())
        for line in more:
            click.echo(f"{'':<{width}}  {printable(line)}".rstrip())
