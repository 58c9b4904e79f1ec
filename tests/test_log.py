"""The log: one JSON object per line, without private data."""

from __future__ import annotations

import io
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.settings import Log
from bridge.log import (
    EVENTS,
    SECRET_FIELDS,
    TEXT_FIELDS,
    WATCHERS,
    configure,
    mask,
    set_level,
    together,
)


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
    """A configured logger, and its output."""
    stream = io.BytesIO()
    root = logging.getLogger()
    # Without pytest's own handlers, which fail on broken messages.
    root.handlers[:] = [one for one in root.handlers if type(one).__module__ == "bridge.log"]
    configure(Log(**settings), stream=stream)
    return structlog.get_logger(), lambda: [
        json.loads(line) for line in stream.getvalue().splitlines()
    ]


@pytest.mark.parametrize(
    ("phone", "masked"),
    [
        ("+380501234567", "+3805******67"),
        # All forms of a number are masked alike: one search finds them.
        ("380501234567", "+3805******67"),
        ("00380501234567", "+3805******67"),
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


def test_the_level_changes_for_loggers_that_exist() -> None:
    log, events = start(level="warning")
    log.info("before")
    set_level("debug")
    log.debug("while")
    set_level("error")
    log.warning("after")
    assert [event["event"] for event in events()] == ["while"]


def test_event_and_level_come_first_in_the_line() -> None:
    log, events = start()
    log.bind(account="crm").warning("odd", phone="+380501234567")
    assert list(events()[0])[:3] == ["event", "level", "timestamp"]


def test_events_are_counted_by_level_and_trouble_is_shown_to_watchers() -> None:
    log, _ = start()
    seen: list[str] = []
    before = EVENTS["info"]
    WATCHERS.append(lambda level, event: seen.append(event["event"]))
    try:
        log.info("calm")
        log.warning("odd")
        log.error("bad")
    finally:
        WATCHERS.pop()
    assert EVENTS["info"] == before + 1
    assert seen == ["odd", "bad"]


def test_journald_reads_the_level_in_front_of_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "log").open("w+b") as stream:
        found = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        configure(Log(), stream=stream)
        log = structlog.get_logger()
        for level in ("info", "warning", "error"):
            getattr(log, level)("said")
        stream.seek(0)
        assert [line[:4] for line in stream.read().splitlines()] == [b"<6>{", b"<4>{", b"<3>{"]


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
    logging.getLogger("python_multipart.multipart").warning("Expected boundary character")
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


def test_lines_of_a_block_are_written_together_and_in_order() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as read, os.fdopen(writing, "wb") as stream:
        os.set_blocking(reading, False)
        configure(Log(), stream=stream)
        log = structlog.get_logger()
        with suppress(KeyError), together():
            log.info("first")
            with together():
                log.warning("second")
            assert read.read() is None
            raise KeyError
        log.info("third")
        events = [json.loads(line)["event"] for line in read.read().splitlines()]
    assert events == ["first", "second", "third"]


def test_other_threads_write_at_once_while_lines_are_gathered() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as read, os.fdopen(writing, "wb") as stream:
        configure(Log(), stream=stream)
        log = structlog.get_logger()
        with together():
            log.info("gathered")
            other = threading.Thread(target=log.info, args=("at once",))
            other.start()
            other.join()
            os.set_blocking(reading, False)
            assert b"at once" in (read.read() or b"")
        assert b"gathered" in (read.read() or b"")


def test_a_reader_that_went_away_stops_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as stream:
        configure(Log(), stream=stream)
        log = structlog.get_logger()
        log.info("ready")
    log.info("closed")
