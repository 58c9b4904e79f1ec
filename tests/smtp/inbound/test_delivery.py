"""From a mail to its reply: outcomes, failures of the bridge, large mails."""

from __future__ import annotations

import pytest

from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, Outcome, Recipient, Submission
from tests.smtp.client import ENVELOPE, MAIL, connected
from tests.smtp.standins import ID, StandInRelay, running


@pytest.mark.parametrize(
    ("outcome", "reply"),
    [
        (Failure(Reason.WRONG_PHONE), "550 5.1.3 ERROR = 7 (wrong phone number)"),
        (Failure(Reason.TOO_FAST), "451 4.7.1 ERROR = 9 (too fast)"),
        (Accepted(ID, 1, queued=True), f"250 2.0.0 OK - 1 SMS, ID - {ID} (queued)"),
        (
            Accepted(ID, 1, refused=((Recipient("38050"), Failure(Reason.TOO_FAST)),)),
            f"250 2.0.0 OK - 1 SMS, ID - {ID}; refused: 38050: ERROR = 9 (too fast)",
        ),
    ],
)
async def test_the_outcome_is_the_reply_to_data(outcome: Outcome, reply: str) -> None:
    async with (
        running(relay=StandInRelay(lambda _: outcome)) as part,
        connected(part.port) as client,
    ):
        client.send(ENVELOPE + MAIL)
        assert (await client.replies(4))[-1] == reply


async def test_a_bad_header_is_refused_with_its_name() -> None:
    async with running() as part, connected(part.port) as client:
        client.send(ENVELOPE + b"X-Cascade-TTL: soon\r\n" + MAIL)
        answer = (await client.replies(4))[-1]
        assert answer.startswith("554 5.6.0 ERROR = 1 (bad validity: X-Cascade-TTL")
    assert part.relay.submitted == []


async def test_a_fault_of_ours_is_temporary_and_tells_nothing() -> None:
    def broken(_: Submission) -> Outcome:
        raise OSError("secret database path")

    async with running(relay=StandInRelay(broken)) as part, connected(part.port) as client:
        for _ in range(2):
            client.send(ENVELOPE + MAIL)
            answer = (await client.replies(4))[-1]
            assert answer == "451 4.3.0 ERROR = 5 (operation failed)"


async def test_a_large_mail_is_read_in_a_thread() -> None:
    async with running() as part, connected(part.port) as client:
        client.send(ENVELOPE + b"Subject: x\r\n\r\n" + b"li\0ne\r\n" * 5_000 + b"\0" * 99_999)
        client.send(b"\r\n.\r\n")
        assert (await client.replies(4))[-1].startswith("250 2.0.0")
    assert part.relay.texts[0].count("line") == 5_000
