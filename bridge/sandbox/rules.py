"""What the API's document allows of a request to send: plain functions, no state.

Each field has one check, each message type says which fields it needs and may have. What the
document does not name is refused; where it only advises ("avoid special characters", "11
characters or fewer for SMS"), the advice is the rule here, because a client that keeps to it gets
through everywhere. A request is good as a whole or refused with its first mistake.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from bridge.sandbox.errors import ApiError

#: A message as it came: field name → value.
Item = dict[str, Any]

MAX_BATCH = 1000
MAX_TEXT = 2000
MAX_SURVEY_TEXT = 85
MAX_AHEAD = 30 * 86400.0
#: How late a ``scheduledSent`` may be: clocks differ and requests wait in queues.
PAST_GRACE = 60.0

BAD_FORMAT = "1001"
MISSING = "1002"


class Problem(NamedTuple):
    """What is wrong with a value, in the API's words."""

    code: str
    message: str


Check = Callable[[Any], Problem | None]


def _matches(pattern: str, problem: Problem) -> Check:
    fullmatch = re.compile(pattern).fullmatch

    def check(value: Any) -> Problem | None:
        return None if type(value) is str and fullmatch(value) else problem

    return check


_NOT_TEXT = Problem(BAD_FORMAT, "text must be a string")
_NO_TEXT = Problem(MISSING, "text must not be empty")
_BAD_TEXT = Problem("INVALID_ENCODING", "text has characters that cannot be sent")


def _text(value: Any) -> Problem | None:
    if type(value) is not str:
        return _NOT_TEXT
    if not value or value.isspace():
        return _NO_TEXT
    return _BAD_TEXT if "\0" in value else None


_BAD_TYPE = Problem(BAD_FORMAT, "messageType must be transaction, promo, viber_survey or flashcall")


def _message_type(value: Any) -> Problem | None:
    return None if type(value) is str and value in TYPES else _BAD_TYPE


def _ttl(value: Any) -> Problem | None:
    # bool is an int for Python, not for JSON.
    good = type(value) is int and value > 0
    return None if good else Problem(BAD_FORMAT, "ttl must be a positive number of seconds")


_scheduled_format = _matches(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|\+00:00)",
    Problem(BAD_FORMAT, "scheduledSent must be an ISO 8601 time in UTC"),
)


def _scheduled_sent(value: Any) -> Problem | None:
    problem = _scheduled_format(value)
    if problem is None:
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return Problem(BAD_FORMAT, "scheduledSent is no time of the calendar")
    return problem


def _survey_options(value: Any) -> Problem | None:
    if type(value) is not list or not 2 <= len(value) <= 5:
        return Problem(BAD_FORMAT, "surveyOptions must be 2 to 5 strings")
    for option in value:
        if type(option) is not str or not option.strip() or len(option) >= 30:
            return Problem(BAD_FORMAT, "a survey option must have 1 to 29 characters")
    return None


def _fallback(value: Any) -> Problem | None:
    if type(value) is not dict or value.keys() != {"messageType", "text"}:
        return Problem(BAD_FORMAT, "fallback must have messageType and text")
    if value["messageType"] not in ("transaction", "promo"):
        return Problem(BAD_FORMAT, "fallback.messageType must be transaction or promo")
    problem = _text(value["text"])
    if problem is None and len(value["text"]) > MAX_TEXT:
        return Problem("MESSAGE_TOO_LONG", f"fallback.text is longer than {MAX_TEXT} characters")
    return problem


#: Every documented field of a message with its check.
FIELDS: dict[str, Check] = {
    "id": _matches(
        r"[A-Za-z0-9._-]{1,254}",
        Problem(BAD_FORMAT, "id must be 1 to 254 letters, digits, dots, dashes or underscores"),
    ),
    "fromName": _matches(
        r"(?! )[^\x00-\x1f\x7f]{1,11}(?<! )",
        Problem("INVALID_SENDER", "Sender name must have 1 to 11 characters"),
    ),
    "toPhone": _matches(
        r"\+[1-9][0-9]{7,14}", Problem("INVALID_PHONE", "Invalid phone number format")
    ),
    "messageType": _message_type,
    "text": _text,
    "ttl": _ttl,
    "scheduledSent": _scheduled_sent,
    "surveyOptions": _survey_options,
    "fallback": _fallback,
}


class TypeRules(NamedTuple):
    """Which fields a message type needs and may have, and how long its text may be."""

    required: frozenset[str]
    allowed: frozenset[str]
    max_text: int


_ALWAYS = frozenset({"id", "fromName", "toPhone", "messageType"})
_TEXT = _ALWAYS | {"text"}
_SURVEY = _TEXT | {"surveyOptions"}
_OPTIONAL = frozenset({"ttl", "scheduledSent"})

TYPES: dict[str, TypeRules] = {
    "transaction": TypeRules(_TEXT, _TEXT | _OPTIONAL, MAX_TEXT),
    "promo": TypeRules(_TEXT, _TEXT | _OPTIONAL, MAX_TEXT),
    "viber_survey": TypeRules(_SURVEY, _SURVEY | _OPTIONAL, MAX_SURVEY_TEXT),
    "flashcall": TypeRules(_ALWAYS, _ALWAYS | _OPTIONAL | {"fallback"}, 0),
}


def check_message(item: Any, now: float) -> None:
    """Raises :class:`ApiError` for the first mistake in one element of the array."""
    if type(item) is not dict:
        raise ApiError(400, BAD_FORMAT, "every element of the array must be an object")
    for name, value in item.items():
        check = FIELDS.get(name)
        if check is None:
            raise ApiError(400, BAD_FORMAT, f"unknown field {name[:64]}", name[:64])
        problem = check(value)
        if problem is not None:
            raise ApiError(400, problem.code, problem.message, name)
    names = item.keys()
    if "messageType" not in names:
        raise ApiError(400, MISSING, "messageType is required", "messageType")
    message_type = item["messageType"]
    rules = TYPES[message_type]
    if not names >= rules.required:
        field = next(name for name in FIELDS if name in rules.required and name not in names)
        raise ApiError(400, MISSING, f"{field} is required", field)
    if not names <= rules.allowed:
        field = next(name for name in names if name not in rules.allowed)
        raise ApiError(400, BAD_FORMAT, f"{field} is not allowed with {message_type}", field)
    if rules.max_text and len(item["text"]) > rules.max_text:
        told = f"text is longer than {rules.max_text} characters"
        raise ApiError(400, "MESSAGE_TOO_LONG", told, "text")
    if "scheduledSent" in names:
        ahead = due_at(item, now) - now
        if ahead > MAX_AHEAD:
            told = "scheduledSent is more than 30 days ahead"
            raise ApiError(400, BAD_FORMAT, told, "scheduledSent")
        if ahead < -PAST_GRACE:
            raise ApiError(400, BAD_FORMAT, "scheduledSent is in the past", "scheduledSent")


def due_at(item: Item, accepted_at: float) -> float:
    """When the message is to go, as a Unix time: its schedule, or when it was accepted."""
    scheduled: str | None = item.get("scheduledSent")
    if scheduled is None:
        return accepted_at
    return max(datetime.fromisoformat(scheduled).timestamp(), 0.0)


def check_batch(body: bytes, now: float) -> list[Item]:
    """The messages of a request's body; raises :class:`ApiError` if anything is wrong with it."""
    batch = parse(body)
    if type(batch) is not list:
        raise ApiError(400, BAD_FORMAT, "the body must be an array of messages")
    if not batch:
        raise ApiError(400, BAD_FORMAT, "the array is empty")
    if len(batch) > MAX_BATCH:
        raise ApiError(413, message=f"more than {MAX_BATCH} messages in one request")
    for item in batch:
        check_message(item, now)
    return batch


def parse(body: bytes) -> Any:
    """The JSON value in ``body``; raises :class:`ApiError` for bad JSON and bad UTF-8 alike."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # RFC 8259 §8.1, §8.2: UTF-8 only; lone surrogates are no characters.
        reason = str(error)
        if "surrogate" in reason or "UTF-8" in reason or "utf-8" in reason:
            told = "the body is not valid UTF-8"
            raise ApiError(400, "INVALID_ENCODING", told, "text") from None
        raise ApiError(400, BAD_FORMAT, "the body is not valid JSON") from None


VARIABLE_TYPES = ("name", "url", "short_url")


def check_variables(body: bytes) -> list[Item]:
    """The variables of a request to ``/api/items``; raises :class:`ApiError`."""
    document = parse(body)
    if type(document) is not dict or document.keys() != {"variables"}:
        raise ApiError(400, BAD_FORMAT, "the body must have variables", "variables")
    variables = document["variables"]
    if type(variables) is not list or not variables:
        raise ApiError(400, BAD_FORMAT, "variables must be a list that is not empty", "variables")
    for variable in variables:
        if type(variable) is not dict or variable.keys() != {"id", "type", "value"}:
            raise ApiError(400, BAD_FORMAT, "a variable has id, type and value", "variables")
        if type(variable["id"]) is not int or variable["id"] <= 0:
            raise ApiError(400, BAD_FORMAT, "id must be a positive integer", "id")
        if variable["type"] not in VARIABLE_TYPES:
            raise ApiError(400, BAD_FORMAT, "type must be name, url or short_url", "type")
        if type(variable["value"]) is not str or not variable["value"]:
            raise ApiError(400, BAD_FORMAT, "value must be a string that is not empty", "value")
    return variables
