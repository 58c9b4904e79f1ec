"""Hashes, and checks in threads, each once for all callers."""

from __future__ import annotations

import asyncio

import argon2
import pytest

from bridge.accounts import passwords
from bridge.accounts.lockout import Lockout
from bridge.accounts.passwords import HASHER, PasswordChecks, dummy_hash, md5_of
from bridge.config.settings import settings_from
from bridge.model.failure import Failure, Reason

LOGIN = settings_from({"login": {"max_failures": 1}}).login
HASH = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("right")
WHO = ("192.0.2.1", "crm")


def checks(concurrent: int = 1) -> tuple[PasswordChecks, Lockout]:
    lockout = Lockout(LOGIN, lambda: 0.0)
    return PasswordChecks(lockout, concurrent), lockout


async def test_a_password_fits_its_hash_and_no_other_does() -> None:
    check, _ = checks()
    assert await check.fits(HASH, b"right", b"1", WHO)
    assert not await check.fits(HASH, b"wrong", b"2", WHO)
    check.close()


async def test_the_same_question_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    check, _ = checks()
    monkeypatch.setattr(passwords, "MAX_WAITING", 1)
    asked = (check.fits(HASH, b"right", b"1", WHO) for _ in range(20))
    assert await asyncio.gather(*asked) == [True] * 20
    check.close()


async def test_what_cannot_be_checked_is_no_wrong_password() -> None:
    check, _ = checks()
    with pytest.raises(Failure) as failure:
        await check.fits("$argon2id$no hash", b"right", b"1", WHO)
    assert failure.value.reason is Reason.OPERATION_FAILED
    check.close()
    with pytest.raises(Failure) as failure:
        await check.fits(HASH, b"right", b"2", WHO)
    assert failure.value.reason is Reason.OPERATION_FAILED


async def test_too_many_checks_at_once_are_refused_for_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passwords, "MAX_WAITING", 0)
    check, _ = checks()
    with pytest.raises(Failure) as failure:
        await check.fits(HASH, b"right", b"1", WHO)
    assert failure.value.reason is Reason.OPERATION_FAILED
    check.close()


async def test_a_blocked_client_gets_no_guess() -> None:
    check, lockout = checks()
    lockout.failed(*WHO)
    with pytest.raises(Failure) as failure:
        await check.fits(HASH, b"right", b"1", WHO)
    assert failure.value.reason is Reason.ADDRESS_BLOCKED
    check.close()


def test_nothing_fits_the_dummy_which_costs_as_much_as_the_slowest() -> None:
    slow = HASHER.hash("right")
    dummy = dummy_hash([HASH, slow])
    assert argon2.extract_parameters(dummy) == argon2.extract_parameters(slow)
    with pytest.raises(argon2.exceptions.VerifyMismatchError):
        HASHER.verify(dummy, "right")
    assert argon2.extract_parameters(dummy_hash([])).memory_cost == 19 * 1024


def test_the_md5_of_the_smsc_dialect() -> None:
    # RFC 1321 §A.5
    assert md5_of(b"abc") == b"900150983cd24fb0d6963f7d28e17f72"
