"""Fields of the directory: checks input, and normalises it for the store.

Used for commands, the API, the SMSC dialect and files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import date
from typing import Final

from bridge.model.contact import Blocks
from bridge.model.failure import Failure, Reason
from bridge.model.phone import normalise

#: Most characters of a field; comments may be longer.
MAX_FIELD: Final = 255
MAX_COMMENTS: Final = 2000
#: Most phones of a contact, and characters of a text that names them.
MAX_PHONES: Final = 20
_MAX_WRITTEN: Final = 2000

#: Separators between numbers.
_BETWEEN: Final = re.compile(r"[,;|/\r\n\t]|:::")  # the last in exports of Google
#: Groups of digits; most of them in one number, and in one text.
_DIGITS: Final = re.compile(r"\+?\d+", re.ASCII)
_GROUPS: Final = 8
_MOST_GROUPS: Final = 60
#: Numbers that a spreadsheet or another program took for figures.
_FRACTION: Final = re.compile(r"\s*(\d{9,15})[.,]0+\s*", re.ASCII)
_EXPONENT: Final = re.compile(r"\s*(\d)[.,](\d+)[eE]\+(\d{1,2})\s*", re.ASCII)
#: The names of groups in one field; a backslash stands before a character that would separate.
_GROUP_NAMES: Final = re.compile(r"((?:\\(?:.|$)|:(?!::)|[^\\;|:])*)(?:[;|]|:::|$)", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\([\\;|:*])")
_TO_ESCAPE: Final = re.compile(r"[\\;|]|^\*|:(?=::)")
_DAY: Final = (
    re.compile(r"(?P<d>\d{1,2})[./](?P<m>\d{1,2})[./](?P<y>\d{4})(?: \d.*)?", re.ASCII),
    # American, if it can be nothing else.
    re.compile(r"(?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<y>\d{4})(?: \d.*)?", re.ASCII),
    re.compile(r"(?P<y>\d{4})-?(?P<m>\d{2})-?(?P<d>\d{2})(?:[T ].*)?", re.ASCII),
)
#: Characters that no text needs: of control, unpaired surrogates, and those that XML forbids.
_CONTROLS: Final = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
#: Marks without a width, among them those that turn the direction of what follows.
_INVISIBLE: Final = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_HOURS: Final = re.compile(r"(\d{1,2})-(\d{1,2})", re.ASCII)


def phones(text: str, region: str) -> tuple[str, ...]:
    """The phone numbers in a text, each once, in any form that ``region`` allows.

    Any separators are allowed but letters; a number may contain spaces. Raises Failure (bad
    parameter: the source document has no other code for a wrong number here), also if there is
    none.
    """
    if len(text) > _MAX_WRITTEN:
        raise Failure(Reason.BAD_PARAMETER, f"phone: more than {_MAX_WRITTEN} characters")
    found: dict[str, None] = {}
    try:
        for piece in _BETWEEN.split(_whole(text)):
            if piece := piece.strip():
                found.update(dict.fromkeys(_numbers(piece, region)))
    except Failure as failure:
        why = failure.detail or "wrong phone number"
        raise Failure(Reason.BAD_PARAMETER, why) from None
    if not found:
        raise Failure(Reason.BAD_PARAMETER, "no phone number")
    if len(found) > MAX_PHONES:
        raise Failure(Reason.BAD_PARAMETER, f"phone: more than {MAX_PHONES} numbers")
    return tuple(found)


def phone(text: str, region: str) -> str:
    """The only phone number in a text. Raises Failure (bad parameter), also if there are several:
    none of them may be left out."""
    [first, *more] = phones(text, region)
    if more:
        raise Failure(Reason.BAD_PARAMETER, "one phone number only")
    return first


def _whole(text: str) -> str:
    """The number that a spreadsheet wrote with an exponent or with the zeros of a fraction."""
    if fraction := _FRACTION.fullmatch(text):
        return fraction[1]
    if rounded := _EXPONENT.fullmatch(text):
        digits = rounded[1] + rounded[2]
        if len(digits) != int(rounded[3]) + 1:
            raise Failure(Reason.WRONG_PHONE, "the spreadsheet has rounded the number")
        return digits
    return text


def _numbers(piece: str, region: str) -> Sequence[str]:
    try:
        return (normalise(piece, region),)
    except Failure:
        groups = [found.span() for found in _DIGITS.finditer(piece)]
        if not 1 < len(groups) <= _MOST_GROUPS or any(map(str.isalpha, piece)):
            raise
        numbers = _apart(piece, groups, region)
        if numbers is None:
            raise
        return numbers


def _apart(piece: str, groups: Sequence[tuple[int, int]], region: str) -> Sequence[str] | None:
    """The numbers that these groups of digits are, with nothing left; None if they are none.
    Of several ways the one whose first number is the longest."""
    after: list[Sequence[str] | None] = [None] * len(groups) + [()]
    for first in reversed(range(len(groups))):
        for end in range(min(len(groups), first + _GROUPS), first, -1):
            rest = after[end]
            if rest is not None:
                written = piece[groups[first][0] : groups[end - 1][1]]
                with suppress(Failure):
                    if first and written.startswith("+0"):
                        written = written[1:]  # a plus as separator
                    after[first] = (normalise(written, region), *rest)
                    break
    return after[0]


def text(name: str, value: str, most: int = MAX_FIELD) -> str:
    """A field as one line, without control characters. Joiners, which emoji and some scripts need,
    stay. Raises Failure (bad parameter) if it is too long."""
    if not value.isprintable():
        value = _CONTROLS.sub(" ", _INVISIBLE.sub("", value))
    value = " ".join(value.split())
    if len(value) > most:
        raise Failure(Reason.BAD_PARAMETER, f"{name}: more than {most} characters")
    return value


def birthday(value: str) -> str:
    """``dd.mm.yyyy``, or empty. Raises Failure (bad parameter) for a day that does not exist."""
    value = value.strip()
    if not value.strip("0./-") or value.startswith("--"):
        return ""  # as programs write none; a day without a year (RFC 6350 §4.3.1)
    for pattern in _DAY:
        if found := pattern.fullmatch(value):
            with suppress(ValueError):
                day = date(int(found["y"]), int(found["m"]), int(found["d"]))
                return f"{day.day:02}.{day.month:02}.{day.year:04}"
    raise Failure(Reason.BAD_PARAMETER, "birthday: dd.mm.yyyy")


def hours(value: str) -> str:
    """``"9-21"``, or empty. Raises Failure (bad parameter)."""
    value = value.replace(" ", "")
    if not value:
        return ""
    found = _HOURS.fullmatch(value)
    if found is None or int(found[1]) > 23 or not 1 <= int(found[2]) <= 24 or found[1] == found[2]:
        raise Failure(Reason.BAD_PARAMETER, "hours: for instance 9-21")
    return f"{int(found[1])}-{int(found[2])}"


def group_name(value: str) -> str:
    """The name of a group. It is a recipient, so it must have a letter and not be ``g<number>``.

    Raises Failure (bad parameter).
    """
    name = text("name", value)
    if not any(char.isalpha() for char in name):
        raise Failure(Reason.BAD_PARAMETER, "name: a group's name has a letter")
    if re.fullmatch(r"[gG]\d+", name, re.ASCII):
        raise Failure(Reason.BAD_PARAMETER, "name: g and a number address a group by its number")
    return name


def split_groups(value: str) -> list[str]:
    """The names of groups in one field, as :func:`joined_groups` and address books write them.

    An asterisk marks the groups of an address book that its owner did not make: they are left out.
    """
    names = (found[1].strip() for found in _GROUP_NAMES.finditer(value))
    return [_ESCAPED.sub(r"\1", name) for name in names if name and not name.startswith("* ")]


def joined_groups(names: Iterable[str]) -> str:
    """The names of groups as one field; a backslash stands before a separator in a name."""
    return "|".join(_TO_ESCAPE.sub(r"\\\g<0>", name) for name in names)


def group_number(value: str) -> int | None:
    """A group's number, None for an empty value or 0. Raises Failure (bad parameter)."""
    return _number("number", value, 10**15 - 1) or None


def parts(value: str) -> int:
    """The most parts of a message to a group; 0 for an empty value. Raises Failure."""
    return _number("max_parts", value, 255)


_BLOCKS: Final = {
    "": Blocks.ALL,
    **{str(int(kind)): kind for kind in Blocks},
    **{kind.name: kind for kind in Blocks},
}


def blocks(value: str) -> Blocks:
    """The kind of block of an entry, by its number or its name; an empty value means all.

    Raises Failure (bad parameter).
    """
    # Some programs write whole numbers with a fraction.
    kind = _BLOCKS.get(value.strip().upper().removesuffix(".0"))
    if kind is None:
        raise Failure(Reason.BAD_PARAMETER, "type: 0 all, 1 bulk, 2 single messages")
    return kind


#: The dialect's names of template formats.
_FORMATS: Final = frozenset({"sms", "flash", "bin", "push", "mms", "call", "mail", "viber"})


def template_format(value: str) -> str:
    """A template's format. Raises Failure (bad parameter)."""
    word = value.strip().lower()
    if word and word not in _FORMATS:
        raise Failure(Reason.BAD_PARAMETER, "format")
    return word


def _number(name: str, value: str, most: int) -> int:
    value = value.strip()
    if not value:
        return 0
    if not (value.isascii() and value.isdigit() and len(value) < 19 and int(value) <= most):
        raise Failure(Reason.BAD_PARAMETER, name)
    return int(value)
