"""The engine of an address, and the address without its password."""

from __future__ import annotations

import pytest

from bridge.store.engines import without_password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:////var/lib/bridge.db", "sqlite:////var/lib/bridge.db"),
        ("postgresql://bridge@db/x", "postgresql://bridge@db/x"),
        ("postgresql://bridge:s3cr3t-pw@db:5432/x", "postgresql://bridge:***@db:5432/x"),
        ("postgresql://bridge:s3cr@3t-pw@db/x", "postgresql://bridge:***@db/x"),
        (
            "postgresql://db/x?user=bridge&password=s3cr3t-pw",
            "postgresql://db/x?user=bridge&password=***",
        ),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown
