"""The SASL mechanisms: they read a name and a password from the exchange (RFC 4954).

:mod:`bridge.accounts.accounts` checks them.
"""

from __future__ import annotations

import hmac
import secrets
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from bridge.accounts.accounts import Account
from bridge.smtp.inbound.wire import Wire
from bridge.smtp.reply import AUTH_ABORTED, AUTH_MALFORMED, Refused

#: RFC 4954 §4: lines of the exchange may have at least this length.
MAX_LINE = 12288


class Credentials(NamedTuple):
    name: str
    password: str


class Exchange(NamedTuple):
    """The interface for a mechanism: the connection, the host name, and the accounts by name."""

    wire: Wire
    hostname: str
    account: Callable[[str], Account | None]


async def _ask(wire: Wire, challenge: bytes) -> str:
    wire.reply(b"334 " + b64encode(challenge) + b"\r\n")
    line = await wire.line(MAX_LINE)
    if line.strip() == b"*":
        raise Refused(AUTH_ABORTED)
    return _decoded(line)


def _decoded(encoded: bytes) -> str:
    octets = encoded.strip()
    try:
        # Some clients leave the padding out. No password here is anything but UTF-8: others fail
        # and count like wrong ones.
        padded = octets + b"=" * (-len(octets) % 4)
        # "echo secret | base64" encodes a line end too.
        return b64decode(padded, validate=True).decode("utf-8", "replace").rstrip("\r\n")
    except Base64Error:
        raise Refused(AUTH_MALFORMED) from None


async def _plain(exchange: Exchange, initial: str | None) -> Credentials:
    """RFC 4616: ``authzid NUL authcid NUL passwd``.

    The authzid is ignored: an account acts only for itself, and clients write their mail address
    there. Some leave it out with its NUL, some end the password with one.
    """
    message = await _ask(exchange.wire, b"") if initial is None else initial
    fields = message.split("\0", 2)
    if len(fields) < 2 + (not fields[0]):
        raise Refused(AUTH_MALFORMED)
    name, password = fields[-2:]
    password = password.rstrip("\0")
    if "\0" in password:
        raise Refused(AUTH_MALFORMED)
    return Credentials(name, password)


async def _login(exchange: Exchange, initial: str | None) -> Credentials:
    """draft-murchison-sasl-login: two prompts, whose exact texts clients expect."""
    name = await _ask(exchange.wire, b"Username:") if initial is None else initial
    return Credentials(name, await _ask(exchange.wire, b"Password:"))


async def _cram_md5(exchange: Exchange, initial: str | None) -> Credentials:
    """RFC 2195, for accounts with a plain password in the configuration.

    The password itself never crosses the wire. For a correct digest, the account's password is
    returned; otherwise the digest itself, which is never a password, so that this failure takes as
    long and counts as any other.
    """
    if initial is not None:
        raise Refused(AUTH_MALFORMED)  # RFC 4954 §4: the server speaks first.
    challenge = f"<{secrets.token_hex(12)}@{exchange.hostname}>".encode()
    name, blank, digest = (await _ask(exchange.wire, challenge)).rpartition(" ")
    if not blank:
        raise Refused(AUTH_MALFORMED)
    account = exchange.account(name)
    password = (
        account and account.settings.password and account.settings.password.get_secret_value()
    )
    if password:
        right = hmac.new(password.encode(), challenge, "md5").hexdigest()
        if hmac.compare_digest(right, digest.lower().encode("ascii", "replace").decode()):
            return Credentials(name, password)
    return Credentials(name, f"\0{digest}")


#: By name in upper case.
MECHANISMS: dict[str, Callable[[Exchange, str | None], Awaitable[Credentials]]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
}


async def read_credentials(exchange: Exchange, mechanism: str, initial: str | None) -> Credentials:
    """Runs one exchange; ``initial`` is the still encoded response that came with the command.

    Raises :class:`~bridge.smtp.reply.Refused` if the client aborts or its response is malformed.
    """
    if initial is not None:
        initial = "" if initial == "=" else _decoded(initial.encode("ascii", "replace"))
    return await MECHANISMS[mechanism](exchange, initial)
