"""A mail's envelope: the parameters of MAIL and RCPT.

One table for each command: the keyword, its parser, its RFC. The values become fields of
:mod:`bridge.model.message`; the relay decides whether the account may use them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from bridge.model.message import Envelope, Receipts, Recipient
from bridge.smtp.address import Path
from bridge.smtp.inbound.mail_buffer import MailBuffer
from bridge.smtp.inbound.target import Target, ToPhone, ToSmscLine
from bridge.smtp.reading.overrides import Wishes
from bridge.smtp.reply import REPLY_ALONE, SMSC_LINE_ALONE, Refused
from bridge.smtp.reply_address import ReplyAddress

#: RFC 4865 §4: how far ahead a mail may be held; as far as a message may be scheduled.
MAX_HOLD = 30 * 86400

_SYNTAX = "501 5.5.4 Syntax error in parameters"
_UNKNOWN = "555 5.5.4 Parameter not recognized or not implemented"
_HOLD_TWICE = "501 5.5.4 Either HOLDFOR or HOLDUNTIL"
_HOLD_TOO_LONG = "501 5.5.4 Release time beyond the maximum"
_HOLD_PAST = "501 5.5.4 Release time in the past"
_BY_BEFORE_RELEASE = "501 5.5.4 Deliver-by time is not after the release time"


class DeliverBy(NamedTuple):
    """RFC 2852 §4: seconds from now, the mode, and whether every step is traced."""

    seconds: int
    returns: bool
    trace: bool


_ENCODED = re.compile(r"\+([0-9A-Fa-f]{2})")
_BY = re.compile(r"([+-]?[0-9]{1,9});([RN])(T?)", re.IGNORECASE | re.ASCII)
_HOLD_FOR = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
# RFC 3339 §5.6, which the erratum of RFC 4865 names.
_DATE_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.IGNORECASE | re.ASCII
)
_ADDRESS_TYPE = re.compile(r"[!-'*+,./0-9;<=>?A-Z^_`a-z{|}~-]+", re.ASCII)
_NOTIFY = {
    "SUCCESS": Receipts.SUCCESS,
    "FAILURE": Receipts.FAILURE,
    "DELAY": Receipts.DELAY,
}


def _decoded(xtext: str) -> str:
    """Decodes xtext (RFC 3461 §4); a plus that is not an escape stays, as some clients write it.

    Characters other than printable ASCII are dropped, because the text goes into headers.
    """

    def char(found: re.Match[str]) -> str:
        decoded = chr(int(found[1], 16))
        if " " <= decoded <= "~":
            return decoded
        return "" if found[1].isupper() or found[1].isdigit() else found[0]

    return "".join(char for char in _ENCODED.sub(char, xtext) if " " <= char <= "~")


def _size(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 20):
        raise ValueError
    return int(value)


def _body(value: str) -> str:
    if value.upper() not in ("7BIT", "8BITMIME"):
        raise ValueError
    return value


# The parameters of RFC 3461 are about reports only. A mail is not refused for an error in them:
# invalid values are ignored.


def _ret(value: str) -> str:
    """RFC 3461 §4.3."""
    return value.upper() if value.upper() in ("FULL", "HDRS") else ""


def _envid(value: str) -> str:
    """RFC 3461 §4.4: at most 100 characters."""
    return _decoded(value) if len(value) <= 100 else ""


def _notify(value: str) -> Receipts | None:
    """RFC 3461 §4.1: NEVER alone, or some of the three."""
    words = value.upper().split(",")
    if words == ["NEVER"]:
        return Receipts.NONE
    wanted = Receipts.NONE
    for word in words:
        wanted |= _NOTIFY.get(word, Receipts.NONE)
    return wanted or None


def _orcpt(value: str) -> str:
    """RFC 3461 §4.2: ``type;address``, at most 500 characters. The default type is ``rfc822``."""
    if len(value) > 500:
        return ""
    kind, semicolon, address = value.partition(";")
    if not semicolon:
        kind, address = "rfc822", value
    if not address or _ADDRESS_TYPE.fullmatch(kind) is None:
        return ""
    if kind.lower() == "utf-8":  # RFC 6533 §3 has an encoding of its own.
        return f"{kind};{''.join(char for char in address if char.isprintable())}"
    return f"{kind};{_decoded(address)}"


def _by(value: str) -> DeliverBy:
    """RFC 2852 §4: with mode R the time must lie ahead."""
    found = _BY.fullmatch(value)
    if found is None:
        raise ValueError
    seconds, returns = int(found[1]), found[2] in "rR"
    if returns and seconds <= 0:
        raise ValueError
    return DeliverBy(seconds, returns, bool(found[3]))


def _hold_for(value: str) -> int:
    """RFC 4865 §4: seconds."""
    if _HOLD_FOR.fullmatch(value) is None:
        raise ValueError
    return int(value)


def _hold_until(value: str) -> int:
    if _DATE_TIME.fullmatch(value) is None:
        raise ValueError
    return int(datetime.fromisoformat(value.upper()).timestamp())


#: Keywords and their parsers; ``None``: the keyword takes no value. A parser raises ValueError for
#: values that its RFC does not allow.
Known = dict[str, Callable[[str], Any] | None]
MAIL_PARAMETERS: Known = {
    "SIZE": _size,
    "BODY": _body,
    "SMTPUTF8": None,
    "AUTH": str,
    "RET": _ret,
    "ENVID": _envid,
    "BY": _by,
    "HOLDFOR": _hold_for,
    "HOLDUNTIL": _hold_until,
}
RCPT_PARAMETERS: Known = {"NOTIFY": _notify, "ORCPT": _orcpt}
#: Those of RFC 3461: without a value they say nothing, and of a repeated one the first counts.
_OF_REPORTS = frozenset({"RET", "ENVID", "NOTIFY", "ORCPT"})
_BLANK_IN_ORCPT = re.compile(r"(\bORCPT=[^\s;]{0,40};)\s+", re.IGNORECASE)


def parse_parameters(text: str, known: Known) -> dict[str, Any]:
    """Values by upper-case keyword; raises :class:`Refused` (501, 555)."""
    parameters: dict[str, Any] = {}
    if "; " in text:
        text = _BLANK_IN_ORCPT.sub(r"\1", text)
    for word in text.split():
        keyword, equals, value = word.partition("=")
        keyword = keyword.upper()
        if keyword not in known:
            raise Refused(_UNKNOWN)
        read = known[keyword]
        if keyword in _OF_REPORTS and read is not None:
            parameters.setdefault(keyword, read(value))
            continue
        if keyword in parameters or (read is None) == bool(equals):
            raise Refused(_SYNTAX)
        try:
            parameters[keyword] = "" if read is None else read(value)
        except (ValueError, OverflowError):
            raise Refused(_SYNTAX) from None
    return parameters


class Transaction:
    """A mail's envelope during the dialogue (RFC 5321 §3.3), and the chunks of the mail so far.

    ``target`` is that of the first recipient: phones may be many, other targets must be alone.
    ``recipients`` are the phones by their path, without the parameters of RCPT. ``accepted`` has
    the phone of every accepted RCPT, or None for the SMSC line: LMTP answers each (RFC 2033 §4.2).
    ``wishes`` are the fields of the submission that MAIL sets.
    """

    __slots__ = (
        "accepted",
        "attempts",
        "buffer",
        "envelope",
        "recipients",
        "size",
        "smtputf8",
        "target",
        "wishes",
    )

    def __init__(self, sender: Path, parameters: dict[str, Any], now: float) -> None:
        """``now`` is Unix time in seconds. Raises :class:`Refused` for impossible times."""
        self.smtputf8 = "SMTPUTF8" in parameters
        self.size: int = parameters.get("SIZE", 0)
        self.target: Target | None = None
        self.recipients: dict[Recipient, Recipient] = {}
        self.accepted: list[Recipient | None] = []
        self.attempts = 0
        #: The chunks of BDAT so far; ``None`` before the first.
        self.buffer: MailBuffer | None = None
        self.wishes: Wishes = {}
        self.envelope = Envelope(str(sender))
        if parameters:
            by = parameters.get("BY")
            self.envelope = Envelope(
                str(sender),
                parameters.get("RET", ""),
                parameters.get("ENVID", ""),
                by.seconds if by and not by.returns else None,
                by.trace if by else False,
                int(now) + by.seconds if by else 0,
                self._hold(parameters, by, now),
            )

    def _hold(self, parameters: dict[str, Any], by: DeliverBy | None, now: float) -> str:
        """Sets the times; returns the hold in the form for a report (RFC 4865)."""
        release: int | None = parameters.get("HOLDUNTIL")
        asked = ""
        if release is not None:
            asked = f"until;{datetime.fromtimestamp(release, UTC):%Y-%m-%dT%H:%M:%SZ}"
        if "HOLDFOR" in parameters:
            if release is not None:
                raise Refused(_HOLD_TWICE)  # RFC 4865 §4.2
            asked = f"for;{parameters['HOLDFOR']}"
            release = int(now) + parameters["HOLDFOR"]
        ttl = by.seconds if by and by.returns else None
        if release is not None:
            if release < int(now):
                raise Refused(_HOLD_PAST)
            if release > now + MAX_HOLD:
                raise Refused(_HOLD_TOO_LONG)
            self.wishes["scheduled_at"] = release
            if ttl is not None:
                # A validity counts from the release, BY from now.
                ttl -= release - int(now)
                if ttl <= 0:
                    raise Refused(_BY_BEFORE_RELEASE)
        if ttl is not None:
            self.wishes["ttl"] = ttl
        return asked

    def add(self, target: Target, written: str, parameters: dict[str, Any]) -> None:
        """Adds a recipient; a repeated one counts once, with the parameters of its first RCPT.

        Raises :class:`Refused` for one that cannot be in the same mail as those before it.
        """
        first = self.target
        if first is None:
            self.target = target
        elif isinstance(first, ReplyAddress) or isinstance(target, ReplyAddress):
            if target != first:
                raise Refused(REPLY_ALONE)
        elif type(first) is not type(target):
            raise Refused(SMSC_LINE_ALONE)
        if isinstance(target, ToSmscLine):
            self.accepted.append(None)
            return
        phone = target.recipient if isinstance(target, ToPhone) else Recipient(target.phone)
        if phone not in self.recipients:
            self.recipients[phone] = Recipient(
                phone.address,
                phone.message_type,
                phone.route,
                None,
                parameters.get("NOTIFY"),
                parameters.get("ORCPT", ""),
                written,
            )
        self.accepted.append(phone)

    def end(self) -> None:
        """Frees the memory of the mail's chunks."""
        if self.buffer is not None:
            self.buffer.close()
