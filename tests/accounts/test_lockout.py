"""Failed logins by address and name, and the chances of an attacker."""

from __future__ import annotations

import itertools
import random

import pytest

from bridge.accounts import lockout
from bridge.accounts.lockout import MAX_NAMES, SPARED_FOR, Lockout
from bridge.config.settings import Login, settings_from

ADDRESS, VICTIM, OWN = "192.0.2.1", "victim", "own"
LOGIN = settings_from({}).login
PER_NAME = LOGIN.max_failures


class Guesser:
    """An attacker at one address with an own account, who also logs in with it all the time."""

    def __init__(self, login: Login = LOGIN) -> None:
        self.now = 0.0
        self.counts = Lockout(login, lambda: self.now)
        self.counts.succeeded(ADDRESS, OWN)
        self.guesses = 0

    def fail(self, name: str) -> bool:
        """Whether the guess was checked."""
        self.now += 0.01
        if self.counts.blocked(ADDRESS, name):
            return False
        self.counts.failed(ADDRESS, name)
        if not self.counts.blocked(ADDRESS, OWN):
            self.counts.succeeded(ADDRESS, OWN)
        self.guesses += name == VICTIM
        return True


def test_fresh_names_take_no_counters_place() -> None:
    guesser = Guesser()
    fresh = (f"fresh{n}" for n in itertools.count())
    for _ in range(200):
        for _ in range(PER_NAME - 1):
            guesser.fail(VICTIM)
        for _ in range(MAX_NAMES + 1):
            guesser.fail(next(fresh))
    assert guesser.now < LOGIN.failures_within
    assert guesser.guesses <= PER_NAME
    assert guesser.counts.blocked(ADDRESS)


def test_the_failure_that_would_block_the_address_gains_nothing_under_a_known_name() -> None:
    guesser = Guesser()
    fresh = (f"fresh{n}" for n in itertools.count())
    last = next(fresh)
    for total in range(5000):
        if total % PER_NAME == PER_NAME - 1:
            guesser.fail(last)
        elif total % 45 < 9:
            guesser.fail(VICTIM)
        else:
            last = next(fresh)
            guesser.fail(last)
    assert guesser.guesses <= PER_NAME
    assert guesser.counts.blocked(ADDRESS)


@pytest.mark.parametrize("seed", range(20))
def test_no_order_of_failures_gives_more_guesses(seed: int) -> None:
    chance = random.Random(seed)
    names = [VICTIM] * chance.randrange(1, 40) + [f"name{n}" for n in range(chance.randrange(80))]
    guesser = Guesser()
    while guesser.now < LOGIN.failures_within - 1:
        guesser.now += chance.random()
        guesser.fail(chance.choice(names))
    assert guesser.guesses <= PER_NAME


def test_a_good_login_does_not_make_up_for_too_many_names() -> None:
    guesser = Guesser()
    for n in range(MAX_NAMES + 1):
        guesser.fail(f"name{n}")
    guesser.counts.succeeded(ADDRESS, OWN)
    for n in range(PER_NAME):
        guesser.fail(f"name{n}")
    assert guesser.counts.blocked(ADDRESS)


def test_an_address_with_many_names_is_spared_again_when_they_are_long_ago() -> None:
    guesser = Guesser()
    for n in range(MAX_NAMES + 1):
        guesser.fail(f"name{n}")
    guesser.now += LOGIN.failures_within + LOGIN.blocked_for
    for _ in range(PER_NAME):
        guesser.fail(VICTIM)
    assert guesser.counts.blocked(ADDRESS, VICTIM)
    assert not guesser.counts.blocked(ADDRESS, OWN)


def test_an_address_is_spared_for_a_while_after_a_good_login() -> None:
    guesser = Guesser()
    guesser.now += SPARED_FOR + 1
    for n in range(PER_NAME):
        guesser.counts.failed(ADDRESS, f"name{n}")
    assert guesser.counts.blocked(ADDRESS)


def test_names_that_count_no_longer_are_forgotten() -> None:
    guesser = Guesser()
    for round in range(20):
        for n in range(MAX_NAMES):
            guesser.fail(f"name{round}-{n}")
        guesser.now += LOGIN.failures_within
    assert not guesser.counts.blocked(ADDRESS)
    assert len(guesser.counts._levels[0][ADDRESS].names) <= MAX_NAMES


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockout, "MAX_ADDRESSES", 10)
    counts = Lockout(LOGIN, lambda: 0.0)
    for n in range(50):
        counts.failed(f"192.0.2.{n}", "crm" * 1000)
        counts.succeeded(f"198.51.100.{n}", "crm")
    for n in range(1000):
        counts.failed("192.0.2.9", f"{n}")
    assert len(counts._levels[0]) == 10
    assert len(counts._spared) == 10
    assert len(counts._levels[0]["192.0.2.9"].names) <= MAX_NAMES
    assert max(map(len, counts._levels[0]["192.0.2.9"].names)) <= 64


def test_more_addresses_than_are_remembered_push_no_failures_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lockout, "MAX_ADDRESSES", 10)
    counts = Lockout(LOGIN, lambda: 0.0)
    counts.succeeded("198.51.100.200", OWN)
    guesses = 0
    for turn in range(PER_NAME * 3):
        for n in range(100):
            if not counts.blocked(f"198.51.100.{n}", VICTIM):
                counts.failed(f"198.51.100.{n}", VICTIM)
                guesses += 1
        assert len(counts._levels[0]) <= 10, turn
    # Ten addresses and one network.
    assert guesses <= 11 * PER_NAME
    assert counts.blocked("198.51.100.99", VICTIM)
    assert not counts.blocked("203.0.113.1", VICTIM)
    assert not counts.blocked("198.51.100.200", VICTIM), "somebody logged in well from there"
    assert "198.51.100.0/24" in {block.origin for block in counts.blocks()}
    assert counts.lift("198.51.100.0/24")


@pytest.mark.parametrize(
    "guessers",
    [
        [f"2001:db8:{n:x}::/64" for n in range(100)],
        [f"198.{n}.100.7" for n in range(100)],
    ],
    ids=["IPv6", "IPv4"],
)
def test_more_networks_than_are_remembered_push_no_failures_out(
    monkeypatch: pytest.MonkeyPatch, guessers: list[str]
) -> None:
    monkeypatch.setattr(lockout, "MAX_ADDRESSES", 10)
    counts = Lockout(LOGIN, lambda: 0.0)
    counts.succeeded("198.51.100.200", OWN)
    guesses = 0
    for _ in range(PER_NAME * 3):
        for origin in guessers:
            if not counts.blocked(origin, VICTIM):
                counts.failed(origin, VICTIM)
                guesses += 1
    # Ten addresses, ten networks, and the one that all others are in.
    assert guesses == 21 * PER_NAME
    assert all(counts.blocked(origin, VICTIM) for origin in guessers)
    assert not counts.blocked("203.0.113.1", VICTIM)
    assert not counts.blocked("198.51.100.200", VICTIM), "somebody logged in well from there"
    assert len({block.origin for block in counts.blocks()}) == 21


def test_places_of_addresses_become_free_when_their_failures_count_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lockout, "MAX_ADDRESSES", 10)
    now = 0.0
    counts = Lockout(LOGIN, lambda: now)
    for n in range(20):
        counts.failed(f"2001:db8:{n:x}::/64", VICTIM)
    assert len(counts._levels[1]) == 10
    now = LOGIN.failures_within + LOGIN.blocked_for
    counts.failed("2001:db8:ffff::/64", VICTIM)
    assert list(counts._levels[0]) == ["2001:db8:ffff::/64"]
    assert not counts._levels[1]


def test_blocks_are_listed_with_their_causes_and_lifted() -> None:
    guesser = Guesser()
    for _ in range(PER_NAME):
        guesser.fail(VICTIM)
    [block] = guesser.counts.blocks()
    assert (block.origin, block.name) == (ADDRESS, VICTIM)
    assert len(block.attempts) == PER_NAME
    assert guesser.counts.lift(ADDRESS, "other") == 0
    assert guesser.counts.lift(ADDRESS) == 1
    assert not guesser.counts.blocked(ADDRESS, VICTIM)
