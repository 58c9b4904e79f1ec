"""A request and its answer as plain values, between the server and those who decide."""

from __future__ import annotations

from typing import NamedTuple

from bridge.sandbox.errors import JSON
from bridge.sandbox.faults import Manner


class ApiRequest(NamedTuple):
    """What came. Header names are lower case; ``body`` is ``None`` where it was too large."""

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes | None


class Answer(NamedTuple):
    """What goes back and in which manner; ``seconds`` is the pause that belongs to the manner.

    ``size``, ``fault`` and ``error`` are for the record of requests only.
    """

    status: int = 200
    body: bytes = b""
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()
    manner: Manner = Manner.PLAIN
    seconds: float = 0.0
    size: int = 0
    fault: str = ""
    error: str = ""

    @property
    def is_silent(self) -> bool:
        """Nothing of it is ever seen by the client."""
        return self.manner in (Manner.HANG, Manner.CLOSE, Manner.RESET)
