"""The one door: submit, query, cancel, replace."""

from __future__ import annotations

import asyncio
from typing import Protocol

from bridge.accounts import Account
from bridge.message import Outcome, Recipient, Submission


class Relay(Protocol):
    """What a listener may ask for."""

    def submit(self, account: Account, submission: Submission) -> asyncio.Future[Outcome]: ...

    def check_recipient(self, account: Account, recipient: Recipient) -> None: ...
