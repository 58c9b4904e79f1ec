"""The SASL mechanisms: how a name and a password come out of the exchange (RFC 4954).

Whether they are right is for :mod:`bridge.accounts` to say.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from bridge.smtp.reply import AUTH_ABORTED, AUTH_MALFORMED
from bridge.smtp.wire import Wire

#: RFC 4954 §4: at least this long must a line of the exchange be allowed to be.
MAX_LINE = 12288


class Credentials(NamedTuple):
    name: str
    password: str


async def _ask(wire: Wire, challenge: bytes) -> str:
    wire.reply(b"334 " + b64encode(challenge) + b"\r\n")
    line = await wire.line(MAX_LINE)
    if line.strip() == b"*":
        raise AUTH_ABORTED
    return _decoded(line)


def _decoded(encoded: bytes) -> str:
    try:
        # A password that is not UTF-8 is nobody's here; it fails as a wrong one and is counted.
        return b64decode(encoded.strip(), validate=True).decode("utf-8", "replace")
    except Base64Error:
        raise AUTH_MALFORMED from None


async def _plain(wire: Wire, initial: str | None) -> Credentials:
    """RFC 4616: ``authzid NUL authcid NUL passwd``. There is nobody else to act for."""
    message = await _ask(wire, b"") if initial is None else initial
    fields = message.split("\0")
    if len(fields) != 3 or fields[0] not in ("", fields[1]):
        raise AUTH_MALFORMED
    return Credentials(fields[1], fields[2])


async def _login(wire: Wire, initial: str | None) -> Credentials:
    """draft-murchison-sasl-login: two questions, both fixed by what clients compare them with."""
    name = await _ask(wire, b"Username:") if initial is None else initial
    return Credentials(name, await _ask(wire, b"Password:"))


#: By name in upper case; CRAM-MD5 is still to come.
MECHANISMS: dict[str, Callable[[Wire, str | None], Awaitable[Credentials]]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
}


async def read_credentials(wire: Wire, mechanism: str, initial: str | None) -> Credentials:
    """Runs one exchange; ``initial`` is the still encoded response that came with the command.

    Raises :class:`~bridge.smtp.reply.Refused` where the client aborts or is not understood.
    """
    if initial is not None:
        initial = "" if initial == "=" else _decoded(initial.encode("ascii", "replace"))
    return await MECHANISMS[mechanism](wire, initial)
