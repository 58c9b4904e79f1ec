"""A request and its answer as plain values, between the server and the endpoints."""

from __future__ import annotations

from typing import NamedTuple

from bridge.sandbox.errors import JSON
from bridge.sandbox.faults import Manner


class ApiRequest(NamedTuple):
    """A request. Header names are lower case; ``body`` is ``None`` if it was too large."""

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes | None


class Answer(NamedTuple):
    """An answer and the manner of sending it; ``seconds`` is the pause of that manner.

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
        """Whether the client gets no answer at all."""
        return self.manner in (Manner.HANG, Manner.CLOSE, Manner.RESET)
