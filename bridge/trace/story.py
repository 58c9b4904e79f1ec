"""The story of a message: its steps in time order, its notices, and the next steps.

Turns the stored facts about a message into short sentences and plain data. Looks nothing up: the
circumstances come as :class:`Around`.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import Any, Final, NamedTuple

from bridge.model.mail_record import load
from bridge.model.message import FINAL, VIRTUAL, Protocol, Receipts, State, Stored
from bridge.model.notice import MAIL, Kind, Notice, wish_for
from bridge.model.state_names import err_of
from bridge.sending.decisions import END_AFTER, PERHAPS_SENT
from bridge.store import AnsweredIncoming, Event, Receivers, Story


class Step(NamedTuple):
    """One step at ``at`` (Unix time).

    ``what`` is a state, or one of ``attempt``, ``released``, ``replaced``, ``status``, ``deleted``,
    ``receipt``, ``report``; ``says`` is a sentence.
    """

    at: int
    what: str
    says: str


class Around(NamedTuple):
    """The circumstances of a message that its story depends on.

    ``now`` is Unix time, ``say`` puts a Unix time into words. ``receivers`` are those of the
    message's account; ``held`` are the held accounts and upstreams
    (:meth:`bridge.store.Store.holds`), ``upstream`` is the name of the message's upstream.
    ``polls``: whether the API is asked for statuses; ``mails``: whether mails can be sent;
    ``parts_timeout``: how long parts wait for each other (seconds). ``trouble``: why the API takes
    no messages now, if known.
    """

    now: int
    say: Callable[[int], str]
    receivers: tuple[Receivers, ...] = ()
    held: Set[tuple[str, str]] = frozenset()
    upstream: str = "cascade"
    polls: bool = True
    mails: bool = True
    parts_timeout: int = 300
    trouble: str = ""


#: Event → step and sentence, for an event without a text and for one with a text.
_EVENTS: Final = {
    "accepted": (("released", "it waits again"), ("attempt", "{}; it waits again")),
    "held": (("held", "by hand"), ("held", "until an operator decides: {}")),
    "cancelled": (("cancelled", "before it was sent"), ("cancelled", "{}")),
    "replaced": (("replaced", "by another text"), ("replaced", "{}")),
    "rejected": (("rejected", "by the API"), ("rejected", "by the API: {}")),
    "expired": (("expired", "before it was sent"), ("expired", "{}")),
    "status": (("status", "after the end"), ("status", 'the API says "{}", after the end')),
    "deleted": (
        ("deleted", "by the client: status.php does not find it any more"),
        ("deleted", "{}"),
    ),
}

#: Requested notice → its name.
WISHES: Final = {
    Receipts.SUCCESS: "success",
    Receipts.FAILURE: "failure",
    Receipts.INTERMEDIATE: "intermediate",
    Receipts.DELAY: "delay",
    Receipts.REPORT: "report",
    Receipts.CALLBACK: "callback",
}
#: The requested notices about states.
OF_STATES: Final = Receipts.SUCCESS | Receipts.FAILURE | Receipts.INTERMEDIATE | Receipts.REPORT


def wishes(receipts: int) -> list[str]:
    """The names of the requested notices."""
    return [word for wish, word in WISHES.items() if receipts & wish]


def state_of(story: Story) -> State:
    """The message's state. It is ``sending`` during an attempt, which is not stored with it."""
    state = story.stored.state
    return State.SENDING if story.attempt_at and state is State.ACCEPTED else state


def cause_of(stored: Stored) -> str:
    """Why the message is not sent or failed; empty otherwise.

    The causes of earlier attempts do not count once it was sent.
    """
    return stored.cause if not stored.sent_at or (stored.err and not stored.status) else ""


# --- steps --------------------------------------------------------------------------------------


def steps(story: Story) -> list[Step]:
    """The steps so far, the earliest first."""
    stored, message = story.stored, story.stored.message
    peer = f" at {message.peer}" if message.peer else ""
    by = f"from {message.account} by {message.protocol.value}{peer}"
    found = [Step(message.accepted_at, "accepted", f"{by}, {_count(message.parts, 'part')}")]
    late = [event for event in story.events if event.what in ("status", "deleted")]
    found += [_step(event, stored) for event in story.events if event not in late]
    if stored.sent_at:
        found.append(Step(stored.sent_at, "sent", _taken(stored)))
        ended = stored.state in FINAL
        if ended or stored.status:
            at = stored.changed_at if ended else stored.status_at
            found.append(Step(at, stored.state.value if ended else "status", _word(story)))
    found += [_step(event, stored) for event in late]
    found += [told_step(notice) for notice in story.notices if notice.ended_at]
    return sorted(found, key=lambda step: step.at)


def _step(event: Event, stored: Stored) -> Step:
    detail = event.detail
    if stored.perhaps_sent and event.what == stored.state.value:
        detail = detail or PERHAPS_SENT
    what, says = _EVENTS[event.what][bool(detail)]
    return Step(event.at, what, says.format(detail))


def _taken(stored: Stored) -> str:
    if stored.upstream_id.startswith(VIRTUAL):
        return "nothing went to the API: the account is virtual"
    return f"the API took it as {stored.upstream_id}"


def _word(story: Story) -> str:
    """The API's last status, with cost and part count."""
    stored = story.stored
    if stored.upstream_id.startswith(VIRTUAL):
        return f"counted as {stored.status}, as every message of a virtual account"
    said = [f'the API says "{stored.status}"' if stored.status else cause_of(stored)]
    if stored.cost:
        said.append(f"cost {stored.cost}")
    if stored.counted_parts:
        said.append(_count(stored.counted_parts, "part"))
    if stored.err:
        said.append(f"err {stored.err:03}")
    return ", ".join(filter(None, said))


def told_step(notice: Notice) -> Step:
    """The step of a notice that was taken or given up."""
    tries = f", at try {notice.tries}" if notice.tries > 1 else ""
    says = f"{_subject(notice)}: {notice.outcome or 'ended'}{tries}"
    return Step(notice.ended_at, _kind(notice), says)


def _kind(notice: Notice) -> str:
    if notice.kind is Kind.INCOMING:
        return "mail" if notice.queue == MAIL else "receiver"
    return "report" if notice.queue == MAIL else "receipt"


def _subject(notice: Notice) -> str:
    if notice.kind is Kind.INCOMING:
        return "of the account"
    what = notice.state.value if notice.state is not None else notice.kind.value
    return f"of {what}, id {known_as(notice.known_as)}"


def known_as(id: int) -> str:
    """An id as its client knows it: the short ones of SMPP 3.3 are eight hexadecimal digits."""
    return f"{id:08X}" if id < 1 << 32 else str(id)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


# --- notices ------------------------------------------------------------------------------------


def owed(story: Story, around: Around) -> list[str]:
    """The notices that are still owed, each with the reason why it waits."""
    return owed_notices(story.notices, around)


def owed_notices(notices: tuple[Notice, ...], around: Around) -> list[str]:
    """The notices that have not ended, each with the reason why it waits."""
    return [
        f"{_kind(notice)} {_subject(notice)}: {_waits(notice, around)}"
        for notice in notices
        if not notice.ended_at
    ]


def _waits(notice: Notice, around: Around) -> str:
    if notice.kind is Kind.DELAY:
        return f"sent at {around.say(notice.due_at)}, unless its state changes before"
    last = ""
    if notice.tries and notice.outcome:
        last = f" after {notice.outcome}"
    if notice.queue == MAIL:
        absent = "" if around.mails else "no smarthost is configured"
    else:
        absent = _absent(around)
    if absent:
        return absent + (f"; the last try ended with {notice.outcome}" if last else "")
    if last or notice.due_at > around.now:
        again = "tried again" if last else "told"
        return f"{again} at {around.say(max(notice.due_at, around.now))}{last}"
    return "told as soon as there is room"


def _absent(around: Around) -> str:
    """Since when no receiver is bound; empty while one is."""
    if not around.receivers:
        return "no receiver has been bound yet"
    if any(node.bound for node in around.receivers):
        return ""
    return f"no receiver is bound since {around.say(max(n.since for n in around.receivers))}"


def why_none(story: Story) -> str:
    """Why no notice is sent for the message; empty if one is or was."""
    if any(notice.kind is Kind.STATE for notice in story.notices):
        return ""
    stored, message = story.stored, story.stored.message
    asked = message.receipts & OF_STATES
    for alias in story.aliases:
        asked |= Receipts(alias.receipts) & OF_STATES
    by_mail = message.protocol is Protocol.SMTP
    if not asked:
        return f"the {'sender' if by_mail else 'account'} did not request one"
    of = " and ".join(wishes(asked))
    if stored.state not in FINAL:
        return f"requested for {of}"
    if not asked & (wish_for(stored.state) | Receipts.REPORT):
        return f"requested for {of} only"
    return "the client got it in the answer to its submission"


# --- next steps ---------------------------------------------------------------------------------


def outlook(story: Story, around: Around) -> list[str]:
    """The next steps of the message; empty if it has ended."""
    message, say = story.stored.message, around.say
    state = state_of(story)
    if state is State.SENT:
        return _after_sent(story, around)
    if state is State.SENDING:
        return [f"it is being posted since {say(story.attempt_at)}"]
    if state is State.HELD:
        return [
            "it waits until an operator releases or cancels it",
            f"it expires at {say(message.expires_at)}",
        ]
    if state is not State.ACCEPTED:
        return []
    if message.due_at > around.now:
        again = "it is sent again" if message.attempts else "it is sent"
        first = f"{again} at {say(message.due_at)}"
    elif around.trouble:
        first = around.trouble
    else:
        first = "it is sent as soon as its turn comes"
    holds = (("account", message.account), ("upstream", around.upstream))
    waits = [
        f"but the {scope} {name} is held" for scope, name in holds if (scope, name) in around.held
    ]
    return [first, *waits, f"it expires at {say(message.expires_at)}"]


def _after_sent(story: Story, around: Around) -> list[str]:
    message, say = story.stored.message, around.say
    found = []
    if message.scheduled_at is not None and message.scheduled_at > around.now:
        found.append(f"the API sends it at {say(message.scheduled_at)}")
    end = message.expires_at + END_AFTER
    if around.polls and story.poll_at < end:
        found.append(f"the API is asked again at {say(max(story.poll_at, around.now))}")
    found.append(f"without a final status it ends as undeliverable at {say(end)}")
    return found


# --- as data ------------------------------------------------------------------------------------


def document(story: Story, around: Around, *, text: bool) -> dict[str, Any]:
    """The story as JSON data; these keys are part of the interface.

    Times are written by ``around.say``, ``None`` if there is none. ``text`` adds the message's
    text.
    """
    stored, message = story.stored, story.stored.message

    def at(unix_time: int | None) -> str | None:
        return around.say(unix_time) if unix_time else None

    found: dict[str, Any] = {
        "id": message.id,
        "submission_id": message.submission_id,
        "state": state_of(story).value,
        "since": at(stored.changed_at or message.accepted_at),
        "account": message.account,
        "protocol": message.protocol.value,
        "peer": message.peer,
        "phone": message.phone,
        "sender": message.sender,
        "type": message.message_type.value,
        "route": message.route.value,
        "parts": message.parts,
        "reference": message.reference,
        "reading": load(message.envelope).reading,
        "accepted_at": at(message.accepted_at),
        "scheduled_at": at(message.scheduled_at),
        "expires_at": at(message.expires_at),
        "receipts": wishes(message.receipts),
        "ids": [{"id": alias.id, "receipts": wishes(alias.receipts)} for alias in story.aliases],
        "failed_attempts": message.attempts,
        "upstream_id": stored.upstream_id,
        "sent_at": at(stored.sent_at),
        "status": stored.status,
        "status_at": at(stored.status_at),
        "cost": stored.cost,
        "counted_parts": stored.counted_parts,
        "err": err_of(stored),
        "failure": stored.failure,
        "cause": cause_of(stored),
        "story": [
            {"at": at(step.at), "what": step.what, "says": step.says} for step in steps(story)
        ],
        "notices": [notice_document(notice, at) for notice in story.notices],
        "owed": owed(story, around),
        "why_none": why_none(story),
        "next": outlook(story, around),
    }
    if text:
        found |= {"text": message.text, "fallback": message.fallback}
        found["options"] = list(message.options)
    return found


def notice_document(notice: Notice, at: Callable[[int | None], str | None]) -> dict[str, Any]:
    """A notice as JSON data; ``at`` puts a Unix time into words."""
    return {
        "kind": _kind(notice),
        "id": notice.known_as,
        "state": notice.state.value if notice.state is not None else None,
        "at": at(notice.at),
        "due_at": at(notice.due_at),
        "tries": notice.tries,
        "ended_at": at(notice.ended_at),
        "outcome": notice.outcome,
    }


# --- messages from phones -----------------------------------------------------------------------


def incoming_steps(answered: AnsweredIncoming) -> list[Step]:
    """The steps of a message from a phone, the earliest first."""
    incoming = answered.incoming
    found = [
        Step(incoming.at, "written", f"by {incoming.phone} to {incoming.to}"),
        Step(incoming.received_at, "taken", f"for {incoming.account}, as {incoming.uid}"),
    ]
    found += [told_step(notice) for notice in answered.notices if notice.ended_at]
    return sorted(found, key=lambda step: step.at)


def incoming_owed(answered: AnsweredIncoming, around: Around) -> list[str]:
    """Its notices that are still owed, each with the reason why it waits."""
    return owed_notices(answered.notices, around)


def incoming_why_none(answered: AnsweredIncoming) -> str:
    """Why nobody gets it; empty if somebody did or will."""
    if answered.notices:
        return ""
    return "the account had neither SMPP receivers nor an incoming_to when it came"


def incoming_document(answered: AnsweredIncoming, around: Around, *, text: bool) -> dict[str, Any]:
    """The story of a message from a phone as JSON data, like :func:`document`."""
    incoming = answered.incoming

    def at(unix_time: int | None) -> str | None:
        return around.say(unix_time) if unix_time else None

    found: dict[str, Any] = {
        "incoming_id": incoming.id,
        "uid": incoming.uid,
        "account": incoming.account,
        "phone": incoming.phone,
        "to": incoming.to,
        "at": at(incoming.at),
        "received_at": at(incoming.received_at),
        "notices": [notice_document(notice, at) for notice in answered.notices],
        "owed": incoming_owed(answered, around),
        "why_none": incoming_why_none(answered),
    }
    return found | ({"text": incoming.text} if text else {})
