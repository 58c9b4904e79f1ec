"""Sets logging up: what a line looks like, where it goes, what never gets into it.

Events are JSON lines on stderr, or readable ones where stderr is a terminal. Which events there
are is decided where they happen. Only commands call :func:`configure`, once, at their start.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

import orjson
import structlog

if TYPE_CHECKING:
    from bridge.config.settings import Log

Event = MutableMapping[str, Any]

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
#: Levels as syslog counts them, for the prefix that journald reads (sd-daemon(3)).
_SYSLOG = {"debug": 7, "info": 6, "warning": 4, "error": 3, "exception": 3, "critical": 2}

#: Events written since the start, by level.
EVENTS: Counter[str] = Counter()
#: Called with the level and the fields of each event from ``warning`` on, and of those in
#: :data:`WATCHED_EVENTS`, before anything is masked; what they do must be quick and never fail.
WATCHERS: list[Callable[[str, Mapping[str, Any]], None]] = []
WATCHED_EVENTS: set[str] = set()
_WATCHED = frozenset({"warning", "error", "exception", "critical"})

#: Loggers of libraries, which tell of every command and request at INFO; whoever scans the Internet
#: would fill the log with the broken requests and forms that two of them warn of.
_LIBRARIES = dict.fromkeys(
    ("mail.log", "mail.debug", "httpx", "httpcore", "uvicorn", "uvicorn.access", "asyncio"),
    logging.WARNING,
) | {"uvicorn.error": logging.ERROR, "python_multipart": logging.ERROR}

#: Fields that are left out of every event, whoever puts them in.
SECRET_FIELDS = frozenset(
    {"password", "password_hash", "secret", "token", "api_key", "authorization_key"}
    | {"viber_auth_token", "telegram_bot_key", "authorization", "hook_path"}
)
#: Fields that are left out unless ``log_texts`` says so.
TEXT_FIELDS = frozenset({"text", "body", "subject", "options", "fallback"})
#: Fields that hold a phone number, which is masked.
PHONE_FIELDS = frozenset({"phone", "recipient"})
#: An international number without its "+", or with "00" instead.
_WITHOUT_PLUS = re.compile(r"(?:00)?([1-9][0-9]{10,14})", re.ASCII)


def mask(phone: str) -> str:
    """``+380501234567`` → ``+3805******67``; a shorter text keeps less, a masked one stays.

    An international number looks the same however a client wrote it, so that one search of the log
    finds them all.
    """
    if international := _WITHOUT_PLUS.fullmatch(phone):
        phone = "+" + international[1]
    hidden = len(phone) - 7
    if hidden > 0:
        return f"{phone[:5]}{'*' * hidden}{phone[-2:]}"
    return phone[:1] + "*" * (len(phone) - 1)


def _discreet(texts: bool) -> structlog.typing.Processor:
    """The processor that keeps out what no log may hold."""
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
    """Writes each event at once with one system call; a log that nobody reads stops nothing."""

    def __init__(self, stream: IO[bytes]) -> None:
        # Past the buffer, which would need a flush and with it a second call for every line.
        self._write = getattr(stream, "raw", stream).write

    def msg(self, line: bytes) -> None:
        try:
            self._write(line + b"\n")
        except (OSError, ValueError):
            # The reader is gone or the stream closed: the bridge goes on without its log.
            return

    debug = info = warning = error = critical = exception = fatal = log = msg


def _to_json(_: object, name: str, event: Event) -> bytes:
    """The last processor for machines: level, time and traceback added, and all of it as JSON.

    One step for what structlog has four for: it costs a third less, and every submission has one.
    Event and level come first, where eyes and simple patterns look for them.
    """
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(_, name, event)
    level = "error" if name == "exception" else name
    event = {"event": event.pop("event"), "level": level, "timestamp": datetime.now(UTC), **event}
    try:
        return orjson.dumps(event, default=str, option=orjson.OPT_UTC_Z)
    except (TypeError, RecursionError):
        # A key that is no string, half a character, a number of 70 bits: no reason to lose it.
        return json.dumps(event, default=str, skipkeys=True).encode()


def _counted(_: object, name: str, event: Event) -> Event:
    """Counts the event, and shows it to those who watch for trouble."""
    EVENTS["error" if name == "exception" else name] += 1
    if name in _WATCHED or event["event"] in WATCHED_EVENTS:
        for watcher in WATCHERS:
            watcher(name, event)
    if LEVELS.get(name, 40) < _SWITCH.written:
        raise structlog.DropEvent
    return event


def _for_journal(render: structlog.typing.Processor) -> structlog.typing.Processor:
    """Puts the level in front of the line, as journald reads it."""
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


class _Switch:
    """The logger's class, whose level may change while loggers exist."""

    def __init__(self) -> None:
        self.level = "info"
        self.written = LEVELS[self.level]
        self.logger: Any = type("BridgeLogger", (structlog.make_filtering_bound_logger(0),), {})

    def set(self, level: str) -> None:
        self.level = level
        self.written = LEVELS[level]
        # What is watched and counted is made from "info" on, whether it is written or not.
        source = structlog.make_filtering_bound_logger(min(LEVELS[level], LEVELS["info"]))
        for name, method in vars(source).items():
            if not name.startswith("__"):
                setattr(self.logger, name, method)


_SWITCH = _Switch()


def level() -> str:
    """The level from which on events are written."""
    return _SWITCH.level


def set_level(name: str) -> None:
    """Writes events from this level on, from now on."""
    _SWITCH.set(name)
    logging.getLogger().setLevel(max(logging.WARNING, LEVELS[name]))


class _ToBytes:
    """The console's text as the bytes that :class:`_Lines` writes."""

    def __init__(self, colors: bool) -> None:
        self._render = structlog.dev.ConsoleRenderer(
            colors=colors, exception_formatter=structlog.dev.plain_traceback
        )

    def __call__(self, logger: object, name: str, event: Event) -> bytes:
        return str(self._render(logger, name, event)).encode("utf-8", "backslashreplace")


class _Stdlib(logging.Handler):
    """Takes in what libraries say through :mod:`logging`, so that there is one log."""

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
    """Sends every event to ``stream`` (default: stderr) as ``settings`` say.

    JSON where ``format`` is ``json``, or ``auto`` and the stream is no terminal.
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
    lines = _Lines(stream)
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
