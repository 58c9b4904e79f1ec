"""The story of a part that was not joined: state, cause, notices."""

from __future__ import annotations

import json

import pytest

from bridge.model.message import Receipts, State
from bridge.model.notice import Notice, Unjoined, UnjoinedPart, part_notice
from bridge.store import Receivers
from bridge.trace.part_story import (
    cause_of_part,
    part_document,
    part_outlook,
    part_owed,
    part_steps,
    why_none_of_part,
)
from bridge.trace.story import Around
from tests.samples import NOW

ID = 1 << 40
BOTH = Receipts.SUCCESS | Receipts.FAILURE


def waiting(
    missing: tuple[int, ...] = (2, 3), receipts: int = BOTH, total: int = 3
) -> UnjoinedPart:
    about = Unjoined("+380501234567", "Shop", NOW, 1, total, missing, int(receipts))
    return UnjoinedPart(ID, "crm", about, NOW - 10, None)


def ended(part: UnjoinedPart, state: State = State.EXPIRED, **told: object) -> UnjoinedPart:
    notice: Notice = part_notice(part.account, part.id, part.about, NOW + 290, state)
    return part._replace(notice=notice._replace(**told), begun_at=0)  # type: ignore[arg-type]


def around(now: int = NOW + 10, receivers: tuple[Receivers, ...] = ()) -> Around:
    """Circumstances in which times are shown as seconds since the acceptance."""
    return Around(now, lambda at: f"+{at - NOW}", receivers, parts_timeout=300)


def said(part: UnjoinedPart) -> list[tuple[int, str, str]]:
    return [(at - NOW, what, says) for at, what, says in part_steps(part)]


def test_while_it_waits_it_is_said_for_which_parts_and_until_when() -> None:
    part = waiting()
    assert said(part) == [(0, "accepted", "from crm by smpp, part 1 of 3")]
    assert part_outlook(part, around()) == ["it waits for parts 2 and 3 of 3, until +290"]
    assert part_owed(part, around()) == []
    assert why_none_of_part(part) == "requested for success and failure"
    assert cause_of_part(part) == ""


def test_a_part_whose_message_was_not_completed_expired_with_a_receipt() -> None:
    part = ended(waiting(), ended_at=NOW + 291, tries=1, outcome="ESME_ROK from 10.0.0.1")
    assert said(part) == [
        (0, "accepted", "from crm by smpp, part 1 of 3"),
        (290, "expired", "parts 2 and 3 of 3 never came"),
        (291, "receipt", f"of expired, id {ID}: ESME_ROK from 10.0.0.1"),
    ]
    assert part_outlook(part, around()) == []
    assert part_owed(part, around()) == []
    assert why_none_of_part(part) == ""


def test_a_receipt_that_nobody_took_yet_says_what_it_waits_for() -> None:
    away = (Receivers(0, False, NOW + 5),)
    [line] = part_owed(ended(waiting()), around(NOW + 300, away))
    assert line == f"receipt of expired, id {ID}: no receiver is bound since +5"


@pytest.mark.parametrize(
    ("receipts", "why"),
    [
        (Receipts.NONE, "the part did not request one"),
        (Receipts.SUCCESS, "requested for success only"),
        (Receipts.FAILURE, ""),
    ],
)
def test_why_no_receipt_is_sent(receipts: Receipts, why: str) -> None:
    part = ended(waiting(receipts=receipts))
    assert why_none_of_part(part) == why
    assert [step.what for step in part_steps(part)] == ["accepted", "expired"]
    assert bool(part_owed(part, around(NOW + 300))) is (not why)


@pytest.mark.parametrize(
    ("missing", "total", "words"),
    [
        ((2,), 2, "part 2 of 2 never came"),
        ((2, 3), 3, "parts 2 and 3 of 3 never came"),
        ((2, 4, 6), 6, "parts 2, 4 and 6 of 6 never came"),
        ((2, 3, 4, 9), 9, "parts 2 to 4 and 9 of 9 never came"),
        (tuple(range(2, 256)), 255, "parts 2 to 255 of 255 never came"),
    ],
)
def test_missing_parts_are_named(missing: tuple[int, ...], total: int, words: str) -> None:
    assert cause_of_part(ended(waiting(missing, total=total))) == words


def test_parts_whose_message_was_refused_say_so() -> None:
    part = waiting(())
    assert part_outlook(part, around()) == [
        "all 3 parts came, but their message was refused: it waits for one of them to come again, "
        "until +290"
    ]
    assert cause_of_part(ended(part)) == "all 3 parts came, but their message was refused"
    again = ended(part, State.REJECTED)
    assert cause_of_part(again) == "the same message again, which the account refuses"
    assert [step.what for step in part_steps(again)] == ["accepted", "rejected"]


def test_it_is_all_in_the_document() -> None:
    found = part_document(waiting(), around())
    assert json.loads(json.dumps(found)) == found
    assert (found["part_id"], found["part"], found["parts"]) == (ID, 1, 3)
    assert (found["missing"], found["waits_until"], found["state"]) == ([2, 3], "+290", "accepted")
    assert found["notices"] == []
    over = part_document(ended(waiting()), around())
    assert set(over) == set(found)
    assert (over["state"], over["since"], over["waits_until"]) == ("expired", "+290", None)
    assert over["cause"] == "parts 2 and 3 of 3 never came"
    assert [notice["kind"] for notice in over["notices"]] == ["receipt"]
    assert part_document(ended(waiting(receipts=Receipts.NONE)), around())["notices"] == []
