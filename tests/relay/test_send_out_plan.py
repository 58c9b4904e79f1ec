"""What a send-out counts, and how a repeated one is recognised."""

from __future__ import annotations

from typing import Any

from bridge.model.failure import Failure, Reason
from bridge.model.message import Message, Recipient
from bridge.relay.send_out_plan import NAMED, Counted, Plan, fingerprint_of
from bridge.store.directory.staging import OwnText
from tests.samples import NOW, message

COMMON = message(0, phone="", text="hello", parts=1)


def plan(*phones: Recipient, **changes: Any) -> Plan:
    return Plan(COMMON, (), phones)._replace(**changes)


def check(recipient: Recipient) -> tuple[str, Message]:
    if not recipient.address.isdigit():
        raise Failure(Reason.WRONG_PHONE)
    if recipient.text is None:
        return f"+{recipient.address}", COMMON
    return f"+{recipient.address}", COMMON._replace(text=recipient.text, parts=2)


def test_a_named_number_gets_each_text_once() -> None:
    counted = Counted(plan(), check)
    own = OwnText("own", COMMON.fallback, 2, COMMON.envelope)
    for recipient, found in (
        (Recipient("380501234567"), ("+380501234567", None)),
        (Recipient("380501234567"), None),
        (Recipient("380501234567", text="own"), ("+380501234567", own)),
    ):
        assert counted.add(recipient, named=True) == found
    assert counted.add(Recipient("380501234567"), named=False) is None
    assert (counted.messages, counted.parts, counted.refusals) == (2, 3, 0)


def test_refused_numbers_are_named_and_those_of_groups_up_to_a_limit() -> None:
    for named, refused in ((True, NAMED + 5), (False, NAMED)):
        counted = Counted(plan(), check)
        for n in range(NAMED + 5):
            assert counted.add(Recipient(f"x{n}"), named=named) is None
        assert (counted.messages, counted.refusals, len(counted.refused)) == (0, NAMED + 5, refused)


def key(given: Plan) -> bytes:
    found = fingerprint_of(given, 7, NOW)
    assert found is not None
    assert found.message_id == 7
    return found.key


def test_a_repeated_one_has_the_same_fingerprint() -> None:
    first, second = Recipient("380501234567"), Recipient("380671112233", text="own")
    assert fingerprint_of(plan(first), 7, NOW) is None
    own = {"duplicate_window": 60}
    known = key(plan(first, second, **own))
    assert key(plan(second, first, **own)) == known
    others = [
        plan(first, **own),
        plan(first, second._replace(text="else"), **own),
        plan(first, second, groups=(1,), **own),
        plan(first, second, message=COMMON._replace(text="bye"), **own),
        plan(first, second, message=COMMON._replace(sender="Other"), **own),
        plan(first, second, message=COMMON._replace(account="shop"), **own),
        plan(first, second, repeat_key=b"mail", **own),
    ]
    assert len({known, *map(key, others)}) == len(others) + 1


def test_a_duplicate_is_recognised_within_the_window_and_a_repeat_for_an_hour() -> None:
    for given, seconds in (({"duplicate_window": 60}, 60), ({"repeat_key": b"mail"}, 3600)):
        found = fingerprint_of(plan(Recipient("380501234567"), **given), 7, NOW)
        assert found is not None
        assert found.until == NOW + seconds
