"""Tokens for the API over TCP, their roles, and the lockout after wrong ones."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from enum import IntEnum
from typing import Final

import argon2
import structlog

from bridge.accounts.lockout import Lockout
from bridge.config.settings import Admin
from bridge.model.failure import Failure, Reason
from bridge.net.networks import origin

log = structlog.get_logger()

#: The name under which wrong tokens are counted.
NAME: Final = "(token)"
#: The longest token.
_LONGEST: Final = 1024
#: Most verified tokens that are remembered.
_MAX_CACHED: Final = 100


class Role(IntEnum):
    """The permissions of a caller; each role includes those before it."""

    NOBODY = 0
    VIEW = 1
    OPERATE = 2


class Tokens:
    """Checks the tokens of ``[admin]``, each a secret or its argon2 hash.

    Belongs to one event loop. ``lockout`` counts failures, together with those of accounts.
    """

    def __init__(self, settings: Admin, lockout: Lockout) -> None:
        self._lockout = lockout
        self._hasher = argon2.PasswordHasher()
        self._key = secrets.token_bytes(32)
        #: Hashes are checked one at a time: parallel guesses are no more than sequential ones, and
        #: take no more memory.
        self._checking = asyncio.Lock()
        #: Increases when the tokens change, which ends sessions of the console.
        self.generation = 0
        self._tokens: list[tuple[Role, str]] = []
        self.apply(settings)

    def apply(self, settings: Admin) -> None:
        """Takes over new tokens."""
        tokens = ((Role.OPERATE, settings.token), (Role.VIEW, settings.view_token))
        before = self._tokens
        self._tokens = [(role, token.get_secret_value()) for role, token in tokens if token]
        if self._tokens != before:
            self.generation += 1
        self._verified: dict[bytes, Role] = {}

    @property
    def any(self) -> bool:
        """Whether any token is configured."""
        return bool(self._tokens)

    async def role_of(self, token: str, address: str) -> Role:
        """The role of this token.

        Raises Failure: LOGIN_REQUIRED without one, WRONG_LOGIN, or ADDRESS_BLOCKED after too many
        wrong ones.
        """
        where = origin(address)
        if self._lockout.blocked(where, NAME):
            raise Failure(Reason.ADDRESS_BLOCKED)
        if not token or not self._tokens:
            raise Failure(Reason.LOGIN_REQUIRED, "a token is needed")
        role = await self._find(token, where) if len(token) <= _LONGEST else None
        if role is None:
            self._lockout.failed(where, NAME)
            log.warning("token_refused", address=address)
            raise Failure(Reason.WRONG_LOGIN, "the token is wrong")
        self._lockout.succeeded(where, NAME)
        return role

    async def _find(self, token: str, where: str) -> Role | None:
        secret = token.encode("utf-8", "surrogatepass")
        digest = hmac.digest(self._key, secret, "sha256")
        if (role := self._verified.get(digest)) is not None:
            return role
        for role, known in self._tokens:
            if known.startswith("$argon2"):
                async with self._checking:
                    if self._lockout.blocked(where, NAME):
                        raise Failure(Reason.ADDRESS_BLOCKED)
                    right = await asyncio.to_thread(self._verify, known, secret)
            else:
                right = hmac.compare_digest(known.encode(), secret)
            if right:
                if len(self._verified) >= _MAX_CACHED:
                    self._verified.clear()
                self._verified[digest] = role
                return role
        return None

    def _verify(self, encoded: str, secret: bytes) -> bool:
        try:
            return self._hasher.verify(encoded, secret)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
