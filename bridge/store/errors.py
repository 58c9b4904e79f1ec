"""Errors of the store.

StoreError            the verb did nothing
├── StoreFull         no room on the disk, or the database cannot be reached: try again later
├── MoreWait          further messages to be replaced are waiting: look again
├── OverDailyLimit    the account has used its messages of the day
├── StoreInUse        another daemon has the store open
├── SchemaTooNew      a later version of the program wrote the store
└── LeaseLost         other nodes have taken over from this one: it must stop

Each knows the failure for the client.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from bridge.model.failure import Failure, Reason


class StoreError(Exception):
    """The store could not carry out a verb; nothing was changed."""

    reason: ClassVar[Reason] = Reason.OPERATION_FAILED

    @property
    def failure(self) -> Failure:
        """The failure for the client, with this error's text as the cause."""
        return Failure(self.reason, cause=str(self))


class StoreFull(StoreError):  # noqa: N818 - a state of the store, and not always an error
    """There is no room, or the store cannot be written to for now. A retry may succeed."""

    reason = Reason.BRIDGE_FULL


class MoreWait(StoreError):  # noqa: N818 - a race, and no fault
    """Another node has just stored a further message that must be replaced."""


class OverDailyLimit(StoreError):  # noqa: N818 - a refusal, and no fault
    """A submission would exceed its account's ``daily_limit``."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"over {limit} messages a day")

    @property
    def failure(self) -> Failure:
        return Failure(Reason.TOO_FAST, str(self))


class StoreInUse(StoreError):  # noqa: N818
    """Another daemon has the store open."""


class SchemaTooNew(StoreError):  # noqa: N818
    """A later version of the program wrote the store."""


class LeaseLost(StoreError):  # noqa: N818
    """The lease of this node ran out and other nodes took over: it must not write any more."""

    def __init__(self) -> None:
        super().__init__("this node has lost its lease; other nodes have taken over")


@contextmanager
def failing() -> Iterator[None]:
    """Raises a store error of the block as the failure for the client."""
    try:
        yield
    except StoreError as error:
        raise error.failure from error
