"""Reports to the sender of a mail on the states of its messages (RFC 3464, RFC 6522).

Plain functions: a notice with its subject → a mail, or the reason why none is sent. A report has a
sentence for people, the account's ``fmt`` form and a delivery status for programs, and returns only
the requested part of the mail.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from bridge.config.settings import AccountSettings
from bridge.model.failure import render_failure
from bridge.model.mail_record import Original, load, load_refused
from bridge.model.message import FINAL, Protocol, Receipts, State, Stored
from bridge.model.notice import Kind, Notice, Owed, wish_for
from bridge.model.state_names import render_status, smsc_status
from bridge.smtp import reply
from bridge.smtp.outbound import mime as letter
from bridge.smtp.outbound.mime import BodyPart, Letter, field, plain_field


class MailIdentity(NamedTuple):
    """The bridge's host name, its From address, and the domains of phones' addresses in lower
    case; the first of these is for new addresses."""

    hostname: str
    sender: str
    domain: str
    domains: frozenset[str]

    def owns(self, address: str) -> bool:
        """Whether a mail to this address would become a message to a phone: no report may go
        there."""
        local, _, domain = address.rpartition("@")
        return domain.lower() in self.domains and _NUMBER.match(local) is not None


class NoMail(NamedTuple):
    """Why no mail is sent."""

    cause: str


class _Words(NamedTuple):
    """A state in a report: the action (RFC 3464 §2.3.3), the status (RFC 3463), and in English."""

    action: str
    status: str
    subject: str
    sentence: str


_WORDS: Final = {
    State.SENT: _Words("relayed", "2.0.0", "Passed on", "was passed on to be delivered."),
    State.DELIVERED: _Words("delivered", "2.0.0", "Delivered", "was delivered."),
    State.REJECTED: _Words("failed", "5.0.0", "Not delivered", "was refused: {why}."),
    State.UNDELIVERABLE: _Words("failed", "5.0.0", "Not delivered", "could not be delivered."),
    # RFC 2852 §4: the status of an expired delivery time.
    State.EXPIRED: _Words(
        "failed", "5.4.7", "Not delivered", "could not be delivered while it was valid."
    ),
    State.CANCELLED: _Words(
        "failed", "5.0.0", "Not delivered", "was cancelled before it was sent."
    ),
}
#: It ended after an attempt with an unknown outcome (RFC 3463 §3.5: a connection that failed
#: meanwhile).
_PERHAPS: Final = {
    State.EXPIRED: _Words(
        "failed",
        "5.4.2",
        "Perhaps not delivered",
        "may have been delivered or not: the provider gave no answer while it was valid.",
    ),
    State.CANCELLED: _Words(
        "failed",
        "5.4.2",
        "Perhaps not delivered",
        "may have been delivered or not: the provider gave no answer, and it was cancelled.",
    ),
}
_DELAYED: Final = _Words("delayed", "4.4.7", "Delayed", "has not been delivered yet.")
_REFUSED: Final = _Words("failed", "5.0.0", "Not delivered", "")

#: How a phone's address begins (:mod:`bridge.smtp.address`).
_NUMBER: Final = re.compile(r'"?[+\d][\d .\-()/]*(?:\+|"?$)')
#: SMSC's code of an undeliverable message → the status of RFC 3463.
_STATUSES: Final = {22: "5.1.1", 23: "5.7.1"}


class _Fate(NamedTuple):
    """The state of one recipient of a mail: a group of fields of the delivery status.

    ``to`` is the recipient's address, ``machine`` the ``fmt`` form; ``last`` is the time of the
    last attempt, ``until`` the end of the attempts (Unix times, 0: none).
    """

    original: Original
    to: str
    action: str
    status: str
    machine: str = ""
    id: int = 0
    state: str = ""
    last: int = 0
    until: int = 0


def compose(owed: Owed, account: AccountSettings | None, identity: MailIdentity) -> Letter | NoMail:
    """The report of a notice; ``account`` is the account's settings, if it still has any."""
    return _KINDS[owed.notice.kind](owed, account or AccountSettings(), identity)


# --- one kind each -------------------------------------------------------------------------------


def _state(owed: Owed, account: AccountSettings, identity: MailIdentity) -> Letter | NoMail:
    notice, stored = owed.notice, owed.stored
    if stored is None or notice.state is None:
        return NoMail("the message was deleted")
    message, state = stored.message, notice.state
    original = load(message.envelope)
    readers: list[str] = []
    if message.protocol is Protocol.SMTP and message.receipts & wish_for(state):
        readers.append(original.return_path)
    reported = bool(message.receipts & Receipts.REPORT) and "@" in account.receipts_to
    if reported and state in FINAL:
        readers.append(account.receipts_to)
    words = _PERHAPS[state] if stored.perhaps_sent and state is stored.state else _WORDS[state]
    failure = stored.refusal if state is State.REJECTED else None
    status, machine = words.status, ""
    if failure is not None:
        status, machine = failure.reason.codes.enhanced, render_failure(failure, account.reply_fmt)
    else:
        # The state of the notice: the message may have a later one by now.
        then = stored._replace(state=state, changed_at=notice.at)
        smsc = smsc_status(then)
        machine = render_status(smsc, account.reply_fmt, UTC)
        if state is State.UNDELIVERABLE:
            status = _STATUSES.get(smsc.code, status)
    why = failure.description if failure else ""
    fate = _fate(original, stored, identity, words.action, status, machine, state)
    sentence = f"The message to {message.phone} {words.sentence.format(why=why)}"
    return _report(
        notice,
        identity,
        readers,
        subject=f"{words.subject}: message to {message.phone}",
        lines=[sentence, "", machine, *_facts(original, stored, account.receipts_to in readers)],
        arrival=message.accepted_at,
        fates=[fate],
        text=message.text or message.fallback,
    )


def _delay(owed: Owed, account: AccountSettings, identity: MailIdentity) -> Letter | NoMail:
    notice, stored = owed.notice, owed.stored
    if stored is None:
        return NoMail("the message was deleted")
    if stored.state in FINAL:
        return NoMail(f"not needed: the message is {stored.state.value}")
    message = stored.message
    original = load(message.envelope)
    words, machine = _DELAYED, render_status(smsc_status(stored), account.reply_fmt, UTC)
    until = f"It is tried until {_moment(message.expires_at)}; you need not do anything."
    fate = _fate(original, stored, identity, words.action, words.status, machine, stored.state)
    return _report(
        notice,
        identity,
        [original.return_path],
        subject=f"{words.subject}: message to {message.phone}",
        lines=[
            f"The message to {message.phone} {words.sentence}",
            until,
            "",
            machine,
            *_facts(original, stored, False),
        ],
        arrival=message.accepted_at,
        fates=[fate._replace(until=message.expires_at)],
    )


def _refused(owed: Owed, account: AccountSettings, identity: MailIdentity) -> Letter | NoMail:
    notice, words = owed.notice, _REFUSED
    refused = load_refused(notice.content)
    if not refused:
        return NoMail("no recipient was refused")
    fates: list[_Fate] = []
    lines = ["The mail was accepted for other recipients. It was not sent to:", ""]
    for original, failure in refused:
        machine = render_failure(failure, account.reply_fmt)
        status = failure.reason.codes.enhanced
        fates.append(_Fate(original, original.to, words.action, status, machine))
        lines.append(f"{original.to}: {machine}")
    first, text = refused[0][0], ""
    if owed.stored is not None:
        text = owed.stored.message.text
    return _report(
        notice,
        identity,
        [first.return_path],
        subject=f"{words.subject}: {len(refused)} of the recipients",
        lines=[*lines, "", f"Id: {notice.known_as}", *_named(first)],
        arrival=notice.at,
        fates=fates,
        text=text,
    )


_KINDS: Final[dict[Kind, Callable[[Owed, AccountSettings, MailIdentity], Letter | NoMail]]] = {
    Kind.STATE: _state,
    Kind.DELAY: _delay,
    Kind.REFUSED: _refused,
}


# --- what they have in common --------------------------------------------------------------------


def _moment(unix_time: int) -> str:
    return f"{datetime.fromtimestamp(unix_time, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _named(original: Original) -> list[str]:
    return [f"Subject: {original.subject}"] if original.subject else []


def _facts(original: Original, stored: Stored, reported: bool) -> list[str]:
    """The facts that identify the message; for readers other than its sender also the account."""
    message = stored.message
    facts = ["", f"Id: {message.id}", f"Accepted: {_moment(message.accepted_at)}"]
    if reported:
        facts += [f"Account: {message.account}", f"From: {message.sender}"]
    if message.reference:
        facts.append(f"Reference: {message.reference}")
    return facts + _named(original)


def _fate(
    original: Original,
    stored: Stored,
    identity: MailIdentity,
    action: str,
    status: str,
    machine: str,
    state: State,
) -> _Fate:
    message = stored.message
    to = original.to or f"{message.phone}@{identity.domain}"
    return _Fate(
        original,
        to if "@" in to else f"{to}@{identity.domain}",
        action,
        status,
        machine,
        message.id,
        state.value,
        stored.changed_at,
    )


def _report(
    notice: Notice,
    identity: MailIdentity,
    readers: Sequence[str],
    *,
    subject: str,
    lines: Sequence[str],
    arrival: int,
    fates: Sequence[_Fate],
    text: str = "",
) -> Letter | NoMail:
    """The report with its three parts (RFC 6522 §3)."""
    addresses = tuple(
        dict.fromkeys(
            one for reader in readers if (one := letter.address(reader)) and not identity.owns(one)
        )
    )
    if not addresses:
        return NoMail("there is nobody to tell")
    original = fates[0].original
    head = [
        field("Date", letter.date(notice.at)),
        letter.address_field("From", [identity.sender], "cascade-bridge"),
        letter.address_field("To", addresses),
        field("Subject", subject),
        field("Message-ID", message_id(notice, identity)),
    ]
    if known := letter.message_id(original.message_id):
        head += [field("In-Reply-To", known), field("References", known)]
    head += [b"Auto-Submitted: auto-replied\r\n", b"MIME-Version: 1.0\r\n"]
    failed = any(fate.action == "failed" for fate in fates)
    parts = [
        letter.text_part("\n".join(lines)),
        BodyPart("message/delivery-status", _delivery_status(original, identity, arrival, fates)),
        # RFC 3461 §4.3: RET applies to failures only.
        _returned(fates[0], text if failed and original.ret == "FULL" else ""),
    ]
    content_type = "multipart/report; report-type=delivery-status"
    body = letter.multipart(content_type, f"=_report-{notice.id}", parts)
    return Letter(addresses, b"".join(head) + body)


def message_id(notice: Notice, identity: MailIdentity) -> str:
    """The Message-ID of a notice's mail: always the same, so that a mail that was sent twice is
    recognised."""
    return f"<{notice.kind.value}-{notice.id}-{notice.at}@{identity.hostname}>"


def _delivery_status(
    original: Original, identity: MailIdentity, arrival: int, fates: Sequence[_Fate]
) -> bytes:
    """RFC 3464 §2: the fields of the mail, then a group of fields for each recipient."""
    lines: list[bytes] = []
    if original.envid:
        lines.append(plain_field("Original-Envelope-Id", original.envid))
    lines.append(plain_field("Reporting-MTA", f"dns; {identity.hostname}"))
    lines.append(plain_field("Arrival-Date", letter.date(arrival)))
    if original.deliver_by:  # This field is RFC 2852's, the next RFC 4865's.
        lines.append(plain_field("Deliver-By-Date", letter.date(original.deliver_by)))
    if original.hold:
        lines.append(plain_field("Future-Release-Request", original.hold))
    for fate in fates:
        lines.append(b"\r\n")
        if fate.original.orcpt:
            kind, _, address = fate.original.orcpt.partition(";")
            lines.append(plain_field("Original-Recipient", f"{kind};{_ascii(address)}"))
        kind = "rfc822" if fate.to.isascii() else "utf-8"
        lines.append(plain_field("Final-Recipient", f"{kind}; {_ascii(fate.to)}"))
        lines.append(plain_field("Action", fate.action))
        lines.append(plain_field("Status", fate.status))
        if fate.action == "failed":
            lines.append(plain_field("Diagnostic-Code", f"smtp; {_reply(fate)}"))
        if fate.last:
            lines.append(plain_field("Last-Attempt-Date", letter.date(fate.last)))
        if fate.until:
            lines.append(plain_field("Will-Retry-Until", letter.date(fate.until)))
        if fate.id:
            lines.append(plain_field("X-Cascade-Id", str(fate.id)))
        if fate.state:
            lines.append(plain_field("X-Cascade-State", fate.state))
    return b"".join(lines)


def _ascii(address: str) -> str:
    """RFC 6533 §3: characters beyond ASCII as escapes."""
    return "".join(char if char.isascii() else f"\\x{{{ord(char):X}}}" for char in address)


def _reply(fate: _Fate) -> str:
    """The reply that the sender would have got, if this had been known in time."""
    code = "550" if fate.status.startswith("5") else "451"
    return reply.encode(f"{code} {fate.status} {fate.machine}").decode("ascii").strip()


def _returned(fate: _Fate, text: str) -> BodyPart:
    """The returned part of the mail: header fields, and with RET=FULL its text."""
    original = fate.original
    lines = [plain_field("To", fate.to)]
    if original.subject:
        lines.append(field("Subject", original.subject))
    if known := letter.message_id(original.message_id):
        lines.append(field("Message-ID", known))
    if not text:
        return BodyPart("text/rfc822-headers", b"".join(lines))
    whole = [*lines, b"MIME-Version: 1.0\r\n", letter.entity(letter.text_part(text))]
    return BodyPart("message/rfc822", b"".join(whole))
