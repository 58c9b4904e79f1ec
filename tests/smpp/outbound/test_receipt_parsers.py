"""Receipts parsed in the ways of client libraries, field by field."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from bridge.config.settings import AccountSettings
from bridge.model.message import State
from bridge.model.state_names import err_of
from bridge.smpp.outbound.deliver_pdu import Style
from bridge.smpp.outbound.receipt import receipt
from bridge.smpp.protocol.codec import decode
from bridge.smpp.protocol.pdu import SubmitSm
from tests.samples import NOW
from tests.smpp.owed import ID, owed

NAMES = ("id", "sub", "dlvrd", "submit date", "done date", "stat", "err", "text")


def whole_line(octets: bytes) -> dict[str, str]:
    """PHP: one expression for the whole text, up to the first octet below 0x20."""
    line = re.split(rb"[\x00-\x1f]", octets)[0].decode("latin-1")
    found = re.fullmatch(
        r"id:([^ ]+) sub:(\d{1,3}) dlvrd:(\d{3}) submit date:(\d{10,12}) "
        r"done date:(\d{10,12}) stat:([A-Z ]{7}) err:(\d{2,3}) text:(.*)",
        line,
        re.IGNORECASE,
    )
    assert found, line
    return dict(zip(NAMES, found.groups(), strict=True))


def each_name_by_its_place(octets: bytes) -> dict[str, str]:
    """Java: a value goes from the colon after its name to the next space."""
    line = octets.decode("latin-1")
    values = {}
    for name in NAMES:
        start = line.index(f"{name}:") + len(name) + 1
        end = line.find(" ", start)
        values[name] = line[start:] if name == "text" or end < 0 else line[start:end]
    return values


def one_expression_a_name(octets: bytes) -> dict[str, str]:
    """Python: each name is searched alone; the text follows its name."""
    line = octets.decode("latin-1")
    shapes = {
        "id": r"[\dA-Za-z_-]+",
        "sub": r"\d{3}",
        "dlvrd": r"\d{3}",
        "submit date": r"\d+",
        "done date": r"\d+",
        "stat": r"\w{7}",
        "err": r"\w{1,3}",
        "text": r".*",
    }
    values = {}
    for name, shape in shapes.items():
        found = re.search(rf"{name}:({shape})", line)
        assert found, name
        values[name] = found[1]
    return values


def read_word_by_word(octets: bytes) -> dict[str, str]:
    """C: words of at most 64 characters in the order of the specification."""
    line, values = octets.decode("latin-1"), {}
    for name, following in zip(NAMES, (*NAMES[1:], ""), strict=True):
        assert line.lower().startswith(f"{name}:")
        line = line[len(name) + 1 :]
        value, _, rest = line.partition(f" {following}:") if following else (line, "", "")
        assert len(value) <= 64
        values[name], line = value, f"{following}:{rest}"
    return values


def split_at_names(octets: bytes) -> dict[str, str]:
    """JavaScript: split at the names, in any order."""
    name = r" ?\b(id|sub|dlvrd|submit date|done date|stat|err|text):"
    pieces = re.split(name, octets.decode(), maxsplit=len(NAMES))
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


PARSERS: list[Callable[[bytes], dict[str, str]]] = [
    whole_line,
    each_name_by_its_place,
    one_expression_a_name,
    read_word_by_word,
    split_at_names,
]
TEXTS = {
    "mail ops@example.com": "mail ops?example.com",
    "a_b $5 [x] {y} ~|^\\": "a?b ?5 ?x? ?y? ????",
    "Your code is 1234": "Your code is 1234",
    "Привіт": "",
}
STATES = {
    State.DELIVERED: "DELIVRD",
    State.EXPIRED: "EXPIRED",
    State.CANCELLED: "DELETED",
    State.UNDELIVERABLE: "UNDELIV",
    State.REJECTED: "REJECTD",
    State.SENT: "ENROUTE",
}


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    ("dates", "form"), [("minutes", "%y%m%d%H%M"), ("seconds", "%y%m%d%H%M%S")]
)
def test_every_field_is_found(
    parser: Callable[[bytes], dict[str, str]], state: State, text: str, dates: str, form: str
) -> None:
    settings = AccountSettings.model_validate({"password": "x", "receipt_dates": dates})
    about = owed(state, text=text, err=6 if state is State.UNDELIVERABLE else 0)
    assert about.stored is not None
    pdu = decode(receipt(about, Style.of(settings, 0x34, "gsm7")).frame(7))
    assert isinstance(pdu.body, SubmitSm)
    submitted = datetime.fromtimestamp(about.stored.message.accepted_at, UTC)
    assert parser(pdu.body.short_message) == {
        "id": str(ID),
        "sub": "001",
        "dlvrd": "001" if state is State.DELIVERED else "000",
        "submit date": submitted.strftime(form),
        "done date": datetime.fromtimestamp(NOW + 60, UTC).strftime(form),
        "stat": STATES[state],
        "err": f"{err_of(about.stored):03}",
        "text": TEXTS[text],
    }
