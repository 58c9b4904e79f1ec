"""The one table of failures: reason → fmt code, SMTP reply, SMPP status.

Nothing else maps a reason to a code. The listeners add only errors of their own protocol (SMTP
syntax and sequence, SMPP framing and fields). Also renders the ``fmt`` 0–3 texts.
"""

from __future__ import annotations

import json
from enum import Enum
from typing import NamedTuple
from xml.sax.saxutils import escape


class Codes(NamedTuple):
    """One row: the ``fmt`` code, the SMTP reply with its enhanced code, the SMPP status."""

    fmt: int
    smtp: int
    enhanced: str
    smpp: int
    smpp_v5: int
    text: str


def _row(fmt: int, smtp: str, smpp: int, text: str, *, v5: int | None = None) -> Codes:
    reply, enhanced = smtp.split()
    return Codes(fmt, int(reply), enhanced, smpp, smpp if v5 is None else v5, text)


class Reason(Enum):
    """The reason of a refused submission, login or request."""

    BAD_PARAMETER = _row(1, "554 5.6.0", 0x45, "bad parameter")
    NO_TEXT = _row(1, "554 5.6.0", 0x01, "no text")
    TEXT_TOO_LONG = _row(1, "552 5.3.4", 0x01, "text too long")
    UNDECODABLE_TEXT = _row(1, "554 5.6.1", 0x45, "text cannot be decoded", v5=0x104)
    BAD_SCHEDULE = _row(1, "554 5.6.0", 0x61, "bad schedule time")
    BAD_VALIDITY = _row(1, "554 5.6.0", 0x62, "bad validity")
    WRONG_LOGIN = _row(2, "535 5.7.8", 0x0E, "wrong login or password")
    LOGIN_REQUIRED = _row(2, "530 5.7.0", 0x04, "login required")
    NOT_ALLOWED = _row(2, "550 5.7.1", 0x0D, "network or protocol not allowed for this account")
    NOT_FOUND = _row(3, "550 5.1.1", 0x0B, "nothing found")
    ADDRESS_BLOCKED = _row(4, "421 4.7.0", 0x0D, "address blocked after failed logins")
    OPERATION_FAILED = _row(5, "451 4.3.0", 0x08, "operation failed")
    SENDER_NOT_ALLOWED = _row(6, "550 5.7.1", 0x0A, "sender not allowed")
    PROHIBITED = _row(6, "550 5.7.1", 0x45, "message prohibited", v5=0x101)
    WRONG_PHONE = _row(7, "550 5.1.3", 0x0B, "wrong phone number")
    REFUSED = _row(8, "550 5.1.1", 0x45, "refused by the API")
    TOO_FAST = _row(9, "451 4.7.1", 0x58, "too fast")
    DUPLICATE = _row(9, "550 5.7.1", 0x45, "the same message again")
    BRIDGE_FULL = _row(9, "452 4.3.1", 0x14, "bridge full")
    TOO_MANY_SESSIONS = _row(9, "421 4.7.0", 0x0D, "too many connections")

    @property
    def codes(self) -> Codes:
        return self.value

    @classmethod
    def named(cls, name: str) -> Reason:
        """The reason with this stored name; REFUSED for a name of another version."""
        return cls.__members__.get(name, cls.REFUSED)


# Enum members with equal values would be aliases.
assert len({reason.value for reason in Reason}) == len(Reason.__members__)

#: SMPP command → its status for "nothing found".
NOT_FOUND_STATUS = {"query_sm": 0x67, "cancel_sm": 0x11, "replace_sm": 0x13}


def smpp_status(reason: Reason, command: str, interface_version: int = 0x34) -> int:
    """The command_status for ``reason`` in the response to ``command``.

    ``interface_version`` is the session's (0x33, 0x34, 0x50): only SMPP 5.0 sessions get statuses
    that are new in 5.0.
    """
    if reason is Reason.NOT_FOUND and command in NOT_FOUND_STATUS:
        return NOT_FOUND_STATUS[command]
    return reason.codes.smpp_v5 if interface_version >= 0x50 else reason.codes.smpp


#: The API's code → reason; other codes are REFUSED.
API_CODES: dict[str, Reason] = {
    "INVALID_PHONE": Reason.WRONG_PHONE,
    "INVALID_RECIPIENT": Reason.WRONG_PHONE,
    "1003": Reason.WRONG_PHONE,
    "INVALID_SENDER": Reason.SENDER_NOT_ALLOWED,
    "MESSAGE_TOO_LONG": Reason.TEXT_TOO_LONG,
    "INVALID_ENCODING": Reason.UNDECODABLE_TEXT,
    "1001": Reason.BAD_PARAMETER,
    "1002": Reason.BAD_PARAMETER,
}

#: The ``field`` values of an API error that name one of our parameters.
API_FIELDS = frozenset(
    {
        "id",
        "fromName",
        "toPhone",
        "messageType",
        "text",
        "ttl",
        "scheduledSent",
        "surveyOptions",
        "fallback",
    }
)


class Failure(Exception):  # noqa: N818 - the word of the glossary
    """A refusal: a value that can be raised.

    ``detail`` is the exact error, for the client; ``cause`` is only for the log and the trace: the
    API's own code and text, or an exception's.
    """

    __slots__ = ("cause", "detail", "reason")

    def __init__(self, reason: Reason, detail: str = "", *, cause: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
        self.cause = cause

    @property
    def description(self) -> str:
        """English, one line, under 100 characters."""
        text = self.reason.codes.text
        if self.detail:
            text = f"{text}: {self.detail}"
        if not text.isprintable():
            # A detail may quote a client; control characters are not allowed in XML and SMTP
            # replies.
            text = "".join(char if char.isprintable() else " " for char in text)
        text = " ".join(text.split())
        return text if len(text) < 100 else text[:96].rstrip() + "..."

    def __str__(self) -> str:
        return self.description + (f" [{self.cause}]" if self.cause else "")


class AlreadyThere(Failure):
    """A name or a number that is taken: "operation failed", code 5, as SMSC answers it."""

    def __init__(self, what: str) -> None:
        super().__init__(Reason.OPERATION_FAILED, f"{what} is there already")


def from_api(code: str, text: str, field: str = "") -> Failure:
    """The failure for an error of the API, with its text as the cause."""
    reason = API_CODES.get(code.upper())
    if reason is None:
        reason = Reason.BAD_PARAMETER if field in API_FIELDS else Reason.REFUSED
    cause = " ".join(part for part in (code, field and f"field {field}", text) if part)
    return Failure(reason, field if reason is Reason.BAD_PARAMETER else "", cause=cause)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def render_failure(failure: Failure, fmt: int) -> str:
    """The failure as an SMSC-style answer, one line (``fmt`` 0–3)."""
    code, description = failure.reason.codes.fmt, failure.description
    if fmt == 0:
        return f"ERROR = {code} ({description})"
    if fmt == 1:
        return f"0,-{code}"
    if fmt == 2:
        return (
            f"<result><error>{escape(description)}</error><error_code>{code}</error_code></result>"
        )
    return _json({"error": description, "error_code": code})


def render_accepted(id: int, parts: int, queued: bool, fmt: int) -> str:
    """The answer to an accepted submission, one line (``fmt`` 0–3); ``parts`` counts SMS parts."""
    if fmt == 0:
        return f"OK - {parts} SMS, ID - {id}" + (" (queued)" if queued else "")
    if fmt == 1:
        return f"{id},{parts}"
    if fmt == 2:
        return f"<result><id>{id}</id><cnt>{parts}</cnt></result>"
    return _json({"id": id, "cnt": parts})
