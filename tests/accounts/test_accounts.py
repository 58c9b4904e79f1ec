"""Logins: who may log in, what a stranger can learn, and the cost of many wrong passwords."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, ClassVar

import argon2
import pytest
from structlog.testing import capture_logs

from bridge.accounts import lockout
from bridge.accounts.accounts import Account, Accounts
from bridge.accounts.passwords import HASHER, MAX_WAITING
from bridge.config.settings import settings_from
from bridge.model.failure import Failure, Reason
from bridge.model.message import MessageType, Protocol

#: The weakest parameters of argon2, so that tests are fast.
WEAK = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
CRM = {"password_hash": WEAK.hash("right")}

Make = Callable[..., Accounts]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(clock: Clock) -> Iterator[Make]:
    """Makes Accounts: ``make({"crm": {…}}, max_failures=3)``."""
    made: list[Accounts] = []

    def make(accounts: dict[str, Any], **login: Any) -> Accounts:
        made.append(Accounts(settings_from({"accounts": accounts, "login": login}), clock=clock))
        return made[-1]

    yield make
    for accounts in made:
        accounts.close()


def login(
    accounts: Accounts,
    name: str = "crm",
    password: str = "right",
    *,
    protocol: Protocol = Protocol.SMTP,
    address: str = "192.0.2.1",
) -> Coroutine[Any, Any, Account]:
    return accounts.authenticate(name, password, protocol=protocol, address=address)


async def refused(attempt: Coroutine[Any, Any, Account]) -> Reason:
    with pytest.raises(Failure) as caught:
        await attempt
    return caught.value.reason


class TestPasswords:
    async def test_the_right_password_gives_the_account(self, make: Make) -> None:
        accounts = make({"crm": CRM, "shop": {"password": "plain"}})
        assert (await login(accounts)).name == "crm"
        assert (await login(accounts, "shop", "plain")).name == "shop"

    @pytest.mark.parametrize(
        ("name", "password"),
        [
            ("crm", "wrong"),
            ("crm", ""),
            ("CRM", "right"),
            ("nobody", "right"),
            ("", ""),
            ("crm\0", "right"),
            ("crm", "right\0"),
            ("crm", "\udcff"),
            ("\udcff", "x"),
            ("crm", "x" * 1_000_000),
            ("shop", "plai"),
            ("trusted", ""),
        ],
    )
    async def test_anything_else_is_a_wrong_login(
        self, make: Make, name: str, password: str
    ) -> None:
        own = {"trusted_networks": ["10.0.0.0/8"]}
        accounts = make({"crm": CRM, "shop": {"password": "plain"}, "trusted": own})
        assert await refused(login(accounts, name, password)) is Reason.WRONG_LOGIN

    async def test_unknown_names_and_plain_passwords_cost_the_time_of_a_hash(
        self, make: Make
    ) -> None:
        kinds = {"crm": {"password_hash": HASHER.hash("right")}, "shop": {"password": "plain"}}
        accounts = make(kinds, max_failures=1000)
        fastest: dict[str, float] = {}
        for _ in range(5):
            for name in ("crm", "shop", "nobody"):
                # The CPU time of all threads.
                start = time.process_time()
                assert await refused(login(accounts, name, "wrong")) is Reason.WRONG_LOGIN
                took = time.process_time() - start
                fastest[name] = min(took, fastest.get(name, took))
        assert max(fastest.values()) < 2.5 * min(fastest.values())

    async def test_a_hash_that_cannot_be_computed_is_no_wrong_login(self, make: Make) -> None:
        broken = CRM["password_hash"].replace("m=8,", "m=1,")
        accounts = make({"crm": {"password_hash": broken}})
        with capture_logs() as logs:
            assert await refused(login(accounts)) is Reason.OPERATION_FAILED
        assert [event["event"] for event in logs] == ["password_check_failed"]

    async def test_the_loop_goes_on_while_a_password_is_checked(self, make: Make) -> None:
        accounts = make({"crm": {"password_hash": HASHER.hash("right")}})
        check = asyncio.ensure_future(login(accounts))
        turns = 0
        while not check.done():
            await asyncio.sleep(0)
            turns += 1
        assert (await check).name == "crm"
        assert turns > 10


MD5 = hashlib.md5(b"right").hexdigest()


class TestSmscLogins:
    """Logins of the SMSC dialect, by a password or by its MD5."""

    HTTP: ClassVar = {"protocols": ["http"]}

    async def log_in(self, accounts: Accounts, password: str, name: str = "crm") -> Account:
        return await accounts.authenticate_smsc(name, password, address="192.0.2.1")

    async def test_a_plain_password_and_its_md5(self, make: Make) -> None:
        accounts = make({"crm": {"password": "right", **self.HTTP}})
        for password in ("right", MD5, MD5):
            assert (await self.log_in(accounts, password)).name == "crm"
        assert await refused(self.log_in(accounts, MD5.upper())) is Reason.WRONG_LOGIN

    async def test_an_md5_needs_a_hash_of_its_own(self, make: Make) -> None:
        accounts = make({"crm": {**CRM, **self.HTTP}})
        assert (await self.log_in(accounts, "right")).name == "crm"
        assert await refused(self.log_in(accounts, MD5)) is Reason.WRONG_LOGIN
        hashes = {**CRM, "smsc_password_hash": WEAK.hash(MD5)}
        accounts = make({"crm": {**hashes, **self.HTTP}})
        for password in ("right", MD5, MD5):
            assert (await self.log_in(accounts, password)).name == "crm"

    async def test_an_md5_is_no_password_at_another_door(self, make: Make) -> None:
        hashes = {**CRM, "smsc_password_hash": WEAK.hash(MD5)}
        accounts = make({"crm": {**hashes, "protocols": ["http", "smtp"]}})
        await self.log_in(accounts, MD5)
        assert await refused(login(accounts, password=MD5)) is Reason.WRONG_LOGIN

    async def test_a_password_of_32_digits_is_no_md5_of_another(self, make: Make) -> None:
        accounts = make({"crm": {"password": MD5, **self.HTTP}})
        assert (await self.log_in(accounts, MD5)).name == "crm"
        assert await refused(self.log_in(accounts, "right")) is Reason.WRONG_LOGIN

    async def test_wrong_ones_count_towards_the_block(self, make: Make) -> None:
        accounts = make({"crm": {"password": "right", **self.HTTP}}, max_failures=2)
        for _ in range(2):
            assert await refused(self.log_in(accounts, "0" * 32)) is Reason.WRONG_LOGIN
        assert await refused(self.log_in(accounts, MD5)) is Reason.ADDRESS_BLOCKED

    async def test_the_account_must_allow_http(self, make: Make) -> None:
        accounts = make({"crm": {"password": "right"}})
        assert await refused(self.log_in(accounts, MD5)) is Reason.NOT_ALLOWED


class TestCache:
    async def test_a_verified_login_needs_no_hash_for_a_while(
        self, make: Make, clock: Clock
    ) -> None:
        accounts = make({"crm": CRM}, cache="60s")
        await login(accounts)
        accounts.close()  # from here on no thread can verify
        clock.now += 59
        assert (await login(accounts)).name == "crm"
        clock.now += 2
        assert await refused(login(accounts)) is Reason.OPERATION_FAILED

    async def test_a_wrong_password_is_not_remembered_as_right(self, make: Make) -> None:
        accounts = make({"crm": CRM})
        await login(accounts)
        assert await refused(login(accounts, password="wrong")) is Reason.WRONG_LOGIN
        assert await refused(login(accounts, "nobody", "right")) is Reason.WRONG_LOGIN

    async def test_no_cache_where_it_is_switched_off(self, make: Make) -> None:
        accounts = make({"crm": CRM}, cache="0s")
        await login(accounts)
        accounts.close()
        assert await refused(login(accounts)) is Reason.OPERATION_FAILED


class TestStorms:
    async def test_the_same_credentials_at_once_are_checked_once(self, make: Make) -> None:
        accounts = make({"crm": CRM})
        many = await asyncio.gather(*(login(accounts) for _ in range(2 * MAX_WAITING)))
        assert {account.name for account in many} == {"crm"}

    async def test_beyond_what_may_wait_logins_are_told_to_try_again(self, make: Make) -> None:
        accounts = make({"crm": CRM}, max_failures=1000)
        extra = 20
        reasons = await asyncio.gather(
            *(
                refused(login(accounts, password=f"wrong{n}", address=f"10.0.{n % 250}.1"))
                for n in range(MAX_WAITING + extra)
            )
        )
        assert reasons.count(Reason.OPERATION_FAILED) == extra
        assert reasons.count(Reason.WRONG_LOGIN) == MAX_WAITING
        assert (await login(accounts)).name == "crm"

    async def test_guesses_at_once_are_no_more_guesses_than_one_by_one(self, make: Make) -> None:
        accounts = make({"crm": CRM}, max_failures=5)
        guesses = [f"wrong{n}" for n in range(100)] + ["right"]
        reasons = await asyncio.gather(
            *(refused(login(accounts, password=guess)) for guess in guesses)
        )
        assert reasons.count(Reason.WRONG_LOGIN) == 5
        assert reasons.count(Reason.ADDRESS_BLOCKED) == 96

    async def test_one_client_that_goes_away_does_not_end_the_check_of_another(
        self, make: Make
    ) -> None:
        accounts = make({"crm": {"password_hash": HASHER.hash("right")}})
        first = asyncio.ensure_future(login(accounts))
        second = asyncio.ensure_future(login(accounts))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).name == "crm"
        assert first.cancelled()

    async def test_nothing_is_kept_of_clients_that_went_away(self, make: Make) -> None:
        accounts = make({"crm": CRM}, concurrent_checks=1)
        attempts = [asyncio.ensure_future(login(accounts, password=f"wrong{n}")) for n in range(50)]
        await asyncio.sleep(0)
        for attempt in attempts:
            attempt.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)
        # After them in the queue, and not counted with them.
        assert (await login(accounts)).name == "crm"


class TestLockout:
    async def fail(self, accounts: Accounts, times: int, name: str = "crm", **where: str) -> None:
        for _ in range(times):
            reason = await refused(login(accounts, name, "wrong", **where))  # type: ignore[arg-type]
            assert reason is Reason.WRONG_LOGIN

    async def test_an_address_is_blocked_after_failures_and_free_after_a_while(
        self, make: Make, clock: Clock
    ) -> None:
        accounts = make({"crm": CRM}, max_failures=3, blocked_for="5m")
        await self.fail(accounts, 2)
        accounts.check_address("192.0.2.1")
        await self.fail(accounts, 1, "nobody")
        with pytest.raises(Failure) as caught:
            accounts.check_address("192.0.2.1")
        assert caught.value.reason is Reason.ADDRESS_BLOCKED
        assert await refused(login(accounts)) is Reason.ADDRESS_BLOCKED
        accounts.check_address("192.0.2.2")
        assert (await login(accounts, address="192.0.2.2")).name == "crm"
        clock.now += 301
        accounts.check_address("192.0.2.1")
        assert (await login(accounts)).name == "crm"

    async def test_failures_far_apart_block_nobody(self, make: Make, clock: Clock) -> None:
        accounts = make({"crm": CRM}, max_failures=3, failures_within="1m")
        for _ in range(10):
            await self.fail(accounts, 1)
            clock.now += 31
        assert (await login(accounts)).name == "crm"

    async def test_where_others_log_in_well_only_the_failing_account_is_blocked(
        self, make: Make
    ) -> None:
        accounts = make({"crm": CRM, "shop": {"password": "plain"}}, max_failures=3)
        await login(accounts, "shop", "plain")
        await self.fail(accounts, 3)
        assert await refused(login(accounts)) is Reason.ADDRESS_BLOCKED
        accounts.check_address("192.0.2.1")
        assert (await login(accounts, "shop", "plain")).name == "shop"
        assert (await login(accounts, address="192.0.2.2")).name == "crm"

    async def test_a_good_login_forgives_the_accounts_own_failures(self, make: Make) -> None:
        accounts = make({"crm": CRM, "shop": {"password": "plain"}}, max_failures=3)
        await login(accounts, "shop", "plain")
        for _ in range(3):
            await self.fail(accounts, 2)
            await login(accounts)

    async def test_somebody_with_one_account_cannot_guess_through_names(self, make: Make) -> None:
        accounts = make({"crm": CRM}, max_failures=3)
        await login(accounts)
        guesses = range(lockout.MAX_NAMES + 4)
        reasons = [await refused(login(accounts, f"name{n}", "guess")) for n in guesses]
        assert reasons[0] is Reason.WRONG_LOGIN
        assert reasons[-1] is Reason.ADDRESS_BLOCKED
        assert await refused(login(accounts)) is Reason.ADDRESS_BLOCKED

    @pytest.mark.parametrize(
        ("first", "second"),
        [("2001:db8::1", "2001:db8::2"), ("::ffff:192.0.2.7", "192.0.2.7")],
    )
    async def test_addresses_of_one_customer_count_together(
        self, make: Make, first: str, second: str
    ) -> None:
        accounts = make({"crm": CRM}, max_failures=2)
        await self.fail(accounts, 1, address=first)
        await self.fail(accounts, 1, address=second)
        for address in (first, second):
            assert await refused(login(accounts, address=address)) is Reason.ADDRESS_BLOCKED
        accounts.check_address("2001:db8:0:1::1")

    async def test_the_log_says_whom_and_for_how_long(self, make: Make) -> None:
        accounts = make({"crm": CRM}, max_failures=2, blocked_for="5m")
        with capture_logs() as logs:
            await self.fail(accounts, 2)
        assert [event["event"] for event in logs].count("address_blocked") == 1
        (blocked,) = (event for event in logs if event["event"] == "address_blocked")
        assert (blocked["address"], blocked["seconds"]) == ("192.0.2.1", 300.0)
        assert "wrong" not in str([{**event, "event": ""} for event in logs])


class TestWhere:
    OWN: ClassVar = {**CRM, "networks": ["10.0.0.0/8", "2001:db8::/32"], "protocols": ["smtp"]}

    @pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::5"])
    async def test_from_an_allowed_network(self, make: Make, address: str) -> None:
        accounts = make({"crm": self.OWN})
        assert (await login(accounts, address=address)).name == "crm"

    @pytest.mark.parametrize("address", ["11.1.2.3", "2001:db9::5", "", "/run/socket"])
    async def test_from_elsewhere(self, make: Make, address: str) -> None:
        accounts = make({"crm": self.OWN})
        assert await refused(login(accounts, address=address)) is Reason.NOT_ALLOWED

    async def test_by_another_protocol(self, make: Make) -> None:
        accounts = make({"crm": self.OWN})
        attempt = login(accounts, address="10.1.2.3", protocol=Protocol.SMPP)
        assert await refused(attempt) is Reason.NOT_ALLOWED

    async def test_only_who_knows_the_password_learns_about_it(self, make: Make) -> None:
        accounts = make({"crm": self.OWN})
        assert await refused(login(accounts, password="wrong")) is Reason.WRONG_LOGIN

    async def test_it_is_no_failed_login(self, make: Make) -> None:
        accounts = make({"crm": self.OWN}, max_failures=2)
        for _ in range(5):
            assert await refused(login(accounts)) is Reason.NOT_ALLOWED

    async def test_the_log_names_the_key_to_look_at(self, make: Make) -> None:
        accounts = make({"crm": self.OWN})
        with capture_logs() as logs:
            await refused(login(accounts))
        (event,) = logs
        assert event["event"] == "login_refused"
        assert event["cause"] == "accounts.crm.networks does not hold 192.0.2.1"


class TestTrusted:
    def test_the_most_specific_network_wins(self, make: Make) -> None:
        accounts = make(
            {
                "office": {"trusted_networks": ["10.0.0.0/8", "2001:db8::/32"]},
                "printer": {"trusted_networks": ["10.1.0.0/16", "10.1.2.3"]},
                "platform": {"trusted_networks": ["192.0.2.0/24"], "protocols": ["smpp"]},
            }
        )
        found = {
            address: (account := accounts.trusted(address)) and account.name
            for address in ("10.9.9.9", "10.1.9.9", "10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1")
        }
        assert found == {
            "10.9.9.9": "office",
            "10.1.9.9": "printer",
            "10.1.2.3": "printer",
            "::ffff:10.1.2.3": "printer",
            "2001:db8::1": "office",
        }

    @pytest.mark.parametrize("address", ["192.0.2.1", "11.0.0.1", "::1", "", "nonsense"])
    def test_nobody_else_is_trusted(self, make: Make, address: str) -> None:
        own = {"trusted_networks": ["192.0.2.0/24"], "protocols": ["smpp"]}
        accounts = make({"platform": own, "office": {"trusted_networks": ["10.0.0.0/8"]}})
        assert accounts.trusted(address) is None


class TestApiKeys:
    async def test_a_key_stands_for_its_account(self, make: Make) -> None:
        accounts = make({"crm": {"api_key": "key1"}, "shop": {"api_key": "key2"}})
        account = await accounts.authenticate_key(
            "key2", protocol=Protocol.SMTP, address="192.0.2.1"
        )
        assert account.name == "shop"

    async def test_a_wrong_key_is_a_failed_login(self, make: Make) -> None:
        accounts = make({"crm": {"api_key": "key1"}}, max_failures=2)
        reasons = [
            await refused(
                accounts.authenticate_key("no", protocol=Protocol.SMTP, address="192.0.2.1")
            )
            for _ in range(3)
        ]
        assert reasons == [Reason.WRONG_LOGIN, Reason.WRONG_LOGIN, Reason.ADDRESS_BLOCKED]

    async def test_a_key_is_no_password(self, make: Make) -> None:
        accounts = make({"crm": {"api_key": "key1"}})
        assert await refused(login(accounts, "", "key1")) is Reason.WRONG_LOGIN
        assert await refused(login(accounts, "crm", "key1")) is Reason.WRONG_LOGIN


class TestAccount:
    def account(self, **own: Any) -> Account:
        return Account("crm", settings_from({"accounts": {"crm": own}}).accounts["crm"])

    def test_its_senders_are_the_default_and_the_listed_ones(self) -> None:
        assert self.account(sender="Shop").senders == {"Shop"}
        assert self.account(sender="Shop", senders=["Shop UA"]).senders == {"Shop", "Shop UA"}
        assert self.account().senders == frozenset()

    def test_a_sender_in_other_capitals_is_its_own(self) -> None:
        account = self.account(sender="Shop", senders=["SHOP UA"])
        names = ("Shop", "SHOP", "shop ua", "Bank", "")
        assert [account.spelled(name) for name in names] == ["Shop", "Shop", "SHOP UA", "Bank", ""]

    def test_a_number_is_its_own_with_or_without_a_plus(self) -> None:
        account = self.account(sender="380501112233", senders=["+380441112233", "+"])
        names = ("+380501112233", "380441112233", "+380991112233", "+")
        own = ["380501112233", "+380441112233", "+380991112233", "+"]
        assert [account.spelled(name) for name in names] == own

    def test_a_letter_and_a_number_are_a_name(self) -> None:
        assert self.account(sender="A1").spelled("a1") == "A1"

    def test_senders_that_differ_only_in_capitals_are_told_apart(self) -> None:
        account = self.account(sender="Shop", senders=["SHOP"])
        assert [account.spelled(name) for name in ("Shop", "SHOP")] == ["Shop", "SHOP"]

    def test_its_types_are_the_listed_ones_or_all(self) -> None:
        assert self.account().message_types == set(MessageType)
        own = self.account(message_types=["transaction", "promo"])
        assert own.message_types == {MessageType.TRANSACTION, MessageType.PROMO}

    def test_its_rate_lets_a_seconds_worth_through_at_once(self) -> None:
        own = self.account(rate=5)
        assert [own.take(50.0) for _ in range(6)] == [True] * 5 + [False]
        assert own.wait(50.0) == pytest.approx(0.2)

    def test_its_burst_may_be_larger(self) -> None:
        own = self.account(rate=5, burst=8)
        assert [own.take(50.0) for _ in range(9)] == [True] * 8 + [False]

    def test_without_a_rate_it_is_unlimited(self) -> None:
        assert self.account().take(0.0, 1_000_000)


def test_accounts_are_found_by_name(make: Make) -> None:
    accounts = make({"crm": CRM})
    crm = accounts.get("crm")
    assert crm is not None
    assert list(accounts) == [crm]
    assert accounts.get("nobody") is None
