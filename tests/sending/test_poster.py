"""One batch and its result, with a sandbox API."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from bridge.config.settings import settings_from
from bridge.model.failure import Reason
from bridge.model.message import Message, Route, State
from bridge.sandbox import Sandbox
from bridge.sending.decisions import Rest
from bridge.sending.poster import Poster
from bridge.sending.upstream import NextBatch, UpstreamLine, upstream_lines
from tests.samples import message


class Posting:
    """A poster with the common upstream."""

    def __init__(self, url: str) -> None:
        settings = settings_from(
            {
                "cascade": {"base_url": url, "authorization_key": "key"},
                "accounts": {"crm": {"password": "secret12", "sender": "Shop"}},
            }
        )
        self.line: UpstreamLine = upstream_lines(settings)[""]
        self.poster = Poster(settings.cascade, clock=time.time, monotonic=time.monotonic)

    def batch(self, *messages: Message) -> NextBatch:
        return NextBatch(self.line.queues[Route.ASYNC], list(messages), split=False)


@pytest.fixture
async def posting(sandbox: Sandbox) -> AsyncIterator[Posting]:
    posting = Posting(sandbox.url)
    yield posting
    await posting.line.client.close()


def some(count: int) -> list[Message]:
    end = int(time.time()) + 3600
    return [message(n, phone=f"+38050{n:07}", expires_at=end) for n in range(1, count + 1)]


async def test_what_the_api_took_is_settled_as_sent_under_its_ids(
    sandbox: Sandbox, posting: Posting
) -> None:
    messages = some(3)
    settled = await posting.poster.post(posting.line, posting.batch(*messages))
    assert settled.messages == messages
    assert [change.state for change in settled.changes] == [State.SENT] * 3
    assert [change.upstream_id for change in settled.changes] == [
        one.message_id for one in sandbox.messages
    ]
    assert settled.rest is Rest.NONE


async def test_a_refused_batch_changes_nothing_and_is_to_be_split(
    sandbox: Sandbox, posting: Posting
) -> None:
    sandbox.fault("400")
    settled = await posting.poster.post(posting.line, posting.batch(*some(2)))
    assert (settled.messages, settled.changes, settled.rest) == ((), [], Rest.SPLIT)
    settled = await posting.poster.post(posting.line, posting.batch(*some(1)))
    assert [change.state for change in settled.changes] == [State.REJECTED]
    assert settled.failure is not None
    assert settled.failure.reason is Reason.WRONG_PHONE


async def test_the_pace_hears_what_a_request_met(sandbox: Sandbox, posting: Posting) -> None:
    sandbox.fault("401", count=1)
    with capture_logs() as logs:
        settled = await posting.poster.post(posting.line, posting.batch(*some(2)))
        assert settled.rest is Rest.BACK
        assert posting.line.pace.held
        await posting.poster.post(posting.line, posting.batch(*some(1)))
        assert not posting.line.pace.held
    events = [entry["event"] for entry in logs if entry["event"].startswith("upstream_")]
    assert events == ["upstream_held", "upstream_released"]


async def test_the_log_tells_when_the_breaker_opens_and_closes(
    sandbox: Sandbox, posting: Posting
) -> None:
    sandbox.fault("503", count=5)
    with capture_logs() as logs:
        for _ in range(6):
            await posting.poster.post(posting.line, posting.batch(*some(1)))
    events = [entry["event"] for entry in logs if entry["event"].startswith("breaker_")]
    assert events == ["breaker_opened", "breaker_closed"]


async def test_an_answer_that_names_none_of_them_counts_as_an_unknown_outcome(
    sandbox: Sandbox, posting: Posting
) -> None:
    sandbox.fault("empty", count=1)
    settled = await posting.poster.post(posting.line, posting.batch(*some(2)))
    assert [change.unknown for change in settled.changes] == [1, 1]
    assert posting.line.pace.probing
