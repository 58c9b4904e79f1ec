"""Finds messages, parts and refusals by id, phone, reference or Message-ID."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime

from bridge.config.settings import Settings
from bridge.model.failure import Failure
from bridge.model.message import Message, State, Stored
from bridge.model.notice import UnjoinedPart
from bridge.model.phone import normalise
from bridge.store import AnsweredIncoming, Store
from bridge.store.directory.staging import send_outs_under_way
from bridge.store.directory.to_be_made import ANY, to_be_made
from bridge.store.operating.finding import find_by_message_id
from bridge.store.operating.refusals import Refusal, find_refusals
from bridge.store.types import Story
from bridge.trace.story import Around

#: The short ids of SMPP 3.3, and those of up to 53 bits.
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{8}")
_DECIMAL = re.compile(r"[0-9]{1,16}", re.ASCII)
#: A mail's Message-ID (RFC 5322 §3.6.4).
_MESSAGE_ID = re.compile(r"<?[^\s<>@]+@[^\s<>@]+>?")


def utc(unix_time: int) -> str:
    """A time for programs (RFC 3339)."""
    return datetime.fromtimestamp(unix_time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def by_id(store: Store, text: str) -> list[Stored]:
    """The message, or the submission's messages, with this id, in the order of their ids."""
    for id in _ids(text):
        found = await store.submission(id)
        if not found and (message := await store.message(id)) is not None:
            found = [message]
        if found:
            return found
    return await _send_out(store, lambda one: one.submission_id in _ids(text))


async def by_reference(store: Store, text: str) -> list[Stored]:
    """The newest message with this reference, with the others of its submission."""
    for one in await store.find(text, 1):
        if one.message.reference == text:
            return await store.submission(one.message.submission_id) or [one]
    return await _send_out(store, lambda one: one.reference == text)


async def _send_out(store: Store, is_meant: Callable[[Message], bool]) -> list[Stored]:
    """A send-out none of whose messages are made yet, as one message without a phone, which has
    the id of the submission."""
    return [
        Stored(one._replace(id=one.submission_id), State.ACCEPTED, "", one.accepted_at, "", "")
        for one in await store.look_up(send_outs_under_way, "")
        if is_meant(one)
    ]


async def story_of(store: Store, found: Stored) -> Story:
    """All that is known of a message, which may still have to be made."""
    return await store.story(found.message.id) or Story(found, (), (), ())


async def part_by_id(store: Store, text: str) -> UnjoinedPart | None:
    """The part with this id, if :func:`by_id` finds no message of it."""
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
    id, accepted since then (Unix time); the newest first."""
    names = names_of(text, regions)
    coming = await store.look_up(to_be_made, {ANY: names})
    found = {one.message.id: one for one in coming if one.message.accepted_at >= since}
    for name in names:
        found |= {one.message.id: one for one in await store.find(name, limit, since)}
    if not found and _MESSAGE_ID.fullmatch(text):
        mails = await store.look_up(find_by_message_id, text, limit, since)
        found = {one.message.id: one for one in mails}
    return [found[id] for id in sorted(found, reverse=True)][:limit]


async def from_phones(
    store: Store, text: str, regions: Iterable[str], limit: int, since: int
) -> list[AnsweredIncoming]:
    """Messages from this phone, or with this id of the bridge or of the provider; the newest
    first."""
    names = names_of(text, regions)
    found = {
        one.incoming.id: one
        for name in names
        for one in await store.from_phones(name, limit, since)
    }
    return [found[id] for id in sorted(found, reverse=True)][:limit]


def names_of(text: str, regions: Iterable[str]) -> set[str]:
    """The text itself, and the phones that it may mean."""
    names = {text}
    for region in regions:
        with suppress(Failure):
            names.add(normalise(text, region))
    return names


async def refusals_of(
    store: Store, text: str, regions: Iterable[str], limit: int, since: int
) -> list[Refusal]:
    """Refusals for this phone, in any form that a region allows; the newest first."""
    return await store.look_up(find_refusals, sorted(names_of(text, regions)), "", "", since, limit)


async def around_of(
    settings: Settings,
    store: Store,
    account: str,
    say: Callable[[int], str],
    troubles: Mapping[str, str] | None = None,
) -> Around:
    """The circumstances of an account's messages, for their stories.

    ``troubles``: the upstreams that take no messages, with the cause, if a daemon was asked.
    """
    own = settings.accounts.get(account)
    apart = own is not None and (
        own.virtual or (own.cascade is not None and own.cascade.has_credentials)
    )
    upstream = account if apart else "cascade"
    return Around(
        int(time.time()),
        say,
        tuple(await store.receivers(account)),
        await store.holds(),
        upstream,
        polls=settings.cascade.poll,
        mails=bool(settings.reports.smarthost),
        parts_timeout=int(settings.smpp.parts_timeout),
        trouble=(troubles or {}).get(upstream, ""),
    )
