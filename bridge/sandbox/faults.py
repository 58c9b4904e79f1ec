"""The faults that can be switched on: one table of names and behaviours.

A fault is a name of :data:`FAULTS` with options: number of requests, phones, duration. Here is
decided which request meets which fault; the server drops connections and delays answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Any, NamedTuple

import orjson

from bridge.sandbox.errors import HTML, JSON, STATUSES, ApiError, Form

#: One element of a good answer: ``messageId`` and ``trackinId``.
Pair = tuple[str, str]


class Manner(Enum):
    """The way an answer is sent."""

    PLAIN = "plain"  # after a pause, if there is one
    DRIP = "drip"  # the headers at once, the body in pieces spread over the pause
    CUT = "cut"  # half of the body, then the connection is closed
    HANG = "hang"  # nothing at all, the connection stays open
    CLOSE = "close"  # nothing at all, the connection is closed (FIN)
    RESET = "reset"  # nothing at all, the connection is reset (RST)


class Behaviour(NamedTuple):
    """The behaviour of a fault.

    ``accepts``: the messages are accepted all the same. ``spoil`` makes the body from the elements
    of the good answer. ``options`` are allowed besides ``count``, ``phones`` and ``on``.
    """

    says: str
    accepts: bool = False
    error: ApiError | None = None
    manner: Manner = Manner.PLAIN
    spoil: Callable[[list[Pair]], bytes] | None = None
    content_type: bytes = JSON
    options: frozenset[str] = frozenset()


def answer_body(pairs: list[Pair], id_field: str = "trackinId") -> bytes:
    """The documented answer; ``trackinId`` is the documented spelling."""
    return orjson.dumps([{"messageId": mid, id_field: tracking_id} for mid, tracking_id in pairs])


def _error(status: int, *options: str, form: Form | None = None) -> Behaviour:
    told = STATUSES[status]
    error = ApiError(status, form=form)
    takes = frozenset({*options, "code"} if error.form is Form.FIELD else options)
    return Behaviour(f"{status} {told.error}", error=error, options=takes)


def _spoilt(
    says: str, spoil: Callable[[list[Pair]], bytes], content_type: bytes = JSON
) -> Behaviour:
    return Behaviour(says, accepts=True, spoil=spoil, content_type=content_type)


def _wire(says: str, manner: Manner, *options: str, accepts: bool) -> Behaviour:
    return Behaviour(says, accepts=accepts, manner=manner, options=frozenset(options))


FAULTS: dict[str, Behaviour] = {
    "400": _error(400),
    "401": _error(401),
    "402": _error(402),
    "403": _error(403),
    "403-html": _error(403, form=Form.HTML),
    "404": _error(404),
    "405": _error(405),
    "408": _error(408),
    "409": _error(409),
    "413": _error(413),
    "415": _error(415),
    "421": _error(421),
    "422": _error(422),
    "425": _error(425),
    "429": _error(429, "retry_after"),
    "500": _error(500),
    "502": _error(502),
    "503": _error(503, "retry_after"),
    "504": _error(504),
    "slow": _wire("sent, answered late", Manner.PLAIN, "seconds", accepts=True),
    "slow-body": _wire("sent, the body trickles", Manner.DRIP, "seconds", accepts=True),
    "hang": _wire("not sent, never answered", Manner.HANG, accepts=False),
    "hang-after": _wire("sent, never answered", Manner.HANG, accepts=True),
    "hang-up": _wire("not sent, connection closed", Manner.CLOSE, accepts=False),
    "hang-up-after": _wire("sent, connection closed", Manner.CLOSE, accepts=True),
    "reset": _wire("not sent, connection reset", Manner.RESET, accepts=False),
    "reset-after": _wire("sent, connection reset", Manner.RESET, accepts=True),
    "cut": _wire("sent, closed in the middle of the body", Manner.CUT, accepts=True),
    "invalid-json": _spoilt("sent, JSON that ends too early", lambda p: answer_body(p)[:-1]),
    "no-array": _spoilt("sent, a JSON object", lambda p: b'{"result":"ok"}'),
    "html": _spoilt("sent, a page instead of JSON", lambda p: b"<html><p>OK</p></html>", HTML),
    "empty": _spoilt("sent, an empty array", lambda p: b"[]"),
    "missing": _spoilt("sent, the last element missing", lambda p: answer_body(p[:-1])),
    "wrong-order": _spoilt("sent, last element first", lambda p: answer_body(p[::-1])),
    "repeated-ids": _spoilt(
        "sent, every element with the messageId of the first",
        lambda p: answer_body([(p[0][0], tracking_id) for _, tracking_id in p]),
    ),
    "duplicate-answers": _spoilt("sent, every element twice", lambda p: answer_body(p + p)),
    "foreign-id": _spoilt(
        "sent, the last trackinId is one that nobody sent",
        lambda p: answer_body([*p[:-1], (p[-1][0], "nobody-sent-this")]),
    ),
    "tracking-id": _spoilt(
        "sent, spelt trackingId", lambda p: answer_body(p, id_field="trackingId")
    ),
}

#: The requests that a fault can apply to. Only requests to send have spoilt answers.
TARGETS = ("send", "status")


class FaultError(ValueError):
    """An unknown fault, or an option that it does not have; the text names the allowed values."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that is switched on.

    ``count``: the number of requests that still meet it, ``None`` for all. ``phones``: only
    requests with a message to one of these. ``seconds`` is the pause of a slow answer,
    ``retry_after`` the header of 429 and 503 (seconds), ``code`` the API's code in the body of 400
    and 422.
    """

    name: str
    count: int | None = None
    phones: tuple[str, ...] = ()
    seconds: float = 5.0
    retry_after: int | None = None
    code: str = "INVALID_PHONE"
    on: str = "send"

    @property
    def behaviour(self) -> Behaviour:
        return FAULTS[self.name]

    def error(self) -> ApiError | None:
        """The error answer with this fault's options."""
        error = self.behaviour.error
        if error is None:
            return None
        headers: tuple[tuple[bytes, bytes], ...] = ()
        if self.retry_after is not None:
            headers = ((b"retry-after", b"%d" % self.retry_after),)
        if error.form is not Form.FIELD:
            return ApiError(error.status, form=error.form, headers=headers)
        field = "toPhone" if self.code in PHONE_CODES else ""
        return ApiError(error.status, self.code, "", field, form=error.form)


PHONE_CODES = frozenset({"INVALID_PHONE", "INVALID_RECIPIENT", "1003"})

_OPTION_TYPES: dict[str, Callable[[Any], bool]] = {
    "count": lambda v: v is None or (type(v) is int and v > 0),
    "phones": lambda v: isinstance(v, list | tuple) and all(isinstance(p, str) for p in v),
    "seconds": lambda v: type(v) in (int, float) and 0 <= v <= 86400,
    "retry_after": lambda v: type(v) is int and v >= 0,
    "code": lambda v: type(v) is str and 0 < len(v) <= 64,
    "on": lambda v: v in TARGETS,
}


def make_fault(name: str, /, **options: Any) -> Fault:
    """A fault from its name and options; raises :class:`FaultError` for unknown ones."""
    behaviour = FAULTS.get(name)
    if behaviour is None:
        raise FaultError(f"unknown fault {name!r}; known are {', '.join(FAULTS)}")
    for option, value in options.items():
        if option not in behaviour.options | {"count", "phones", "on"}:
            raise FaultError(f"fault {name} has no option {option!r}")
        if not _OPTION_TYPES[option](value):
            raise FaultError(f"fault {name}: {value!r} is not good for {option}")
    if options.get("on") == "status" and (behaviour.spoil or options.get("phones")):
        raise FaultError(f"fault {name} cannot be told apart on status requests")
    phones = tuple(options.pop("phones", ()))
    return Fault(name, phones=phones, **options)


_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "count": int,
    "seconds": float,
    "retry_after": int,
    "code": str,
    "on": str,
}


def fault_from_text(text: str) -> Fault:
    """``name`` or ``name:option=value,…``; ``phone=`` (or ``phones=``) may come more than once."""
    name, _, rest = text.partition(":")
    options: dict[str, Any] = {}
    for pair in filter(None, rest.split(",")):
        key, _, value = pair.partition("=")
        if key in ("phone", "phones"):
            options.setdefault("phones", []).append(value)
        elif key not in _FROM_TEXT:
            raise FaultError(f"fault {name} has no option {key!r}")
        else:
            try:
                options[key] = _FROM_TEXT[key](value)
            except ValueError:
                raise FaultError(f"fault {name}: {value!r} is not good for {key}") from None
    return make_fault(name, **options)


def fault_from_json(document: Any) -> Fault:
    """``{"fault": name, option: value, …}`` as ``PUT /sandbox/faults`` takes it; ``phone`` is a
    single one of ``phones``."""
    if not isinstance(document, dict) or not isinstance(document.get("fault"), str):
        raise FaultError('a fault is an object such as {"fault": "429", "count": 2}')
    options = dict(document)
    if "phone" in options and "phones" not in options:
        options["phones"] = [options.pop("phone")]
    return make_fault(options.pop("fault"), **options)


class Faults:
    """The faults that are switched on, in order: a request meets the first that applies."""

    def __init__(self, faults: tuple[Fault, ...] = ()) -> None:
        self._active = list(faults)

    def __iter__(self) -> Iterator[Fault]:
        return iter(tuple(self._active))

    def add(self, fault: Fault) -> None:
        self._active.append(fault)

    def replace(self, faults: list[Fault]) -> None:
        self._active = list(faults)

    def find(self, on: str, phones: frozenset[str] | None = None) -> Fault | None:
        """The fault for a request; with ``phones``, the first that applies to one of them.

        Without ``phones``, faults for certain phones do not apply.
        """
        for fault in self._active:
            if fault.on != on:
                continue
            if phones is None:
                if not fault.phones:
                    return fault
            elif not phones.isdisjoint(fault.phones):
                return fault
        return None

    def use(self, fault: Fault) -> None:
        """Counts one use of the fault."""
        if fault.count is None:
            return
        index = self._active.index(fault)
        if fault.count > 1:
            self._active[index] = replace(fault, count=fault.count - 1)
        else:
            del self._active[index]

    @property
    def about_phones(self) -> bool:
        return any(fault.phones for fault in self._active)

    def listed(self) -> list[dict[str, Any]]:
        """For the list of faults: name, description, and the options that are set."""
        rows = []
        for fault in self._active:
            options = asdict(fault)
            name = options.pop("name")
            used = {"count", "phones", "on", *fault.behaviour.options}
            shown = {
                key: value
                for key, value in options.items()
                if key in used and value not in (None, ())
            }
            rows.append({"fault": name, "says": fault.behaviour.says, **shown})
        return rows
