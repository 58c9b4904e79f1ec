"""Logging: the form of a line, its destination, and fields that are never logged.

Events are JSON lines on stderr, or readable lines on a terminal. The rooms decide about events.
Only commands call :func:`configure`, once, at their start.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

import orjson
import structlog

if TYPE_CHECKING:
    from bridge.config.settings import Log

Event = MutableMapping[str, Any]

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
#: Syslog's numbers of the levels, for the prefix that journald reads (sd-daemon(3)).
_SYSLOG = {"debug": 7, "info": 6, "warning": 4, "error": 3, "exception": 3, "critical": 2}

#: Events written since the start, by level.
EVENTS: Counter[str] = Counter()
#: Called with the level and the fields of each event from ``warning`` on, and of those in
#: :data:`WATCHED_EVENTS`, before anything is masked; they must be quick and never fail.
WATCHERS: list[Callable[[str, Mapping[str, Any]], None]] = []
WATCHED_EVENTS: set[str] = set()
_WATCHED = frozenset({"warning", "error", "exception", "critical"})

#: Loggers of libraries, which log every command and request at INFO. Two of them warn about broken
#: requests, with which scanners of the Internet would fill the log.
_LIBRARIES = dict.fromkeys(
    ("mail.log", "mail.debug", "httpx", "httpcore", "uvicorn", "uvicorn.access", "asyncio"),
    logging.WARNING,
) | {"uvicorn.error": logging.ERROR, "python_multipart": logging.ERROR}

#: Fields that are removed from every event.
SECRET_FIELDS = frozenset(
    {"password", "password_hash", "secret", "token", "api_key", "authorization_key"}
    | {"viber_auth_token", "telegram_bot_key", "authorization", "hook_path"}
)
#: Fields that are removed unless ``log_texts`` is on.
TEXT_FIELDS = frozenset({"text", "body", "subject", "options", "fallback"})
#: Fields with a phone number, which is masked.
PHONE_FIELDS = frozenset({"phone", "recipient"})
#: An international number without its "+", or with "00" instead.
_WITHOUT_PLUS = re.compile(r"(?:00)?([1-9][0-9]{10,14})", re.ASCII)


def mask(phone: str) -> str:
    """``+380501234567`` → ``+3805******67``; a shorter text keeps less, a masked one stays.

    All forms of an international number are masked alike, so that one search of the log finds them
    all.
    """
    if international := _WITHOUT_PLUS.fullmatch(phone):
        phone = "+" + international[1]
    hidden = len(phone) - 7
    if hidden > 0:
        return f"{phone[:5]}{'*' * hidden}{phone[-2:]}"
    return phone[:1] + "*" * (len(phone) - 1)


def _discreet(texts: bool) -> structlog.typing.Processor:
    """The processor that removes and masks private fields."""
    dropped = SECRET_FIELDS if texts else SECRET_FIELDS | TEXT_FIELDS
    watched = dropped | PHONE_FIELDS

    def discreet(_: object, __: str, event: Event) -> Event:
        if watched.isdisjoint(event):
            return event
        for name in watched.intersection(event):
            if name in dropped:
                del event[name]
            elif isinstance(event[name], str):
                event[name] = mask(event[name])
        return event

    return discreet


class _Lines:
    """Writes each event at once with one system call, or those of a block of :func:`together`; a
    broken stream does not stop the bridge."""

    def __init__(self, stream: IO[bytes]) -> None:
        # Without the buffer, which would need a second call (flush) for every line.
        self._write = getattr(stream, "raw", stream).write
        self.gathered: list[bytes] | None = None
        self.gatherer = 0  # the thread that gathers; others write at once

    def msg(self, line: bytes) -> None:
        gathered = self.gathered  # it may end meanwhile, in its thread
        if gathered is None or threading.get_ident() != self.gatherer:
            self.write(line + b"\n")
        else:
            gathered.append(line)

    def write(self, octets: bytes) -> None:
        try:
            while octets and (written := self._write(octets)) is not None:
                octets = octets[written:]
        except (OSError, ValueError):
            # The reader is gone or the stream is closed: the bridge goes on without its log.
            return

    debug = info = warning = error = critical = exception = fatal = log = msg


def _to_json(_: object, name: str, event: Event) -> bytes:
    """The last processor for JSON: adds level, time and traceback.

    It replaces four processors of structlog, at two thirds of their cost: every submission has an
    event. Event and level come first, for readers and simple patterns.
    """
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(_, name, event)
    level = "error" if name == "exception" else name
    event = {"event": event.pop("event"), "level": level, "timestamp": datetime.now(UTC), **event}
    try:
        return orjson.dumps(event, default=str, option=orjson.OPT_UTC_Z)
    except (TypeError, RecursionError):
        # orjson refuses keys that are not strings, unpaired surrogates and numbers over 64 bits.
        return json.dumps(event, default=str, skipkeys=True).encode()


def _counted(_: object, name: str, event: Event) -> Event:
    """Counts the event, and calls the watchers."""
    EVENTS["error" if name == "exception" else name] += 1
    if name in _WATCHED or event["event"] in WATCHED_EVENTS:
        for watcher in WATCHERS:
            watcher(name, event)
    if LEVELS.get(name, 40) < _SWITCH.written:
        raise structlog.DropEvent
    return event


def unwritten(event: str, **fields: Any) -> None:
    """Tells the watchers of an event that is not written, since it repeats an earlier one."""
    for watcher in WATCHERS:
        watcher("debug", {"event": event, **fields})


def _for_journal(render: structlog.typing.Processor) -> structlog.typing.Processor:
    """Puts the level before the line, in journald's form."""
    prefixes = {name: b"<%d>" % level for name, level in _SYSLOG.items()}

    def with_level(logger: object, name: str, event: Event) -> bytes:
        line = render(logger, name, event)
        assert isinstance(line, bytes)
        return prefixes.get(name, b"") + line

    return with_level


def _is_journal(stream: IO[bytes]) -> bool:
    """Whether journald reads the stream (systemd.exec(5), $JOURNAL_STREAM)."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return (str(found.st_dev), str(found.st_ino)) == (device, inode)


def _method(name: str) -> Callable[..., None]:
    """The logger's method of this level. structlog's own would copy the fields three times, for
    processors that return anything but bytes."""

    def method(self: Any, event: str, *args: Any, **fields: Any) -> None:
        fields["event"] = event % args if args else event
        line: Any = {**self._context, **fields} if self._context else fields
        try:
            for processor in self._processors:
                line = processor(self._logger, name, line)
        except structlog.DropEvent:
            return
        self._logger.msg(line)

    return method


class _Switch:
    """The class of loggers, whose level can change at run time."""

    def __init__(self) -> None:
        self.level = "info"
        self.lines: _Lines | None = None  # where configured events go
        self.written = LEVELS[self.level]
        self.logger: Any = type("BridgeLogger", (structlog.make_filtering_bound_logger(0),), {})

    def set(self, level: str) -> None:
        self.level = level
        self.written = LEVELS[level]
        # Events from "info" on are made in any case, for counts and watchers.
        source = structlog.make_filtering_bound_logger(min(LEVELS[level], LEVELS["info"]))
        for name, method in vars(source).items():
            if not name.startswith("__"):
                setattr(self.logger, name, method)
        for name in LEVELS:
            if LEVELS[name] >= LEVELS["info"] or level == "debug":
                setattr(self.logger, name, _method(name))


_SWITCH = _Switch()


@contextmanager
def together() -> Iterator[None]:
    """Writes the lines of the block with one system call at its end: for a block that logs a line
    for each of many messages, and does not wait."""
    lines = _SWITCH.lines
    if lines is None or lines.gathered is not None:
        yield
        return
    lines.gatherer = threading.get_ident()
    gathered = lines.gathered = []
    try:
        yield
    finally:
        lines.gathered = None
        if gathered:
            lines.write(b"\n".join(gathered) + b"\n")


def level() -> str:
    """The level from which events are written."""
    return _SWITCH.level


def set_level(name: str) -> None:
    """Sets the level from which events are written."""
    _SWITCH.set(name)
    logging.getLogger().setLevel(max(logging.WARNING, LEVELS[name]))


class _ToBytes:
    """Encodes the console's text for :class:`_Lines`."""

    def __init__(self, colors: bool) -> None:
        self._render = structlog.dev.ConsoleRenderer(
            colors=colors, exception_formatter=structlog.dev.plain_traceback
        )

    def __call__(self, logger: object, name: str, event: Event) -> bytes:
        return str(self._render(logger, name, event)).encode("utf-8", "backslashreplace")


class _Stdlib(logging.Handler):
    """Passes events of libraries from :mod:`logging` into the one log."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        level = min(record.levelno // 10 * 10, logging.CRITICAL)
        structlog.get_logger().log(
            level or logging.DEBUG,
            "library",
            logger=record.name,
            message=message,
            **({"exc_info": record.exc_info} if record.exc_info else {}),
        )


def configure(settings: Log, *, stream: IO[bytes] | None = None) -> None:
    """Sends all events to ``stream`` (default: stderr) in the form of ``settings``.

    JSON if ``format`` is ``json``, or ``auto`` and the stream is not a terminal.
    """
    stream = stream or sys.stderr.buffer
    terminal = stream.isatty()
    console = settings.format == "console" or (settings.format == "auto" and terminal)
    processors: list[structlog.typing.Processor] = [_counted, _discreet(settings.log_texts)]
    if console:
        processors += [
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _ToBytes(terminal),
        ]
    else:
        processors += [_for_journal(_to_json) if _is_journal(stream) else _to_json]
    lines = _SWITCH.lines = _Lines(stream)
    structlog.configure(
        processors=processors,
        wrapper_class=_SWITCH.logger,
        logger_factory=lambda *_: lines,
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler, _Stdlib):
            root.removeHandler(handler)
    root.addHandler(_Stdlib())
    set_level(settings.level)
    for name, level in _LIBRARIES.items():
        library = logging.getLogger(name)
        library.setLevel(level)
        library.propagate = True
