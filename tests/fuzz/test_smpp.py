"""The fuzz target with reproducible inputs: a few thousand damaged streams."""

from __future__ import annotations

import random

from tests.fuzz.pace import Paced
from tests.fuzz.smpp import one_input, seeds


def damaged(source: random.Random, octets: bytes) -> bytes:
    """The octets with random changes, deletions, repetitions and permutations."""
    data = bytearray(octets)
    for _ in range(source.randrange(1, 6)):
        at = source.randrange(len(data)) if data else 0
        match source.randrange(5):
            case 0:
                data[at : at + 1] = source.randbytes(1)
            case 1:
                del data[at : at + source.randrange(1, 9)]
            case 2:
                data[at:at] = source.randbytes(source.randrange(1, 9))
            case 3:
                data[at:at] = data[at : at + source.randrange(1, 40)]
            case _:
                data[at : at + 2] = source.choice((b"\0\0", b"\xff\xff", b"\x7f\xff", b"\0\1"))
    if source.random() < 0.8:  # mostly with a correct length
        data[0:4] = len(data).to_bytes(4, "big")
    return bytes(data)


def test_damaged_streams_raise_nothing_that_is_not_ours_and_take_no_long_time() -> None:
    source = random.Random(20_260_101)
    streams = seeds()
    paced = Paced(one_input)
    for _ in range(5000):
        pdus = [damaged(source, source.choice(streams)) for _ in range(source.randrange(1, 4))]
        paced(source.randbytes(1) + b"".join(pdus))
    assert paced.grown_inputs > 10
