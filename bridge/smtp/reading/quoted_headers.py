"""The header that mail programs put above a quoted mail: "From: …", "Sent: …", "To: …".

Decides where such a block of ``Label: value`` lines begins and ends, in any language.
"""

from __future__ import annotations

import re

from bridge.smtp.reading.attributions import ADDRESS, TIME, has_date
from bridge.smtp.reading.html import BELOW_RULE
from bridge.smtp.reading.quote_words import LABELS

_LABEL = re.compile(
    r"[\s>*|_\x01\x02]{0,12}+([^\W\d_](?:[^:：\n<>@\d]{0,24}[^\s:：<>@\d*])??)[ "
    r"\xa0*_\t]{0,20}[:：][*_]{0,2}"
    r"(?:[ \t\xa0]|$|(?=[<\w\"']))"
)
_DATE_ALONE = re.compile(
    r"\d{1,4}[./-]\d{1,2}[./-]\d{2,4},? \d{1,2}:\d\d(?::\d\d)?(?: [AaPp]\.?[Mm]\.?)?"
)
#: What Notes puts above the header: "Jan Novák ---11/26/2026 03:19:22 PM---Will you come?"
_IN_NOTES = re.compile(
    r"[^\n]{2,80}? ---\d{1,4}[./-]\d{1,2}[./-]\d{2,4} \d{1,2}[:.]\d\d(?:[:.]\d\d)?(?: [AP]M)?---"
)
#: What Postbox puts above it: the sender on one line, the date on the next.
_SENDER_ALONE = re.compile(r"[^<>:@]{2,60} <(?:mailto:)?[^<>\s@]{1,80}@[^<>\s@]{1,80}>")
_WRITTEN_DATE = re.compile(
    r"(?:[^\W\d]{2,14},? )?(?:[^\W\d]{3,14} \d{1,2}|\d{1,2}\.? [^\W\d]{3,14}\.?),? \d{4}"
    r"(?:,| [^\W\d]{1,4})? \d{1,2}:\d\d(?::\d\d)?(?: [AaPp]\.?[Mm]\.?| Uhr)?"
)
#: Outlook's rule in a plain text.
_OUTLOOK_RULE = "_" * 32


def label_of(line: str) -> str:
    """The label before a line's colon, in small letters; empty if it is none."""
    found = _LABEL.match(line)
    # Chinese programs put an ideographic space into a label of two characters.
    return found[1].strip("* \xa0").replace("\u3000", "").casefold() if found else ""


def header_block(bare: list[str], at: int) -> tuple[int, bool]:
    """The end of the ``Label: value`` lines from ``at`` on, and whether they are a mail's
    header."""
    labels: list[str] = []
    values: list[str] = []
    line = at
    blanks = 0
    while line < len(bare) and len(labels) < 12:
        label = label_of(bare[line])
        if label:
            labels.append(label)
            values.append(bare[line])
            blanks = 0
        elif not bare[line]:
            # Converted HTML may have a blank line after each.
            blanks += 1
            following = bare[line + 1] if line + 1 < len(bare) else ""
            if blanks > 1 or LABELS.get(label_of(following)) is None or len(labels) > 3:
                break
        elif labels and len(labels) < 4 and _goes_on(bare, line):
            values[-1] += " " + bare[line]
        else:
            break
        line += 1
    above = line_above(bare, at)
    below_rule = bare[at].startswith(BELOW_RULE) or (above >= 0 and bare[above] == _OUTLOOK_RULE)
    return line, _is_a_header(labels, values, below_rule=below_rule)


def is_of_notes(bare: list[str], at: int) -> bool:
    """Whether the header that Lotus Notes writes begins here: the sender, the date alone on its
    line or behind the sender, then at least two labels, whose values may be on other lines."""
    below = bare[at + 1] if at + 1 < len(bare) else ""
    if "---" in bare[at] and _IN_NOTES.match(bare[at]):
        return True
    if _DATE_ALONE.fullmatch(below):
        begins = at + 2 if 2 < len(bare[at]) < 80 and not label_of(bare[at]) else 0
    else:
        line = bare[at]
        dated = len(line) < 120 and " on " in line and has_date(line) and TIME.search(line)
        begins = at + 1 if dated and ADDRESS.search(line) else 0
    if not begins:
        return False
    words = [label_of(line) or line.casefold() for line in bare[begins : begins + 12]]
    return sum(LABELS.get(word) in ("to", "subject") for word in words) > 1


def is_of_postbox(bare: list[str], at: int) -> bool:
    """Whether the header that Postbox writes begins here."""
    if not bare[at].endswith(">") or _SENDER_ALONE.fullmatch(bare[at]) is None:
        return False
    below = bare[at + 1] if at + 1 < len(bare) else ""
    # A name and a date in digits are rows of a list or of a ticket.
    return _WRITTEN_DATE.fullmatch(below) is not None


def _is_a_header(labels: list[str], values: list[str], *, below_rule: bool) -> bool:
    """Whether labels and lines are those of a mail's header.

    Details of a booking or an order look similar, but lack address, subject or the rule above.
    """
    if len(labels) < 2:
        return False
    written = " ".join(values)
    has_address = ADDRESS.search(written) is not None
    dated = has_date(written)
    timed = dated and TIME.search(written) is not None
    meanings = {LABELS[label] for label in labels if label in LABELS}
    # Orange puts "Message du : 26/11/2026 15:19" above.
    below_date = has_date(values[0]) and LABELS.get(labels[1]) == "from"
    if "from" in meanings and (labels[0] in LABELS or (below_date and has_address)):
        # An invoice has such labels too, between others.
        alone = all(label in LABELS for label in labels)
        if len(meanings) > 2 and "subject" in meanings:
            return timed or has_address or (alone and (dated or "date" in meanings)) or below_rule
        if len(meanings) > 1 and has_address and (timed or (alone and dated)):
            return True
    # For unknown languages: the sender comes first, the date second.
    in_order = has_date(values[1]) and TIME.search(values[1]) is not None
    if below_rule and in_order and (len(set(labels)) > 3 or len(meanings) > 2):
        return True
    in_order = in_order and ADDRESS.search(values[0]) is not None
    if not meanings or LABELS.get(labels[0]) == "from":
        return in_order and len(set(labels)) > 2
    if "subject" in meanings and in_order and len(set(labels)) > 3:
        return True
    # Yandex puts recipient and subject above its attribution.
    return meanings == {"to", "subject"} and has_address and timed


def _goes_on(bare: list[str], line: int) -> bool:
    """Whether a line continues a header's value: an address on its own line, or a wrapped value
    before another label."""
    if bare[line].startswith(("<", "[mailto:")) or ADDRESS.search(bare[line]):
        return True
    return line + 1 < len(bare) and label_of(bare[line + 1]) in LABELS


def line_above(bare: list[str], at: int) -> int:
    """The last non-blank line before ``at``; -1 if there is none."""
    at -= 1
    while at >= 0 and not bare[at]:
        at -= 1
    return at
