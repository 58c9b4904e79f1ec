"""One call of the SMSC dialect: its account, its parameters, and the form of its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from bridge.accounts.accounts import Account
from bridge.dialect.answers import Format
from bridge.model.failure import Failure, Reason
from bridge.smsc.parameters import Parameters


class Call(NamedTuple):
    """``now`` is Unix time in seconds, ``peer`` the client's address."""

    account: Account
    parameters: Parameters
    fmt: Format
    peer: str
    now: float

    def needed(self, name: str) -> str:
        """A required parameter. Raises Failure (bad parameter)."""
        value = self.parameters[name].strip()
        if not value:
            raise Failure(Reason.BAD_PARAMETER, f"{name} missing")
        return value

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number from 0 to ``most``. Raises Failure (bad parameter)."""
        value = self.parameters[name].strip()
        if not value:
            return default
        if not (value.isascii() and value.isdigit() and len(value) < 19 and int(value) <= most):
            raise Failure(Reason.BAD_PARAMETER, name)
        return int(value)


class AnsweredRefusal(Exception):  # noqa: N818 - says what it is
    """A refusal whose answer has more than the failure: the client's id, the wrong numbers."""

    def __init__(self, failure: Failure, answer: str) -> None:
        super().__init__(failure, answer)
        self.failure = failure
        self.answer = answer


#: Answers a call. Raises Failure and AnsweredRefusal.
Operation = Callable[[Call], Awaitable[str]]
