"""Listening sockets that the service manager has opened: systemd's sd_listen_fds(3).

A socket unit can listen on a port below 1024 while the daemon has no capabilities, and keeps
clients waiting, instead of refused, while the daemon restarts. Its ``FileDescriptorName=`` is the
key of the configuration whose addresses its sockets replace: ``smtp.listen``, ``smtp.tls_listen``;
a table's name alone stands for its ``listen``.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Final

from bridge.config.settings import ConfigError, Endpoint, Mistake, Settings

#: The place of mistakes in the output of ``check``.
_FROM: Final = "the service manager"
#: The first descriptor that is passed.
_FIRST = 3

#: An address to bind, or a listening socket.
Where = Endpoint | socket.socket


class PassedSockets:
    """The sockets that were passed, by the key whose addresses they replace."""

    def __init__(self, sockets: Mapping[str, Sequence[socket.socket]] | None = None) -> None:
        self._left = dict(sockets or {})

    def instead_of(self, key: str, configured: Sequence[Endpoint]) -> Sequence[Where]:
        """The sockets passed for ``key``, else the configured addresses."""
        return self._left.pop(key, None) or configured

    def check(self, settings: Settings) -> None:
        """Raises ConfigError for sockets without a listener, on which clients would wait
        forever."""
        mistakes = [
            Mistake(_FROM, key, "a socket that is passed", allowed)
            for key in self._left
            if (allowed := _needed(key, settings))
        ]
        if mistakes:
            raise ConfigError(mistakes)


def _needed(key: str, settings: Settings) -> str:
    """The setting that a socket for ``key`` needs; empty if it can be served."""
    table, _, name = key.partition(".")
    keys = [
        f"{one}.{field}"
        for one, of in type(settings).model_fields.items()
        for field in getattr(of.annotation, "model_fields", ())
        if field.endswith("listen")
    ]
    if key not in keys:
        return f"FileDescriptorName= one of {', '.join(keys)}"
    if name == "tls_listen" and getattr(settings, table).certificate is None:
        return f"{table}.certificate with it"
    if key == "hooks.listen" and settings.hooks.secret is None:
        return "hooks.secret with it"
    return ""


NONE_PASSED: Final = PassedSockets()


def passed_sockets(environment: MutableMapping[str, str] = os.environ) -> PassedSockets:
    """The sockets that the service manager passed to this process. Raises OSError.

    The variables are removed: a child must not take the sockets for its own.
    """
    pid = environment.pop("LISTEN_PID", "")
    count = environment.pop("LISTEN_FDS", "")
    names = environment.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()):
        return PassedSockets()
    found: dict[str, list[socket.socket]] = {}
    for number in range(int(count)):
        name = names[number] if number < len(names) else ""
        key = name if "." in name else f"{name}.listen"
        passed = socket.socket(fileno=_FIRST + number)
        passed.set_inheritable(False)
        passed.setblocking(False)
        if passed.type != socket.SOCK_STREAM or not passed.getsockopt(
            socket.SOL_SOCKET, socket.SO_ACCEPTCONN
        ):
            raise OSError(f"the socket that systemd passes for {key} does not listen for streams")
        found.setdefault(key, []).append(passed)
    return PassedSockets(found)


async def serve(
    make: Callable[[], asyncio.BaseProtocol], where: Where, *, backlog: int
) -> asyncio.Server:
    """Listens there; ``make`` makes the protocol of each connection. Raises OSError."""
    loop = asyncio.get_running_loop()
    if isinstance(where, socket.socket):
        return await loop.create_server(make, sock=where, backlog=backlog)
    try:
        return await loop.create_server(make, where.host, where.port, backlog=backlog)
    except OSError as error:
        raise not_bound(where, error) from None


#: Why an address cannot be used, in words for the one who set it.
_REASONS: Final = {
    errno.EADDRINUSE: 'address already in use; "sudo ss -ltnp" names the program',
    errno.EADDRNOTAVAIL: "no address of this machine",
    errno.EACCES: "a port below 1024 needs systemd's socket unit",
}


def not_bound(where: Endpoint, error: OSError) -> OSError:
    """The error in a sentence that begins with the address."""
    # From Python 3.13 on asyncio passes over an address that is not there, and gives no number.
    number = errno.EADDRNOTAVAIL if error.errno is None else error.errno
    reason = _REASONS.get(number, error.strerror or str(error))
    return OSError(f"{where}: {reason}")


def bound_to(where: Where, listening: socket.socket) -> Endpoint:
    """The address of a socket that listens there, with the port that the system chose."""
    host, port = listening.getsockname()[:2]
    return where._replace(port=port) if isinstance(where, Endpoint) else Endpoint(host, port)
