"""The meaning of the API's answers to posted batches.

One table by HTTP status, and one pure function that reads it. :mod:`bridge.sending.decisions` and
:mod:`bridge.sending.pace` decide what follows for the messages and the upstream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from bridge.cascade.wire import ErrorBody, decode_error, decode_ids
from bridge.model.failure import Failure, Reason, from_api


class Meaning(Enum):
    """The meaning of an answer for a whole request."""

    TAKEN = "the API took the messages that it named"
    BAD = "the API refuses the content of the request"
    FORBIDDEN = "the request is refused for an unknown reason, perhaps by a proxy"
    HOLD = "every request will fail until an operator changes something"
    TOO_LARGE = "the request is larger than the API takes"
    SLOW_DOWN = "the API wants fewer requests"
    BROKEN = "the API cannot answer now, and has taken nothing"
    UNKNOWN = "the API may have taken it or not"


#: The longest pause that a server can request (seconds); longer ones are cut to it.
LONGEST_PAUSE: Final = 600.0

_BY_STATUS: dict[int, Meaning] = {
    200: Meaning.TAKEN,
    201: Meaning.TAKEN,
    202: Meaning.TAKEN,
    400: Meaning.BAD,
    401: Meaning.HOLD,
    402: Meaning.HOLD,  # somebody has to pay
    403: Meaning.FORBIDDEN,
    404: Meaning.HOLD,
    405: Meaning.HOLD,
    406: Meaning.HOLD,
    407: Meaning.HOLD,  # a proxy's login
    408: Meaning.UNKNOWN,  # proxies say it of idle connections, and of slow servers behind them
    410: Meaning.HOLD,
    411: Meaning.HOLD,
    413: Meaning.TOO_LARGE,
    414: Meaning.HOLD,
    415: Meaning.HOLD,
    417: Meaning.HOLD,
    421: Meaning.BROKEN,  # RFC 9110 §15.5.20: not for this server
    422: Meaning.BAD,
    425: Meaning.BROKEN,  # RFC 8470 §5.2: not processed
    426: Meaning.HOLD,
    429: Meaning.SLOW_DOWN,
    431: Meaning.HOLD,
    460: Meaning.UNKNOWN,  # Amazon's load balancer: its client hung up
    499: Meaning.UNKNOWN,  # nginx: its client hung up
}
#: The others. A 4xx that nobody documents, as 409, is not taken for a final refusal.
_BY_CLASS: dict[int, Meaning] = {
    1: Meaning.UNKNOWN,
    2: Meaning.UNKNOWN,
    3: Meaning.HOLD,
    4: Meaning.FORBIDDEN,
    5: Meaning.BROKEN,
}


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An HTTP answer, or the lack of one.

    ``status`` is 0 if none came; then ``sent`` tells whether the request had gone out, so that the
    API may have taken it, and ``trouble`` is the error.
    """

    status: int
    body: bytes = b""
    retry_after: str = ""
    sent: bool = True
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer's meaning, the ids in it, and the failure for the client."""

    meaning: Meaning
    failure: Failure
    ids: Mapping[str, str] = field(default_factory=dict)
    retry_after: float | None = None

    @property
    def cause(self) -> str:
        """The API's own text, or the error on the way to it."""
        return self.failure.cause


def judge(answer: HttpAnswer) -> Verdict:
    """Reads an answer. Never raises, even for garbage from a server or proxy."""
    if not answer.status:
        meaning = Meaning.UNKNOWN if answer.sent else Meaning.BROKEN
        return Verdict(meaning, Failure(Reason.REFUSED, cause=answer.trouble))
    meaning = _BY_STATUS.get(answer.status) or _BY_CLASS.get(answer.status // 100, Meaning.UNKNOWN)
    if meaning is Meaning.TAKEN:
        ids = decode_ids(answer.body)
        if ids is None:
            cause = f"HTTP {answer.status} with a body that is no array of messages"
            return Verdict(Meaning.UNKNOWN, Failure(Reason.REFUSED, cause=cause))
        return Verdict(meaning, Failure(Reason.REFUSED), ids)
    error = decode_error(answer.body)
    failure = _failure(answer.status, error)
    if meaning is Meaning.FORBIDDEN and error is not None:
        if answer.status == 403:
            meaning = Meaning.HOLD
        elif failure.reason is not Reason.REFUSED:
            meaning = Meaning.BAD  # the API's own words about the message
    return Verdict(meaning, failure, retry_after=_seconds(answer.retry_after))


def refusal_of(answer: HttpAnswer) -> Failure | None:
    """Why the API did not take a request that is no batch; ``None`` if it did."""
    if not answer.status:
        return Failure(Reason.OPERATION_FAILED, cause=answer.trouble)
    if answer.status // 100 == 2:
        return None
    failure = _failure(answer.status, decode_error(answer.body))
    if _BY_STATUS.get(answer.status) is Meaning.BAD:
        return failure
    # A wrong key of ours or a fault of the API is not the caller's mistake.
    return Failure(Reason.OPERATION_FAILED, cause=failure.cause)


def _failure(status: int, error: ErrorBody | None) -> Failure:
    if error is None:
        return Failure(Reason.REFUSED, cause=f"HTTP {status}")
    failure = from_api(*error)
    cause = f"HTTP {status} {failure.cause}".rstrip()
    return Failure(failure.reason, failure.detail, cause=cause)


def _seconds(retry_after: str) -> float | None:
    """``Retry-After`` in seconds, :data:`LONGEST_PAUSE` at most (RFC 9110 §10.2.3). Dates are
    ignored because of clock skew."""
    digits = retry_after.strip()
    return min(LONGEST_PAUSE, float(digits)) if digits.isdecimal() else None
