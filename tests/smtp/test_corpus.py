"""Mails of real mail programs, and their submissions."""

from __future__ import annotations

import json
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
def test_a_mail_becomes_what_stands_beside_it(path: Path) -> None:
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
