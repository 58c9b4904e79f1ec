"""The verbs that change the queue: hold, release, retry, cancel, erase."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Final

from bridge import log as logging
from bridge.accounts.accounts import Account
from bridge.admin.answers import Cancelled, Changed, Hold
from bridge.admin.directory_verbs import DirectoryVerbs
from bridge.admin.parts import DaemonParts
from bridge.admin.queue_filter import QueueFilter
from bridge.admin.stored_verbs import ALL
from bridge.config.settings import Settings
from bridge.model.failure import Failure, Reason
from bridge.model.message import State
from bridge.store.operating.erase import Erased, erase, find_about
from bridge.store.operating.mentions import Numbers
from bridge.store.operating.queue import count_cancelled, count_selected, select_uncertain
from bridge.trace.finding import names_of

_E164: Final = re.compile(r"\+[0-9]+", re.ASCII)


class QueueVerbs(DirectoryVerbs):
    """``by`` names the caller: every change is an ``audit`` event."""

    def __init__(self, settings: Settings, parts: DaemonParts) -> None:
        super().__init__(settings, parts)
        self._accounts = parts.accounts
        self._dispatcher = parts.dispatcher
        self._upstreams = parts.upstreams

    def account(self, name: str) -> Account:
        """The account of this name; raises Failure(NOT_FOUND)."""
        account = self._accounts.get(name)
        if account is None:
            raise Failure(Reason.NOT_FOUND, f"no account {name}")
        return account

    # --- holds -----------------------------------------------------------------------------

    async def hold(self, *, by: str, scope: str, name: str) -> Hold:
        """Hold an account or an upstream: nothing of it is sent until it is released."""
        self._check_scope(scope, name)
        await self._dispatcher.set_hold(scope, name, True)
        self._audit("hold", by, scope=scope, name=name)
        return Hold(scope, name)

    async def release(self, *, by: str, scope: str, name: str) -> Hold:
        """Release an account or an upstream: its waiting messages are sent."""
        if (scope, name) not in await self._store.holds():
            self._check_scope(scope, name)
            raise Failure(Reason.NOT_FOUND, f"{scope} {name} is not held")
        await self._dispatcher.set_hold(scope, name, False)
        self._audit("release", by, scope=scope, name=name)
        return Hold(scope, name)

    def _check_scope(self, scope: str, name: str) -> None:
        if scope == "account":
            self.account(name)
        elif scope != "upstream":
            raise Failure(Reason.BAD_PARAMETER, f"no scope {scope}: account or upstream")
        elif name not in {line.name for line in self._upstreams.values()}:
            raise Failure(Reason.NOT_FOUND, f"no upstream {name}")

    # --- the queue -------------------------------------------------------------------------

    async def hold_messages(
        self, *, by: str, filter: QueueFilter = ALL, dry_run: bool = False
    ) -> Changed:
        """Hold the selected messages that wait; they are sent after a release."""
        return await self._move("hold_messages", by, filter, State.HELD, dry_run)

    async def release_messages(
        self, *, by: str, filter: QueueFilter = ALL, dry_run: bool = False
    ) -> Changed:
        """Send the selected messages that are held."""
        return await self._move("release_messages", by, filter, State.ACCEPTED, dry_run)

    async def cancel_messages(
        self, *, by: str, filter: QueueFilter = ALL, dry_run: bool = False
    ) -> Cancelled:
        """Cancel the selected messages that wait or are held; this cannot be undone.

        ``perhaps_sent`` counts those that may have been sent: an attempt had an unknown outcome.
        """
        _check_chooses(filter)
        uncertain = await self._store.look_up(select_uncertain, filter.selection())
        changed = await self._move("cancel_messages", by, filter, State.CANCELLED, dry_run)
        if dry_run:
            return Cancelled(changed.count, len(uncertain))
        return Cancelled(changed.count, await self._store.look_up(count_cancelled, uncertain))

    async def retry_messages(
        self, *, by: str, filter: QueueFilter = ALL, dry_run: bool = False
    ) -> Changed:
        """Send the selected messages now: those that wait for a later attempt, and held ones."""
        _check_chooses(filter)
        if dry_run:
            return Changed(await self._count(filter))
        held = await self._dispatcher.move_selected(
            filter.selection()._replace(state=State.HELD), State.ACCEPTED
        )
        hurried = await self._dispatcher.send_now(filter.selection())
        self._audit("retry_messages", by, filter=_words(filter), messages=held + hurried)
        return Changed(held + hurried)

    async def _move(
        self, verb: str, by: str, filter: QueueFilter, to: State, dry_run: bool
    ) -> Changed:
        _check_chooses(filter)
        selection = filter.selection()
        if to is State.HELD and selection.state is None:
            selection = selection._replace(state=State.ACCEPTED)
        if to is State.ACCEPTED and selection.state is None:
            selection = selection._replace(state=State.HELD)
        if dry_run:
            return Changed(await self._store.look_up(count_selected, selection))
        moved = await self._dispatcher.move_selected(selection, to)
        self._audit(verb, by, filter=_words(filter), messages=moved)
        return Changed(moved)

    async def _count(self, filter: QueueFilter) -> int:
        return await self._store.look_up(count_selected, filter.selection())

    async def erase(self, *, by: str, phone: str, dry_run: bool = False) -> Erased:
        """Erase all data about a number, except messages that are still on their way.

        A national number that is one of several countries has to be given with its country code.
        ``mentions`` are other records from which it is cut out, ``elsewhere`` names of groups,
        templates and send-outs that name it and stay.
        """
        regions = {name: own.region for name, own in self.settings.accounts.items()}
        found = names_of(phone, set(regions.values()))
        phones = sorted(name for name in found if _E164.fullmatch(name))
        if not phones:
            raise Failure(Reason.WRONG_PHONE)
        if len(phones) > 1:
            raise Failure(Reason.WRONG_PHONE, f"it may be {' or '.join(phones)}: write one of them")
        numbers = Numbers(phones, regions)
        about = await self._store.look_up(find_about, numbers)
        if dry_run:
            return about.counts
        erased = await erase(self._store, numbers, about)
        self._audit("erase", by, phone=phones[0], messages=erased.messages)
        return erased


def _check_chooses(filter: QueueFilter) -> None:
    if not filter.chooses:
        raise Failure(Reason.BAD_PARAMETER, "say which messages: by account, state, type, time …")


def _words(filter: QueueFilter) -> str:
    """The filter for the log, with the phone masked: the log masks phones only in fields of their
    own."""
    given = {
        field.name: value for field in fields(filter) if (value := getattr(filter, field.name))
    }
    if "phone" in given:
        given["phone"] = logging.mask(filter.phone.rstrip("*"))
    return ", ".join(f"{name} {value}" for name, value in given.items())
