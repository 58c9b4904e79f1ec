"""Fingerprints of messages, by which repeated submissions and duplicates are found.

:mod:`bridge.relay.repeated` decides what happens to a repeated message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from bridge.accounts.accounts import Account
from bridge.model.message import Message, Submission
from bridge.store import Acceptance, Fingerprint, Repeats

#: A mail that is repeated within this time gets the first answer again (seconds).
REPEAT_WITHIN = 3600


def fingerprints_of(
    account: Account, submission: Submission, messages: Sequence[Message]
) -> tuple[Fingerprint, ...]:
    """The fingerprints of these messages; none where neither the protocol nor the account has
    them."""
    window = int(account.settings.duplicate_window)
    if not (submission.repeat_key or window):
        return ()
    found: list[Fingerprint] = []
    for message in messages:
        # The stronger first: a repeated mail is not a duplicate.
        for key, seconds in (
            (repeat_key(account, submission, message), REPEAT_WITHIN),
            (duplicate_key(account, message), window),
        ):
            if key:
                found.append(Fingerprint(key, message.id, message.accepted_at + seconds))
    return tuple(found)


def firsts_of(acceptance: Acceptance, repeats: Repeats) -> dict[int, int]:
    """The ids of messages that were not stored, each with the earlier message's id."""
    firsts: dict[int, int] = {}
    for fingerprint in acceptance.fingerprints:
        if fingerprint.key in repeats:
            firsts.setdefault(fingerprint.message_id, repeats[fingerprint.key])
    return firsts


def repeat_key(account: Account, submission: Submission, message: Message) -> bytes:
    """The fingerprint of a message that a client repeats after a lost answer: Message-ID, phone and
    text of a mail. Empty for other protocols."""
    if not submission.repeat_key:
        return b""
    return _digest(account, b"mail\0" + submission.repeat_key, message)


def duplicate_key(account: Account, message: Message) -> bytes:
    """The fingerprint of duplicates: sender, phone and text. Empty if the account has no
    ``duplicate_window``."""
    if not account.settings.duplicate_window:
        return b""
    return _digest(account, b"text\0" + message.sender.encode(), message)


def _digest(account: Account, head: bytes, message: Message) -> bytes:
    what = "\0".join((account.name, message.phone, message.text or message.fallback))
    return hashlib.blake2b(head + b"\0" + what.encode(), digest_size=16).digest()
