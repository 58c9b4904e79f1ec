"""Paths of MAIL and RCPT, and the recipient that a local part names.

RFC 5321 §4.1.2 as clients write it: quoted local parts, source routes, display names and missing
brackets are accepted. The relay decides whether a number is valid and whether the account may send
there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from bridge.model.failure import Failure, Reason
from bridge.model.message import MessageType, Recipient, Route
from bridge.model.phone import without_fraction
from bridge.smtp.reading.overrides import MESSAGE_TYPES, ROUTES

#: RFC 5321 §4.5.3.1.3 allows 256 octets; longer local parts occur where systems generate them.
MAX_PATH = 1000

# RFC 5321 has no blanks inside the brackets, but people write numbers with them.
_BRACKETED = re.compile(
    r"""<\s*+(?:@[^<>:"\s]+:)?                              # a source route is ignored, App. C
         (?:("(?:[^"\\\x00-\x1f]|\\.)*"|[^<>"@\x00-\x1f]++)
            (?:@([^<>@"\s]*+))?)?
       \s*+>\s*+(.*)""",
    re.VERBOSE,
)
_BARE = re.compile(r"([^<>\"@\s=]+)(?:@([^<>@\"\s]*))?(?:\s++(.*))?|()()()")
#: A name behind the path: "root@example.com (Cron Daemon)" (RFC 5322 §3.2.2).
_COMMENT = re.compile(r"\([^()]*+\)\s*+")
#: A display name in quotes, which may hold any bracket.
_QUOTED_NAME = re.compile(r'"(?:[^"\\]|\\.)*"\s*(?=<)')
_ESCAPED = re.compile(r"\\(.)")


class Path(NamedTuple):
    """A mailbox of MAIL or RCPT; both empty for the null path. ``domain`` is in lower case."""

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}" if self.domain else self.local


@lru_cache(maxsize=1024)
def parse_path(argument: str) -> tuple[Path, str] | None:
    """The path after ``FROM:`` or ``TO:`` and its parameters; ``None`` if it is malformed."""
    if len(argument) > MAX_PATH:
        return None
    text = argument.strip()
    if ("<" in text) != (">" in text) and "@" in text:
        text = f"<{text.strip('<> ')}>"  # One bracket is missing.
    if "<" in text:
        found = _BRACKETED.fullmatch(text) or _BRACKETED.fullmatch(_without_name(text))
    else:
        found = _BARE.fullmatch(text)
    if found is None:
        return None
    local, domain, rest = found.group(1, 2, 3)
    local = (local or "").strip()
    if local.startswith('"'):
        local = _ESCAPED.sub(r"\1", local[1:-1]).strip()
    elif local.startswith("'") and domain and domain.endswith("'"):
        local, domain = local[1:], domain[:-1]
    rest = _COMMENT.sub("", rest) if rest and "(" in rest else rest or ""
    if rest.startswith((">", ";", ",")):
        rest = rest.lstrip(">;, ")  # Of a list of addresses, or of a bracket too many.
    return Path(local, (domain or "").lower().rstrip(".")), rest


def _without_name(text: str) -> str:
    """The path in its brackets, without a display name before or inside them.

    ``Name <a@b>``, ``<Name <a@b>>``, ``<<a@b>>`` and ``<<a@b>`` all become ``<a@b>``.
    """
    if quoted := _QUOTED_NAME.match(text):
        text = text[quoted.end() :]
    _, _, after = text.partition("<")
    inside, bracket, rest = after.partition(">")
    name, _, path = inside.rpartition("<")
    parameters = rest.lstrip(">")
    closed = len(bracket + rest) - len(parameters)
    clear = closed == 1 + inside.count("<") or (closed and not name.strip("< "))
    return f"<{path}>{parameters}" if clear else ""


#: Address books and people put the scheme of a link before a number, SAPconnect its kind of address
#: (``SMS=+380501234567``).
_SCHEME = re.compile(
    r"(?:(?:tel|sms|smsto|mailto|smtp):|sms=)(?=\+?[0-9])", re.IGNORECASE | re.ASCII
)
_SEPARATORS = str.maketrans("", "", " \t.-()/")
_NUMBER = re.compile(r"(\+?[0-9 \t.\-()/]+)(?:\+(.*))?")
_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[^\W\d_]")


@lru_cache(maxsize=4096)
def parse_recipient(local: str) -> Recipient:
    """The recipient that a local part names: a number, or a group's name or ``g<number>``, and tags
    (``380501234567+promo``).

    Raises a Failure: BAD_PARAMETER for an unknown tag, WRONG_PHONE if it is neither.
    """
    found = _NUMBER.fullmatch(_SCHEME.sub("", local, 1) if ":" in local or "=" in local else local)
    if found is None:
        if _LETTER.search(local):
            return _group(local)
        raise Failure(Reason.WRONG_PHONE)
    tags = found[2].lower().split("+") if found[2] is not None else ()
    message_type, route, wrong = _tagged(tags)
    if wrong is not None:
        # The text is logged, and its digits may be part of a number.
        named = "" if _DIGIT.search(wrong) else f" +{wrong[:30]}"
        raise Failure(Reason.BAD_PARAMETER, f"unknown or second tag{named}")
    number = without_fraction(found[1]).translate(_SEPARATORS)
    return Recipient(number, message_type, route)


def _group(local: str) -> Recipient:
    """A group; its name may have a plus of its own."""
    name, *tags = local.split("+")
    message_type, route, wrong = _tagged([tag.lower() for tag in tags])
    if wrong is not None:
        return Recipient(local)
    return Recipient(name.strip(), message_type, route)


def _tagged(tags: Iterable[str]) -> tuple[MessageType | None, Route | None, str | None]:
    """The values of the tags, and the first tag that is unknown or repeated."""
    message_type: MessageType | None = None
    route: Route | None = None
    for tag in tags:
        if tag in MESSAGE_TYPES and message_type is None:
            message_type = MESSAGE_TYPES[tag]
        elif tag in ROUTES and route is None:
            route = ROUTES[tag]
        else:
            return message_type, route, tag
    return message_type, route, None


def comparable_domains(domains: Iterable[str]) -> frozenset[str]:
    """The domains in lower case, and the ASCII form of internationalized ones too (IDNA)."""
    names = {domain.lower().rstrip(".") for domain in domains}
    for name in tuple(names):
        if not name.isascii():
            names.add(name.encode("idna").decode("ascii"))
    return frozenset(names)
