"""Each fault of the table, for its requests."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from bridge.sandbox import FAULTS, FaultError, Sandbox, fault_from_text, make_fault
from bridge.sandbox.exchange import Answer
from bridge.sandbox.faults import Fault, Manner, fault_from_json
from tests.sandbox.samples import batch, message, request

ERRORS = [name for name, behaviour in FAULTS.items() if behaviour.error]
SILENT = [name for name, b in FAULTS.items() if b.manner not in (Manner.PLAIN, Manner.DRIP)]


def answer_with(name: str, size: int = 3, **options: Any) -> tuple[Answer, Sandbox]:
    sandbox = Sandbox()
    sandbox.fault(name, **options)
    return sandbox.answer(request(batch(size))), sandbox


def pairs(answer: Answer) -> list[tuple[str, str]]:
    return [(element["messageId"], element["trackinId"]) for element in orjson.loads(answer.body)]


def good_pairs(sandbox: Sandbox) -> list[tuple[str, str]]:
    return [(got.message_id, got.id) for got in sandbox.messages]


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_is_answered_and_nothing_is_sent(name: str) -> None:
    answer, sandbox = answer_with(name)
    assert answer.status == int(name.removesuffix("-html"))
    assert sandbox.messages == []
    assert sandbox.requests[0].fault == name


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("400", {"error"}),
        ("422", {"error"}),
        ("401", {"status", "error", "message", "code"}),
        ("403", {"status", "error", "message", "code"}),
        ("404", {"status", "error", "message", "code"}),
        ("500", {"status", "error", "message", "code"}),
        ("503", {"status", "error", "message", "code"}),
        ("429", {"error", "message", "status"}),
    ],
)
def test_errors_have_the_documented_bodies(name: str, keys: set[str]) -> None:
    answer, _ = answer_with(name)
    assert answer.content_type == b"application/json"
    assert orjson.loads(answer.body).keys() == keys


@pytest.mark.parametrize("name", ["403-html", "502", "504"])
def test_a_proxy_answers_in_html(name: str) -> None:
    answer, _ = answer_with(name)
    assert answer.content_type == b"text/html"
    assert answer.body.startswith(b"<html>")


@pytest.mark.parametrize("name", ["429", "503"])
def test_retry_after_comes_where_asked(name: str) -> None:
    assert answer_with(name)[0].headers == ()
    assert answer_with(name, retry_after=7)[0].headers == ((b"retry-after", b"7"),)
    assert answer_with(name, retry_after=0)[0].headers == ((b"retry-after", b"0"),)


@pytest.mark.parametrize(
    ("code", "field"),
    [("INVALID_RECIPIENT", "toPhone"), ("1003", "toPhone"), ("SPAM_FILTER", "")],
)
def test_a_refusal_carries_the_code_that_was_asked_for(code: str, field: str) -> None:
    answer, _ = answer_with("400", code=code)
    error = orjson.loads(answer.body)["error"]
    assert (error["code"], error["field"]) == (code, field)


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("hang", False),
        ("hang-after", True),
        ("hang-up", False),
        ("hang-up-after", True),
        ("reset", False),
        ("reset-after", True),
        ("cut", True),
    ],
)
def test_a_lost_answer_leaves_the_messages_sent_or_not(name: str, sent: bool) -> None:
    answer, sandbox = answer_with(name)
    assert answer.manner is FAULTS[name].manner
    assert len(sandbox.messages) == (3 if sent else 0)


def test_every_fault_that_loses_the_answer_is_tried_here() -> None:
    assert set(SILENT) == {
        "hang",
        "hang-after",
        "hang-up",
        "hang-up-after",
        "reset",
        "reset-after",
        "cut",
    }


@pytest.mark.parametrize(("name", "manner"), [("slow", Manner.PLAIN), ("slow-body", Manner.DRIP)])
def test_a_slow_answer_is_good(name: str, manner: Manner) -> None:
    answer, sandbox = answer_with(name, seconds=2.5)
    assert (answer.manner, answer.seconds) == (manner, 2.5)
    assert pairs(answer) == good_pairs(sandbox)


@pytest.mark.parametrize(("name", "body"), [("empty", b"[]"), ("html", b"<html><p>OK</p></html>")])
def test_an_answer_without_elements_was_sent_all_the_same(name: str, body: bytes) -> None:
    answer, sandbox = answer_with(name)
    assert (answer.status, answer.body) == (200, body)
    assert len(sandbox.messages) == 3


def test_invalid_json_cannot_be_read() -> None:
    answer, _ = answer_with("invalid-json")
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(answer.body)


def test_an_object_is_no_array() -> None:
    assert isinstance(orjson.loads(answer_with("no-array")[0].body), dict)


def test_the_elements_are_spoilt_as_named() -> None:
    answer, sandbox = answer_with("missing")
    assert pairs(answer) == good_pairs(sandbox)[:-1]
    answer, sandbox = answer_with("wrong-order")
    assert pairs(answer) == good_pairs(sandbox)[::-1]
    answer, sandbox = answer_with("duplicate-answers")
    assert pairs(answer) == good_pairs(sandbox) * 2
    answer, sandbox = answer_with("foreign-id")
    assert pairs(answer)[:-1] == good_pairs(sandbox)[:-1]
    assert pairs(answer)[-1][1] not in {got.id for got in sandbox.messages}
    answer, sandbox = answer_with("repeated-ids")
    assert {mid for mid, _ in pairs(answer)} == {sandbox.messages[0].message_id}
    assert [tracking_id for _, tracking_id in pairs(answer)] == ["bulk-0", "bulk-1", "bulk-2"]
    answer, sandbox = answer_with("tracking-id")
    assert [element["trackingId"] for element in orjson.loads(answer.body)] == [
        "bulk-0",
        "bulk-1",
        "bulk-2",
    ]


@pytest.mark.parametrize("name", list(FAULTS))
def test_every_fault_takes_a_batch_of_one(name: str) -> None:
    answer, _ = answer_with(name, size=1)
    assert isinstance(answer, Answer)


def test_a_counted_fault_ends_by_itself() -> None:
    sandbox = Sandbox()
    sandbox.fault("500", count=2)
    statuses = [sandbox.answer(request([message()])).status for _ in range(3)]
    assert statuses == [500, 500, 200]
    assert sandbox.faults == []


def test_faults_follow_one_another() -> None:
    sandbox = Sandbox()
    sandbox.fault("429", count=1)
    sandbox.fault("503", count=1)
    statuses = [sandbox.answer(request([message()])).status for _ in range(3)]
    assert statuses == [429, 503, 200]


def test_a_spoilt_answer_is_not_used_up_by_a_refused_request() -> None:
    sandbox = Sandbox()
    sandbox.fault("empty", count=1)
    assert sandbox.answer(request([message(id="")])).status == 400
    assert sandbox.answer(request([message()])).body == b"[]"


def test_a_phone_in_the_batch_brings_its_fault() -> None:
    sandbox = Sandbox()
    sandbox.fault("400", phones=["+380500000002"], code="INVALID_RECIPIENT")
    items = batch(4)
    assert sandbox.answer(request(items)).status == 400
    assert sandbox.answer(request(items[:2])).status == 200
    assert sandbox.answer(request(items[3:])).status == 200
    assert sandbox.answer(request(items[2:3])).status == 400
    assert [got.id for got in sandbox.messages] == ["bulk-0", "bulk-1", "bulk-3"]
    assert [seen.size for seen in sandbox.requests] == [4, 2, 1, 1]


def test_a_phone_can_have_its_answer_lost() -> None:
    sandbox = Sandbox()
    sandbox.fault("hang-up-after", phones=["+380500000001"], count=1)
    assert sandbox.answer(request(batch(1))).manner is Manner.PLAIN
    assert sandbox.answer(request(batch(2))).manner is Manner.CLOSE
    assert sandbox.answer(request(batch(2))).manner is Manner.PLAIN


def test_a_fault_on_statuses_leaves_sending_alone() -> None:
    sandbox = Sandbox()
    sandbox.fault("500", on="status", count=1)
    sandbox.fault("slow", on="status", seconds=3, count=1)
    assert sandbox.answer(request([message()])).status == 200
    asked = request(method="GET", path=f"/bat/message/{sandbox.messages[0].message_id}")
    assert sandbox.answer(asked).status == 500
    assert sandbox.answer(asked).seconds == 3
    assert sandbox.answer(asked).seconds == 0


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("429", Fault("429")),
        ("429:count=3,retry_after=5", Fault("429", count=3, retry_after=5)),
        ("slow:seconds=0.5", Fault("slow", seconds=0.5)),
        (
            "400:phone=+380501234567,phone=+380507654321,code=1003",
            Fault("400", phones=("+380501234567", "+380507654321"), code="1003"),
        ),
        ("400:phones=+380501234567", Fault("400", phones=("+380501234567",))),
        ("500:on=status", Fault("500", on="status")),
    ],
)
def test_a_fault_is_read_from_the_command_line(text: str, fault: Fault) -> None:
    assert fault_from_text(text) == fault


@pytest.mark.parametrize(
    "text",
    [
        "",
        "418",
        "429:count",
        "429:count=0",
        "429:count=many",
        "429:seconds=5",
        "slow:seconds=-1",
        "slow:retry_after=5",
        "slow:seconds=nan",
        "500:code=1003",
        "500:on=items",
        "empty:on=status",
        "400:on=status,phone=+380501234567",
        "500:probability=1",
    ],
)
def test_an_unknown_fault_or_option_is_refused(text: str) -> None:
    with pytest.raises(FaultError):
        fault_from_text(text)


@pytest.mark.parametrize(
    "document",
    [
        None,
        "429",
        [],
        {},
        {"fault": 429},
        {"fault": "418"},
        {"fault": "429", "count": True},
        {"fault": "429", "count": "2"},
        {"fault": "400", "phones": "+380501234567"},
        {"fault": "400", "phones": [380501234567]},
        {"fault": "400", "name": "500"},
        {"fault": "500", "on": []},
    ],
)
def test_an_unknown_fault_in_json_is_refused(document: Any) -> None:
    with pytest.raises(FaultError):
        fault_from_json(document)


def test_one_phone_in_json_is_named_as_on_the_command_line() -> None:
    expected = Fault("400", phones=("+380501234567",))
    assert fault_from_json({"fault": "400", "phone": "+380501234567"}) == expected
    with pytest.raises(FaultError):
        fault_from_json({"fault": "400", "phone": "+380501234567", "phones": 5})


def test_the_refusal_names_the_known_faults() -> None:
    with pytest.raises(FaultError, match="hang-up-after"):
        make_fault("gone")
