"""Which changed keys a reload takes over."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.config.reloading import NEED_RESTART, changed_keys, need_restart, without_switch
from bridge.config.settings import Settings, settings_from


def settings(**tables: Any) -> Settings:
    return settings_from({"accounts": {"crm": {"password": "x"}}, **tables})


def test_changed_keys_are_named_by_table_and_account() -> None:
    old = settings()
    new = settings(
        log={"level": "debug"}, accounts={"crm": {"password": "x", "rate": 5}, "shop": {}}
    )
    assert changed_keys(old, new) == ["log.level", "accounts.shop", "accounts.crm.rate"]
    assert need_restart(old, new) == []


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("smtp", "listen", ["127.0.0.1:2526"]),
        ("cascade", "max_batch", 10),
        ("reports", "smarthost", "127.0.0.1:25"),
        ("log", "format", "json"),
    ],
)
def test_these_need_a_restart(table: str, key: str, value: Any) -> None:
    assert need_restart(settings(), settings(**{table: {key: value}})) == [f"{table}.{key}"]


def test_an_account_cannot_become_virtual_by_a_reload() -> None:
    old = settings()
    new = settings(accounts={"crm": {"password": "y", "virtual": True}})
    assert need_restart(old, new) == ["accounts.crm.virtual"]
    kept = without_switch(old, new).accounts["crm"]
    assert not kept.virtual
    assert kept.password != old.accounts["crm"].password


def test_a_listener_does_not_gain_or_lose_proxies_by_a_reload() -> None:
    old, new = settings(), settings(smtp={"proxies": ["10.0.0.1"]})
    assert "smtp.proxies" in need_restart(old, new)
    assert need_restart(new, settings(smtp={"proxies": ["10.0.0.2"]})) == []


def test_every_key_in_the_table_exists() -> None:
    fields = Settings.model_fields
    for table, keys in NEED_RESTART.items():
        known = {
            field.alias or name
            for name, field in fields[table].annotation.model_fields.items()  # type: ignore[union-attr]  # a table
        }
        assert keys - {"*"} <= known
