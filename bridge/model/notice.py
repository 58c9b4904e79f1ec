"""Notices: receipts, reports of mails, and messages from phones. Plain data, no I/O.

A notice is stored together with the change that it tells, waits in a queue until it is taken, and
stays with its message for the trace. Here is decided which request leads to which notice.
:mod:`bridge.notices.outbox` finds the taker, which writes it in its protocol.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Final, NamedTuple

from bridge.model.message import Protocol, Receipts, State, Stored

#: The queue of all mails.
MAIL: Final = "mail"


def receivers_of(account: str) -> str:
    """The queue for the SMPP receivers of an account."""
    return f"smpp:{account}"


def callbacks_of(account: str) -> str:
    """The queue for the account's ``callback_url``."""
    return f"http:{account}"


class Kind(str, Enum):
    """The kind of a notice."""

    #: A new state of the message.
    STATE = "state"
    #: A message from a phone.
    INCOMING = "incoming"
    #: A delay: told if the message has no final state when the notice is due.
    DELAY = "delay"
    #: Refused recipients of a mail that was accepted for others.
    REFUSED = "refused"


class Notice(NamedTuple):
    """A notice for an account, in one queue.

    ``about`` is the id of the message or of the incoming message (0: of neither), ``known_as`` the
    id that the client knows. ``at`` is the time of the event, ``due_at`` the earliest time to tell
    it (Unix times in seconds). ``content`` is data that is not stored elsewhere, as JSON.
    ``ended_at`` is 0 until it was taken or given up; ``outcome`` is the taker or the cause, and
    before that the error of the last try. The store gives the ``id``; of notices with the same
    queue, ``about`` and ``known_as`` the one with the smaller id is told first.
    """

    queue: str
    account: str
    kind: Kind
    about: int
    known_as: int
    at: int
    due_at: int
    state: State | None = None
    content: str = ""
    id: int = 0
    tries: int = 0
    ended_at: int = 0
    outcome: str = ""


class Incoming(NamedTuple):
    """A message from a phone to an account.

    ``uid`` is the provider's ``idUuid``, by which a repeated one is recognised; ``phone`` is E.164
    with ``+``, ``to`` the provider's ``alphaName``. ``at`` is the time of sending, ``received_at``
    that of reception (Unix times in seconds).
    """

    id: int
    uid: str
    account: str
    phone: str
    to: str
    text: str
    at: int
    received_at: int


class Owed(NamedTuple):
    """A notice with its subject, as far as it is still stored."""

    notice: Notice
    stored: Stored | None = None
    incoming: Incoming | None = None


class Unjoined(NamedTuple):
    """A part of a concatenated message that was not joined: the content of its notice.

    ``phone`` and ``sender`` are as the client wrote them if the bridge could not read them.
    ``number`` counts from 1 to ``total``; ``missing`` are the numbers of missing parts.
    ``receipts`` are the part's requests (:class:`bridge.model.message.Receipts`).
    """

    phone: str
    sender: str
    accepted_at: int
    number: int
    total: int
    missing: tuple[int, ...]
    receipts: int

    def to_content(self) -> str:
        return json.dumps(self._asdict(), ensure_ascii=False)

    @classmethod
    def from_content(cls, content: str) -> Unjoined:
        """Reads the content of a notice; raises ValueError or TypeError for another kind."""
        about = cls(**json.loads(content))
        return about._replace(missing=tuple(about.missing))


class UnjoinedPart(NamedTuple):
    """A stored part with its id, while it waits for the others and after its end.

    ``begun_at`` is the time of the first part of its group (Unix time; 0 after the end). ``notice``
    is that of its end, which may not be told.
    """

    id: int
    account: str
    about: Unjoined
    begun_at: int
    notice: Notice | None

    @property
    def state(self) -> State:
        """``accepted`` while it waits."""
        return State.ACCEPTED if self.notice is None else self.notice.state or State.EXPIRED

    @property
    def changed_at(self) -> int:
        """Since when it is in its state (Unix time)."""
        return self.about.accepted_at if self.notice is None else self.notice.at


class Told(NamedTuple):
    """The result of telling a notice: ended, or to be retried at ``due_at``. Without ``tried`` it
    was claimed and is returned."""

    notice_id: int
    ended: bool
    outcome: str
    due_at: int = 0
    tried: bool = True


#: State → the flag of its receipts; other final states are failures. Plain numbers: the arithmetic
#: of an enumeration takes ten times as long.
_WISHES: Final = {State.SENT: int(Receipts.INTERMEDIATE), State.DELIVERED: int(Receipts.SUCCESS)}
_FAILURE: Final = int(Receipts.FAILURE)
_REPORT: Final = int(Receipts.REPORT)
_CALLBACK: Final = int(Receipts.CALLBACK)
#: The flag of a message whose other ids have their own requests.
ALIASES: Final = int(Receipts.ALIASES)


def wish_for(state: State) -> int:
    """The flag (:class:`bridge.model.message.Receipts`) that requests notices of this state."""
    return _WISHES.get(state, _FAILURE)


class Subject(NamedTuple):
    """The fields of a message that decide about its notices; ``receipts`` are its flags as a
    number.

    ``heard`` is the other id whose client gets the state as its answer, 0 if there is none.
    """

    id: int
    submission_id: int
    account: str
    by_mail: bool
    receipts: int
    heard: int = 0


def subject_of(id: int, submission_id: int, account: str, protocol: str, receipts: int) -> Subject:
    """The subject from columns of the same names."""
    return Subject(id, submission_id, account, protocol == Protocol.SMTP._value_, receipts)


def aliases_of(
    subject: Subject, aliases: Mapping[int, list[tuple[int, int]]]
) -> list[tuple[int, int]]:
    """The other ids of a message: its own, and those of its submission of several."""
    own = aliases.get(subject.id, [])
    if subject.submission_id == subject.id:
        return own
    return [*own, *aliases.get(subject.submission_id, [])]


def notices_of(
    subject: Subject, aliases: Sequence[tuple[int, int]], state: State, at: int
) -> list[Notice]:
    """The notices of a message's new state.

    ``aliases`` are its other ids with their flags; they count if the message has :data:`ALIASES`.
    The client of a submission of several messages knows only the submission's id.
    """
    id, submission_id, account, by_mail, receipts, heard = subject
    if not receipts:
        return []
    wish = wish_for(state)
    found: list[Notice] = []
    # SMPP clients first; one mail serves both requests for mails.
    if receipts & ALIASES:
        queue = receivers_of(account)
        found += [
            Notice(queue, account, Kind.STATE, id, alias, at, at, state)
            for alias, wishes in aliases
            if wishes & wish and alias != heard
        ]
    mail = receipts & _REPORT and state is not State.SENT
    if receipts & wish:
        if by_mail:
            mail = True
        else:
            queue = receivers_of(account)
            found.append(Notice(queue, account, Kind.STATE, id, submission_id, at, at, state))
    if mail:
        found.append(Notice(MAIL, account, Kind.STATE, id, submission_id, at, at, state))
    if receipts & _CALLBACK and state is not State.SENT:
        queue = callbacks_of(account)
        found.append(Notice(queue, account, Kind.STATE, id, submission_id, at, at, state))
    return found


def incoming_notice(incoming: Incoming, queue: str) -> Notice:
    """The notice of a message from a phone, in ``queue``."""
    id, at = incoming.id, incoming.received_at
    return Notice(queue, incoming.account, Kind.INCOMING, id, id, at, at)


def part_notice(
    account: str, id: int, about: Unjoined, at: int, state: State = State.EXPIRED
) -> Notice:
    """The notice of the end of a part that was not joined.

    If the part requested no receipts of failures, the notice has ended already: it is only the
    record.
    """
    queue, content = receivers_of(account), about.to_content()
    told = Notice(queue, account, Kind.STATE, 0, id, at, at, state, content)
    if about.receipts & _FAILURE:
        return told
    return told._replace(ended_at=at, outcome="the part did not request one")
