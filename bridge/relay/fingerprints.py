"""What marks a message as one that may come again, and which earlier ones the store knew.

What has the same fingerprint is decided by :mod:`bridge.relay.rules`, what follows when one comes
again by :mod:`bridge.relay.submitting`.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.accounts.accounts import Account
from bridge.model.message import Message, Submission
from bridge.relay import rules
from bridge.store import Acceptance, Fingerprint, Repeats


def fingerprints_of(
    account: Account, submission: Submission, messages: Sequence[Message]
) -> tuple[Fingerprint, ...]:
    """What marks these messages as ones that may come again; nothing where the account and the
    protocol have no such thing."""
    window = int(account.settings.duplicate_window)
    if not (submission.repeat_key or window):
        return ()
    found: list[Fingerprint] = []
    for message in messages:
        # The stronger first: a mail that comes again is no duplicate.
        for key, seconds in (
            (rules.repeat_key(account, submission, message), rules.REPEAT_WITHIN),
            (rules.duplicate_key(account, message), window),
        ):
            if key:
                found.append(Fingerprint(key, message.id, message.accepted_at + seconds))
    return tuple(found)


def firsts_of(acceptance: Acceptance, repeats: Repeats) -> dict[int, int]:
    """The messages that were not stored, each with the earlier one that has its fingerprint."""
    firsts: dict[int, int] = {}
    for fingerprint in acceptance.fingerprints:
        if fingerprint.key in repeats:
            firsts.setdefault(fingerprint.message_id, repeats[fingerprint.key])
    return firsts
