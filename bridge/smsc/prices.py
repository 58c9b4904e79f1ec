"""Prices from the table ``[smsc] prices`` by country, and the account's balance.

The API tells a price only after sending; before that only the operator's table has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from bridge.model.phone import country


def cost_of(prices: Mapping[str, str], parts: Iterable[tuple[str, int]]) -> str:
    """The price of messages: pairs of a phone (E.164) and its parts; ``"0"`` without a table."""
    if not prices:
        return "0"
    total = Decimal(0)
    for phone, count in parts:
        total += Decimal(prices.get(country(phone), "0")) * count
    return format(total.normalize() + 0, "f") if total else "0"


def balance_of(configured: str, daily_limit: int, used: int) -> str:
    """The configured figure, or the number of messages left today; never empty.

    Clients treat an answer with a comma as an error.
    """
    if configured:
        return configured
    return str(max(0, daily_limit - used)) if daily_limit else "0"
