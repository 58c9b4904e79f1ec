"""Connects a socket to a host with several addresses, some of them unreachable.

The addresses of both families are tried in turn, with a short delay between them, and the first
connection wins (RFC 8305, "Happy Eyeballs"): with broken IPv6 a connection takes a quarter of a
second longer, not the whole time limit.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest
from typing import Any, Final

#: The delay before the next address is tried (seconds; RFC 8305 §5).
HEAD_START: Final = 0.25

#: An address from getaddrinfo.
AddressInfo = tuple[int, int, int, str, Any]


async def dial(host: str, port: int) -> socket.socket:
    """A connected, non-blocking socket; the caller closes it. Raises OSError.

    If no address answers, the error has the cause for each of them.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return await dial_first(alternated(found))


def alternated(found: Iterable[AddressInfo]) -> list[AddressInfo]:
    """The addresses in the resolver's order, the families taking turns (RFC 8305 §4)."""
    families: dict[int, list[AddressInfo]] = {}
    for info in found:
        families.setdefault(info[0], []).append(info)
    turns = chain.from_iterable(zip_longest(*families.values()))
    return [info for info in turns if info is not None]


async def dial_first(addresses: Sequence[AddressInfo]) -> socket.socket:
    """The first connection to one of the addresses. Raises OSError."""
    waiting = list(reversed(addresses))
    attempts: set[asyncio.Task[socket.socket]] = set()
    errors: list[str] = []
    winner: socket.socket | None = None
    try:
        while winner is None and (waiting or attempts):
            if waiting:
                attempts.add(asyncio.ensure_future(_connected(waiting.pop())))
            done, attempts = await asyncio.wait(
                attempts,
                timeout=HEAD_START if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for attempt in done:
                if (error := attempt.exception()) is not None:
                    errors.append(str(error))
                elif winner is None:
                    winner = attempt.result()
                else:
                    attempt.result().close()
    finally:
        await _give_up(attempts)
    if winner is None:
        raise OSError("; ".join(errors) or "the host has no address")
    return winner


async def _connected(info: AddressInfo) -> socket.socket:
    family, kind, protocol, _, address = info
    attempt = socket.socket(family, kind, protocol)
    try:
        attempt.setblocking(False)
        await asyncio.get_running_loop().sock_connect(attempt, address)
    except BaseException:
        attempt.close()
        raise
    return attempt


async def _give_up(attempts: set[asyncio.Task[socket.socket]]) -> None:
    for attempt in attempts:
        attempt.cancel()
    for result in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(result, socket.socket):
            result.close()
