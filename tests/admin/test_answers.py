"""The answers of the verbs: plain data that the API describes, with times that have a zone."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Any, get_type_hints

import orjson
import pytest
from pydantic import TypeAdapter

from bridge.admin import answers
from bridge.admin.answers import BlockedLogin, LogLevel
from bridge.admin.endpoints import openapi
from tests.admin.controlling import at

ANSWERS = {
    name: kind
    for name, kind in inspect.getmembers(answers, is_dataclass)
    if kind.__module__ == answers.__name__
}
#: Fields with a time.
TIMES = {
    *("until", "first_attempt", "last_attempt", "started", "since", "last", "at", "oldest"),
    *("newest", "accepted", "due", "expires"),
}
#: Of these names, numbers of messages.
NUMBERS = {("FailuresShown", "newest"), ("AccountReport", "accepted")}


def test_every_answer_is_described_by_the_api() -> None:
    description = orjson.dumps(openapi()).decode()
    titles = set(re.findall(r'"title":"(\w+)"', description))
    assert not ANSWERS.keys() - titles


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_does_not_change_and_its_times_are_times(name: str) -> None:
    kind: Any = ANSWERS[name]
    assert kind.__dataclass_params__.frozen
    hints = get_type_hints(kind)
    for field in fields(kind):
        hint = hints[field.name]
        if field.name in TIMES and (name, field.name) not in NUMBERS:
            assert hint in (datetime, datetime | None) or "list" in str(hint), field.name


def test_times_are_written_with_their_zone() -> None:
    block = BlockedLogin("192.0.2.1", "", at(), 10, at(), None, ["crm"])
    written = orjson.loads(TypeAdapter(BlockedLogin).dump_json(block))
    assert (written["until"], written["last_attempt"]) == ("2026-01-01T00:00:00Z", None)


def test_numbers_of_nodes_are_keys() -> None:
    level = LogLevel("info", None, {"info": 3}, {0: "info", 1: "debug"})
    written = orjson.loads(TypeAdapter(LogLevel).dump_json(level))
    assert written["nodes"] == {"0": "info", "1": "debug"}
