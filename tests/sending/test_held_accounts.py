"""Accounts whose messages are not sent."""

from __future__ import annotations

from bridge.sending.held_accounts import HeldAccounts


def test_an_account_is_held_by_an_operator_or_while_it_is_not_configured() -> None:
    configured = {"crm", "shop"}
    held = HeldAccounts(configured.__contains__)
    held.by_operator.add("shop")
    assert "crm" not in held
    assert "shop" in held
    assert "gone" in held
    configured.add("gone")
    held.by_operator.discard("shop")
    assert "gone" not in held
    assert "shop" not in held
