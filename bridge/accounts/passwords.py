"""Makes password hashes, and checks passwords in separate threads.

Decides the parameters of hashes and how many checks run at once. :mod:`bridge.accounts.accounts`
decides which hash to check, and what follows from a wrong password.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from base64 import b64encode
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from typing import NamedTuple

import argon2
import structlog

from bridge.accounts.lockout import Lockout
from bridge.model.failure import Failure, Reason

log = structlog.get_logger()

#: New hashes: OWASP's second choice for argon2id, about 20 ms. An account's ``password_hash`` is
#: verified with its own parameters.
HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

#: Most checks that wait for a thread; further logins are told to try again.
MAX_WAITING = 256

#: Only its parameters matter.
_DEFAULT_HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$" + "A" * 43


def dummy_hash(hashes: Collection[str]) -> str:
    """A hash without a password, which takes as long to verify as the slowest of these."""
    like = max(hashes, key=_cost) if hashes else _DEFAULT_HASH
    head = like.rsplit("$", 2)[0]
    salt, digest = (b64encode(secrets.token_bytes(n)).decode().rstrip("=") for n in (16, 32))
    return f"{head}${salt}${digest}"


def _cost(encoded: str) -> int:
    parameters = argon2.extract_parameters(encoded)
    return parameters.time_cost * parameters.memory_cost


def md5_of(password: bytes) -> bytes:
    """The MD5 form in which clients of the SMSC dialect send a password; it gives no protection."""
    return hashlib.md5(password, usedforsecurity=False).hexdigest().encode()


class _Verdict(Enum):
    RIGHT = "right"
    WRONG = "wrong"
    #: No caller waits any more, or all callers' addresses have been blocked.
    SKIPPED = "skipped"
    #: No decision (no memory, an unreadable hash): not the client's fault.
    FAILED = "failed"


class _Check(NamedTuple):
    """A password check in progress, with its waiting callers: (origin, name)."""

    done: asyncio.Future[_Verdict]
    waiting: list[tuple[str, str]]


class PasswordChecks:
    """Runs checks in ``concurrent`` threads; belongs to one event loop. :meth:`close` it."""

    def __init__(self, lockout: Lockout, concurrent: int) -> None:
        self._lockout = lockout
        self._checks: dict[bytes, _Check] = {}
        self._threads = ThreadPoolExecutor(concurrent, "password-check")

    def close(self) -> None:
        """Ends the threads; waiting checks are dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def fits(
        self, encoded: str, secret: bytes, digest: bytes, waiter: tuple[str, str]
    ) -> bool:
        """Whether ``secret`` matches the hash ``encoded``.

        ``digest`` identifies both, so that equal checks at the same time run once; ``waiter`` is
        the caller's origin and name. Raises Failure: ADDRESS_BLOCKED for a waiter that is blocked
        meanwhile, OPERATION_FAILED if the check is not possible now.
        """
        while not self._lockout.blocked(*waiter):
            check = self._checks.get(digest)
            if check is None:
                check = self._begin(encoded, secret, digest, waiter)
            else:
                check.waiting.append(waiter)
            try:
                # Shielded: one client that leaves must not cancel the check of the others.
                verdict = await asyncio.shield(check.done)
            finally:
                check.waiting.remove(waiter)
            if verdict is _Verdict.FAILED:
                raise Failure(Reason.OPERATION_FAILED, "the login could not be checked, try again")
            if verdict is not _Verdict.SKIPPED:
                return verdict is _Verdict.RIGHT
        raise Failure(Reason.ADDRESS_BLOCKED)

    def _begin(self, encoded: str, secret: bytes, digest: bytes, waiter: tuple[str, str]) -> _Check:
        if len(self._checks) >= MAX_WAITING:
            raise Failure(Reason.OPERATION_FAILED, "too many logins at once, try again")
        waiting = [waiter]
        loop = asyncio.get_running_loop()
        try:
            done = loop.run_in_executor(self._threads, self._hash, encoded, secret, waiting)
        except RuntimeError:
            raise Failure(Reason.OPERATION_FAILED, "the bridge is stopping") from None
        check = self._checks[digest] = _Check(done, waiting)
        done.add_done_callback(lambda _: self._checks.pop(digest, None))
        return check

    def _hash(self, encoded: str, secret: bytes, waiting: list[tuple[str, str]]) -> _Verdict:
        """Runs in a thread. Waiters that are blocked meanwhile get no check."""
        if all(self._lockout.blocked(*waiter) for waiter in tuple(waiting)):
            return _Verdict.SKIPPED
        try:
            HASHER.verify(encoded, secret)
        except argon2.exceptions.VerifyMismatchError:
            return _Verdict.WRONG
        except (argon2.exceptions.Argon2Error, argon2.exceptions.InvalidHashError, MemoryError):
            log.exception("password_check_failed")
            return _Verdict.FAILED
        return _Verdict.RIGHT
