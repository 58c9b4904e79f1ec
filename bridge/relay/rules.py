"""The rules of the provider and of the account: a submission → complete messages.

Plain functions without I/O. A submission that breaks a rule raises its failure here, before
anything is stored or sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bridge.accounts.accounts import Account
from bridge.directory.black_list import Entries
from bridge.directory.groups import names_group
from bridge.model.failure import Failure, Reason
from bridge.model.gsm0338 import count_parts, fitting
from bridge.model.mail_record import dump, dump_reading, original_of
from bridge.model.message import Message, MessageType, Receipts, Recipient, Route, Submission
from bridge.model.notice import MAIL, Kind, Notice
from bridge.model.phone import country, normalise
from bridge.sending.queue import level_of

#: The source document: "Don't schedule more than 30 days in advance".
MAX_SCHEDULE_AHEAD = 30 * 86400
#: A schedule at most this long ago means now, because clocks differ (seconds).
SCHEDULE_GRACE = 60
#: "Survey text maximum: 85 characters", 2–5 options, each under 30 characters.
SURVEY_TEXT, SURVEY_OPTIONS, SURVEY_OPTION = 85, range(2, 6), 29

#: In a text, such a character has lost its other half.
_SURROGATE = re.compile("[\ud800-\udfff]")
_VARIABLE = re.compile(r"%(?:name|url|short_url)=[^%\s]*%", re.IGNORECASE)


class _Shared(NamedTuple):
    """The common fields of all messages of a submission."""

    sender: str
    route: Route
    due_at: int
    scheduled_at: int | None
    expires_at: int
    now: int


def phone_of(
    account: Account, address: str, black_list: Entries | None = None, *, bulk: bool = False
) -> str:
    """The E.164 number of an address; raises :class:`Failure` if the account may not send there.

    ``black_list`` is the account's; ``bulk``: the submission has several recipients.
    """
    try:
        phone = normalise(address, account.settings.region)
    except Failure:
        if names_group(address):
            detail = f"no group {address[:40]}, or it is empty"
            raise Failure(Reason.NOT_FOUND, detail) from None
        raise
    if account.countries and (there := country(phone)) not in account.countries:
        raise Failure(Reason.PROHIBITED, f"country not allowed: {there or 'unknown'}")
    if black_list is not None and black_list.block(phone, bulk=bulk):
        raise Failure(Reason.PROHIBITED, "black list")
    return phone


def prepare(
    account: Account,
    submission: Submission,
    *,
    route: Route,
    now: float,
    next_id: Callable[[], int],
    black_list: Entries | None = None,
    bulk: bool = False,
) -> tuple[list[tuple[Recipient, Message]], list[tuple[Recipient, Failure]]]:
    """The message of each recipient, and the refused recipients with their failures.

    ``route`` is the account's; ``now`` is Unix time in seconds. A repeated number gets one message.
    More than one recipient is ``bulk``, and so is a group of one. Raises :class:`Failure` if the
    submission as a whole breaks a rule.
    """
    shared = _shared(account, submission, route, now)
    if len(submission.recipients) == 1:
        recipient = submission.recipients[0]
        id = next_id()
        phone = phone_of(account, recipient.address, black_list, bulk=bulk)
        return [(recipient, _message(account, submission, recipient, phone, id, id, shared))], []
    prepared: dict[tuple[str, str], tuple[Recipient, Message]] = {}
    refused: list[tuple[Recipient, Failure]] = []
    submission_id = next_id()
    for recipient in submission.recipients:
        try:
            phone = phone_of(account, recipient.address, black_list, bulk=True)
            id = next_id()
            message = _message(account, submission, recipient, phone, id, submission_id, shared)
        except Failure as failure:
            refused.append((recipient, failure))
        else:
            text = message.text or message.fallback
            prepared.setdefault((message.phone, text), (recipient, message))
    return list(prepared.values()), refused


def without_phones(
    account: Account, submission: Submission, *, route: Route, now: float
) -> tuple[Message, Callable[[Recipient], Message]]:
    """The message of a send-out without its numbers, and the function that gives that of a
    recipient: the same one, or another for a text of its own. Both raise :class:`Failure` as
    :func:`prepare` does."""
    shared = _shared(account, submission, route, now)

    def own(recipient: Recipient) -> Message:
        return _message(account, submission, recipient, "", 0, 0, shared)

    # A text that cannot be sent concerns its recipients alone.
    failures: list[Failure] = []
    texts = {one.text: one for one in submission.recipients}
    for first in texts.values():
        try:
            message = own(first)
            break
        except Failure as failure:
            failures.append(failure)
    else:
        raise failures[0]

    def message_to(recipient: Recipient) -> Message:
        # Members of groups have no text of their own, and then nobody has.
        return message if len(texts) == 1 or recipient.text == first.text else own(recipient)

    return message, message_to


def _shared(account: Account, submission: Submission, route: Route, now: float) -> _Shared:
    sender = _sender(account, submission.sender)
    due_at, scheduled_at, expires_at = _times(account, submission, now)
    return _Shared.__new__(_Shared, sender, route, due_at, scheduled_at, expires_at, int(now))


def _message(
    account: Account,
    submission: Submission,
    recipient: Recipient,
    phone: str,
    id: int,
    submission_id: int,
    shared: _Shared,
) -> Message:
    settings = account.settings
    sender, route, due_at, scheduled_at, expires_at, now = shared
    message_type = recipient.message_type or submission.message_type or settings.message_type
    if message_type not in account.message_types:
        raise Failure(Reason.BAD_PARAMETER, f"type {message_type.value} not allowed")
    text = submission.text if recipient.text is None else recipient.text
    text, fallback, parts, reading = _text(account, message_type, text, submission)
    receipts = _receipts(account, submission, recipient)
    envelope = submission.envelope
    return Message.__new__(
        Message,
        id,
        submission_id,
        account.name,
        submission.protocol,
        submission.peer,
        phone,
        sender,
        message_type,
        text,
        submission.options,
        fallback,
        recipient.route or submission.route or route,
        level_of(message_type, submission.priority),
        parts,
        now,
        due_at,
        scheduled_at,
        expires_at,
        receipts,
        submission.reference,
        envelope=dump(original_of(envelope, recipient, reading))
        if envelope is not None
        else dump_reading(reading),
    )


#: The default for a recipient without NOTIFY (RFC 3461 §4.1).
_WITHOUT_NOTIFY = Receipts.FAILURE
_FINAL_STATES = Receipts.SUCCESS | Receipts.FAILURE
_DELAY = int(Receipts.DELAY)  # A flag's own "&" takes a microsecond.


def wishes_of(account: Account, submission: Submission, recipient: Recipient) -> Receipts:
    """The notices that the sender gets about the message to this recipient.

    None for a mail with the null return path (RFC 3461 §5.2.1, RFC 5321 §4.5.5), nor for a
    recipient with NOTIFY=NEVER.
    """
    envelope = submission.envelope
    if envelope is None:
        return submission.receipts
    wishes = _WITHOUT_NOTIFY if recipient.notify is None else recipient.notify
    if not envelope.return_path or not wishes:
        return Receipts.NONE
    if account.settings.receipts_to == "sender":
        wishes |= _FINAL_STATES
    if envelope.delay_after is not None:
        wishes |= Receipts.DELAY
    if envelope.trace:
        wishes |= Receipts.INTERMEDIATE
    return wishes


def _receipts(account: Account, submission: Submission, recipient: Recipient) -> Receipts:
    wishes = wishes_of(account, submission, recipient)
    settings = account.settings
    if settings.callback_url:
        wishes |= Receipts.CALLBACK
    return wishes if settings.receipts_to in ("", "sender") else wishes | Receipts.REPORT


def delays(submission: Submission, messages: Sequence[Message], after: float) -> tuple[Notice, ...]:
    """The notices that tell the sender of a mail that its messages are delayed.

    A delay is ``after`` seconds, unless DELIVERBY gives another time.
    """
    envelope = submission.envelope
    if envelope is None:
        return ()
    by = envelope.delay_after
    found: list[Notice] = []
    for m in messages:
        if int(m.receipts) & _DELAY:
            start = m.scheduled_at or m.due_at
            due_at = start + int(after) if by is None else max(m.accepted_at, m.accepted_at + by)
            # With no alias, so that no other notice waits for this one.
            found.append(Notice(MAIL, m.account, Kind.DELAY, m.id, 0, due_at, due_at))
    return tuple(found)


def _sender(account: Account, sender: str) -> str:
    if not sender:
        if not account.settings.sender:
            raise Failure(Reason.SENDER_NOT_ALLOWED, "none given and the account has no default")
        return account.settings.sender
    sender = account.spelled(sender)
    if sender not in account.senders:
        raise Failure(Reason.SENDER_NOT_ALLOWED)
    return sender


def _times(account: Account, submission: Submission, now: float) -> tuple[int, int | None, int]:
    """When the message is due, the schedule for Cascade, and the end of the validity."""
    settings = account.settings
    ttl = settings.ttl if submission.ttl is None else float(submission.ttl)
    if ttl <= 0:
        raise Failure(Reason.BAD_VALIDITY)
    # Like a message centre, cut a validity that is longer than the account's.
    ttl = min(ttl, settings.max_ttl)
    at = submission.scheduled_at
    if at is None:
        return int(now), None, int(now + ttl)
    if at < now - SCHEDULE_GRACE:
        raise Failure(Reason.BAD_SCHEDULE, "in the past")
    if at > now + MAX_SCHEDULE_AHEAD:
        raise Failure(Reason.BAD_SCHEDULE, "more than 30 days ahead")
    if at <= now:
        return int(now), None, int(now + ttl)
    if settings.schedule == "bridge":
        return at, None, int(at + ttl)
    return int(now), at, int(at + ttl)


def _text(
    account: Account, message_type: MessageType, text: str, submission: Submission
) -> tuple[str, str, int, str]:
    """Text, fallback text of a flash call, the number of parts, and how the text was read."""
    settings = account.settings
    fallback, reading = submission.fallback, submission.reading
    if message_type is MessageType.FLASHCALL:
        # Its text is sent if the call does not get through.
        text, fallback = "", fallback or text
    elif fallback:
        raise Failure(Reason.BAD_PARAMETER, "only a flash call has a fallback text")
    if message_type is MessageType.VIBER_SURVEY:
        _check_survey(text, submission.options)
    elif submission.options:
        raise Failure(Reason.BAD_PARAMETER, "only a survey has options")
    content = text or fallback
    if (not content or content.isspace()) and message_type is not MessageType.FLASHCALL:
        raise Failure(Reason.NO_TEXT)
    if not settings.allow_variables:
        for string in (content, *submission.options):
            if "%" in string and _VARIABLE.search(string):
                raise Failure(Reason.PROHIBITED, "template variables not allowed")
    for string in (content, submission.reference, *submission.options):
        if not string.isascii() and _SURROGATE.search(string):
            raise Failure(Reason.UNDECODABLE_TEXT, "unpaired surrogate")
    parts = count_parts(content)
    most = settings.max_parts
    if submission.max_parts:
        most = min(most, submission.max_parts)
    if parts > most:
        if settings.long_text == "refuse":
            raise Failure(Reason.TEXT_TOO_LONG, f"{parts} parts, {most} allowed")
        fits = fitting(content, most)
        cut = f"cut: over {most} parts ({len(content) - len(fits)} characters)"
        reading, content = "; ".join(filter(None, (reading, cut))), fits
        text, fallback = (content, "") if text else ("", content)
        parts = count_parts(content)
    return text, fallback, parts, reading


def _check_survey(text: str, options: tuple[str, ...]) -> None:
    if len(text) > SURVEY_TEXT:
        raise Failure(Reason.BAD_PARAMETER, f"survey text over {SURVEY_TEXT} characters")
    if len(options) not in SURVEY_OPTIONS:
        raise Failure(Reason.BAD_PARAMETER, "a survey has 2 to 5 options")
    if any(not option.strip() or len(option) > SURVEY_OPTION for option in options):
        raise Failure(Reason.BAD_PARAMETER, "a survey option has 1 to 29 characters")
