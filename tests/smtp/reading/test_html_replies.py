"""Answers in HTML in the forms of mail programs: ``html_replies.json``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bridge.config.settings import AccountSettings, Smtp
from bridge.model.message import Recipient
from bridge.smtp.reading.mail import read_mail

REPLIES: dict[str, str] = json.loads(Path(__file__).with_name("html_replies.json").read_text())
OWN = "Yes, at ten."


def text(html: str, header: str, **account: object) -> str:
    mail = f"{header}\nContent-Type: text/html; charset=utf-8\n\n{html}"
    to = (Recipient("380501234567"),)
    settings = AccountSettings.model_validate(account)
    return read_mail(mail.encode(), to, smtp=Smtp(), account=settings).text


@pytest.mark.parametrize("program", REPLIES)
def test_the_own_text_of_a_reply_stays(program: str) -> None:
    assert text(REPLIES[program], "Subject: Re: Order\nIn-Reply-To: <1@example.com>") == OWN


@pytest.mark.parametrize("container", ["gmail_quote", "protonmail_quote", "moz-cite"])
def test_answers_within_the_quotation_of_a_program_stay(container: str) -> None:
    quoted = f'<blockquote class="{container}" type="cite">{{}}</blockquote>'
    page = (
        f'<div>First</div><div class="{container}">On 26.11.2026 15:19, Jan &lt;j@e.com&gt; wrote:'
        f"<br>{quoted.format('one')}<div>Answer</div>{quoted.format('two')}</div>"
    )
    read = text(page, "Subject: Re: Order\nIn-Reply-To: <1@example.com>")
    assert read.startswith("First")
    assert "Answer" in read


@pytest.mark.parametrize("program", REPLIES)
def test_nothing_is_cut_where_the_account_wants_all(program: str) -> None:
    whole = text(REPLIES[program], "Subject: Re: Order", cut_quotes=False)
    assert whole.startswith(OWN)
    assert "Will you come?" in whole


@pytest.mark.parametrize("program", REPLIES)
def test_a_forwarded_mail_stays_in_the_text(program: str) -> None:
    assert "Will you come?" in text(REPLIES[program], "Subject: Fwd: Order")
