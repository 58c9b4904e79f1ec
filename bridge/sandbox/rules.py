"""The rules of the API's document for requests to send: plain functions, no state.

Each field has one check; each message type has its required and allowed fields. Fields that the
document does not name are refused. Its advice ("avoid special characters", "11 characters or fewer
for SMS") is a rule here, because a client that follows it is accepted everywhere. A request is
accepted as a whole, or refused with its first mistake.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from bridge.sandbox.errors import ApiError

#: A message as received: field name → value.
Item = dict[str, Any]

MAX_BATCH = 1000
MAX_TEXT = 2000
MAX_SURVEY_TEXT = 85
MAX_AHEAD = 30 * 86400.0
#: The time by which a ``scheduledSent`` may be past: clocks differ and requests wait in queues.
PAST_GRACE = 60.0

BAD_FORMAT = "1001"
MISSING = "1002"


class RuleProblem(NamedTuple):
    """A mistake in a value, in the API's words."""

    code: str
    message: str


class FieldRule(NamedTuple):
    """A documented field: the check for its values, and the error for wrong ones.

    ``good`` runs for every message: if possible it is a built-in function. It may raise
    :class:`TypeError` for a value of another type.
    """

    good: Callable[[Any], object]
    problem: Callable[[Any], RuleProblem | None]


def _field(good: Callable[[Any], object], code: str, message: str) -> FieldRule:
    problem = RuleProblem(code, message)
    return FieldRule(good, lambda value: problem)


def _matches(pattern: str, code: str, message: str) -> FieldRule:
    return _field(re.compile(pattern).fullmatch, code, message)


def _without(problem: Callable[[Any], RuleProblem | None]) -> FieldRule:
    return FieldRule(lambda value: problem(value) is None, problem)


def _good_text(value: Any) -> bool:
    return type(value) is str and "\0" not in value and value != "" and not value.isspace()


def _text(value: Any) -> RuleProblem | None:
    if type(value) is not str:
        return RuleProblem(BAD_FORMAT, "text must be a string")
    if "\0" in value:
        return RuleProblem("INVALID_ENCODING", "text has characters that cannot be sent")
    return None if _good_text(value) else RuleProblem(MISSING, "text must not be empty")


def _good_ttl(value: Any) -> bool:
    # bool is an int for Python, not for JSON.
    return type(value) is int and value > 0


_is_utc_time = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|\+00:00)"
).fullmatch


def _scheduled_sent(value: Any) -> RuleProblem | None:
    if type(value) is not str or not _is_utc_time(value):
        return RuleProblem(BAD_FORMAT, "scheduledSent must be an ISO 8601 time in UTC")
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return RuleProblem(BAD_FORMAT, "scheduledSent is no time of the calendar")
    return None


def _survey_options(value: Any) -> RuleProblem | None:
    if type(value) is not list or not 2 <= len(value) <= 5:
        return RuleProblem(BAD_FORMAT, "surveyOptions must be 2 to 5 strings")
    for option in value:
        if type(option) is not str or not option.strip() or len(option) >= 30:
            return RuleProblem(BAD_FORMAT, "a survey option must have 1 to 29 characters")
    return None


def _fallback(value: Any) -> RuleProblem | None:
    if type(value) is not dict or value.keys() != {"messageType", "text"}:
        return RuleProblem(BAD_FORMAT, "fallback must have messageType and text")
    if value["messageType"] not in ("transaction", "promo"):
        return RuleProblem(BAD_FORMAT, "fallback.messageType must be transaction or promo")
    problem = _text(value["text"])
    if problem is None and len(value["text"]) > MAX_TEXT:
        return RuleProblem(
            "MESSAGE_TOO_LONG", f"fallback.text is longer than {MAX_TEXT} characters"
        )
    return problem


#: Every documented field of a message.
FIELDS: dict[str, FieldRule] = {
    "id": _matches(
        r"[A-Za-z0-9._-]{1,254}",
        BAD_FORMAT,
        "id must be 1 to 254 letters, digits, dots, dashes or underscores",
    ),
    "fromName": _matches(
        r"(?! )[^\x00-\x1f\x7f]{1,11}(?<! )",
        "INVALID_SENDER",
        "Sender name must have 1 to 11 characters",
    ),
    "toPhone": _matches(
        r"\+[1-9][0-9]{7,14}",
        "INVALID_PHONE",
        "Invalid phone number format",
    ),
    "messageType": _matches(
        r"transaction|promo|viber_survey|flashcall",
        BAD_FORMAT,
        "messageType must be transaction, promo, viber_survey or flashcall",
    ),
    "text": FieldRule(_good_text, _text),
    "ttl": _field(_good_ttl, BAD_FORMAT, "ttl must be a positive number of seconds"),
    "scheduledSent": _without(_scheduled_sent),
    "surveyOptions": _without(_survey_options),
    "fallback": _without(_fallback),
}
_GOOD = {name: field.good for name, field in FIELDS.items()}


class TypeRules(NamedTuple):
    """The required and forbidden fields of a message type, and its longest text."""

    required: frozenset[str]
    forbidden: frozenset[str]
    max_text: int


_ALWAYS = frozenset({"id", "fromName", "toPhone", "messageType"})
_TEXT = _ALWAYS | {"text"}
_SURVEY = _TEXT | {"surveyOptions"}
_NO_SPECIALS = frozenset({"surveyOptions", "fallback"})

TYPES: dict[str, TypeRules] = {
    "transaction": TypeRules(_TEXT, _NO_SPECIALS, MAX_TEXT),
    "promo": TypeRules(_TEXT, _NO_SPECIALS, MAX_TEXT),
    "viber_survey": TypeRules(_SURVEY, frozenset({"fallback"}), MAX_SURVEY_TEXT),
    "flashcall": TypeRules(_ALWAYS, frozenset({"text", "surveyOptions"}), MAX_TEXT),
}


def check_message(item: Any, now: float) -> None:
    """Raises :class:`ApiError` for the first mistake in one element of the array."""
    try:
        for name, value in item.items():
            if not _GOOD[name](value):
                raise _mistake(item)
        rules = TYPES[item["messageType"]]
    except (AttributeError, KeyError, TypeError):
        raise _mistake(item) from None
    if not rules.required <= item.keys():
        field = next(name for name in FIELDS if name in rules.required and name not in item)
        raise ApiError(400, MISSING, f"{field} is required", field)
    if not rules.forbidden.isdisjoint(item):
        field = next(name for name in item if name in rules.forbidden)
        told = f"{field} is not allowed with {item['messageType']}"
        raise ApiError(400, BAD_FORMAT, told, field)
    if len(item.get("text", "")) > rules.max_text:
        told = f"text is longer than {rules.max_text} characters"
        raise ApiError(400, "MESSAGE_TOO_LONG", told, "text")
    if "scheduledSent" in item:
        ahead = due_at(item, now) - now
        if ahead > MAX_AHEAD:
            told = "scheduledSent is more than 30 days ahead"
            raise ApiError(400, BAD_FORMAT, told, "scheduledSent")
        if ahead < -PAST_GRACE:
            raise ApiError(400, BAD_FORMAT, "scheduledSent is in the past", "scheduledSent")


def _is_good(field: FieldRule, value: Any) -> bool:
    try:
        return bool(field.good(value))
    except TypeError:
        return False


def _mistake(item: Any) -> ApiError:
    """The error for an element with a wrong field."""
    if type(item) is not dict:
        return ApiError(400, BAD_FORMAT, "every element of the array must be an object")
    for name, value in item.items():
        if name not in FIELDS:
            return ApiError(400, BAD_FORMAT, f"unknown field {name[:64]}", name[:64])
        field = FIELDS[name]
        if _is_good(field, value):
            continue
        problem = field.problem(value)
        if problem is not None:
            return ApiError(400, problem.code, problem.message, name)
    return ApiError(400, MISSING, "messageType is required", "messageType")


def due_at(item: Item, accepted_at: float) -> float:
    """The Unix time at which the message is sent: its schedule, or its acceptance."""
    scheduled: str | None = item.get("scheduledSent")
    if scheduled is None:
        return accepted_at
    return max(datetime.fromisoformat(scheduled).timestamp(), 0.0)


def check_batch(body: bytes, now: float) -> list[Item]:
    """The messages of a request's body; raises :class:`ApiError` for a mistake."""
    batch = parse(body)
    if type(batch) is not list:
        raise ApiError(400, BAD_FORMAT, "the body must be an array of messages")
    if not batch:
        raise ApiError(400, BAD_FORMAT, "the array is empty")
    if len(batch) > MAX_BATCH:
        raise ApiError(413, message=f"more than {MAX_BATCH} messages in one request")
    if not all_plain(batch):
        for item in batch:
            check_message(item, now)
    return batch


_PLAIN_TYPES = frozenset({"transaction", "promo"})


def all_plain(batch: list[Any]) -> bool:
    """Whether these are all valid messages with only text and perhaps a ttl, no schedule.

    Nearly every batch is, and this check by columns costs less than half of checking each message.
    False means that each message must be checked.
    """
    good = _GOOD
    try:
        texts = [item["text"] for item in batch]
        ttls = [item["ttl"] for item in batch if "ttl" in item]
        return (
            sum(map(len, batch)) == 5 * len(batch) + len(ttls)  # there are no other fields
            and {item["messageType"] for item in batch} <= _PLAIN_TYPES
            and all(map(good["fromName"], {item["fromName"] for item in batch}))
            and all(map(good["toPhone"], [item["toPhone"] for item in batch]))
            and all(map(good["id"], [item["id"] for item in batch]))
            and all(map(good["ttl"], ttls))
            and all(map(good["text"], texts))
            and max(map(len, texts)) <= MAX_TEXT
        )
    except (KeyError, TypeError):
        return False


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
