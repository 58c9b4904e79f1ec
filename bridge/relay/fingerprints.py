"""Fingerprints of messages, by which repeated submissions and duplicates are found.

:mod:`bridge.relay.rules` decides which messages have the same fingerprint,
:mod:`bridge.relay.submitting` what happens to a repeated one.
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
    """The fingerprints of these messages; none where neither the protocol nor the account has
    them."""
    window = int(account.settings.duplicate_window)
    if not (submission.repeat_key or window):
        return ()
    found: list[Fingerprint] = []
    for message in messages:
        # The stronger first: a repeated mail is not a duplicate.
        for key, seconds in (
            (rules.repeat_key(account, submission, message), rules.REPEAT_WITHIN),
            (rules.duplicate_key(account, message), window),
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
