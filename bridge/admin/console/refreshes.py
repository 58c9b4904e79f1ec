"""Answers to automatic refreshes, shared by all browsers that show the same page.

Many browsers may be open, and each refreshes every few seconds: a page is made once for all of
them. A page that a user loads is always made anew.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from starlette.responses import Response

from bridge.admin.tokens import Role

#: How long an answer is shared (seconds).
SHARED_FOR: Final = 2.0


class PageAsked(NamedTuple):
    """A page as users of a role see it."""

    role: Role
    path: str
    query: str


class _Shared(NamedTuple):
    """An answer, and the time before it was made."""

    began: float
    response: Response


class Refreshes:
    """Belongs to one event loop; ``monotonic`` gives seconds."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._shared: dict[PageAsked, _Shared] = {}
        self._changed_at = 0.0

    def changed(self) -> None:
        """A user has changed something: earlier answers are not given any more."""
        self._changed_at = self._monotonic()
        self._shared.clear()

    async def answer(self, page: PageAsked, make: Callable[[], Awaitable[Response]]) -> Response:
        """The shared answer for this page, or a new one."""
        began = self._monotonic()
        shared = self._shared.get(page)
        if shared is not None and began - shared.began < SHARED_FOR:
            return shared.response
        response = await make()
        self._forget(began - SHARED_FOR)
        if response.status_code == 200 and began > self._changed_at:
            self._shared[page] = _Shared(began, response)
        return response

    def _forget(self, before: float) -> None:
        old = [page for page, shared in self._shared.items() if shared.began <= before]
        for page in old:
            del self._shared[page]
