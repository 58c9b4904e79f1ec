"""The SMSC line: a message with its credentials in the body of a mail. No I/O.

    login:psw:id:time,tz:translit,format,sender,test:phones:mes
    login:psw:id:time,tz:translit,format,sender,test::list

Decides the values and the meaning of each field. All but the phones and the text may be empty or
missing at the end. Accounts check the credentials, the relay the submission. A failure names the
wrong field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from bridge.dialect.times import DATE_AND_TIME, scheduled_at
from bridge.dialect.translit import transliteration
from bridge.model.failure import Failure, Reason
from bridge.model.message import Recipient, Route
from bridge.smtp.reading.text import clean

#: The longest mail of this dialect (octets).
MAX_SIZE = 100 * 1024
#: The charset of a text without a declared one.
CHARSET = "koi8-r"

#: Formats that Cascade does not offer; the others are 0 and 10.
_FORMATS = {
    "1": "flash",
    "2": "wap-push",
    "3": "HLR",
    "4": "bin",
    "5": "bin-hex",
    "6": "ping",
    "7": "MMS",
    "8": "mail",
    "9": "call",
    "11": "soc",
}
_ROUTES: dict[str, Route | None] = {"": None, "0": None, "10": Route.TG_VIBER}

_TEXT = re.compile(r"\[text\](.*?)(?:\[/text\]|\Z)", re.IGNORECASE | re.DOTALL)
_ID = re.compile(r"[A-Za-z0-9._-]{0,40}", re.ASCII)
_SENDER = re.compile(r"[^\W_][\w .&-]{0,10}|\+?\d{1,15}")
_BETWEEN_PHONES = re.compile(r"[,;]")
# A phone number in any usual form, or a group.
_PHONE = re.compile(r"\+?[0-9][0-9 ().-]{4,}|[Gg][0-9]+ *", re.ASCII)
#: The end of a row's phones, and the separators between them.
_ROW_FORMS = ((":", _BETWEEN_PHONES), (";", re.compile(",")))


class Line(NamedTuple):
    """The content of a line. ``login`` is empty if ``password`` is an API key.

    ``scheduled_at`` is a Unix time in seconds, ``None`` for now. The recipients of a list have
    their own texts.
    """

    login: str
    password: str
    recipients: tuple[Recipient, ...]
    text: str
    reference: str = ""
    scheduled_at: int | None = None
    sender: str = ""
    route: Route | None = None
    test: bool = False


def find_line(text: str) -> str:
    """The line in the text of a mail, between ``[text]`` and ``[/text]`` if present."""
    marked = _TEXT.search(text)
    return (marked[1] if marked else text).strip("\ufeff \t\r\n")


def parse_line(line: str, *, now: float, max_recipients: int) -> Line:
    """Reads a line at the Unix time ``now``.

    Raises :class:`Failure` (bad parameter, bad schedule time, no text) with the field's name, never
    with its content, which may be the password.
    """
    login, password, reference, rest = _first_fields(line)
    if _ID.fullmatch(reference) is None:
        raise _bad("id")
    time, rest = _time_field(rest)
    options, colon, rest = rest.partition(":")
    phones, second_colon, rest = rest.partition(":")
    if not (colon and second_colon):
        raise _bad("phones", "missing")
    transliterated, route, sender, test = _options(options)
    text, recipients = _texts(phones, rest, transliterated, max_recipients)
    return Line(
        login,
        password,
        recipients,
        text,
        "" if reference.strip("0") == "" else reference,
        scheduled_at(time, now),
        sender,
        route,
        test,
    )


def _bad(field: str, what: str = "") -> Failure:
    return Failure(Reason.BAD_PARAMETER, f"{field} {what}".strip())


def _first_fields(line: str) -> tuple[str, str, str, str]:
    fields = line.split(":", 3)
    for field, name in zip(fields, ("login", "psw", "id"), strict=False):
        if len(field) > 255 or not field.isprintable():
            raise _bad(name)
    if len(fields) < 4:
        raise _bad(("psw", "id", "time")[len(fields) - 1], "missing")
    login, password, reference, rest = fields
    return login.strip(), password.strip(), reference.strip(), rest


def _time_field(rest: str) -> tuple[str, str]:
    """The field ``time,tz``, and the rest of the line."""
    found = DATE_AND_TIME.match(rest)
    if found is None:
        time, _, rest = rest.partition(":")
        return time.strip(), rest
    zone, _, rest = rest[found.end() :].partition(":")
    return found[0] + zone.rstrip(), rest


def _options(options: str) -> tuple[Callable[[str], str], Route | None, str, bool]:
    fields = [field.strip() for field in options.split(",")]
    if len(fields) > 4:
        raise _bad("translit,format,sender,test", "has more than four fields")
    translit, form, sender, test = fields + [""] * (4 - len(fields))
    transliterated = transliteration(translit)
    if form not in _ROUTES:
        known = f"{form} ({_FORMATS[form]}) cannot be sent" if form in _FORMATS else ""
        raise _bad("format", known)
    if sender not in ("", ".") and _SENDER.fullmatch(sender) is None:
        raise _bad("sender")
    if test not in ("", "0", "1"):
        raise _bad("test")
    return transliterated, _ROUTES[form], "" if sender == "." else sender, test == "1"


# --- recipients and texts ------------------------------------------------------------------------


def _texts(
    phones: str, rest: str, transliterated: Callable[[str], str], max_recipients: int
) -> tuple[str, tuple[Recipient, ...]]:
    def readable(text: str) -> str:
        return clean(transliterated(text))

    if phones.strip():
        recipients = tuple(Recipient(phone) for phone in _split(phones))
        text = readable(rest)
        if not text:
            raise Failure(Reason.NO_TEXT, "mes")
    else:
        text = ""
        recipients = tuple(_rows(rest, readable))
    if not recipients:
        raise _bad("phones" if phones.strip() else "list", "empty")
    if len(recipients) > max_recipients:
        raise _bad("phones" if phones.strip() else "list", f"has more than {max_recipients}")
    return text, recipients


def _split(phones: str) -> Iterator[str]:
    for phone in _BETWEEN_PHONES.split(phones):
        if phone := phone.strip():
            yield phone


def _rows(rows: str, readable: Callable[[str], str]) -> Iterator[Recipient]:
    for number, row in enumerate(rows.splitlines(), 1):
        if not row.strip():
            continue
        phones, text = _row(row, number)
        text = readable(text)
        if not text:
            raise Failure(Reason.NO_TEXT, f"list row {number}")
        for phone in phones:
            yield Recipient(phone.strip(), text=text)


def _row(row: str, number: int) -> tuple[list[str], str]:
    """The phones and the text of a row. Patterns match one phone at a time: one for the whole row
    would need exponential time for the spaces."""
    for end, between in _ROW_FORMS:
        phones, found, text = row.partition(end)
        listed = between.split(phones)
        if found and all(_PHONE.fullmatch(phone.lstrip(" ")) for phone in listed):
            return listed, text
    raise _bad("list", f"row {number}")
