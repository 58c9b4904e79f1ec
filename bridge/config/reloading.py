"""The keys that a reload takes over, and those that need a restart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bridge.config.settings import Settings, Table

#: Keys of each table that need a restart; ``*``: all of them. A reload takes over all others, and
#: all keys of accounts.
NEED_RESTART: Final[dict[str, frozenset[str]]] = {
    "cascade": frozenset(
        {
            *("base_url", "max_batch", "max_in_flight", "requests_per_second", "burst", "timeout"),
            *("unknown_outcome", "schedule_field", "poll", "poll_after"),
            "status_requests_per_second",
        }
    ),
    "store": frozenset({"url", "lease"}),
    "smtp": frozenset({"listen", "tls_listen", "lmtp_listen", "hostname"}),
    "smpp": frozenset({"listen", "tls_listen", "parts_timeout", "receipts_keep"}),
    "admin": frozenset({"socket", "listen"}),
    "hooks": frozenset({"listen", "incoming", "reply_within"}),
    "reports": frozenset({"*"}),
    "login": frozenset({"concurrent_checks"}),
    "log": frozenset({"format", "log_texts"}),
}


#: The key of an account that needs a restart.
VIRTUAL: Final = ".virtual"


def changed_keys(old: Settings, new: Settings) -> list[str]:
    """The keys whose values differ, dotted; for added or removed accounts, the table's name."""
    found: list[str] = []
    for name in type(old).model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if isinstance(before, Table):
            found += _changed(name, before, after)
        else:
            found += [f"accounts.{one}" for one in sorted(before.keys() ^ after.keys())]
            for account in sorted(before.keys() & after.keys()):
                found += _changed(f"accounts.{account}", before[account], after[account])
    return found


def need_restart(old: Settings, new: Settings) -> list[str]:
    """The :func:`changed_keys` that a reload does not take over."""
    return [key for key in changed_keys(old, new) if _needs_restart(key)] + [
        f"{table}.{key}" for table, key in _switched(old, new)
    ]


def without_switch(old: Settings, new: Settings) -> Settings:
    """The new settings with ``virtual`` as it was for accounts that stay: waiting messages of a
    real account do not count as delivered after a reload, nor the other way round."""
    stays = {
        name: own.model_copy(update={"virtual": old.accounts[name].virtual})
        for name, own in new.accounts.items()
        if name in old.accounts and own.virtual != old.accounts[name].virtual
    }
    return new.model_copy(update={"accounts": {**new.accounts, **stays}}) if stays else new


def _needs_restart(key: str) -> bool:
    if key.endswith(VIRTUAL) and key.count(".") == 2:
        return True
    table, _, name = key.partition(".")
    fixed = NEED_RESTART.get(table, frozenset())
    return name in fixed or "*" in fixed


def _switched(old: Settings, new: Settings) -> Iterator[tuple[str, str]]:
    """Properties that a listener has from its start, or does not have."""
    for table, key in (
        ("smtp", "proxies"),
        ("admin", "certificate"),
        ("hooks", "certificate"),
        ("hooks", "secret"),
    ):
        before, after = getattr(getattr(old, table), key), getattr(getattr(new, table), key)
        if bool(before) != bool(after):
            yield table, key


def _changed(path: str, old: Table, new: Table) -> Iterator[str]:
    for name, field in type(old).model_fields.items():
        if getattr(old, name) != getattr(new, name):
            yield f"{path}.{field.alias or name}"
