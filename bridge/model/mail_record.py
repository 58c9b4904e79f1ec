"""What a message keeps of how it came: the mail, so that a report can name it, and how its text
was read, for the trace.

One JSON object a message, written on its path and read when there is something to report. Kept is
what a report needs (RFC 3464 §2.2, RFC 6522 §3), and nothing of the text.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from bridge.model.failure import Failure, Reason
from bridge.model.message import Envelope, Recipient


class Original(NamedTuple):
    """The envelope and the two header fields by which a sender knows the mail again.

    ``return_path``, ``ret``, ``envid``, ``deliver_by`` and ``hold`` are those of
    :class:`bridge.model.message.Envelope`; ``to`` is the recipient's address as the client wrote it
    and ``orcpt`` RFC 3461's. ``reading`` is :class:`bridge.model.message.Submission`'s.
    What is not known is empty.
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
    """What is kept for the message to one recipient of a mail."""
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
    """As JSON, without what is empty."""
    # On the path of every mail.
    known = {name: value for name, value in zip(_NAMES, original) if value}  # noqa: B905
    return orjson.dumps(known).decode()


def load(text: str) -> Original:
    """Out of what :func:`dump` made, here or in a later version; all empty for an empty text."""
    if not text:
        return Original()
    return _original(orjson.loads(text))


@lru_cache(512)
def dump_reading(reading: str) -> str:
    """As :func:`dump`, for a text that came by no mail. Few readings differ from each other."""
    return dump(Original(reading=reading)) if reading else ""


_NAMES = Original._fields


def _original(known: dict[str, Any]) -> Original:
    return Original(**{name: known[name] for name in _NAMES if name in known})


def dump_refused(refused: Iterable[tuple[Original, Failure]]) -> str:
    """Recipients that got nothing, each with the reason, as JSON."""
    return orjson.dumps(
        [
            {**original._asdict(), "reason": failure.reason.name, "detail": failure.detail}
            for original, failure in refused
        ]
    ).decode()


def load_refused(text: str) -> list[tuple[Original, Failure]]:
    """Out of what :func:`dump_refused` made."""
    return [
        (
            _original(known),
            Failure(Reason.named(known["reason"]), known["detail"]),
        )
        for known in orjson.loads(text)
    ]
