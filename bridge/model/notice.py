"""What accounts are owed: receipts, reports of mails, and what phones answer. Plain data, no I/O.

A notice is stored in the same moment as what it tells of, waits in a queue until somebody takes it,
and stays with its message for the trace. Which wish leads to which notice is decided here; who
takes it is for :mod:`bridge.notices.outbox` to find, and what it looks like for the listeners.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple

from bridge.model.message import Protocol, Receipts, State, Stored

#: The queue of everything that goes out as a mail.
MAIL: Final = "mail"


def receivers_of(account: str) -> str:
    """The queue of what goes to the SMPP receivers of an account."""
    return f"smpp:{account}"


def callbacks_of(account: str) -> str:
    """The queue of what is posted to the account's ``callback_url``."""
    return f"http:{account}"


class Kind(str, Enum):
    """What a notice tells."""

    #: The message came to a state.
    STATE = "state"
    #: A phone sent something.
    INCOMING = "incoming"
    #: The message has not come to an end by the time that the notice is due.
    DELAY = "delay"
    #: Some recipients of a mail got nothing, though others did.
    REFUSED = "refused"


class Notice(NamedTuple):
    """One thing to tell an account, in one queue.

    ``about`` is the id of the message or of the incoming message (0: of neither), ``known_as`` the
    id under which the client knows it. ``at`` is when what it tells of happened, ``due_at`` when it
    is to be told (Unix times in seconds). ``content`` is what cannot be looked up, as JSON.
    ``ended_at`` is 0 until it was taken or given up; ``outcome`` says by whom or why, and before
    that what the last try met. The store gives the ``id``; of the notices with the same queue,
    ``about`` and ``known_as`` the one with the lesser id is told first.
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

    ``uid`` is the provider's ``idUuid``, by which one that comes again is known; ``phone`` is E.164
    with ``+``, ``to`` the provider's ``alphaName``. ``at`` is when it was sent, ``received_at``
    when it was taken (Unix times in seconds).
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
    """A notice with what it is about, as far as the store still has it."""

    notice: Notice
    stored: Stored | None = None
    incoming: Incoming | None = None


class Unjoined(NamedTuple):
    """A part of a concatenated message that leads to no message: the content of its notice.

    ``phone`` and ``sender`` are as the client wrote them, where the bridge could not read them.
    ``number`` counts from 1 to ``total``; ``missing`` are the numbers of which no part came.
    ``receipts`` is what the part asked for (:class:`bridge.model.message.Receipts`).
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
        """Raises ValueError or TypeError for another kind of content."""
        about = cls(**json.loads(content))
        return about._replace(missing=tuple(about.missing))


class UnjoinedPart(NamedTuple):
    """A part with its id as the store has it, while it waits for the others and after its end.

    ``begun_at`` is when the first part of its group came (Unix time; 0 after the end). ``notice``
    is that of its end, also where nobody is told.
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
    """What became of a try to tell: ended for good, or to be tried again at ``due_at``. Without
    ``tried`` there was none: it was claimed and goes back."""

    notice_id: int
    ended: bool
    outcome: str
    due_at: int = 0
    tried: bool = True


#: Which wish a state answers; the final states that are not here are failures. Plain numbers, as
#: all wishes are here: the arithmetic of an enumeration takes ten times as long.
_WISHES: Final = {State.SENT: int(Receipts.INTERMEDIATE), State.DELIVERED: int(Receipts.SUCCESS)}
_FAILURE: Final = int(Receipts.FAILURE)
_REPORT: Final = int(Receipts.REPORT)
_CALLBACK: Final = int(Receipts.CALLBACK)
#: Of a message whose other ids have wishes of their own.
ALIASES: Final = int(Receipts.ALIASES)


def wish_for(state: State) -> int:
    """The wish (:class:`bridge.model.message.Receipts`) that a message's new state fulfils."""
    return _WISHES.get(state, _FAILURE)


class Subject(NamedTuple):
    """What of a message decides who hears of it; ``receipts`` are its wishes as a number.

    ``heard`` is the other id under which a client hears of it without a notice, 0 if there is none.
    """

    id: int
    submission_id: int
    account: str
    by_mail: bool
    receipts: int
    heard: int = 0


def subject_of(id: int, submission_id: int, account: str, protocol: str, receipts: int) -> Subject:
    """Out of the columns of the same names."""
    return Subject(id, submission_id, account, protocol == Protocol.SMTP._value_, receipts)


def notices_of(
    subject: Subject, aliases: Sequence[tuple[int, int]], state: State, at: int
) -> list[Notice]:
    """The notices that a message's new state brings about.

    ``aliases`` are its other ids with their wishes; they count if the message says so
    (:data:`ALIASES`). Of several messages that were submitted at once the client knows the
    submission's id alone.
    """
    id, submission_id, account, by_mail, receipts, heard = subject
    if not receipts:
        return []
    wish = wish_for(state)
    found: list[Notice] = []
    # SMPP clients first: they are waiting, and one mail covers both of its reasons.
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
    """What brings a message from a phone to those who take what is in ``queue``."""
    id, at = incoming.id, incoming.received_at
    return Notice(queue, incoming.account, Kind.INCOMING, id, id, at, at)


def part_notice(
    account: str, id: int, about: Unjoined, at: int, state: State = State.EXPIRED
) -> Notice:
    """What tells of the end of a part without a message.

    Where the part asked for no failures it has ended already: it is kept for whoever asks.
    """
    queue, content = receivers_of(account), about.to_content()
    told = Notice(queue, account, Kind.STATE, 0, id, at, at, state, content)
    if about.receipts & _FAILURE:
        return told
    return told._replace(ended_at=at, outcome="the part did not ask for one")
