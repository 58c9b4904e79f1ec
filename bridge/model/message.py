"""The vocabulary of the bridge: plain data, no I/O.

All rooms use these words. :mod:`bridge.relay.rules` decides which values an account may use. They
are named tuples, because a frozen dataclass of twenty fields takes seven times as long to make.

Those that every message needs are made by ``Name.__new__(Name, ...)``, at a third of the cost of
``Name(...)``: CPython calls a function that is written in Python faster than a class.
"""

from __future__ import annotations

from enum import Enum, IntFlag
from typing import NamedTuple

from bridge.model.failure import Failure, Reason


class Protocol(str, Enum):
    """The protocol by which a submission came."""

    SMTP = "smtp"
    SMPP = "smpp"
    HTTP = "http"


class MessageType(str, Enum):
    """Cascade's ``messageType``."""

    TRANSACTION = "transaction"
    PROMO = "promo"
    VIBER_SURVEY = "viber_survey"
    FLASHCALL = "flashcall"


class Route(str, Enum):
    """The Cascade endpoint for a message."""

    ASYNC = "async"
    TG_VIBER = "tg-viber"


class State(str, Enum):
    """The state of a message."""

    ACCEPTED = "accepted"
    SENDING = "sending"
    HELD = "held"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERABLE = "undeliverable"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


FINAL = frozenset(
    {State.DELIVERED, State.UNDELIVERABLE, State.EXPIRED, State.CANCELLED, State.REJECTED}
)

#: After an earlier message in such a state, its duplicate is sent all the same.
WILL_NOT_ARRIVE = frozenset(
    {State.CANCELLED, State.EXPIRED, State.REJECTED, State.UNDELIVERABLE, State.HELD}
)

#: State → the states that may follow. A state without an entry is final and never changes.
TRANSITIONS: dict[State, frozenset[State]] = {
    State.ACCEPTED: frozenset({State.SENDING, State.HELD, State.CANCELLED, State.EXPIRED}),
    State.SENDING: frozenset(
        {State.SENT, State.REJECTED, State.ACCEPTED, State.HELD, State.EXPIRED}
    ),
    State.SENT: frozenset({State.DELIVERED, State.UNDELIVERABLE, State.EXPIRED}),
    State.HELD: frozenset({State.ACCEPTED, State.CANCELLED, State.EXPIRED}),
}


class Receipts(IntFlag):
    """The states for which the client requests a receipt.

    ``ALIASES``: other ids of the message have their own requests. ``REPORT``: every final state is
    also reported to the account's ``receipts_to``. ``DELAY``: the sender of a mail gets a report of
    a delay. ``CALLBACK``: the account's ``callback_url`` is called.
    """

    NONE = 0
    SUCCESS = 1
    FAILURE = 2
    INTERMEDIATE = 4
    ALIASES = 8
    REPORT = 16
    DELAY = 32
    CALLBACK = 64


class Recipient(NamedTuple):
    """One recipient of a submission, as the client wrote it.

    ``address`` is a phone number in any form the account's region allows, or a group's name.
    The other fields, if set, take precedence over those of the submission. ``notify`` and ``orcpt``
    are RFC 3461's: the requested reports (none for NEVER), and the original address. ``written`` is
    the client's whole address.
    """

    address: str
    message_type: MessageType | None = None
    route: Route | None = None
    text: str | None = None
    notify: Receipts | None = None
    orcpt: str = ""
    written: str = ""


class Envelope(NamedTuple):
    """The fields of a mail for its reports.

    ``return_path`` is empty for the null path, which gets no reports. ``ret`` is ``FULL``, ``HDRS``
    or empty, ``envid`` the sender's own id of the mail (RFC 3461 §4.3, §4.4). ``delay_after`` is
    the time of a report of a delay, in seconds after the submission (may be negative); ``trace``
    requests a report of every step (RFC 2852 §4). ``deliver_by`` is the Unix time of DELIVERBY, 0
    for none, ``hold`` the value of FUTURERELEASE as written (``for;60``). ``message_id`` and
    ``subject`` are those of the header, by which the sender recognises the mail.
    """

    return_path: str = ""
    ret: str = ""
    envid: str = ""
    delay_after: int | None = None
    trace: bool = False
    deliver_by: int = 0
    hold: str = ""
    message_id: str = ""
    subject: str = ""


class Submission(NamedTuple):
    """A client's request to send; it gets one answer.

    ``None`` and empty strings mean "the account's default". ``ttl`` is in seconds;
    ``scheduled_at`` is a Unix time in seconds. ``priority`` is 0 to 3 as in SMPP's
    ``priority_flag``. ``repeat_key`` identifies a repeated submission after a lost answer: a mail's
    Message-ID. The same key, phone and text from the same account within an hour gets the first
    answer again. A ``dry_run`` is checked and answered like any other, but neither stored nor sent.
    ``envelope`` is that of a mail. With ``replace_if_present`` it replaces waiting messages to the
    same phone from the same sender, of the same type if one is given (SMPP 3.4 §5.2.18). ``name``
    makes it a send-out; ``spread`` is the time over which its messages are sent (seconds).
    ``max_parts`` limits its parts further than the account does (0: not). ``template`` is the name
    or id of a template whose text replaces ``text``, with ``variables``. ``reading`` is a line for
    the trace on how the text was read (part of the mail, charset or data_coding, cuts), without any
    of the text.
    """

    protocol: Protocol
    recipients: tuple[Recipient, ...]
    text: str
    peer: str = ""
    sender: str = ""
    message_type: MessageType | None = None
    options: tuple[str, ...] = ()
    fallback: str = ""
    route: Route | None = None
    ttl: int | None = None
    scheduled_at: int | None = None
    priority: int = 0
    receipts: Receipts = Receipts.NONE
    reference: str = ""
    repeat_key: bytes = b""
    dry_run: bool = False
    envelope: Envelope | None = None
    replace_if_present: bool = False
    name: str = ""
    spread: int = 0
    max_parts: int = 0
    template: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    reading: str = ""


class Message(NamedTuple):
    """One text to one phone number, checked and normalised, with its id.

    ``phone`` is E.164 with ``+``. Times are Unix times in seconds: ``due_at`` is the time for the
    dispatcher, ``scheduled_at`` the one for Cascade, ``expires_at`` the end of the validity.
    ``level`` orders the queue (higher goes first). ``unknown`` counts posts with an unknown
    outcome. ``envelope`` is the data for reports, as JSON (:mod:`bridge.model.mail_record`).
    """

    id: int
    submission_id: int
    account: str
    protocol: Protocol
    peer: str
    phone: str
    sender: str
    message_type: MessageType
    text: str
    options: tuple[str, ...]
    fallback: str
    route: Route
    level: int
    parts: int
    accepted_at: int
    due_at: int
    scheduled_at: int | None
    expires_at: int
    receipts: Receipts
    reference: str
    attempts: int = 0
    unknown: int = 0
    envelope: str = ""


#: Upstream ids of virtual accounts' messages begin with it: nothing went to the API.
VIRTUAL = "virtual-"


class Stored(NamedTuple):
    """A message in the store.

    ``failure`` is the name of the reason and ``cause`` the API's text. ``sent_at`` is the time at
    which the API accepted it; ``status`` is the API's last status, from ``status_at``, with the
    API's ``cost`` (as written) and ``counted_parts``. ``err`` is the code in receipts. Times are
    Unix times in seconds, 0 for never.
    """

    message: Message
    state: State
    upstream_id: str
    changed_at: int
    failure: str
    cause: str
    sent_at: int = 0
    status: str = ""
    status_at: int = 0
    cost: str = ""
    counted_parts: int = 0
    err: int = 0

    @property
    def perhaps_sent(self) -> bool:
        """Whether the message ended here after an attempt with an unknown outcome: nobody may be
        told that it was not sent."""
        ended_here = self.state is State.CANCELLED or self.state is State.EXPIRED
        return ended_here and not self.sent_at and self.message.unknown > 0

    @property
    def refusal(self) -> Failure | None:
        """The failure of a message that was never sent; ``None`` if it was or may be."""
        if self.state is State.REJECTED:
            return Failure(Reason.named(self.failure), cause=self.cause)
        if self.state is State.EXPIRED and not (self.sent_at or self.perhaps_sent):
            return expired_unsent()
        return None


class Accepted(NamedTuple):
    """The outcome of an accepted submission: its messages are durable.

    ``id`` is that of the submission (for a single message: of the message), ``parts`` counts SMS
    parts of all accepted recipients, ``queued``: the API has not answered yet. ``refused`` has the
    refused recipients with their failures. ``repeats`` is the client's reference of an earlier
    submission whose answer this is; None if there is none.
    """

    id: int
    parts: int
    queued: bool = False
    refused: tuple[tuple[Recipient, Failure], ...] = ()
    repeats: str | None = None


#: The outcome for the client.
Outcome = Accepted | Failure


def expired_unsent() -> Failure:
    """The failure of a message whose validity ended before it was sent."""
    return Failure(Reason.REFUSED, "its validity ended before it could be sent")
