"""The verbs about clients: sessions, blocked logins, accounts with the use of their limits."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.model.failure import Failure, Reason
from bridge.model.message import Protocol
from tests.admin.controlling import BY, Controlled
from tests.samples import submission


async def refused(verb: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        await verb
    return caught.value


# --- sessions ------------------------------------------------------------------------------------


async def test_sessions_of_all_listeners_are_listed(verbs: Controlled) -> None:
    async def ids(**filter: str) -> list[str]:
        return [one.id for one in await verbs.control.list_sessions(**filter)]

    assert await ids() == ["smtp-1", "smpp-1", "smpp-2"]
    assert await ids(account="crm") == ["smtp-1", "smpp-1"]
    assert await ids(protocol="smpp") == ["smpp-1", "smpp-2"]
    assert await ids(account="erp", protocol="smtp") == []


async def test_a_session_or_those_of_an_account_are_ended(verbs: Controlled) -> None:
    control = verbs.control
    assert (await control.close_sessions(by=BY, id="smpp-2")).count == 1
    assert (await control.close_sessions(by=BY, account="crm")).count == 2
    assert await control.list_sessions() == []
    assert {*verbs.smtp.reasons, *verbs.smpp.reasons} == {"closed by an operator"}
    assert [about for _, _, about in verbs.audited()] == [
        {"session": "smpp-2", "sessions": "1"},
        {"account": "crm", "sessions": "2"},
    ]


async def test_a_session_has_its_nodes_number_behind_an_at_sign(verbs: Controlled) -> None:
    failure = await refused(verbs.control.close_sessions(by=BY, id="smpp-1@5"))
    assert failure.reason is Reason.NOT_FOUND
    assert (await verbs.control.close_sessions(by=BY, id="smpp-1@0")).count == 1


async def test_exactly_one_of_session_and_account_is_named(verbs: Controlled) -> None:
    for both in ({}, {"id": "smpp-1", "account": "crm"}):
        failure = await refused(verbs.control.close_sessions(by=BY, **both))
        assert failure.reason is Reason.BAD_PARAMETER
    failure = await refused(verbs.control.close_sessions(by=BY, account="nobody"))
    assert (failure.reason, "nobody" in failure.detail) == (Reason.NOT_FOUND, True)


# --- blocked -------------------------------------------------------------------------------------


async def lock_out(verbs: Controlled, address: str) -> None:
    for _ in range(10):
        await refused(
            verbs.relaying.accounts.authenticate(
                "crm", "guess", protocol=Protocol.SMPP, address=address
            )
        )


async def test_blocks_are_listed_with_their_attempts_and_lifted(verbs: Controlled) -> None:
    await lock_out(verbs, "10.0.0.9")
    address, account = await verbs.control.list_blocked()
    assert (address.address, address.account, address.attempts) == ("10.0.0.9", "", 10)
    assert (account.account, account.names) == ("crm", ["crm"])
    assert address.first_attempt is not None
    assert address.last_attempt is not None
    assert address.first_attempt <= address.last_attempt < address.until
    assert (await verbs.control.lift_block(by=BY, address="10.0.0.9", account="crm")).count == 1
    assert (await verbs.control.lift_block(by=BY, address="10.0.0.9")).count == 1
    assert await verbs.control.list_blocked() == []
    failure = await refused(verbs.control.lift_block(by=BY, address="10.0.0.9"))
    assert failure.reason is Reason.NOT_FOUND


async def test_the_network_of_an_ipv6_address_is_lifted_by_any_of_its_addresses(
    verbs: Controlled,
) -> None:
    await lock_out(verbs, "2001:db8::1")
    blocked = {one.address for one in await verbs.control.list_blocked()}
    assert blocked == {"2001:db8::/64"}
    assert (await verbs.control.lift_block(by=BY, address="2001:db8::2", account="crm")).count == 1
    assert (await verbs.control.lift_block(by=BY, address="2001:db8::/64")).count == 1


# --- accounts ------------------------------------------------------------------------------------


async def test_accounts_have_their_limits_and_their_use(verbs: Controlled) -> None:
    await verbs.relaying.submit(submission())
    await verbs.control.hold(by=BY, scope="account", name="crm")
    crm, erp = await verbs.control.list_accounts()
    assert (crm.name, crm.accepted_today, crm.daily_limit, crm.held) == ("crm", 1, 10, True)
    assert (crm.binds, crm.max_binds, crm.mail_sessions) == (1, 3, 1)
    assert crm.networks == ["10.0.0.0/8"]
    assert (erp.accepted_today, erp.held, erp.countries) == (0, False, ["UA"])
    assert (erp.networks, erp.binds, erp.mail_sessions) == (["192.0.2.7/32 (trusted)"], 1, 0)
    assert await verbs.control.show_account(name="crm") == crm
    failure = await refused(verbs.control.show_account(name="nobody"))
    assert failure.detail == "no account nobody"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"password": "guess"}, Reason.WRONG_LOGIN),
        ({"password": "secret", "protocol": "http"}, Reason.NOT_ALLOWED),
        ({"password": "secret", "address": "192.0.2.1"}, Reason.NOT_ALLOWED),
        ({"password": "secret", "protocol": "fax"}, Reason.BAD_PARAMETER),
        ({"name": "nobody", "password": "secret"}, Reason.NOT_FOUND),
    ],
)
async def test_a_login_that_would_fail_is_refused(
    verbs: Controlled, given: dict[str, str], reason: Reason
) -> None:
    failure = await refused(verbs.control.test_login(**({"name": "crm"} | given)))
    assert failure.reason is reason


async def test_a_password_is_tested_from_an_allowed_address(verbs: Controlled) -> None:
    test = await verbs.control.test_login(name="crm", password="secret")
    assert (test.name, test.protocol, test.address) == ("crm", "smtp", "10.0.0.0")
    test = await verbs.control.test_login(
        name="crm", password="secret", protocol="smpp", address="10.1.1.1"
    )
    assert (test.protocol, test.address) == ("smpp", "10.1.1.1")
