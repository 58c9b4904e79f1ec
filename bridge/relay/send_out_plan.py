"""The plan of a send-out: its recipients, how they are counted, and its fingerprint.

:mod:`bridge.relay.send_outs` carries it out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final, NamedTuple

from bridge.model.failure import Failure
from bridge.model.message import Message, Recipient
from bridge.relay.fingerprints import REPEAT_WITHIN
from bridge.store.directory.staging import OwnText
from bridge.store.types import Alias, Fingerprint

#: Most refused members of groups that the outcome names; the others are counted.
NAMED: Final = 100

#: The E.164 number of a recipient, and its message: the plan's own, or another for a text of its
#: own. Raises its Failure.
Check = Callable[[Recipient], tuple[str, Message]]


class Plan(NamedTuple):
    """A send-out: ``message`` has what its messages have in common.

    ``groups`` are ids of groups, ``phones`` further numbers. ``interval`` is the shortest time
    between two messages, ``spread`` the time over which all of them are spread (seconds).
    ``repeat_key`` is the submission's, ``daily_limit``, ``duplicate_window`` (seconds) and
    ``duplicates`` are the account's. ``aliases`` are further ids of the submission, ``hours`` those
    of the day in which its messages may be sent (in ``zone``).
    """

    message: Message
    groups: tuple[int, ...]
    phones: tuple[Recipient, ...]
    name: str = ""
    interval: float = 0.0
    spread: int = 0
    repeat_key: bytes = b""
    daily_limit: int = 0
    duplicate_window: int = 0
    duplicates: str = "same_answer"
    aliases: tuple[Alias, ...] = ()
    hours: tuple[str, ...] = ()
    zone: str = ""


class Counted:
    """The recipients of a plan as far as they were checked: how many messages they get, and how
    many parts; the refused ones, of which those of groups are named up to a limit."""

    def __init__(self, plan: Plan, check: Check) -> None:
        self._plan = plan
        self._check = check
        self._seen: set[tuple[str, str]] = set()
        self.messages = self.parts = self.refusals = 0
        self.refused: list[tuple[Recipient, Failure]] = []

    def add(self, recipient: Recipient, *, named: bool) -> tuple[str, OwnText | None] | None:
        """The number and the own text of a recipient, if it gets a message. ``named``: the client
        has written this number; it is remembered, and gets each text once."""
        try:
            phone, message = self._check(recipient)
        except Failure as failure:
            self.refusals += 1
            if named or len(self.refused) < NAMED:
                self.refused.append((recipient, failure))
            return None
        key = (phone, message.text or message.fallback)
        if key in self._seen:
            return None
        if named:
            self._seen.add(key)
        self.messages += 1
        self.parts += message.parts
        if message is self._plan.message:
            return phone, None
        return phone, OwnText(message.text, message.fallback, message.parts, message.envelope)


def fingerprint_of(plan: Plan, id: int, now: int) -> Fingerprint | None:
    """The fingerprint by which a repeated send-out, whose answer was lost, or a duplicate is
    recognised. A mail server may pass a mail on in several pieces, each for other recipients."""
    message = plan.message
    if plan.repeat_key:
        head, seconds = b"send-out\0" + plan.repeat_key, REPEAT_WITHIN
    elif plan.duplicate_window:
        head, seconds = b"same send-out\0" + message.sender.encode(), plan.duplicate_window
    else:
        return None
    phones = sorted(
        f"{one.address}\0{one.text}" if one.text else one.address for one in plan.phones
    )
    text = message.text or message.fallback
    what = "\0".join((message.account, text, *map(str, sorted(plan.groups)), *phones)).encode()
    key = hashlib.blake2b(head + b"\0" + what, digest_size=16).digest()
    return Fingerprint(key, id, now + seconds)
