"""The invariants after a run and the end of all faults. Each returns its violations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final

from tests.chaos.evidence import Evidence
from tests.chaos.record import Receipt, Said

#: Most posts of a message: the first, and two after unknown outcomes.
MOST_POSTS: Final = 3
#: message_state (SMPP 3.4 §5.2.28).
ENROUTE: Final = 1
STATES: Final = {
    "delivered": 2,
    "expired": 3,
    "cancelled": 4,
    "undeliverable": 5,
    "rejected": 8,
}
_AT_API: Final = frozenset({"sent", "delivered", "undeliverable"})
KINDS: Final = ("mail", "once", "parts", "plain", "timed", "multi", "send-out")
#: States after which a duplicate is sent.
_DEAD: Final = frozenset({"cancelled", "expired", "rejected", "undeliverable", "held"})


# --- messages ----------------------------------------------------------------------------------


def nothing_accepted_was_lost(evidence: Evidence) -> Iterator[str]:
    """Accepted messages are in the store, and at the API or in a state with a reason."""
    for text in evidence.record.texts:
        for id in text.ids:
            found = evidence.led_to(id)
            if not found and not _is_part(evidence, id):
                yield f"nothing is known of the id {id}: {text}"
            for message in found:
                if message.state in _AT_API and message.id not in evidence.posts:
                    yield f"{message.id} is {message.state}, but the API never got it: {text}"
        if (
            text.kind == "parts"
            and text.accepted
            and not evidence.of(text)
            and not all(_ended_apart(evidence, id) for id in text.ids)
        ):
            yield f"every part was taken, but no message was made of them: {text}"


def every_recipient_has_a_message(evidence: Evidence) -> Iterator[str]:
    """An accepted text to several phones is a message to each."""
    for text in evidence.record.texts:
        missing = set(text.phones) - {message.phone for message in evidence.of(text)}
        if text.accepted and missing:
            yield f"no message was made to {sorted(missing)}: {text}"


def _is_part(evidence: Evidence, id: int) -> bool:
    return id in evidence.parts or _ended_apart(evidence, id)


def _ended_apart(evidence: Evidence, id: int) -> bool:
    """Whether a part was not joined, and has a notice of its end."""
    return any(not notice.about for notice in evidence.notices.get(id, ()))


def nothing_refused_was_sent(evidence: Evidence) -> Iterator[str]:
    for text in evidence.record.texts:
        if text.refused and (ids := evidence.texts_of(text)):
            yield f"the API got it as {ids}: {text}"


def no_message_was_posted_too_often(evidence: Evidence) -> Iterator[str]:
    for id, count in evidence.posts.items():
        if count > MOST_POSTS:
            yield f"{id} went {count} times: {evidence.messages.get(id)}"


def what_came_again_is_one_message(evidence: Evidence) -> Iterator[str]:
    """Repeats are one message: a mail by Message-ID, parts, a text within ``duplicate_window``."""
    for text in evidence.record.of_kind(*KINDS):
        most = len(text.phones or (text.phone,))
        ids = {message.id for message in evidence.of(text)} | evidence.texts_of(text)
        dead = {message.id for message in evidence.of(text) if message.state in _DEAD}
        if len(ids - dead) > most:
            yield f"became the messages {sorted(ids)}: {text}"


def everything_was_sent_that_is_known(evidence: Evidence) -> Iterator[str]:
    """The API's messages are in the store, as sent."""
    for id, count in evidence.posts.items():
        message = evidence.messages.get(id)
        if message is None:
            yield f"the API got {id} {count} times, which the store does not know"
        elif message.state == "cancelled":
            yield f"{id} was cancelled, but the API got it {count} times"
        elif message.state == "expired" and not (message.sent_at or message.unknown):
            yield f"{id} is told as never sent, but the API got it {count} times: {message}"
        elif message.state == "rejected":
            yield f"{id} is told as refused, but the API got it {count} times: {message}"


def no_state_is_without_a_reason(evidence: Evidence) -> Iterator[str]:
    short = {text.phone for text in evidence.record.texts if text.ttl}
    changed = {text.phone for text in evidence.record.texts if text.cancelled or text.replaced}
    for message in evidence.messages.values():
        if message.state in ("accepted", "sending", "sent"):
            yield f"came to no end: {message}"
        elif message.state == "held" and not message.cause:
            yield f"is held without a cause: {message}"
        elif message.state == "rejected" and not (message.cause or message.failure):
            yield f"was rejected without a cause: {message}"
        elif message.state == "expired" and message.phone not in short:
            yield f"expired though it is valid for a day: {message}"
        elif message.state == "cancelled" and message.phone not in changed:
            yield f"was cancelled by nobody: {message}"


def what_was_cancelled_or_replaced_was_not_sent(evidence: Evidence) -> Iterator[str]:
    for text in evidence.record.of_kind("timed"):
        ids = evidence.texts_of(text)
        if text.cancelled is Said.YES and ids:
            yield f"cancel_sm was answered with ESME_ROK, but it was sent: {text}"
        words = text.text
        for new, said in text.replaced:
            if said is Said.YES and (text.phone, words) in evidence.sent:
                yield f"{words!r} was sent though {new!r} stands in its place: {text}"
            if said is Said.NO and (text.phone, new) in evidence.sent:
                yield f"{new!r} was sent though replace_sm was refused: {text}"
            if said is Said.YES:
                words = new


# --- what was told -----------------------------------------------------------------------------


def every_receipt_came(evidence: Evidence) -> Iterator[str]:
    """Every id has a receipt of the final state and, if requested, of the acceptance by the API."""
    for text in evidence.record.texts:
        if text.kind == "mail" or not text.final:
            continue
        for id in text.ids:
            taken = [one for one in evidence.record.receipts.get(id, ()) if one.taken]
            found = evidence.led_to(id)
            wanted = [(one.phone, STATES[one.state]) for one in found if one.state in STATES]
            if not found and _ended_apart(evidence, id):
                wanted = [
                    (text.phone, STATES[one.state]) for one in evidence.notices[id] if not one.about
                ]
            if text.intermediate:
                wanted += [(one.phone, ENROUTE) for one in found if one.sent_at]
            for phone, state in wanted:
                if state not in [one.state for one in taken if one.phone in ("", phone)]:
                    yield f"no receipt of {state} of {phone} under {id}, but {taken}: {text}"


def receipts_are_in_order(evidence: Evidence) -> Iterator[str]:
    """At most one final state, nothing after it, and the same as in the store."""
    told = [
        (id, phone, [one for one in receipts if one.phone == phone])
        for id, receipts in evidence.record.receipts.items()
        for phone in {one.phone for one in receipts}
    ]
    for id, phone, receipts in told:
        states = [one.state for one in receipts]
        ends = {state for state in states if state != ENROUTE}
        if len(ends) > 1:
            yield f"{id} was told as {ends}: {_told(receipts)}"
        first = next((n for n, state in enumerate(states) if state != ENROUTE), len(states))
        if ENROUTE in states[first:]:
            yield f"{id} was told as under way after its end: {_told(receipts)}"
        known = {
            STATES.get(one.state, ENROUTE)
            for one in evidence.led_to(id)
            if phone in ("", one.phone)
        }
        if known and not ends <= known:
            yield f"{id} is {known} in the store, but was told as {ends}"


def _told(receipts: list[Receipt]) -> str:
    return ", ".join(f"{one.state} at {one.at:.2f} by {one.run}/{one.session}" for one in receipts)


def every_message_from_a_phone_came_whole(evidence: Evidence) -> Iterator[str]:
    mails: dict[str, set[str]] = defaultdict(set)
    for mail in evidence.mails:
        if mail.to == "desk@client.test":
            mails[" ".join(mail.text.split())].add(mail.message_id)
    for phone, phoned in evidence.record.phoned.items():
        if not phoned.acknowledged:
            yield f"was never acknowledged: {phoned}"
        elif phoned.account == "crm":
            texts = evidence.record.incoming.get(phone[1:], [])
            if phoned.text not in texts or set(texts) != {phoned.text}:
                yield f"came as {texts}: {phoned}"
        else:
            words = " ".join(phoned.text.split())
            ids = [ids for text, ids in mails.items() if text.startswith(words)]
            if not ids:
                yield f"no mail came of it: {phoned}"
            elif len(set().union(*ids)) > 1:
                yield f"came as several mails {ids}: {phoned}"


def every_report_came(evidence: Evidence) -> Iterator[str]:
    """Mail senders get reports of failures and other requested ones, each as one mail."""
    told: dict[tuple[str, str], set[str]] = defaultdict(set)
    for mail in evidence.mails:
        for phone, action in mail.fates:
            told[phone, action].add(mail.message_id)
    for (phone, action), ids in told.items():
        if len(ids) > 1:
            yield f"{action} of {phone} is told by {len(ids)} different mails: {ids}"
    for text in evidence.record.of_kind("mail"):
        wants_success = text.final or text.account == "erp"
        for id in text.ids:
            for message in evidence.led_to(id):
                if message.state == "delivered":
                    wanted, action = wants_success, "delivered"
                else:
                    wanted, action = message.state in STATES, "failed"
                if wanted and (message.phone, action) not in told:
                    yield f"no report of {message.state} to {message.phone}: {text}"


def what_was_seen_meanwhile(evidence: Evidence) -> Iterator[str]:
    """Violations noticed during the run: answers after receipts, repeated or unknown ids, parts out
    of order."""
    yield from evidence.record.violations


# --- the program -------------------------------------------------------------------------------


def daemons_end_and_log_as_documented(evidence: Evidence) -> Iterator[str]:
    for node in evidence.nodes:
        yield from node.violations
        for fault, logs in node.faults.items():
            where = ", ".join(sorted(set(logs))[:5])
            yield f"node {node.number} logged {len(logs)} times {fault} ({where})"


def daily_counts_are_exact(evidence: Evidence) -> Iterator[str]:
    for account, counted in evidence.counted.items():
        stored = sum(message.account == account for message in evidence.messages.values())
        if counted != stored:
            yield f"{counted} messages of {account} count today, but {stored} are stored"


def the_store_is_sound(evidence: Evidence) -> Iterator[str]:
    if evidence.soundness:
        yield evidence.soundness


Invariant = Callable[[Evidence], Iterator[str]]

INVARIANTS: Final[tuple[Invariant, ...]] = (
    nothing_accepted_was_lost,
    every_recipient_has_a_message,
    nothing_refused_was_sent,
    no_message_was_posted_too_often,
    what_came_again_is_one_message,
    everything_was_sent_that_is_known,
    no_state_is_without_a_reason,
    what_was_cancelled_or_replaced_was_not_sent,
    every_receipt_came,
    receipts_are_in_order,
    every_message_from_a_phone_came_whole,
    every_report_came,
    what_was_seen_meanwhile,
    daemons_end_and_log_as_documented,
    daily_counts_are_exact,
    the_store_is_sound,
)
