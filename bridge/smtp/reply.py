"""SMTP replies: those that only SMTP knows, and outcomes in the words of the account's ``fmt``.

Failures with a reason are rendered from the one table (:mod:`bridge.model.failure`). A reply is one
line of at most 512 octets (RFC 5321 §4.5.3.1.5), ASCII unless the client asked for SMTPUTF8.
"""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

from bridge.model.failure import Failure, render_accepted, render_failure
from bridge.model.message import Accepted, Outcome, Recipient

MAX_REPLY = 512


class Refused(Exception):  # noqa: N818 - a reply that is raised, like a Failure
    """A refusal that only SMTP knows (syntax, sequence, SMTP's own limits): the whole reply.

    ``ends``: the session ends with it, because the rest of the input may not be commands.
    """

    def __init__(self, reply: str, *, ends: bool = False) -> None:
        super().__init__(reply)
        self.reply = reply
        self.ends = ends


OK = b"250 2.0.0 OK\r\n"
SENDER_OK = b"250 2.1.0 OK\r\n"
RECIPIENT_OK = b"250 2.1.5 OK\r\n"
START_MAIL = b"354 End data with <CR><LF>.<CR><LF>\r\n"
BYE = b"221 2.0.0 Bye\r\n"
LOGGED_IN = b"235 2.7.0 Logged in\r\n"
CANNOT_VRFY = b"252 2.5.2 Cannot VRFY, but will take mail and try to deliver it\r\n"

NOT_RECOGNIZED = "500 5.5.2 Command not recognized"
LINE_TOO_LONG = "500 5.5.2 Line too long"
BARE_LF = "500 5.5.2 Lines end in CR LF"
NOT_UTF8 = "500 5.5.2 Neither ASCII nor UTF-8"
NO_ARGUMENT = "501 5.5.4 No argument allowed"
SYNTAX_MAIL = "501 5.5.4 Syntax: MAIL FROM:<address>"
SYNTAX_RCPT = "501 5.5.4 Syntax: RCPT TO:<address>"
SYNTAX_VRFY = "501 5.5.4 Syntax: VRFY address"
SYNTAX_BDAT = "501 5.5.4 Syntax: BDAT size [LAST]"
SYNTAX_AUTH = "501 5.5.4 Syntax: AUTH mechanism [initial-response]"
BAD_SENDER = "553 5.1.7 Malformed address"
BAD_RECIPIENT = "553 5.1.3 Malformed address"
NO_DOMAIN = "553 5.1.3 The address needs a domain"
SMTPUTF8_NEEDED = "553 5.6.7 Address needs SMTPUTF8"
NOT_IMPLEMENTED = "502 5.5.1 Command not implemented"
HELO_FIRST = "503 5.5.1 Send EHLO first"
MAIL_FIRST = "503 5.5.1 Send MAIL first"
RCPT_FIRST = "503 5.5.1 No valid recipients"
NESTED_MAIL = "503 5.5.1 Nested MAIL command"
BDAT_BEGUN = "503 5.5.1 The mail has begun with BDAT"
CHUNK_FAILED = "503 5.5.1 A chunk of this mail was refused, send RSET"
STARTTLS_FIRST = "530 5.7.0 Must issue a STARTTLS command first"
TLS_NOT_AVAILABLE = "502 5.5.1 TLS not available"
TLS_ALREADY = "503 5.5.1 TLS is already on"
ALREADY_LOGGED_IN = "503 5.5.1 Already logged in"
AUTH_IN_MAIL = "503 5.5.1 AUTH inside a mail transaction"
AUTH_NEEDS_TLS = "538 5.7.11 Encryption required for the requested mechanism"
AUTH_MECHANISM = "504 5.5.4 Unrecognized authentication type"
AUTH_ABORTED = "501 5.7.0 Authentication aborted"
AUTH_MALFORMED = "501 5.5.2 Malformed authentication response"
UNKNOWN_DOMAIN = "550 5.7.1 No relaying to this domain"
SMSC_LINE_ALONE = "452 4.5.3 The SMSC address must be the only recipient"
SMSC_LINE_NEEDS_TLS = "538 5.7.11 Encryption required: the SMSC line holds a password"
NOT_BY_ITSELF = "550 5.7.1 No automatic mails to a phone"
REPLY_ALONE = "452 4.5.3 A reply address must be the only recipient"
TOO_MANY_RECIPIENTS = "452 4.5.3 Too many recipients"
MAIL_TOO_BIG = "552 5.3.4 Mail exceeds the maximum size"

TIMED_OUT = "421 4.4.2 Timed out waiting for the client"
SHUTTING_DOWN = "421 4.3.2 Service shutting down"
TOO_MANY_COMMANDS = "421 4.7.0 Too many commands without a mail"
TOO_MANY_LOGINS = "421 4.7.0 Too many failed logins"


def encode(reply: str, *, smtputf8: bool = False) -> bytes:
    """The reply's octets with CR LF: one ASCII line of limited length."""
    line = " ".join(reply.split())
    if smtputf8:
        octets = line.encode("utf-8", "replace")
        if len(octets) > MAX_REPLY - 2:
            octets = octets[: MAX_REPLY - 2].decode("utf-8", "ignore").encode()
    else:
        octets = line.encode("ascii", "replace")[: MAX_REPLY - 2]
    return octets + b"\r\n"


def of_refusal(refusal: Refused | Failure, fmt: int = 0) -> str:
    """The reply to a refusal of either kind."""
    return refusal.reply if isinstance(refusal, Refused) else of_failure(refusal, fmt)


def of_failure(failure: Failure, fmt: int = 0) -> str:
    """``550 5.1.3 ERROR = 7 (wrong phone number)``."""
    codes = failure.reason.codes
    return f"{codes.smtp} {codes.enhanced} {render_failure(failure, fmt)}"


def of_outcome(outcome: Outcome, fmt: int = 0) -> str:
    """The reply to DATA.

    If only some recipients are accepted, the reply is still a 250 and names the others: any other
    code would make the client repeat the mail to all.
    """
    if isinstance(outcome, Failure):
        return of_failure(outcome, fmt)
    text = render_accepted(outcome.id, outcome.parts, outcome.queued, fmt)
    if outcome.refused:
        text = _naming_refused(text, outcome, fmt)
    return f"250 2.0.0 {text}"


def _naming_refused(text: str, outcome: Accepted, fmt: int) -> str:
    """The longest form that fits in a reply; the shortest is the number of refused recipients."""
    refused = outcome.refused
    for count in range(min(len(refused), 20), -1, -1):
        named = _NAMED[fmt](text, refused[:count], len(refused) - count)
        if len(named.encode()) <= MAX_REPLY - len("250 2.0.0 \r\n"):
            return named
    return text


Refusals = tuple[tuple[Recipient, Failure], ...]


def _named_fmt0(text: str, named: Refusals, more: int) -> str:
    shown = [f"{r.address}: {render_failure(failure, 0)}" for r, failure in named]
    shown += [f"{more} more"] if more else []
    return f"{text}; refused: {', '.join(shown)}"


def _named_fmt1(text: str, named: Refusals, more: int) -> str:
    shown = [f"{r.address},-{failure.reason.codes.fmt}" for r, failure in named]
    shown += [f"{more} more"] if more else []
    return f"{text}; refused: {'; '.join(shown)}"


def _named_fmt2(text: str, named: Refusals, more: int) -> str:
    shown = "".join(
        f"<refused><phone>{escape(r.address)}</phone>"
        f"<error_code>{failure.reason.codes.fmt}</error_code></refused>"
        for r, failure in named
    )
    shown += f"<refused_more>{more}</refused_more>" if more else ""
    return text.removesuffix("</result>") + shown + "</result>"


def _named_fmt3(text: str, named: Refusals, more: int) -> str:
    answer: dict[str, object] = json.loads(text)
    answer["refused"] = [
        {"phone": r.address, "error_code": failure.reason.codes.fmt} for r, failure in named
    ]
    if more:
        answer["refused_more"] = more
    return json.dumps(answer)


_NAMED = (_named_fmt0, _named_fmt1, _named_fmt2, _named_fmt3)
