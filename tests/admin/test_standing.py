"""Present values for overview and metrics: what is counted, and how often the store is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.admin.standing import NowStanding, certificates_of, remaining
from bridge.config.settings import Settings, settings_from
from tests.admin.controlling import BY, Controlled
from tests.relaying import without
from tests.samples import submission
from tests.smtp.conftest import make_certificate


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC).timestamp()

    def __call__(self) -> float:
        return self.now


def standing(
    verbs: Controlled, clock: Clock, settings: Settings | None = None, *missing: str
) -> NowStanding:
    relay = verbs.relaying
    return NowStanding(
        lambda: settings or relay.settings,
        relay.store,
        relay.dispatcher,
        relay.accounts,
        relay.lines,
        verbs.smpp.sessions,
        lambda: list(missing),
        clock=clock,
    )


async def test_waiting_and_held_messages_have_a_number_and_an_age(verbs: Controlled) -> None:
    clock = Clock()
    now = standing(verbs, clock)
    await now.look()
    assert (now.age("accepted"), now.standing().queue_messages) == (
        0.0,
        {"accepted": 0, "held": 0},
    )
    await verbs.control.hold(by=BY, scope="account", name="crm")
    await verbs.relaying.submit(submission())
    clock.now += 100
    await now.look()
    assert 90 <= now.age("accepted") <= 130
    assert now.standing().queue_messages == {"accepted": 1, "held": 0}
    assert now.standing().queue_ages["held"] == 0.0


async def test_the_store_is_asked_every_five_seconds_at_most(verbs: Controlled) -> None:
    clock = Clock()
    now = standing(verbs, clock)
    await now.look()
    await verbs.relaying.submit(submission())
    clock.now += 4.9
    await now.look()
    assert now.standing().daily_used == {"crm": 0.0}
    clock.now += 0.1
    await now.look()
    assert now.standing().daily_used == {"crm": 0.1}


async def test_while_the_store_fails_the_last_counts_stay(
    verbs: Controlled, tmp_path: Path
) -> None:
    clock = Clock()
    now = standing(verbs, clock)
    await verbs.relaying.submit(submission())
    await now.look()
    with capture_logs() as events, without(tmp_path, "daily_count"):
        for _ in range(3):
            clock.now += 10
            await now.look()
    assert [one["event"] for one in events if "counts" in one["event"]] == ["counts_failed"]
    assert now.standing().daily_used == {"crm": 0.1}


async def test_the_accounts_nearest_to_their_limit_come_first(verbs: Controlled) -> None:
    now = standing(verbs, Clock())
    for _ in range(3):
        await verbs.relaying.submit(submission())
    await now.look()
    [used] = now.nearest_limits()
    assert (used.account, used.accepted_today, used.daily_limit) == ("crm", 3, 10)


async def test_sessions_and_held_upstreams_are_counted(verbs: Controlled) -> None:
    await verbs.control.hold(by=BY, scope="upstream", name="cascade")
    source = standing(verbs, Clock(), None, "store: full").standing()
    assert source.sessions == {("smpp", ""): 2}
    assert source.upstreams_held == {"cascade": True}
    assert (source.ready, source.blocked) == (False, 0)
    assert source.store_free is not None
    assert source.store_free > 0


async def test_certificates_that_end_soon_are_in_the_log_once_an_hour(
    verbs: Controlled, tmp_path: Path
) -> None:
    made = make_certificate(tmp_path)
    pair = {"certificate": str(made.certificate), "private_key": str(made.private_key)}
    settings = settings_from({"smpp": pair})
    clock = Clock()
    now = standing(verbs, clock, settings)
    with capture_logs() as events:
        for seconds in (0, 10, 3600, 10):
            clock.now += seconds
            assert list(now.certificates()) == ["smpp"]
        made.certificate.write_text("no certificate")
        clock.now += 10
        assert now.certificates() == {}
    assert [one["event"] for one in events] == [
        "certificate_expiring",
        "certificate_expiring",
        "certificate_unreadable",
    ]
    assert events[0]["cause"].startswith("it expires in ")


@pytest.mark.parametrize("table", ["smtp", "smpp", "smsc", "admin", "hooks"])
def test_every_listener_may_have_a_certificate(table: str, tmp_path: Path) -> None:
    pair = {"certificate": f"{tmp_path}/tls.pem", "private_key": f"{tmp_path}/tls.key"}
    assert certificates_of(settings_from({table: pair})) == {table: tmp_path / "tls.pem"}


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(days=13, hours=1), "it expires in 13 days, at 2026-01-14 01:00 UTC"),
        (timedelta(hours=-1), "it expired at 2025-12-31 23:00 UTC"),
    ],
)
def test_the_expiry_is_told_in_days_and_with_its_time(left: timedelta, words: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert remaining(now + left, now.timestamp()) == words
