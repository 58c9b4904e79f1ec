"""All answers of the API, for one message and for a batch: the client's answer, the final states,
and the number of requests."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, Outcome, State
from bridge.sandbox import Sandbox
from tests.relaying import relaying
from tests.samples import submission
from tests.support import free_port

PHONES = tuple(f"+38050{n:07}" for n in range(4))
LAST = PHONES[-1]


@dataclass(frozen=True)
class Expected:
    """The expected total of requests, number of messages by state, and repeated messages."""

    requests: int
    sent: int = 0
    rejected: int = 0
    held: int = 0
    twice: int = 0
    reason: Reason | None = None


@dataclass(frozen=True)
class Case:
    """A fault with its options, and the expectation for one message and for four."""

    fault: str
    single: Expected
    batch: Expected
    options: dict[str, Any] = field(default_factory=dict)
    name: str = ""


ONCE = {"count": 1}
# Probing begins with one message, then the other three go.
HELD_UPSTREAM = (Expected(2, sent=1), Expected(3, sent=4))
AGAIN = (Expected(2, sent=1), Expected(2, sent=4))
# The bridge cannot know that the API did not accept it.
UNKNOWN = (Expected(2, sent=1), Expected(3, sent=4))
NOTHING_WRONG = (Expected(1, sent=1), Expected(1, sent=4))
# After an unknown outcome a single message goes first.
SENT_TWICE = (Expected(2, sent=1, twice=1), Expected(3, sent=4, twice=4))

CASES = (
    Case(
        "400",
        Expected(1, rejected=1, reason=Reason.WRONG_PHONE),
        # the four, two halves, and the bad half's two messages
        Expected(5, sent=3, rejected=1, reason=Reason.WRONG_PHONE),
        {"phones": [LAST]},
        "400 one",
    ),
    Case(
        "400",
        Expected(1, rejected=1, reason=Reason.SENDER_NOT_ALLOWED),
        Expected(7, rejected=4, reason=Reason.SENDER_NOT_ALLOWED),
        {"code": "INVALID_SENDER"},
        "400 all",
    ),
    Case(
        "422",
        Expected(1, rejected=1, reason=Reason.REFUSED),
        Expected(5, sent=3, rejected=1, reason=Reason.REFUSED),
        {"phones": [LAST], "code": "OTHER"},
    ),
    Case("401", *HELD_UPSTREAM, ONCE),
    Case("402", *HELD_UPSTREAM, ONCE),
    Case("403", *HELD_UPSTREAM, ONCE),
    Case("404", *HELD_UPSTREAM, ONCE),
    Case("405", *HELD_UPSTREAM, ONCE),
    Case("415", *HELD_UPSTREAM, ONCE),
    Case("403-html", Expected(1, held=1), Expected(3, sent=4), ONCE),
    Case("403-html", Expected(1, held=1), Expected(7, held=4), {}, "403-html all"),
    Case("408", *UNKNOWN, ONCE),
    Case("409", Expected(1, held=1), Expected(3, sent=4), ONCE),
    Case("409", Expected(1, held=1), Expected(7, held=4), {}, "409 all"),
    Case("421", *AGAIN, ONCE),
    Case("425", *AGAIN, ONCE),
    Case("413", Expected(1, rejected=1, reason=Reason.REFUSED), Expected(3, sent=4), ONCE),
    Case("429", *AGAIN, ONCE),
    Case("429", *AGAIN, {"count": 1, "retry_after": 1}, "429 Retry-After"),
    Case("500", *AGAIN, ONCE),
    Case("502", *AGAIN, ONCE, "502 HTML"),
    Case("503", *AGAIN, ONCE),
    Case("504", *AGAIN, ONCE),
    Case("reset", *UNKNOWN, ONCE, "reset before it was taken"),
    Case("reset-after", *SENT_TWICE, ONCE),
    Case("hang-up", *UNKNOWN, ONCE),
    Case("hang-up-after", *SENT_TWICE, ONCE),
    Case("hang", *UNKNOWN, ONCE),
    Case("hang-after", *SENT_TWICE, ONCE),
    Case("slow", *NOTHING_WRONG, {"seconds": 0.3}),
    Case("slow-body", *NOTHING_WRONG, {"seconds": 0.3}),
    Case("cut", *SENT_TWICE, ONCE),
    Case("invalid-json", *SENT_TWICE, ONCE),
    Case("no-array", *SENT_TWICE, ONCE),
    Case("html", *SENT_TWICE, ONCE),
    Case("empty", *SENT_TWICE, ONCE),
    Case("missing", SENT_TWICE[0], Expected(2, sent=4, twice=1), ONCE),
    Case("foreign-id", SENT_TWICE[0], Expected(2, sent=4, twice=1), ONCE),
    Case("wrong-order", *NOTHING_WRONG),
    Case("repeated-ids", *NOTHING_WRONG),
    Case("duplicate-answers", *NOTHING_WRONG),
    Case("tracking-id", *NOTHING_WRONG),
)


async def play(
    folder: Path, sandbox: Sandbox, phones: tuple[str, ...]
) -> tuple[Outcome, list[State]]:
    """Submits to the phones; returns the outcome, and the final state of each message."""
    async with relaying(folder, sandbox, timeout="1s", requests_per_second=1000) as bridge:
        outcome = await bridge.submit(submission(*phones))
        await bridge.drained()
    with contextlib.closing(sqlite3.connect(folder / "bridge.db")) as connection:
        states = connection.execute("SELECT state FROM message ORDER BY id").fetchall()
    return outcome, [State(state) for (state,) in states]


@pytest.mark.parametrize("size", ["single", "batch"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name or case.fault)
async def test_each_fault_has_its_answer_its_states_and_its_requests(
    tmp_path: Path, case: Case, size: str
) -> None:
    expected: Expected = getattr(case, size)
    phones = (LAST,) if size == "single" else PHONES
    async with Sandbox() as sandbox:
        sandbox.fault(case.fault, **case.options)
        outcome, states = await play(tmp_path, sandbox, phones)
        posts = [seen for seen in sandbox.requests if seen.method == "POST"]
        assert len(posts) == expected.requests
        assert states.count(State.SENT) == expected.sent
        assert states.count(State.REJECTED) == expected.rejected
        assert states.count(State.HELD) == expected.held
        assert len(states) == len(phones)
        assert len(sandbox.duplicates) == expected.twice
        if expected.sent or expected.held:
            assert isinstance(outcome, Accepted)
            assert outcome.queued == bool(expected.held)
            assert len(outcome.refused) == expected.rejected
            failures = [failure for _, failure in outcome.refused]
        else:
            assert isinstance(outcome, Failure)
            failures = [outcome]
        assert {failure.reason for failure in failures} <= {expected.reason}


@pytest.mark.parametrize("phones", [(LAST,), PHONES], ids=["single", "batch"])
async def test_a_connection_that_is_refused(tmp_path: Path, phones: tuple[str, ...]) -> None:
    port = free_port()
    sandbox = Sandbox()
    sandbox.url = f"http://127.0.0.1:{port}"
    playing = asyncio.create_task(play(tmp_path, sandbox, phones))
    try:
        await asyncio.wait({playing}, timeout=0.3)
        await sandbox.start(port=port)
        outcome, states = await playing
        assert isinstance(outcome, Accepted)
        assert states == [State.SENT] * len(phones)
        assert len(sandbox.requests) == 1
        assert not sandbox.duplicates
    finally:
        await sandbox.close()
