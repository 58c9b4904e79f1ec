"""Reply addresses, at which a phone can be answered by mail: made, signed and read here.

Such an address contains the account, the phone, the sender and the expiry, with a signature. It is
its holder's right to answer that phone, and cannot be forged. It is base32 (RFC 4648 §6), because
mail systems may change the case of letters, with at most 64 octets (RFC 5321 §4.5.3.1.1).
"""

from __future__ import annotations

import hmac
import re
from base64 import b32decode, b32encode
from collections.abc import Mapping
from typing import Final, NamedTuple

from bridge.config.settings import AccountSettings, Settings
from bridge.model.failure import Failure, Reason

_PREFIX: Final = "reply-"
#: Octets of the phone, of the hour of expiry, of the digest of account and sender, and of the
#: signature.
_PHONE, _HOUR, _NAME, _SIGNATURE = 7, 3, 3, 12
_SIGNED: Final = _PHONE + _HOUR + 2 * _NAME
_LOCAL: Final = re.compile(rf"{_PREFIX}([a-z2-7]{{{-(-(_SIGNED + _SIGNATURE) * 8 // 5)}}})")


class ReplyAddress(NamedTuple):
    """The content of a reply address: a phone that an account may answer.

    ``sender`` is the account's sender that the phone wrote to, empty for its default.
    """

    account: str
    phone: str
    sender: str
    expires_at: int


def reply_addresses_of(settings: Settings) -> ReplyAddresses | None:
    """The reply addresses of a configuration; None without a hook secret, because no messages from
    phones can come then."""
    secret = settings.hooks.secret
    if secret is None:
        return None
    domain, within = settings.smtp.domains[0], settings.hooks.reply_within
    return ReplyAddresses(secret.get_secret_value(), domain, within, settings.accounts)


class ReplyAddresses:
    """Makes and reads reply addresses. ``secret`` is common to all nodes; ``within`` is how long
    they are valid (seconds)."""

    def __init__(
        self, secret: str, domain: str, within: float, accounts: Mapping[str, AccountSettings]
    ) -> None:
        self._key = hmac.digest(secret.encode(), b"cascade-bridge reply address", "sha256")
        self._domain = domain
        self._within = int(within)
        self.reload(accounts)

    def reload(self, accounts: Mapping[str, AccountSettings]) -> None:
        """Takes over new accounts."""
        self._accounts = accounts
        self._named: dict[bytes, list[str]] = {}
        for name in accounts:
            self._named.setdefault(self._name(name), []).append(name)

    def address(self, account: str, phone: str, to: str, now: float) -> str:
        """The address for answers to ``phone`` (E.164), which wrote to the sender ``to``."""
        hour = (int(now) + self._within) // 3600
        signed = b"".join(
            (
                int(phone.lstrip("+")).to_bytes(_PHONE, "big"),
                hour.to_bytes(_HOUR, "big"),
                self._name(account),
                self._name(self._sender(account, to)),
            )
        )
        octets = signed + self._signature(account, signed)
        return f"{_PREFIX}{b32encode(octets).decode().rstrip('=').lower()}@{self._domain}"

    def thread(self, account: str, phone: str, to: str) -> str:
        """The Message-ID that threads all messages from a phone to a sender."""
        what = "\0".join((account, phone, to)).encode()
        name = b32encode(hmac.digest(self._key, b"thread\0" + what, "sha256")[:15]).decode()
        return f"<thread-{name.lower()}@{self._domain}>"

    def read(self, local: str, now: float) -> ReplyAddress | None:
        """The content of a local part; ``None`` if it does not have the form of a reply address.

        Raises Failure: NOT_FOUND for a wrong signature, PROHIBITED if it has expired.
        """
        found = _LOCAL.fullmatch(local.lower())
        if found is None:
            return None
        written = found[1].upper()
        octets = b32decode(written + "=" * (-len(written) % 8))
        signed, signature = octets[:_SIGNED], octets[_SIGNED:]
        named = signed[-2 * _NAME :]
        for account in self._named.get(named[:_NAME], ()):
            if not hmac.compare_digest(signature, self._signature(account, signed)):
                continue
            phone = int.from_bytes(signed[:_PHONE], "big")
            expires_at = 3600 * int.from_bytes(signed[_PHONE : _PHONE + _HOUR], "big")
            if now >= expires_at:
                raise Failure(Reason.PROHIBITED, "the reply address has expired")
            return ReplyAddress(
                account, f"+{phone}", self._known(account, named[_NAME:]), expires_at
            )
        raise Failure(Reason.NOT_FOUND, "no such reply address")

    def _name(self, name: str) -> bytes:
        return hmac.digest(self._key, b"name\0" + name.encode(), "sha256")[:_NAME]

    def _signature(self, account: str, signed: bytes) -> bytes:
        # Signs the whole name: two accounts may have the same short digest.
        what = b"reply\0" + account.encode() + b"\0" + signed
        return hmac.digest(self._key, what, "sha256")[:_SIGNATURE]

    def _senders(self, account: str) -> list[str]:
        settings = self._accounts.get(account)
        return [] if settings is None else [settings.sender, *settings.senders]

    def _sender(self, account: str, to: str) -> str:
        """The sender in the account's spelling; empty if the account does not have it."""
        same = [one for one in self._senders(account) if one.casefold() == to.casefold()]
        return same[0] if same else ""

    def _known(self, account: str, named: bytes) -> str:
        for sender in self._senders(account):
            if sender and self._name(sender) == named:
                return sender
        return ""
