"""Mails of real mail programs, and their submissions."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bridge.config.settings import AccountSettings, Smtp
from bridge.model.failure import Failure
from bridge.model.message import Recipient
from bridge.smtp.reading.mail import read_mail

CORPUS = sorted(Path(__file__).with_name("corpus").glob("*.eml"))
RECIPIENTS = (Recipient("380501234567"),)


def read(path: Path, expected: dict[str, Any]) -> Any:
    return read_mail(
        path.read_bytes(),
        RECIPIENTS,
        smtp=Smtp(**expected.get("smtp", {})),
        account=AccountSettings(**expected.get("account", {})),
    )


def test_the_corpus_is_there() -> None:
    assert len(CORPUS) >= 250


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_mail_becomes_the_submission_beside_it(path: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_text())
    if "failure" in expected:
        with pytest.raises(Failure) as refused:
            read(path, expected)
        assert refused.value.reason.name == expected["failure"]
        assert expected.get("names", "") in refused.value.description
        return
    submission = read(path, expected)
    assert submission.text == expected["text"]
    assert bool(submission.repeat_key) == expected.get(
        "repeat_key", b"Message-ID" in path.read_bytes()
    )
    for field in ("message_type", "sender", "ttl", "scheduled_at", "route", "reference"):
        if field in expected:
            assert getattr(submission, field) == expected[field]
    assert list(submission.options) == expected.get("options", [])
    assert submission.priority == expected.get("priority", 0)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_a_mail_of_many_times_its_body_takes_as_many_times_as_long(path: Path) -> None:
    """Not the square of it: the body, and the mail as a whole, over and over."""
    mail = path.read_bytes()
    expected = json.loads(path.with_suffix(".json").read_text())
    header, blank, body = mail.partition(b"\n\n")
    for head, piece in ((header + blank, body), (b"", mail)):
        small, large = (_seconds(head + grown(piece, size), expected) for size in (8_000, 64_000))
        # What is too short to be measured proves nothing.
        assert large < max(24 * small, 0.05)


def grown(piece: bytes, size: int) -> bytes:
    return piece * (size // max(1, len(piece)) + 1)


def _seconds(mail: bytes, expected: dict[str, Any]) -> float:
    """The least of three readings, in seconds of CPU."""
    smtp, account = Smtp(**expected.get("smtp", {})), expected.get("account", {})
    settings = AccountSettings(**{**account, "long_text": "truncate"})
    spent = []
    for _ in range(3):
        began = time.thread_time()
        with suppress(Failure):
            read_mail(mail, RECIPIENTS, smtp=smtp, account=settings)
        spent.append(time.thread_time() - began)
    return min(spent)
