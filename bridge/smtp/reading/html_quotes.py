"""How mail programs mark quotations, signatures and the rule above a quoted header in HTML.

:mod:`bridge.smtp.reading.html` lays out the content of the marked elements.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

#: Classes and ids of quotations in mail programs (Outlook on the web puts "x_" before those of
#: others) …
_QUOTES = frozenset(
    {"yahoo_quoted", "zmail_extra", "tutanota_quote", "qt-gmail_quote"}
    | {"olk_src_body_section", "isforwardcontent", "mailcontainer", "replymessage"}
    | {"mail-editor-reference-message-container", "ms-outlook-mobile-reference-message"}
)
#: … and signatures.
_SIGNATURES = frozenset(
    {"gmail_signature", "moz-signature", "protonmail_signature_block", "signature"}
    | {"ms-outlook-mobile-signature", "outlooksignature", "tutanota_signature", "apple-signature"}
    | {"applemailsignature", "divsignature", "zmail_signature", "protonmail_signature_block-user"}
    | {"front-signature", "composer_signature", "ymail_android_signature"}
)
#: Attributes of signatures.
_SIGNED = frozenset({"data-signature-widget", "data-smartmail", "data-signatureblock"})

#: Outlook's rule: a border (its style without spaces), or an element with this name.
_RULE = re.compile(r"border-top(?:-style)?:solid")
_BELOW_RULE = "divrplyfwdmsg"


def quote_or_signature(attributes: Mapping[str, str]) -> Literal["quote", "signature", ""]:
    """What an element's classes, id and attributes say that it is; empty if neither."""
    words = f"{attributes.get('class', '')} {attributes.get('id', '')}".lower().split()
    for word in words[:20]:
        word = word.removeprefix("x_")
        if word in _QUOTES:
            return "quote"
        if word in _SIGNATURES:
            return "signature"
    return "" if _SIGNED.isdisjoint(attributes) else "signature"


def draws_rule(attributes: Mapping[str, str], style: str) -> bool:
    """Whether Outlook's rule stands above the element; ``style`` is its squeezed style."""
    return _RULE.search(style) is not None or attributes.get("id", "").lower().endswith(_BELOW_RULE)
