"""Finds the quoted tail of a reply by structure, and cuts it.

A quotation left in is a nuisance, own text cut away is a lost message. So a mail that is no reply
is cut only below an explicit attribution; a quotation with own text below it is not cut; and a text
that would become empty is left as it is. Quotations are recognised by

* an attribution: up to three lines that end in a colon, with an address or a date, over quoted
  lines that go on to the end;
* a header block: three or more ``Label: value`` lines with an address and a date, or with the
  labels of a known language, or right below the rule that Outlook draws above each;
* lines that begin with ``>`` (or are marked as quoted in HTML) down to the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum

from bridge.smtp.reading.attributions import (
    attribution,
    between_dashes,
    ends_attribution,
    ends_open,
    has_date,
    is_sure,
)
from bridge.smtp.reading.html import BELOW_RULE, QUOTED
from bridge.smtp.reading.quote_words import LABELS, MESSAGE, ORIGINAL, PASSED_ON, REPLY_LINE, WROTE
from bridge.smtp.reading.quoted_headers import (
    header_block,
    is_of_notes,
    is_of_postbox,
    label_of,
    line_above,
)


class Reply(IntEnum):
    """The certainty that a mail is a reply."""

    #: A mail that is passed on: its text is what it is sent for, and nothing is cut.
    FORWARD = -1
    NO = 0
    PERHAPS = 1
    SURE = 2


_QUOTED_LINE = (">", QUOTED, "|>", "＞")
#: Direction marks that programs put around names and lines.
_MARKS = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
_WITHOUT_MARKS = str.maketrans(dict.fromkeys(_MARKS))

_SHARED = re.compile(
    r"(.{1,200}?)[ -]{1,4}(?=On (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? [A-Z\d]\w{0,9}[ .]\S)"
)
_REST_OF_A_LINK = re.compile(r"^[(<]?https?://\S*[)>]? ?>?$|^\S*[=&%]\S*\)$")

_RULE = re.compile(r"[-_=*~—–]{2,}$|(?:[-—_] ){4,80}[-—_]?$")
#: "-----Original Message-----" in any language: words between rules.
_SEPARATOR = re.compile(
    r"[\s>*\x01\x02]{0,8}+([-_=—–‐]{2,20}+)(?:[ \xa0]|&nbsp;){0,2}"
    r"([^\W\d_](?:[^-_=‐\n]|-(?=\w)){2,60}?)[ \xa0]{0,2}[-_=—–‐]{2,20}[ \t*]*$"
)
#: An attribution with the quotation on the same line, as Yahoo's Android program writes it.
_CONTINUED = re.compile(r"([^\n]{20,250}?[^\W\d_]:)[ \xa0]{3}")
#: Most lines of a signature below a quotation.
_SIGNATURE_LINES = 12


def cut_quotes(text: str, reply: Callable[[], Reply]) -> tuple[str, str]:
    """The text without the quoted tail, and the rule of the cut.

    ``reply`` tells whether the mail is a reply; it is called only if needed.
    """
    if "\n" not in text or not _may_quote(text):
        return text, ""
    lines = text.split("\n")
    bare = [line.translate(_WITHOUT_MARKS).strip() for line in lines]
    end, why = _end_of_own_text(lines, bare, reply())
    if why:
        # Own text may precede the attribution on its line.
        shared = _SHARED.match(bare[end])
        kept = (
            [*lines[:end], shared[1]]
            if shared and _has_words(shared[1])
            else lines[: _without_debris(bare, end)]
        )
        if any(_has_words(line) for line in kept if not line.startswith(_QUOTED_LINE)):
            return "\n".join(kept), why
    return text, ""


def passes_on(below: str, reply: Reply) -> bool:
    """Whether a mail that is passed on stands below a signature, where some programs put it."""
    if reply is Reply.FORWARD:
        return True
    bare = [line.translate(_WITHOUT_MARKS).strip() for line in below.split("\n")]
    if any(map(_says_forwarded, bare)):
        return True
    return reply is not Reply.SURE and any(
        header_block(bare, at)[1] for at, line in enumerate(bare) if label_of(line)
    )


def _may_quote(text: str) -> bool:
    # One character is found five times as fast as several.
    return (
        (">" in text and ("\n>" in text or "\n|>" in text))
        or QUOTED in text
        or "@" in text
        or ("-" in text and ("--" in text or "-##" in text))
        or (":" in text and (":\n" in text or text.count(":") > 2))
        or "：" in text
        or "＞" in text
    )


def _has_words(line: str) -> bool:
    return any(map(str.isalnum, line)) or any(char > "\u2000" for char in line)


def _end_of_own_text(lines: list[str], bare: list[str], reply: Reply) -> tuple[int, str]:
    """The number of the sender's own lines, and the rule for the others."""
    if reply is Reply.FORWARD:
        return len(lines), ""
    end = len(lines) if reply is not Reply.SURE else _end_of_quotation(lines, bare)
    tail = _quoted_tail(lines, bare, end)
    found: list[tuple[int, str]] = []
    if tail is not None and not _says_forwarded_above(bare, tail):
        begins = _attribution_above(bare, tail, reply)
        if begins is not None:
            if not _says_forwarded_above(bare, begins):
                found.append((begins, "quotation under an attribution"))
        elif (
            reply is Reply.SURE
            and not _says_forwarded(bare[tail])
            and not _introduces(bare, tail)
            and _is_apart(lines, tail, end)
        ):
            found.append((tail, "quoted lines at the end"))
    if reply is Reply.SURE:
        before = found[0][0] if found else len(lines)
        headers, forwarded = _headers(bare, before)
        if headers and _is_answered(bare, headers[0][0], end):
            return len(lines), ""
        found = headers + [one for one in found if one[0] < forwarded]
        if not found or found[0][0] > 0:
            found += _unquoted(lines, bare, min([before, forwarded, *(at for at, _ in found)]))
    return min(found) if found else (len(lines), "")


def _end_of_quotation(lines: list[str], bare: list[str]) -> int:
    """The number of lines without a signature right below quoted lines.

    There two dashes are a signature's even without their space, which relays remove.
    """
    for at in range(len(lines) - 1, max(0, len(lines) - _SIGNATURE_LINES), -1):
        if lines[at].startswith(_QUOTED_LINE):
            break
        if bare[at] in ("--", "---", "—"):
            above = line_above(bare, at)
            return at if above >= 0 and lines[above].startswith(_QUOTED_LINE) else len(lines)
    return len(lines)


def _quoted_tail(lines: list[str], bare: list[str], end: int) -> int | None:
    """The start of quoted lines that continue to ``end``; ``None`` if there are none."""
    at = end
    first = None
    while at:
        line = lines[at - 1]
        if line.startswith(_QUOTED_LINE):
            first = at - 1
        elif bare[at - 1] and not (
            # A program that wraps quoted lines leaves the rest of a long link unmarked.
            at > 1
            and lines[at - 2].startswith(_QUOTED_LINE)
            and _REST_OF_A_LINK.search(bare[at - 1])
        ):
            break
        at -= 1
    return first


def _attribution_above(bare: list[str], tail: int, reply: Reply) -> int | None:
    """The start of the attribution above the quoted lines; ``None`` if there is none."""
    last = line_above(bare, tail)
    if last < 0:
        return None
    begins = attribution(bare, last, needs_both=reply is Reply.NO)
    if begins is None and reply is Reply.SURE and ends_open(bare[last]):
        return last if WROTE.search(bare[last]) and len(bare[last]) < 200 else None
    return begins


def _says_forwarded_above(bare: list[str], tail: int) -> bool:
    above = line_above(bare, tail)
    return above >= 0 and _says_forwarded(bare[above])


def _says_forwarded(line: str) -> bool:
    """Whether the line is "Begin forwarded message:" or "--- Forwarded message ---"."""
    inner = line.lstrip("> \x01")
    if len(inner) > 80 or PASSED_ON.search(inner) is None:
        return False
    return (ends_open(inner) and len(inner) < 60) or _SEPARATOR.match(inner) is not None


def _is_apart(lines: list[str], tail: int, end: int) -> bool:
    """Whether quoted lines without an attribution stand apart from the text above them.

    One or two ``>`` right below a line may be the text's own: "limit\\n> 90 %".
    """
    return end - tail > 2 or not tail or not lines[tail - 1].strip() or lines[tail][:1] == QUOTED


def _introduces(bare: list[str], tail: int) -> bool:
    """Whether the line above quoted lines is own text that introduces them: "Anna commented:"."""
    last = line_above(bare, tail)
    return last >= 0 and ends_open(bare[last]) and label_of(bare[last]) not in LABELS


def _headers(bare: list[str], before: int) -> tuple[list[tuple[int, str]], int]:
    """The first header block or "original message" line with own text above it, and the start of
    a forwarded mail, which is content."""
    first = at = _first_words(bare)
    last_mark = next((n for n in range(len(bare) - 1, -1, -1) if _is_marked(bare[n])), -1)
    while at < before:
        if bare[at].startswith(_QUOTED_LINE):
            if at > first and _is_of_groupwise(bare, at):
                return [(at, "what follows an attribution")], len(bare)
            if at > first and _is_marked_header_alone(bare, at, last_mark):
                return [(at, "a quoted mail with its header")], len(bare)
            at += 1
            continue
        separator = _SEPARATOR.match(bare[at])
        if separator is not None:
            passed_on = PASSED_ON.search(separator[2]) is not None
            known = len(separator[1]) >= 8 or has_date(separator[2])
            if passed_on and (known or _heads_a_mail(bare, at)):
                return [], at
            if at > first and _is_original(bare, at, separator):
                return [(at, "what follows a line for “original message”")], len(bare)
            if len(separator[1]) == 10:
                return [], at  # Gmail's first line of a forward, in every language.
        elif at > first and bare[at].startswith(("--", "==")) and _attributes_between(bare, at):
            return [(at, "what follows an attribution")], len(bare)
        elif _says_forwarded(bare[at]):
            return [], at
        if at > first and bare[at] and (is_of_notes(bare, at) or is_of_postbox(bare, at)):
            return [(at, "a quoted mail with its header")], len(bare)
        if at > first and _is_of_help_desk(bare[at]):
            return [(at, "what follows a help desk's line")], len(bare)
        if label_of(bare[at]):
            end, is_one = header_block(bare, at)
            if is_one and at > first:
                return [(at, "a quoted mail with its header")], len(bare)
            at = max(end, at + 1)
        else:
            at += 1
    return [], len(bare)


def _is_answered(bare: list[str], at: int, end: int) -> bool:
    """Whether the quoted mail whose header begins at ``at`` is marked, with answers below marked
    lines."""
    headed = next((n for n in range(at, min(at + 4, end)) if label_of(bare[n])), at)
    body = header_block(bare, headed)[0] if label_of(bare[headed]) else at + 1
    while body < min(end, at + 16) and bare[body] and not bare[body].startswith(_QUOTED_LINE):
        body += 1  # A wrapped value, or a header without colons.
    marked = next((n for n in range(body, end) if _is_marked(bare[n])), end)
    between = [line for line in bare[body:marked] if line]
    if between and not (len(between) < 4 and ends_open(between[-1])):
        return False
    return any(
        _has_words(line) and not line.startswith(_QUOTED_LINE) and not _REST_OF_A_LINK.search(line)
        for line in bare[marked:end]
    )


def _is_of_help_desk(line: str) -> bool:
    marked = line.endswith("-##") or "above" in line.lower()
    return marked and len(line) < 200 and REPLY_LINE.fullmatch(line) is not None


def _is_marked(line: str) -> bool:
    return line.startswith(_QUOTED_LINE) and _has_words(line)


def _is_marked_header_alone(bare: list[str], at: int, last_mark: int) -> bool:
    """Whether a marked header stands above a quoted mail that is not marked."""
    if last_mark - at > 12 or not bare[at].startswith(">"):
        return False
    if LABELS.get(label_of(bare[at])) != "from":
        return False
    end, is_one = header_block(bare, at)
    return is_one and end > last_mark and any(map(_has_words, bare[end:]))


def _is_of_groupwise(bare: list[str], at: int) -> bool:
    """Whether GroupWise's attribution stands here: ">>> Jan <jan@example.com> 26.11.2026 >>>"."""
    inner = bare[at].removeprefix(">>> ")
    if len(inner) == len(bare[at]) or bare[at + 1 : at + 2] == [] or bare[at + 1].startswith(">"):
        return False
    closed = inner.endswith(" >>>") and has_date(inner)
    return closed or (ends_open(inner) and is_sure(inner))


def _attributes_between(bare: list[str], at: int) -> bool:
    """Whether an attribution between dashes begins here, which may end in the next line."""
    line = bare[at]
    end = at
    if not line.endswith(("--", "==")) and at + 1 < len(bare) and bare[at + 1].endswith("--"):
        line = f"{line} {bare[at + 1]}"
        end = at + 1
    return between_dashes(line, dated=not _heads_a_mail(bare, end))


def _heads_a_mail(bare: list[str], at: int) -> bool:
    """Whether a header block follows the line."""
    following = next((n for n in range(at + 1, min(at + 4, len(bare))) if bare[n]), None)
    return following is not None and header_block(bare, following)[1]


def _is_original(bare: list[str], at: int, separator: re.Match[str]) -> bool:
    following = next((n for n in range(at + 1, min(at + 4, len(bare))) if bare[n]), None)
    if following is None:
        return False
    words = separator[2]
    original = ORIGINAL.search(words) is not None
    if len(separator[1]) == 10 and not original:
        return False
    if WROTE.search(words) or (original and (" " not in words or MESSAGE.search(words))):
        return True
    return bool(label_of(bare[following])) and header_block(bare, following)[1]


def _unquoted(lines: list[str], bare: list[str], before: int) -> list[tuple[int, str]]:
    """The first attribution above an unmarked quotation.

    Programs that convert HTML to text write such quotations. Only a certain attribution counts, and
    only without marked lines below it: with them, unmarked lines are answers.
    """
    first_words, last_words = _first_words(bare), line_above(bare, len(bare))
    last_mark = max(
        (at for at, line in enumerate(lines) if line.startswith(_QUOTED_LINE)), default=-1
    )
    for at in range(max(first_words + 1, last_mark + 1), min(before, last_words)):
        line = bare[at]
        if not line or len(line) > 300:
            continue
        if not ends_attribution(line):
            continued = _CONTINUED.match(line) if "@" in line else None
            if continued and WROTE.search(continued[1]) and is_sure(continued[1]):
                return [(at, "what follows an attribution")]
            continue
        if ends_open(line) and label_of(line) in LABELS:
            continue
        begins = attribution(bare, at, needs_both=False)
        if begins is None or begins <= first_words or any(map(label_of, bare[begins:at])):
            continue  # The rows of a form are no attribution.
        if is_sure(" ".join(bare[begins : at + 1])):
            return [(begins, "what follows an attribution")]
    return []


def _first_words(bare: list[str]) -> int:
    """The first non-blank line."""
    return next((at for at, line in enumerate(bare) if line), len(bare))


def _is_heading(line: str) -> bool:
    """Whether a line is "Original message" without rules, as BlackBerry writes it above a quoted
    header."""
    return len(line) < 40 and line.count(" ") < 3 and MESSAGE.search(line) is not None


def _without_debris(bare: list[str], end: int) -> int:
    """The text without rules and blank lines at its end."""
    while end:
        line = bare[end - 1]
        if (
            not line
            or _RULE.match(line.lstrip(BELOW_RULE))
            or line in (">", "|", "*", "-")
            or (ORIGINAL.search(line) and (_SEPARATOR.match(line) or _is_heading(line)))
        ):
            end -= 1
        else:
            break
    return end
