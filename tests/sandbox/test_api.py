"""The provider's endpoints, without HTTP: keys, answers, statuses, variables, limits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from bridge.sandbox import Sandbox
from bridge.sandbox.exchange import Answer
from tests.sandbox.samples import HEADERS, SEND, SEND_TG_VIBER, batch, message, request

NOW = datetime(2025, 1, 25, 10, 0, tzinfo=UTC).timestamp()


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> Sandbox:
    return Sandbox(clock=clock)


def json_of(answer: Answer) -> Any:
    assert answer.content_type == b"application/json"
    return orjson.loads(answer.body)


def status_of(sandbox: Sandbox, message_id: str) -> Answer:
    return sandbox.answer(request(method="GET", path=f"/bat/message/{message_id}"))


def test_the_answer_pairs_message_ids_and_tracking_ids_in_order(sandbox: Sandbox) -> None:
    answer = sandbox.answer(request(batch(3)))
    assert answer.status == 200
    elements = json_of(answer)
    assert [element["trackinId"] for element in elements] == ["bulk-0", "bulk-1", "bulk-2"]
    assert [element["messageId"] for element in elements] == [
        got.message_id for got in sandbox.messages
    ]
    assert all(element.keys() == {"messageId", "trackinId"} for element in elements)


def test_both_routes_are_served_and_told_apart(sandbox: Sandbox) -> None:
    for path in (SEND, SEND_TG_VIBER):
        assert sandbox.answer(request([message()], path=path)).status == 200
    assert [got.route for got in sandbox.messages] == ["async", "tg-viber"]


def test_a_repeated_id_is_answered_and_reported(sandbox: Sandbox) -> None:
    answers = [json_of(sandbox.answer(request([message(id="tx-1")]))) for _ in range(2)]
    assert answers[0][0]["messageId"] != answers[1][0]["messageId"]
    assert sandbox.duplicates == {"tx-1": 1}


@pytest.mark.parametrize("name", ["X-Authorization-Key", "X-Viber-Auth-Token", "X-Tg-Bot-Key"])
def test_each_key_header_is_enough(sandbox: Sandbox, name: str) -> None:
    headers = {"Content-Type": "application/json", name: "some key"}
    assert sandbox.answer(request([message()], headers=headers)).status == 200
    assert sandbox.messages[0].keys == (name,)


UNAUTHORIZED = {
    "status": 401,
    "error": "Unauthorized",
    "message": "Invalid API key",
    "code": "UNAUTHORIZED",
}


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"X-Authorization-Key": ""},
        {"X-Authorization-Key": "wrong"},
        {"X-Authorization-Key": "right", "X-Tg-Bot-Key": "wrong"},
        {"Authorization": "right"},
    ],
)
def test_no_key_or_a_wrong_one_is_401(sandbox: Sandbox, keys: dict[str, str]) -> None:
    headers = {"Content-Type": "application/json", **keys}
    answer = sandbox.answer(request([message()], headers=headers))
    assert answer.status == 401
    assert json_of(answer) == UNAUTHORIZED
    assert sandbox.messages == []


def test_configured_keys_are_the_only_ones() -> None:
    sandbox = Sandbox(keys=["one", "two"])
    for key, status in (("one", 200), ("two", 200), ("three", 401)):
        headers = {**HEADERS, "X-Authorization-Key": key}
        assert sandbox.answer(request([message()], headers=headers)).status == status


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ('Application/JSON;charset="UTF-8"', 200),
        ("application/json; charset=koi8-r", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("", 415),
    ],
)
def test_the_body_must_say_that_it_is_json(
    sandbox: Sandbox, content_type: str, status: int
) -> None:
    headers = {**HEADERS, "Content-Type": content_type}
    assert sandbox.answer(request([message()], headers=headers)).status == status


def test_a_mistake_has_the_documented_body(sandbox: Sandbox) -> None:
    answer = sandbox.answer(request([message(), message(toPhone="0501234567")]))
    assert answer.status == 400
    assert json_of(answer) == {
        "error": {
            "code": "INVALID_PHONE",
            "message": "Invalid phone number format",
            "field": "toPhone",
        }
    }
    assert sandbox.messages == []


def test_a_body_too_large_is_413(sandbox: Sandbox) -> None:
    answer = sandbox.answer(request()._replace(body=None))
    assert answer.status == 413
    assert json_of(answer)["error"] == "Payload Too Large"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", SEND, 405),
        ("PUT", SEND, 405),
        ("POST", "/bat/message/3fa85f64-5717-4562-b3fc-2c963f66afa6", 405),
        ("GET", "/api/items", 405),
        ("POST", f"{SEND}/", 404),
        ("POST", "/api/CascadeMessage/send_message", 404),
        ("GET", "/", 404),
    ],
)
def test_other_methods_and_paths_are_refused(
    sandbox: Sandbox, method: str, path: str, status: int
) -> None:
    answer = sandbox.answer(request([message()], method=method, path=path))
    assert answer.status == status
    assert json_of(answer)["status"] == status
    assert (status == 405) == bool(answer.headers)


def test_a_status_has_the_documented_body_and_moves_on(sandbox: Sandbox, clock: Clock) -> None:
    sandbox.answer(request([message(text="x" * 161)]))
    message_id = sandbox.messages[0].message_id
    document = json_of(status_of(sandbox, message_id))
    assert document.keys() == {
        "messagelistId",
        "messageId",
        "deliverystatus",
        "partscount",
        "cost",
    }
    assert (document["messageId"], document["partscount"]) == (message_id, 2)
    seen = [document["deliverystatus"]]
    for _ in range(2):
        clock.now += 2.0
        seen.append(json_of(status_of(sandbox, message_id))["deliverystatus"])
    assert seen == ["scheduled", "processing", "delivered"]


def test_a_status_needs_a_key_a_uuid_and_a_known_message(sandbox: Sandbox) -> None:
    path = "/bat/message/3fa85f64-5717-4562-b3fc-2c963f66afa6"
    assert sandbox.answer(request(method="GET", path=path, headers={})).status == 401
    assert sandbox.answer(request(method="GET", path=path)).status == 404
    assert status_of(sandbox, "12345").status == 400


def test_variables_are_taken(sandbox: Sandbox) -> None:
    variable = {"id": 7, "type": "name", "value": "Olena"}
    answer = sandbox.answer(request({"variables": [variable]}, path="/api/items"))
    assert answer.status == 200
    assert sandbox.variables == {7: variable}
    assert sandbox.answer(request({}, path="/api/items")).status == 400
    assert sandbox.answer(request({}, path="/api/items", headers={})).status == 401


def test_the_documented_limits_are_kept_where_asked(clock: Clock) -> None:
    sandbox = Sandbox(clock=clock, limits=True)
    statuses = [sandbox.answer(request([message()])).status for _ in range(151)]
    assert statuses == [200] * 150 + [429]
    limited = sandbox.answer(request([message()]))
    assert json_of(limited) == {
        "error": "Too Many Requests",
        "message": "Rate limit exceeded",
        "status": 429,
    }
    assert limited.headers == ()
    clock.now += 0.125
    statuses = [sandbox.answer(request([message()])).status for _ in range(13)]
    assert statuses == [200] * 12 + [429]
    message_id = sandbox.messages[0].message_id
    statuses = [status_of(sandbox, message_id).status for _ in range(76)]
    assert statuses == [200] * 75 + [429]


def test_every_request_is_recorded_with_what_it_got(sandbox: Sandbox) -> None:
    sandbox.answer(request(batch(2)))
    sandbox.answer(request([message(id="")]))
    sandbox.fault("hang-up")
    sandbox.answer(request([message()]))
    good, bad, dropped = sandbox.requests
    assert (good.number, good.status, good.size, good.path) == (1, 200, 2, SEND)
    assert (bad.status, bad.size) == (400, 0)
    assert bad.error.startswith("1001 id ")
    assert (dropped.status, dropped.fault) == (0, "hang-up")


def test_answers_of_a_delayed_sandbox_come_with_their_pause() -> None:
    sandbox = Sandbox(delay=0.25)
    assert sandbox.answer(request([message()])).seconds == 0.25
    assert sandbox.answer(request([message(id="")])).seconds == 0
