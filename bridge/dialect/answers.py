"""Answers of the SMSC dialect in its four formats (``fmt``): text, numbers, XML, JSON.

Clients read these answers with regular expressions: layout and order are part of the dialect. JSON
has one member per line with one space after the colon, XML one element per line, and no answer ends
with a line break. The operations decide the values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Final, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from bridge.model.failure import Failure, Reason


class Format(IntEnum):
    """The parameter ``fmt``."""

    TEXT = 0
    NUMBERS = 1
    XML = 2
    JSON = 3


#: A value: in JSON a number has no quotes, a text has.
Value = int | str
#: The members of one record, in the order of the dialect.
Row = Sequence[tuple[str, Value]]

#: The dialect's texts of errors. Other reasons have our own text.
_TEXTS: Final[dict[Reason, str]] = {
    Reason.BAD_PARAMETER: "parameters error",
    Reason.NO_TEXT: "parameters error",
    Reason.TEXT_TOO_LONG: "parameters error",
    Reason.UNDECODABLE_TEXT: "parameters error",
    Reason.BAD_SCHEDULE: "parameters error",
    Reason.BAD_VALIDITY: "parameters error",
    Reason.WRONG_LOGIN: "authorise error",
    Reason.LOGIN_REQUIRED: "authorise error",
    Reason.NOT_ALLOWED: "authorise error",
    Reason.NOT_FOUND: "record not found",
    Reason.ADDRESS_BLOCKED: "ip is blocked",
    Reason.OPERATION_FAILED: "save error",
    Reason.SENDER_NOT_ALLOWED: "message is denied",
    Reason.PROHIBITED: "message is denied",
    Reason.WRONG_PHONE: "invalid number",
    Reason.REFUSED: "can't to deliver",
    Reason.DUPLICATE: "duplicate request, wait a minute",
    Reason.TOO_MANY_SESSIONS: "too many concurrent requests",
}


_BETWEEN_RECORDS: Final = {
    Format.TEXT: "\n",
    Format.NUMBERS: "\n",
    Format.XML: "\n",
    Format.JSON: ",\n",
}
#: Characters that XML 1.0 does not allow (section 2.2).
_NOT_XML: Final = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
#: An id that is a number in JSON: no leading zeros, and exact in every parser.
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_EXACT: Final = 1 << 53


class Number(NamedTuple):
    """The result for one number of a submission (``op=1``, ``err=1``)."""

    phone: str
    mccmnc: str = ""
    cost: str = ""
    status: str = ""
    error: str = ""


def written_id(id: str) -> Value:
    """A client's id: a number if it is written like one."""
    return int(id) if _NUMBER.fullmatch(id) and int(id) <= _EXACT else id


def error_text(failure: Failure) -> str:
    """The description of a failure in the dialect."""
    return _TEXTS.get(failure.reason, failure.reason.codes.text)


def refused(failure: Failure, fmt: Format, id: str = "", numbers: Sequence[str] = ()) -> str:
    """An error; ``id`` is the client's own id of the refused submission, ``numbers`` are
    :func:`number_line` of each."""
    code, text = failure.reason.codes.fmt, error_text(failure)
    if fmt is Format.TEXT:
        lines = [f"ERROR = {code} ({text})" + (f", ID - {id}" if id else "")]
        return "\n".join([*lines, *numbers])
    if fmt is Format.NUMBERS:
        return "\n".join([f"{id or 0},-{code}", *numbers])
    members: list[tuple[str, Value]] = [("error", text), ("error_code", code)]
    if id:
        members.append(("id", written_id(id)))
    return _record("result", members, fmt, numbers)


def done(fmt: Format) -> str:
    """A successful change or deletion."""
    if fmt is Format.XML:
        return "<result>OK</result>"
    return '{\n"result": "OK"\n}' if fmt is Format.JSON else "OK"


def created(element: str, id: int, fmt: Format) -> str:
    """The id of a new record; ``element`` is its name in XML."""
    if fmt is Format.TEXT:
        return f"ID = {id}"
    return _record(element, [("id", id)], fmt)


def record(row: Row, fmt: Format, element: str = "result") -> str:
    """A single record: a status, a balance."""
    return _record(element, row, fmt)


def listing(element: str, rows: Iterable[Row], fmt: Format) -> str:
    """A list of records; ``element`` is the name of a record in XML."""
    return enclosed([records(element, rows, fmt)], fmt)


def records(element: str, rows: Iterable[Row], fmt: Format) -> str:
    """Some of the records of a list, for :func:`enclosed`."""
    return _BETWEEN_RECORDS[fmt].join(_record(element, row, fmt) for row in rows)


def enclosed(pieces: Iterable[str], fmt: Format) -> str:
    """A list of records that were written in pieces."""
    whole = _BETWEEN_RECORDS[fmt].join(filter(None, pieces))
    if fmt is Format.XML:
        return "\n".join(filter(None, ("<list>", whole, "</list>")))
    return f"[{whole}]" if fmt is Format.JSON else whole


def sent(
    id: str,
    count: int,
    fmt: Format,
    *,
    cost: str | None = None,
    balance: str | None = None,
    numbers: Sequence[str] = (),
) -> str:
    """An accepted submission: ``count`` is the sum of the parts of all its numbers, ``numbers`` are
    :func:`number_line` of each."""
    if fmt is Format.TEXT:
        text = f"OK - {count} SMS, ID - {id}"
        if cost is not None:
            text += f", COST - {cost}"
        if balance is not None:
            text += f", BALANCE - {balance}"
        return "\n".join([text, *numbers])
    members: list[tuple[str, Value]] = [("id", written_id(id)), ("cnt", count)]
    if cost is not None:
        members.append(("cost", cost))
    if balance is not None:
        members.append(("balance", balance))
    return _record("result", members, fmt, numbers)


def priced(cost: str, count: int, fmt: Format, numbers: Sequence[str] = ()) -> str:
    """The price of a submission (``cost=1``); without an id, since nothing was sent."""
    if fmt is Format.TEXT:
        return "\n".join([f"{cost} ({count} SMS)", *numbers])
    return _record("result", [("cost", cost), ("cnt", count)], fmt, numbers)


def number_line(number: Number, fmt: Format) -> str:
    """The result for one number of a submission."""
    row = list(number._asdict().items())
    if fmt is Format.XML:
        attributes = "".join(f" {name}={quoteattr(value)}" for name, value in row[1:] if value)
        return f"<phone{attributes}>{_xml(number.phone)}</phone>"
    return _record("phone", row, fmt)


def encoded(answer: str, fmt: Format, charset: str) -> bytes:
    """The octets of an answer. Parsers of JSON and XML expect UTF-8: in other charsets, characters
    outside of ASCII are written as escapes."""
    if fmt is Format.JSON and charset != "utf-8":
        # Escapes are the same in every charset.
        answer = "".join(
            char if char < "\x80" else json.dumps(char, ensure_ascii=True)[1:-1] for char in answer
        )
    if fmt is Format.XML and charset != "utf-8":
        # Without an XML declaration parsers expect UTF-8.
        return answer.encode("ascii", "xmlcharrefreplace")
    return answer.encode(charset, "replace")


# --- layout ------------------------------------------------------------------------------------


def _line(value: Value) -> str:
    """A value without line breaks, which would begin another record."""
    return " ".join(str(value).splitlines())


def _xml(value: Value) -> str:
    # XML 1.0 allows most control characters not even as references.
    return escape(_NOT_XML.sub(" ", str(value)))


def _record(element: str, row: Row, fmt: Format, numbers: Sequence[str] = ()) -> str:
    if fmt is Format.TEXT:
        return "\n".join([", ".join(f"{name} = {_line(value)}" for name, value in row), *numbers])
    if fmt is Format.NUMBERS:
        return "\n".join([",".join(_line(value) for _, value in row), *numbers])
    if fmt is Format.XML:
        lines = [f"<{name}>{_xml(value)}</{name}>" for name, value in row]
        if numbers:
            lines += ["<phones>", *numbers, "</phones>"]
        return "\n".join([f"<{element}>", *lines, f"</{element}>"])
    members = [f'"{name}": {json.dumps(value, ensure_ascii=False)}' for name, value in row]
    if numbers:
        inner = ",\n".join(numbers)
        members.append(f'"phones": [{inner}]')
    return "{\n" + ",\n".join(members) + "\n}"
