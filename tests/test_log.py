"""The log: one JSON object a line, nothing in it that must not be."""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.settings import Log
from bridge.log import SECRET_FIELDS, TEXT_FIELDS, configure, mask


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leaves logging as the other tests expect it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


Events = Callable[[], list[dict[str, Any]]]


def start(**settings: Any) -> tuple[structlog.typing.FilteringBoundLogger, Events]:
    """A logger set up so, and what it wrote."""
    stream = io.BytesIO()
    root = logging.getLogger()
    # Without pytest's own handlers, which have opinions on broken messages.
    root.handlers[:] = [one for one in root.handlers if type(one).__module__ == "bridge.log"]
    configure(Log(**settings), stream=stream)
    return structlog.get_logger(), lambda: [
        json.loads(line) for line in stream.getvalue().splitlines()
    ]


@pytest.mark.parametrize(
    ("phone", "masked"),
    [
        ("+380501234567", "+3805******67"),
        ("380501234567", "38050*****67"),
        ("12345678", "12345*78"),
        ("1234567", "1******"),
        ("12", "1*"),
        ("", ""),
    ],
)
def test_a_masked_phone(phone: str, masked: str) -> None:
    assert mask(phone) == masked


@given(st.text())
def test_masking_twice_hides_no_more(phone: str) -> None:
    assert mask(mask(phone)) == mask(phone)
    assert len(mask(phone)) == len(phone)


def test_an_event_is_one_line_of_json() -> None:
    log, events = start()
    log.info("ready", addresses=["127.0.0.1:2525"], account="crm", ms=1.5)
    (event,) = events()
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "ready",
        "level": "info",
        "addresses": ["127.0.0.1:2525"],
        "account": "crm",
        "ms": 1.5,
    }


def test_a_line_break_or_any_object_in_a_value_keeps_it_one_line() -> None:
    log, events = start()
    log.info("odd", name="a\nb\x1b", thing=object(), number=2**70, keys={1: 2})
    (event,) = events()
    assert event["name"] == "a\nb\x1b"


def test_what_cannot_be_written_as_json_is_written_somehow() -> None:
    log, events = start()
    log.info("odd", name="\ud800")
    (event,) = events()
    assert event["event"] == "odd"


@pytest.mark.parametrize("name", sorted(SECRET_FIELDS))
def test_secrets_are_in_no_event(name: str) -> None:
    log, events = start(log_texts=True, level="debug")
    log.error("odd", **{name: "hunter2"})
    assert "hunter2" not in str(events())


@pytest.mark.parametrize("name", sorted(TEXT_FIELDS))
def test_texts_only_where_the_settings_say_so(name: str) -> None:
    log, events = start()
    log.info("odd", **{name: "Your code is 1234"})
    assert "1234" not in str(events())
    log, events = start(log_texts=True)
    log.info("odd", **{name: "Your code is 1234"})
    assert events()[0][name] == "Your code is 1234"


def test_phones_are_masked_whoever_logs_them() -> None:
    log, events = start(log_texts=True)
    log.info("odd", phone="+380501234567", recipient="380501234567@sms.example.com")
    assert events()[0]["phone"] == "+3805******67"
    assert "1234567" not in str(events())


def test_events_below_the_level_are_dropped() -> None:
    log, events = start(level="warning")
    log.info("less")
    log.warning("more")
    assert [event["event"] for event in events()] == ["more"]


def test_a_traceback_is_in_the_event_without_the_values_of_variables() -> None:
    log, events = start()
    password = "hunter2"
    try:
        raise RuntimeError(f"of {len(password)} characters")
    except RuntimeError:
        log.exception("failed")
    (event,) = events()
    assert event["level"] == "error"
    assert "RuntimeError: of 7 characters" in event["exception"]
    assert "hunter2\n" not in event["exception"]


def test_libraries_speak_through_it_at_warning() -> None:
    _, events = start(level="debug")
    names = ("mail.log", "httpx", "uvicorn", "asyncio", "anything")
    for name in names:
        logging.getLogger(name).info("chatter %s", 1)
        logging.getLogger(name).warning("trouble %s", 2)
    # Of every broken request that a stranger sends.
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    said = [(event["logger"], event["message"]) for event in events()]
    assert said == [(name, "trouble 2") for name in names]


def test_a_librarys_broken_message_or_traceback_passes() -> None:
    _, events = start()
    logging.getLogger("mail.log").warning("%d", "x")
    try:
        raise ValueError("odd")
    except ValueError:
        logging.getLogger("mail.log").exception("failed")
    broken, failed = events()
    assert broken["message"] == "%d"
    assert "ValueError: odd" in failed["exception"]


def test_setting_it_up_twice_says_everything_once() -> None:
    start()
    _, events = start()
    logging.getLogger("mail.log").warning("trouble")
    assert len(events()) == 1


def test_console_lines_are_for_people() -> None:
    stream = io.BytesIO()
    configure(Log(format="console"), stream=stream)
    structlog.get_logger().info("ready", account="кафе", phone="+380501234567")
    line = stream.getvalue().decode()
    assert "ready" in line
    assert "account=кафе" in line
    assert "+3805******67" in line


def test_a_reader_that_went_away_stops_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as stream:
        configure(Log(), stream=stream)
        log = structlog.get_logger()
        log.info("ready")
    log.info("closed")
