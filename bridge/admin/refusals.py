"""Refusals for operators: taken from events of the log, stored every second.

Every refusal is an event of the log with account, peer, number and reason. The store keeps a
limited number of them for ``trace``, ``report`` and the console.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import structlog

from bridge.config.settings import AccountSettings
from bridge.model.failure import Failure
from bridge.model.phone import normalise
from bridge.relay.left_out import LEFT_OUT
from bridge.store import Store, StoreError
from bridge.store.operating.refusals import Refusal, forget_refusals, keep_refusals

log = structlog.get_logger()

#: Event → kind of refusal, and its protocol if the event does not name it.
EVENTS: Final = {
    "submission_refused": ("submission", "smpp"),
    "submissions_throttled": ("throttled", "smpp"),
    "recipient_refused": ("recipient", "smtp"),
    LEFT_OUT: ("recipient", ""),
    "mail_refused": ("mail", "smtp"),
    "bind_refused": ("bind", "smpp"),
    "login_failed": ("login", ""),
    "login_refused": ("login", ""),
    "pdu_refused": ("pdu", "smpp"),
    "hook_refused": ("hook", "http"),
    "call_refused": ("call", "http"),
    "connection_refused": ("connection", "smtp"),
    "token_refused": ("token", "http"),
}
_REASONS: Final = ("reason", "reply", "cause")
#: The reason of events that name none.
_PLAIN: Final = {"login_failed": "wrong login or password", "token_refused": "wrong token"}
#: Interval of writes (seconds), and most refusals that wait for one.
_EVERY: Final = 1.0
_WAITING: Final = 2_000
#: How long refusals are kept, and the interval of deletions (seconds).
KEPT: Final = 7 * 86400
_FORGET_EVERY: Final = 600.0
_LONGEST: Final = 300
_NUMBER: Final = re.compile(r"\+?[\d\s().-]{5,25}", re.ASCII)


class RefusalKeeper:
    """Watches the log (:data:`bridge.log.WATCHERS`). ``account`` gives an account's settings."""

    def __init__(
        self,
        store: Store,
        account: Callable[[str], AccountSettings | None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._account = account
        self._clock = clock
        self._waiting: deque[Refusal] = deque(maxlen=_WAITING)

    def watch(self, _: str, event: Mapping[str, Any]) -> None:
        """Takes one event."""
        found = EVENTS.get(str(event.get("event")))
        if found is None:
            return
        kind, protocol = found
        if protocol == "smtp" and "repeated" in event:
            return  # a count of refusals, each of which has been here
        name = str(event.get("account") or "")
        why = next((str(event[field]) for field in _REASONS if event.get(field)), "")
        if kind == "throttled":
            why = f"{event.get('submits', 0)} submits: {why}"
        self._waiting.append(
            Refusal(
                int(self._clock()),
                kind,
                str(event.get("protocol") or protocol),
                _clean(name)[:64],
                _clean(str(event.get("peer") or event.get("address") or ""))[:64],
                self._phone(str(event.get("recipient") or ""), name),
                _clean(why or _PLAIN.get(str(event.get("event")), ""))[:_LONGEST],
            )
        )

    def _phone(self, written: str, account: str) -> str:
        address = written.partition("@")[0]
        number, _, tag = address.rpartition("+")
        if number and not tag[:1].isdigit():
            address = number
        if _NUMBER.fullmatch(address):
            own = self._account(account)
            with suppress(Failure):
                return normalise(address, own.region if own else "UA")
        return _clean(address)[:64]

    async def run(self) -> None:
        """Stores them until it is cancelled."""
        forget_at = self._clock()
        while True:
            await asyncio.sleep(_EVERY)
            await self.flush()
            if self._clock() >= forget_at:
                forget_at = self._clock() + _FORGET_EVERY
                with suppress(StoreError):
                    await self._store.change(forget_refusals, int(self._clock()) - KEPT)

    async def flush(self) -> None:
        """Stores the waiting refusals; if that fails, they keep waiting."""
        some = list(self._waiting)
        if not some:
            return
        self._waiting.clear()
        try:
            await self._store.change(keep_refusals, some)
        except StoreError:
            self._waiting.extendleft(reversed(some[-_WAITING:]))


def _clean(text: str) -> str:
    """The text as both engines can store it."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
