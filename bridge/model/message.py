"""The vocabulary of the bridge: plain data, no I/O.

Every other module speaks in these words. What a value may be is decided here;
whether an account may use it is decided in :mod:`bridge.relay.rules`. The values are named tuples,
not frozen dataclasses: one of a message's twenty fields costs a seventh to make.
"""

from __future__ import annotations

from enum import Enum, IntFlag
from typing import NamedTuple

from bridge.model.failure import Failure, Reason


class Protocol(str, Enum):
    """How a submission reached the bridge."""

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
    """Which Cascade endpoint a message is posted to."""

    ASYNC = "async"
    TG_VIBER = "tg-viber"


class State(str, Enum):
    """Where a message is in its life."""

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

#: Which state may follow which. A state without an entry is final and never changes.
TRANSITIONS: dict[State, frozenset[State]] = {
    State.ACCEPTED: frozenset({State.SENDING, State.HELD, State.CANCELLED, State.EXPIRED}),
    State.SENDING: frozenset(
        {State.SENT, State.REJECTED, State.ACCEPTED, State.HELD, State.EXPIRED}
    ),
    State.SENT: frozenset({State.DELIVERED, State.UNDELIVERABLE, State.EXPIRED}),
    State.HELD: frozenset({State.ACCEPTED, State.CANCELLED, State.EXPIRED}),
}


class Receipts(IntFlag):
    """Of which final states (and whether of intermediate ones) the account wants a receipt.

    ``ALIASES`` says that other ids of the message have wishes of their own, ``REPORT`` that every
    final state is told to the account's ``receipts_to`` besides, ``DELAY`` that the sender of a
    mail hears if it takes long, ``CALLBACK`` that the account's ``callback_url`` is called.
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
    """One destination of a submission, as the client wrote it.

    ``address`` is a phone number in any form the account's region allows, or a group's name.
    The other fields, where set, stand above those of the submission. ``notify`` and ``orcpt`` are
    RFC 3461's: which reports are wanted (none for NEVER), and the address as it was first written.
    ``written`` is the whole address that the client gave.
    """

    address: str
    message_type: MessageType | None = None
    route: Route | None = None
    text: str | None = None
    notify: Receipts | None = None
    orcpt: str = ""
    written: str = ""


class Envelope(NamedTuple):
    """What a mail says about the reports of what became of it.

    ``return_path`` is empty for the null path, to which nothing is reported. ``ret`` is ``FULL``,
    ``HDRS`` or empty, ``envid`` the sender's own name for the mail (RFC 3461 §4.3, §4.4).
    ``delay_after`` is when a delay is to be reported, in seconds after the submission, and may lie
    in the past; ``trace`` asks for a report of every step (RFC 2852 §4). ``deliver_by`` is
    the Unix time that DELIVERBY names, 0 for none, ``hold`` what FUTURERELEASE asked for, as it was
    written (``for;60``). ``message_id`` and ``subject`` are the header's, by which the sender knows
    the mail again.
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
    """What a client hands over at once and gets one answer for.

    ``None`` and empty strings mean "the account's default". ``ttl`` is in seconds;
    ``scheduled_at`` is a Unix time in seconds. ``priority`` is 0 to 3 as in SMPP's
    ``priority_flag``. ``repeat_key`` is what the protocol repeats with a submission whose
    answer got lost: a mail's Message-ID. The same key, phone and text from the same account within
    an hour gets the first answer again. A ``dry_run`` is checked and answered like any other, and
    neither stored nor sent. ``envelope`` is that of a mail. With ``replace_if_present`` it takes
    the place of what still waits for the same phone from the same sender, of the same type where
    one is named (SMPP 3.4 §5.2.18). ``name`` makes it a send-out, which is
    steered as one; ``spread`` are the seconds over which its messages go out. ``max_parts`` bounds
    its parts beside the account's limit (0: it alone counts). ``template`` names a template of the
    account (its name or its id) whose text takes the place of ``text``, with ``variables`` in it.
    ``reading`` says in a line how the text was read, for the trace (which part of a mail, which
    charset or data_coding, what was cut); it holds none of the text.
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
    """One text to one phone number, complete: checked, normalised and with its id.

    ``phone`` is E.164 with ``+``. Times are Unix times in seconds: ``due_at`` is when the
    dispatcher may post it, ``scheduled_at`` is what Cascade is told, ``expires_at`` ends its
    validity. ``level`` orders the queue (higher goes first). ``unknown`` counts posts whose
    outcome was never learnt. ``envelope`` is what reports to the sender of a mail need, as JSON
    (:mod:`bridge.model.mail_record`).
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


class Stored(NamedTuple):
    """A message as the store has it.

    ``failure`` is the reason's name and ``cause`` the API's own words. ``sent_at`` is when the API
    took it; ``status`` is the API's last word on its way, from ``status_at``, with what the API
    counted: ``cost`` (its own number, as written) and ``counted_parts``. ``err`` is the code that
    receipts carry. Times are Unix times in seconds, 0 for never.
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
    def refusal(self) -> Failure | None:
        """Why the message never went, as its client is told; ``None`` where it did, or may yet."""
        if self.state is State.REJECTED:
            return Failure(Reason.named(self.failure), cause=self.cause)
        if self.state is State.EXPIRED and not (self.sent_at or self.message.unknown):
            return expired_unsent()
        return None


class Accepted(NamedTuple):
    """The good outcome: the bridge answers for these messages.

    ``id`` is the submission's (of a single message: the message's) id, ``parts`` counts SMS
    parts over all recipients that went, ``queued`` says that the API has not answered yet.
    ``refused`` pairs each recipient that did not go with the reason.
    """

    id: int
    parts: int
    queued: bool = False
    refused: tuple[tuple[Recipient, Failure], ...] = ()


#: What the client is told.
Outcome = Accepted | Failure


def expired_unsent() -> Failure:
    """What the client is told of a message whose validity ended before it could be sent."""
    return Failure(Reason.REFUSED, "its validity ended before it could be sent")
