"""The marks of mail programs on quotations, signatures, and the rule above a quoted header."""

from __future__ import annotations

import pytest

from bridge.smtp.reading.html_hidden import own_style
from bridge.smtp.reading.html_quotes import draws_rule, quote_or_signature


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"class": "yahoo_quoted"}, "quote"),
        ({"class": "big yahoo_quoted"}, "quote"),
        ({"id": "ms-outlook-mobile-reference-message"}, "quote"),
        ({"class": "gmail_signature"}, "signature"),
        ({"id": "Signature"}, "signature"),
        ({"class": "x_gmail_signature"}, "signature"),  # Outlook on the web has renamed it
        ({"data-smartmail": "gmail_signature"}, "signature"),
        ({"data-signature-widget": "container"}, "signature"),
        ({}, ""),
        ({"class": "message"}, ""),
        ({"class": "signatures"}, ""),
        ({"title": "signature"}, ""),
    ],
)
def test_classes_ids_and_attributes_mark_an_element(attributes: dict[str, str], kind: str) -> None:
    assert quote_or_signature(attributes) == kind


def test_the_first_mark_decides() -> None:
    assert quote_or_signature({"class": "yahoo_quoted signature"}) == "quote"
    assert quote_or_signature({"class": "signature", "id": "yahoo_quoted"}) == "signature"


def test_of_hundreds_of_classes_only_the_first_are_read() -> None:
    assert quote_or_signature({"class": "x " * 10 + "signature"}) == "signature"
    assert quote_or_signature({"class": "x " * 500 + "signature"}) == ""


@pytest.mark.parametrize(
    ("attributes", "draws"),
    [
        ({"style": "border:none; border-top: solid #E1E1E1 1.0pt; padding: 3pt"}, True),
        ({"style": "border-top-style: solid"}, True),
        ({"id": "divRplyFwdMsg"}, True),
        ({"id": "x_divRplyFwdMsg"}, True),
        ({"style": "border-bottom: solid 1pt"}, False),
        ({"style": "border-top: none"}, False),
        ({"id": "divRplyFwdMsgs"}, False),
        ({}, False),
    ],
)
def test_outlooks_rule_is_a_border_or_a_name(attributes: dict[str, str], draws: bool) -> None:
    assert draws_rule(attributes, own_style(attributes)) is draws
