"""Limits the time of an input by its length, also for inputs with a repeated piece.

Linear work costs about a microsecond per octet, up to five with the fuzzer's instrumentation;
quadratic work on a few thousand octets exceeds the limit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from zlib import crc32

#: CPU seconds per input, and per octet.
AT_MOST = 0.05
AN_OCTET = 20e-6
#: One of this many inputs is also run with a piece repeated up to this many octets.
EVERY = 64
GROWN = 32 * 1024


class Paced:
    """A target with a time limit."""

    def __init__(self, one_input: Callable[[bytes], None], grown: int = GROWN) -> None:
        self._one_input = one_input
        self._grown = grown
        self.grown_inputs = 0

    def __call__(self, data: bytes) -> None:
        self._take(data)
        if crc32(data) % EVERY == 0:
            self.grown_inputs += 1
            self._take(grown(data, self._grown))

    def _take(self, data: bytes) -> None:
        allowed = AT_MOST + AN_OCTET * len(data)
        # Garbage collection or load may slow down one run, but hardly three.
        taken = [self._seconds(data)]
        while taken[-1] > allowed and len(taken) < 3:
            taken.append(self._seconds(data))
        assert min(taken) <= allowed, f"{len(data)} octets took {min(taken):.3f} s"

    def _seconds(self, data: bytes) -> float:
        began = time.thread_time()
        self._one_input(data)
        return time.thread_time() - began


def grown(data: bytes, size: int) -> bytes:
    """The data with one piece, chosen by its checksum, repeated up to ``size``."""
    if not data:
        return data
    chosen = crc32(data) // EVERY
    at = chosen % len(data)
    length = 1 + chosen // len(data) % 64
    piece = data[at : at + length]
    return data[:at] + piece * (max(0, size - len(data)) // len(piece)) + data[at:]
