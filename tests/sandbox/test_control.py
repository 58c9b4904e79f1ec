"""The sandbox's own endpoints: received messages, requests, faults."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from bridge.sandbox import FAULTS, Sandbox
from bridge.sandbox.exchange import Answer
from tests.sandbox.samples import SEND, batch, message, request


def ask(sandbox: Sandbox, method: str, path: str, body: Any = None, query: bytes = b"") -> Answer:
    return sandbox.answer(request(body, method=method, path=path, query=query, headers={}))


def shown(sandbox: Sandbox, path: str, query: bytes = b"") -> Any:
    answer = ask(sandbox, "GET", path, query=query)
    assert answer.status == 200
    return orjson.loads(answer.body)


def test_messages_are_shown_as_they_came() -> None:
    sandbox = Sandbox(clock=lambda: 1737799200.0)
    sandbox.answer(request([message(text="Привіт", ttl=300)]))
    [got] = shown(sandbox, "/sandbox/messages")["messages"]
    assert got == {
        "number": 1,
        "messageId": sandbox.messages[0].message_id,
        "request": 1,
        "at": 1737799200.0,
        "route": "async",
        "keys": ["X-Authorization-Key"],
        "message": message(text="Привіт", ttl=300),
    }


def test_messages_are_shown_in_pages() -> None:
    sandbox = Sandbox()
    for _ in range(3):
        sandbox.answer(request(batch(4)))
    page = shown(sandbox, "/sandbox/messages", b"since=3&limit=5")
    assert [got["number"] for got in page["messages"]] == [4, 5, 6, 7, 8]
    assert [got["request"] for got in page["messages"]] == [1, 2, 2, 2, 2]
    assert page["last"] == 12
    assert shown(sandbox, "/sandbox/messages", b"since=12")["messages"] == []


@pytest.mark.parametrize(
    "query", [b"since=-1", b"since=x", b"limit=1.5", b"limit=%FF", b"since=" + b"9" * 5000]
)
def test_a_page_needs_whole_numbers(query: bytes) -> None:
    assert ask(Sandbox(), "GET", "/sandbox/messages", query=query).status == 400


def test_requests_and_stats_are_counted() -> None:
    sandbox = Sandbox()
    for body in (batch(4), batch(4), [message(id="")]):
        sandbox.answer(request(body))
    requests = shown(sandbox, "/sandbox/requests")
    assert requests["count"] == 3
    assert requests["statuses"] == {"200": 2, "400": 1}
    assert requests["batches"] == {"4": 2}
    assert [seen["path"] for seen in requests["latest"]] == [SEND] * 3
    stats = shown(sandbox, "/sandbox/stats")
    assert (stats["messages"], stats["requests"], stats["duplicates"]) == (8, 3, 4)
    assert stats["duplicate_ids"] == {f"bulk-{n}": 1 for n in range(4)}


def test_looking_is_not_recorded() -> None:
    sandbox = Sandbox()
    shown(sandbox, "/sandbox/stats")
    assert sandbox.requests == []


def test_messages_can_be_forgotten() -> None:
    sandbox = Sandbox()
    sandbox.answer(request(batch(4)))
    assert ask(sandbox, "DELETE", "/sandbox/messages").status == 204
    assert sandbox.messages == []
    assert shown(sandbox, "/sandbox/stats")["messages"] == 0


def test_faults_are_put_shown_and_deleted() -> None:
    sandbox = Sandbox()
    sandbox.fault("500")
    fault = {"fault": "429", "count": 2, "retry_after": 1}
    assert ask(sandbox, "PUT", "/sandbox/faults", fault).status == 200
    view = shown(sandbox, "/sandbox/faults")
    assert view["active"] == [{**fault, "says": "429 Too Many Requests", "on": "send"}]
    assert view["known"].keys() == FAULTS.keys()
    assert sandbox.answer(request([message()])).status == 429
    assert shown(sandbox, "/sandbox/faults")["active"][0]["count"] == 1
    assert ask(sandbox, "DELETE", "/sandbox/faults").status == 204
    assert sandbox.answer(request([message()])).status == 200


def test_an_array_puts_several_faults() -> None:
    sandbox = Sandbox()
    faults = [{"fault": "400", "phones": ["+380501234567"]}, {"fault": "slow", "seconds": 2}]
    assert ask(sandbox, "PUT", "/sandbox/faults", faults).status == 200
    assert [fault.name for fault in sandbox.faults] == ["400", "slow"]
    assert ask(sandbox, "PUT", "/sandbox/faults", []).status == 200
    assert sandbox.faults == []


@pytest.mark.parametrize("body", [b"{", None, {"fault": "418"}, [{"fault": "429"}, 5]])
def test_a_wrong_fault_changes_nothing(body: Any) -> None:
    sandbox = Sandbox()
    sandbox.fault("500")
    answer = ask(sandbox, "PUT", "/sandbox/faults", body)
    assert answer.status == 400
    assert [fault.name for fault in sandbox.faults] == ["500"]


def test_other_paths_and_methods_say_what_there_is() -> None:
    missing = ask(Sandbox(), "GET", "/sandbox/nothing")
    assert missing.status == 404
    assert "/sandbox/messages" in orjson.loads(missing.body)["message"]
    assert ask(Sandbox(), "POST", "/sandbox/faults").headers == ((b"allow", b"GET, PUT, DELETE"),)
