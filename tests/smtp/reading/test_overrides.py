"""The X-Cascade fields of a mail's header."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.model.failure import Failure, Reason
from bridge.model.message import MessageType, Route
from bridge.smtp.reading.header import split
from bridge.smtp.reading.overrides import read_overrides


def read(*lines: str) -> Any:
    fields, _ = split("\n".join(("Subject: x", *lines, "", "text")).encode())
    return read_overrides(fields, "windows-1251")


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("X-Cascade-Type: PROMO", "message_type", MessageType.PROMO),
        ("X-Cascade-Sender: =?utf-8?Q?=D0=9A?=", "sender", "К"),
        ("X-Cascade-TTL: 24h", "ttl", 86400),
        ("X-Cascade-TTL: 60", "ttl", 60),
        ("X-Cascade-Schedule: 2026-01-01T02:00:00+02:00", "scheduled_at", 1_767_225_600),
        ("X-Cascade-Schedule: 2026-01-01 00:00", "scheduled_at", 1_767_225_600),
        ("X-Cascade-Route: tg-viber", "route", Route.TG_VIBER),
        ("X-Cascade-Priority: 3", "priority", 3),
        ("X-Cascade-Over: 2h", "spread", 7200),
    ],
)
def test_a_field_sets_a_field_of_the_submission(line: str, field: str, value: object) -> None:
    assert read(line) == {field: value}


def test_options_and_variables_may_be_repeated() -> None:
    found = read("X-Cascade-Option: Yes", "X-Cascade-Option: No", "X-Cascade-Var: name=Anna")
    assert found == {"options": ("Yes", "No"), "variables": (("name", "Anna"),)}


def test_an_empty_field_and_other_fields_set_nothing() -> None:
    assert read("X-Cascade-Sender:", "X-Mailer: x") == {}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("X-Cascade-Type: letter", Reason.BAD_PARAMETER),
        ("X-Cascade-Colour: red", Reason.BAD_PARAMETER),
        ("X-Cascade-Priority: 4", Reason.BAD_PARAMETER),
        ("X-Cascade-TTL: 0", Reason.BAD_VALIDITY),
        ("X-Cascade-Schedule: tomorrow", Reason.BAD_SCHEDULE),
        ("X-Cascade-Var: name", Reason.BAD_PARAMETER),
    ],
)
def test_a_wrong_field_is_refused_by_its_name(line: str, reason: Reason) -> None:
    with pytest.raises(Failure) as caught:
        read(line)
    assert caught.value.reason is reason
