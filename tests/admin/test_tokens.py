"""Who may use the API over TCP: tokens and guesses."""

from __future__ import annotations

import asyncio
import time

import pytest

from bridge.accounts.lockout import Lockout
from bridge.accounts.passwords import HASHER
from bridge.admin.tokens import Role, Tokens
from bridge.config.settings import Admin, Login
from bridge.model.failure import Failure, Reason

HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


def tokens(token: str) -> Tokens:
    return Tokens(Admin.model_validate({"token": token}), Lockout(Login(), time.monotonic))


async def outcome(tokens: Tokens, token: str, address: str = HERE) -> Role | Reason:
    try:
        return await tokens.role_of(token, address)
    except Failure as failure:
        return failure.reason


@pytest.mark.parametrize("hashed", [False, True], ids=["secret", "hash"])
async def test_parallel_guesses_are_counted_one_by_one(hashed: bool) -> None:
    asked = tokens(HASHER.hash("right") if hashed else "right")
    most = Login().max_failures
    guesses = await asyncio.gather(*(outcome(asked, f"wrong{n}") for n in range(3 * most)))
    assert guesses.count(Reason.WRONG_LOGIN) == most
    assert guesses.count(Reason.ADDRESS_BLOCKED) == 2 * most
    assert await outcome(asked, "right") is Reason.ADDRESS_BLOCKED
    assert await outcome(asked, "right", ELSEWHERE) is Role.OPERATE


async def test_the_right_token_after_too_many_guesses_is_refused() -> None:
    asked = tokens(HASHER.hash("right"))
    guesses = [f"wrong{n}" for n in range(Login().max_failures)] + ["right"]
    assert (await asyncio.gather(*(outcome(asked, one) for one in guesses)))[-1] is (
        Reason.ADDRESS_BLOCKED
    )
