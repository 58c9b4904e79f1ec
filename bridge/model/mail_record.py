"""The record of a message's origin: the mail's fields for reports, and for the trace how its text
was read.

One JSON object per message, written at acceptance and read for a report. It has the fields that a
report needs (RFC 3464 §2.2, RFC 6522 §3), and nothing of the text.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from bridge.model.failure import Failure, Reason
from bridge.model.message import Envelope, Recipient


class Original(NamedTuple):
    """The envelope and the two header fields by which a sender recognises the mail.

    ``return_path``, ``ret``, ``envid``, ``deliver_by`` and ``hold`` are those of
    :class:`bridge.model.message.Envelope`; ``to`` is the recipient's address as the client wrote it
    and ``orcpt`` RFC 3461's. ``reading`` is :class:`bridge.model.message.Submission`'s.
    Unknown values are empty.
    """

    return_path: str = ""
    ret: str = ""
    envid: str = ""
    message_id: str = ""
    subject: str = ""
    to: str = ""
    orcpt: str = ""
    deliver_by: int = 0
    hold: str = ""
    reading: str = ""


def original_of(envelope: Envelope, recipient: Recipient, reading: str = "") -> Original:
    """The record for the message to one recipient of a mail."""
    return Original(
        envelope.return_path,
        envelope.ret,
        envelope.envid,
        envelope.message_id,
        envelope.subject,
        recipient.written or recipient.address,
        recipient.orcpt,
        envelope.deliver_by,
        envelope.hold,
        reading,
    )


def dump(original: Original) -> str:
    """The record as JSON, without empty values."""
    # Runs for every mail.
    known = {name: value for name, value in zip(_NAMES, original) if value}  # noqa: B905
    return orjson.dumps(known).decode()


def load(text: str) -> Original:
    """Reads the JSON of :func:`dump`, also of a later version; all empty for an empty text."""
    if not text:
        return Original()
    return _original(orjson.loads(text))


@lru_cache(512)
def dump_reading(reading: str) -> str:
    """As :func:`dump`, for a submission that is no mail. Cached: there are few different
    readings."""
    return dump(Original(reading=reading)) if reading else ""


_NAMES = Original._fields


def _original(known: dict[str, Any]) -> Original:
    return Original(**{name: known[name] for name in _NAMES if name in known})


def dump_refused(refused: Iterable[tuple[Original, Failure]]) -> str:
    """Refused recipients with their reasons, as JSON."""
    return orjson.dumps(
        [
            {**original._asdict(), "reason": failure.reason.name, "detail": failure.detail}
            for original, failure in refused
        ]
    ).decode()


def load_refused(text: str) -> list[tuple[Original, Failure]]:
    """Reads the JSON of :func:`dump_refused`."""
    return [
        (
            _original(known),
            Failure(Reason.named(known["reason"]), known["detail"]),
        )
        for known in orjson.loads(text)
    ]
