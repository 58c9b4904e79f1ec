"""A mail's envelope: the parameters of MAIL and RCPT, and what they ask for.

One table a command: the keyword, how its value is read, the RFC that it comes from. What is asked
for is turned into the words of :mod:`bridge.model.message` here; whether an account may have it is
for the relay to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from bridge.model.message import Envelope, Receipts, Recipient
from bridge.smtp.address import Path
from bridge.smtp.reading.overrides import Wishes
from bridge.smtp.reply import Refused
from bridge.smtp.reply_address import Reply

#: RFC 4865 §4: how far ahead a mail may be held; as far as a message may be scheduled.
MAX_HOLD = 30 * 86400

_SYNTAX = Refused("501 5.5.4 Syntax error in parameters")
_UNKNOWN = Refused("555 5.5.4 Parameter not recognized or not implemented")
_HOLD_TWICE = Refused("501 5.5.4 Either HOLDFOR or HOLDUNTIL")
_HOLD_TOO_LONG = Refused("501 5.5.4 Release time beyond the maximum")
_HOLD_PAST = Refused("501 5.5.4 Release time in the past")
_BY_BEFORE_RELEASE = Refused("501 5.5.4 Deliver-by time is not after the release time")


class DeliverBy(NamedTuple):
    """RFC 2852 §4: seconds from now, what follows them, and whether every step is to be traced."""

    seconds: int
    returns: bool
    trace: bool


_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*", re.ASCII)
_HEX = re.compile(r"\+([0-9A-F]{2})")
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
    """RFC 3461 §4; what is not printable ASCII inside is dropped, since it ends in headers."""
    if _XTEXT.fullmatch(xtext) is None:
        raise ValueError
    text = _HEX.sub(lambda found: chr(int(found[1], 16)), xtext)
    return "".join(char for char in text if " " <= char <= "~")


def _size(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 20):
        raise ValueError
    return int(value)


def _body(value: str) -> str:
    if value.upper() not in ("7BIT", "8BITMIME"):
        raise ValueError
    return value


def _ret(value: str) -> str:
    """RFC 3461 §4.3."""
    if value.upper() not in ("FULL", "HDRS"):
        raise ValueError
    return value.upper()


def _envid(value: str) -> str:
    """RFC 3461 §4.4: at most 100 characters."""
    if not 1 <= len(value) <= 100:
        raise ValueError
    return _decoded(value)


def _notify(value: str) -> Receipts:
    """RFC 3461 §4.1: NEVER alone, or some of the three."""
    if value.upper() == "NEVER":
        return Receipts.NONE
    wanted = Receipts.NONE
    for word in value.upper().split(","):
        if word not in _NOTIFY:
            raise ValueError
        wanted |= _NOTIFY[word]
    return wanted


def _orcpt(value: str) -> str:
    """RFC 3461 §4.2: ``type;address``, at most 500 characters."""
    kind, _, address = value.partition(";")
    if not address or len(value) > 500 or _ADDRESS_TYPE.fullmatch(kind) is None:
        raise ValueError
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


#: What may stand behind a path and how it is read; ``None``: it takes no value. A reader raises
#: ValueError for what its RFC does not allow.
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


def parse_parameters(text: str, known: Known) -> dict[str, Any]:
    """Values by upper-case keyword; raises :class:`Refused` (501, 555)."""
    parameters: dict[str, Any] = {}
    for word in text.split():
        keyword, equals, value = word.partition("=")
        keyword = keyword.upper()
        if keyword not in known:
            raise _UNKNOWN
        read = known[keyword]
        if keyword in parameters or (read is None) == bool(equals):
            raise _SYNTAX
        try:
            parameters[keyword] = "" if read is None else read(value)
        except (ValueError, OverflowError):
            raise _SYNTAX from None
    return parameters


class Transaction:
    """A mail's envelope while it is told (RFC 5321 §3.3).

    ``wishes`` are the fields of the submission that it sets. ``accepted`` holds every recipient
    as often as it was accepted: LMTP answers each (RFC 2033 §4.2).
    """

    __slots__ = (
        "accepted",
        "attempts",
        "envelope",
        "recipients",
        "reply",
        "size",
        "smsc",
        "smtputf8",
        "wishes",
    )

    def __init__(self, sender: Path, parameters: dict[str, Any], now: float) -> None:
        """``now`` is Unix time in seconds. Raises :class:`Refused` for impossible times."""
        self.smtputf8 = "SMTPUTF8" in parameters
        self.size: int = parameters.get("SIZE", 0)
        self.recipients: dict[Recipient, Recipient] = {}
        self.accepted: list[Recipient] = []
        self.attempts = 0
        #: Whether it is the address that takes the SMSC line.
        self.smsc = False
        #: The phone that is answered, where it is a reply address.
        self.reply: Reply | None = None
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
        """Sets the wishes; what was asked for, as a report names it (RFC 4865)."""
        release: int | None = parameters.get("HOLDUNTIL")
        asked = ""
        if release is not None:
            asked = f"until;{datetime.fromtimestamp(release, UTC):%Y-%m-%dT%H:%M:%SZ}"
        if "HOLDFOR" in parameters:
            if release is not None:
                raise _HOLD_TWICE  # RFC 4865 §4.2
            asked = f"for;{parameters['HOLDFOR']}"
            release = int(now) + parameters["HOLDFOR"]
        ttl = by.seconds if by and by.returns else None
        if release is not None:
            if release < int(now):
                raise _HOLD_PAST
            if release > now + MAX_HOLD:
                raise _HOLD_TOO_LONG
            self.wishes["scheduled_at"] = release
            if ttl is not None:
                # A validity counts from the release, BY from now.
                ttl -= release - int(now)
                if ttl <= 0:
                    raise _BY_BEFORE_RELEASE
        if ttl is not None:
            self.wishes["ttl"] = ttl
        return asked

    def add(self, recipient: Recipient, written: str, parameters: dict[str, Any]) -> None:
        """Takes a recipient; the same one again is one, with what was said of it first."""
        if recipient not in self.recipients:
            self.recipients[recipient] = Recipient(
                recipient.address,
                recipient.message_type,
                recipient.route,
                None,
                parameters.get("NOTIFY"),
                parameters.get("ORCPT", ""),
                written,
            )
        self.accepted.append(recipient)
