"""SMPP's absolute and relative times."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.smpp.protocol.times import is_no_time, parse_time

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC).timestamp() + 0.7


def moment(value: bytes) -> str:
    return datetime.fromtimestamp(parse_time(value, NOW), UTC).isoformat()


@pytest.mark.parametrize(
    ("value", "iso"),
    [
        (b"261122083000000+", "2026-11-22T08:30:00+00:00"),
        (b"261122083000008+", "2026-11-22T06:30:00+00:00"),
        (b"261122083000008-", "2026-11-22T10:30:00+00:00"),
        (b"261122083015922+", "2026-11-22T03:00:15+00:00"),  # tenths are dropped
        (b"261231233000048-", "2027-01-01T11:30:00+00:00"),
        (b"280229000000000+", "2028-02-29T00:00:00+00:00"),
    ],
)
def test_an_absolute_time_is_local_time_with_its_offset(value: bytes, iso: str) -> None:
    assert moment(value) == iso


@given(st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30)), st.integers(-48, 48))
def test_every_quarter_hour_offset_is_understood(local: datetime, quarters: int) -> None:
    local = local.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=15 * quarters)))
    value = f"{local:%y%m%d%H%M%S}0{abs(quarters):02}{'-' if quarters < 0 else '+'}"
    assert parse_time(value.encode(), NOW) == local.timestamp()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"000000010000000R", 3600),
        (b"000002000000000R", 2 * 86400),
        (b"000001233059000R", 86400 + 23 * 3600 + 30 * 60 + 59),
        (b"000100000000000R", 30 * 86400),
        (b"010000000000000R", 365 * 86400),
        (b"000000000000000R", 0),
    ],
)
def test_a_relative_time_counts_from_now(value: bytes, seconds: int) -> None:
    assert parse_time(value, NOW) == int(NOW) + seconds


@pytest.mark.parametrize(
    "value",
    [
        b"2611220830000+",
        b"261122083000000",
        b"261122083000000 ",
        b"261122083000000+0",
        b"261322083000000+",
        b"261131083000000+",
        b"270229000000000+",
        b"261122243000000+",
        b"261122086000000+",
        b"261122083060000+",
        b"261122083000049+",
        b"26112208300000a+",
        "２61122083000000+".encode(),
        b"000000240000000R",
        b"000000006000000R",
        b"000000000060000R",
        b"000032000000000R",
        b"001300000000000R",
        b"00000001000010R",
        b"000000010000000r",
        b"tomorrow",
        b"R",
    ],
)
def test_anything_else_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError):
        parse_time(value, NOW)


@given(st.binary(max_size=17) | st.from_regex(rb"\A\d{15}[+\-R]\Z"))
def test_any_octets_are_a_time_or_a_value_error(value: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(parse_time(value, NOW), int)


@pytest.mark.parametrize("tnn", [b"000", b"100", b"048", b"999"])
def test_tenths_and_offset_of_a_relative_time_are_read_over(tnn: bytes) -> None:
    # SMPP 5.0 §4.7.23.5
    assert parse_time(b"000001000000" + tnn + b"R", 1000.0) == 1000 + 86400


def test_zeros_and_blanks_are_no_time() -> None:
    assert all(map(is_no_time, (b"", b"000000000000000R", b"000000000000000+", b"0" * 16)))
    assert all(map(is_no_time, (b" ", b" " * 16)))
    assert not any(map(is_no_time, (b"000000000001000R", b"261122083000000+", b"tomorrow", b"x")))
