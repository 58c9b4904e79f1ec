"""Difficult mails by kind, and their texts for the phone.

``kinds.json`` has them: ``mail`` is the mail (or ``octets``, base64, if it is not UTF-8), with LF
as line end; ``text`` is the text for the phone, and ``decision`` the reason if it is debatable.
"""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from bridge.config.settings import AccountSettings, Smtp
from bridge.model.message import Recipient
from bridge.smtp.reading.mail import read_mail

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("kinds.json").read_text())
TO = (Recipient("380501234567"),)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['kind']}: {case['name']}")
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"], ids=["lf", "crlf"])
def test_a_mail_of_its_kind(case: dict[str, Any], line_end: bytes) -> None:
    mail = case["mail"].encode() if "mail" in case else b64decode(case["octets"])
    mail = mail.replace(b"\n", line_end)
    submission = read_mail(mail, TO, smtp=Smtp(), account=AccountSettings())
    assert submission.text == case["text"]
    submission.text.encode()


def test_no_name_stands_twice() -> None:
    names = [case["name"] for case in CASES]
    assert len(set(names)) == len(names)
