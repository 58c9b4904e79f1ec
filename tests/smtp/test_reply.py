"""Outcomes as SMTP replies."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, Recipient
from bridge.smtp.reply import encode, of_outcome

ID = 4503599627370497


def test_the_forms_of_a_success() -> None:
    assert of_outcome(Accepted(ID, 2)) == f"250 2.0.0 OK - 2 SMS, ID - {ID}"
    assert of_outcome(Accepted(ID, 2, queued=True)) == f"250 2.0.0 OK - 2 SMS, ID - {ID} (queued)"
    assert of_outcome(Accepted(ID, 2), 1) == f"250 2.0.0 {ID},2"


def test_the_forms_of_a_failure() -> None:
    wrong = Failure(Reason.WRONG_PHONE)
    assert of_outcome(wrong) == "550 5.1.3 ERROR = 7 (wrong phone number)"
    assert of_outcome(wrong, 1) == "550 5.1.3 0,-7"


def partly(count: int) -> Accepted:
    wrong = Failure(Reason.WRONG_PHONE)
    refused = tuple((Recipient(f"+38050123{n:04}"), wrong) for n in range(count))
    return Accepted(ID, 1, refused=refused)


def test_a_partial_success_names_what_was_refused() -> None:
    assert of_outcome(partly(1)) == (
        f"250 2.0.0 OK - 1 SMS, ID - {ID}; refused: +380501230000: ERROR = 7 (wrong phone number)"
    )
    assert of_outcome(partly(1), 1) == f"250 2.0.0 {ID},1; refused: +380501230000,-7"
    answer = json.loads(of_outcome(partly(1), 3).removeprefix("250 2.0.0 "))
    assert answer["refused"] == [{"phone": "+380501230000", "error_code": 7}]


@pytest.mark.parametrize("fmt", range(4))
@pytest.mark.parametrize("count", [1, 3, 30, 1000])
def test_a_reply_fits_one_line_and_stays_readable_by_machines(fmt: int, count: int) -> None:
    line = encode(of_outcome(partly(count), fmt))
    assert len(line) <= 512
    assert line.count(b"\r\n") == 1
    text = line.decode().strip().removeprefix("250 2.0.0 ")
    if fmt == 2:
        ElementTree.fromstring(text)
    if fmt == 3:
        answer = json.loads(text)
        assert len(answer["refused"]) + answer.get("refused_more", 0) == count


def test_replies_are_ascii_without_smtputf8() -> None:
    reply = of_outcome(Failure(Reason.SENDER_NOT_ALLOWED, "Крамниця\r\n250 OK"))
    assert encode(reply).isascii()
    assert encode(reply).count(b"\n") == 1
    assert "Крамниця" in encode(reply, smtputf8=True).decode()
    assert len(encode("550 " + "ж" * 400, smtputf8=True)) <= 512
    encode("550 " + "ж" * 400, smtputf8=True).decode()
