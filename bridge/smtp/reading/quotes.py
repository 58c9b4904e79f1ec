"""The quoted tail of a reply and what stands below a text: found by structure, and cut.

Text left in is a nuisance, text cut away is a lost message. So nothing is cut from what is no
reply, unless it says in so many words whom it quotes and from when; nothing is cut that has own
text below it; and a text that would be empty stays as it is. What a reply quotes is recognised by

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

from bridge.smtp.reading.html import BELOW_RULE, QUOTED
from bridge.smtp.reading.quote_words import LABELS, ORIGINAL, PASSED_ON, WROTE


class Reply(IntEnum):
    """How sure it is that a mail answers another one."""

    NO = 0
    PERHAPS = 1
    SURE = 2


_QUOTED_LINE = (">", QUOTED, "|>", "＞")
#: Marks of direction that programs put around names and lines.
_MARKS = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
_WITHOUT_MARKS = str.maketrans(dict.fromkeys(_MARKS))

_ADDRESS = re.compile(r"[\w.+-]@[\w-]|\[mailto:")
#: An address within brackets that ends its line, but for a word that goes on in the next one.
_ADDRESS_AT_THE_END = re.compile(r"[<(][^<>()@]{1,100}@[^<>()@]{1,100}[>)],?(?: \S{1,3})?$")
#: A year in digits of any script is enough.
_DATE = re.compile(
    r"\b(?:19|20|25)\d\d\b|\d{4} ?[年년]|\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b|(?:(?![0-9])\d){4}"
    r"|\b\d{1,2}\. ?\d{1,2}\. ?\d{2,4}|(?:19|20|25)\d\d(?=[^\W\d_])"
)
_TIME = re.compile(r"(?<!\d)\d{1,2}[:.h]\d\d(?!\d)|\d{1,2} ?[時时시] ?\d{1,2}")
_DAY = re.compile(r"\b\d{1,2}\b")
_SHARED = re.compile(
    r"(.{1,200}?)[ -]{1,4}(?=On (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? [A-Z\d]\w{0,9}[ .]\S)"
)
_REST_OF_A_LINK = re.compile(r"^[(<]?https?://\S*[)>]? ?>?$|^\S*[=&%]\S*\)$")

_LABEL = re.compile(
    r"[\s>*|\x01\x02]{0,12}+([^\W\d_](?:[^:：\n<>@\d]{0,24}[^\s:：<>@\d*])??)[ "
    r"\xa0*\t]{0,20}[:：][*]{0,2}"
    r"(?:[ \t\xa0]|$|(?=[<\w\"']))"
)
#: What Outlook writes for its rule into a plain text.
_OUTLOOK_RULE = "_" * 32
_RULE = re.compile(r"[-_=*~—–]{2,}$|(?:[-—_] ){4,80}[-—_]?$")
#: "-----Original Message-----" in any language: words between rules.
_SEPARATOR = re.compile(
    r"[\s>*\x01]{0,8}+([-_=—–]{2,20}+)[ \xa0]{0,2}([^\W\d_](?:[^-_=\n]|-(?=\w)){2,60}?)"
    r"[ \xa0]{0,2}[-_=—–]{2,20}[ \t*]*$"
)


def cut_quotes(text: str, reply: Callable[[], Reply]) -> tuple[str, str]:
    """What is left without the quoted tail, and by which rule the rest is not.

    ``reply`` says whether the mail is a reply, and is asked only where that matters.
    """
    if "\n" not in text or not _may_quote(text):
        return text, ""
    lines = text.split("\n")
    bare = [line.translate(_WITHOUT_MARKS).strip() for line in lines]
    end, why = _end_of_own_text(lines, bare, reply())
    if why:
        # Own text may stand before the attribution on its line.
        shared = _SHARED.match(bare[end])
        kept = (
            [*lines[:end], shared[1]]
            if shared and _has_words(shared[1])
            else lines[: _without_debris(bare, end)]
        )
        if any(_has_words(line) for line in kept if not line.startswith(_QUOTED_LINE)):
            return "\n".join(kept), why
    return text, ""


def _may_quote(text: str) -> bool:
    return (
        "\n>" in text
        or QUOTED in text
        or "@" in text
        or "--" in text
        or ":\n" in text
        or "：" in text
        or "\n|>" in text
        or "＞" in text
        or text.count(":") > 2
    )


def _has_words(line: str) -> bool:
    return any(map(str.isalnum, line)) or any(char > "\u2000" for char in line)


def _end_of_own_text(lines: list[str], bare: list[str], reply: Reply) -> tuple[int, str]:
    """How many lines are the sender's own, and by which rule the others are not."""
    tail = _quoted_tail(lines, bare)
    found: list[tuple[int, str]] = []
    if tail is not None and not _passes_on(bare[tail]):
        begins = _attribution_above(bare, tail, reply)
        if begins is not None:
            found.append((begins, "quotation under an attribution"))
        elif reply is Reply.SURE and not _introduces(bare, tail):
            found.append((tail, "quoted lines at the end"))
    if reply is Reply.SURE:
        before = found[0][0] if found else len(lines)
        found += _headers(bare, before)
        if not found or found[-1][0] > 0:
            found += _unquoted(lines, bare, min([before, *(at for at, _ in found)]))
    return min(found) if found else (len(lines), "")


def _quoted_tail(lines: list[str], bare: list[str]) -> int | None:
    """Where the quoted lines begin that go on to the end; ``None`` where none do."""
    at = len(lines)
    first = None
    while at:
        line = lines[at - 1]
        if line.startswith(_QUOTED_LINE):
            first = at - 1
        elif bare[at - 1] and not (
            # A program that wraps what it quotes leaves the rest of a long link without its mark.
            at > 1
            and lines[at - 2].startswith(_QUOTED_LINE)
            and _REST_OF_A_LINK.search(bare[at - 1])
        ):
            break
        at -= 1
    return first


def _line_above(bare: list[str], at: int) -> int:
    """The last line before ``at`` that is not blank; -1 for none."""
    at -= 1
    while at >= 0 and not bare[at]:
        at -= 1
    return at


def _attribution_above(bare: list[str], tail: int, reply: Reply) -> int | None:
    """Where the attribution over the quoted lines begins; ``None`` where there is none."""
    last = _line_above(bare, tail)
    if last < 0:
        return None
    begins = _attribution(bare, last, needs_both=reply is Reply.NO)
    if begins is None and reply is Reply.SURE and _ends_open(bare[last]):
        return last if WROTE.search(bare[last]) and len(bare[last]) < 200 else None
    return begins


def _ends_open(line: str) -> bool:
    return line.rstrip(" *_\xa0").endswith((":", "：", ":-", "՝"))


def _attribution(bare: list[str], last: int, *, needs_both: bool) -> int | None:
    """The first line of the attribution that ends in line ``last``."""
    closing = bare[last]
    if not _ends_open(closing) and not WROTE.search(closing):
        # Some leave out the colon; then the line has to say all.
        whole = _ADDRESS.search(closing) and _has_date(closing) and len(closing) < 200
        return last if whole and not needs_both and not _is_a_sentence(closing) else None
    begins = None
    for first in range(last, max(-1, last - 4), -1):
        line = bare[first]
        if not line and first != last:
            # Some leave a blank line within: "John Smith\n\n<\nmailto:…>".
            if first + 1 <= last and bare[first + 1].startswith("<"):
                continue
            break
        if len(line) > 300 or (first < last and _is_a_sentence(line, bare[first + 1])):
            break
        written = " ".join(bare[first : last + 1])
        if len(written) > 500:
            break
        has_address = _ADDRESS.search(written) is not None
        has_date = _has_date(written)
        if has_address and has_date:
            return _with_the_name(bare, first)
        if begins is None and (has_address or has_date or _has_time_and_day(written)):
            begins = first
        if first == last and has_date and WROTE.search(written):
            # Who wrote may stand in the line above: "Jan Novák <jan@example.com>,".
            above = bare[first - 1] if first else ""
            if _ADDRESS_AT_THE_END.search(above) and _is_wrapped(above, line):
                return first - 1
            break
    return None if needs_both or begins is None else _with_the_name(bare, begins)


def _with_the_name(bare: list[str], first: int) -> int:
    """Where an attribution begins whose address was wrapped onto a line of its own."""
    if first and bare[first].startswith("<") and _is_wrapped(bare[first - 1], bare[first]):
        return first - 1
    return first


def _is_wrapped(line: str, following: str) -> bool:
    """Whether a program that wraps lines would have ended this one here."""
    return 0 < len(line) <= 100 and len(line) + 1 + len(following.split(" ", 1)[0]) > 66


def _has_date(written: str) -> bool:
    return _DATE.search(written) is not None


def _has_time_and_day(written: str) -> bool:
    return _TIME.search(written) is not None and len(_DAY.findall(written)) > 2


def _is_a_sentence(line: str, following: str = "") -> bool:
    """Whether a line ends as no line of an attribution does that goes on in the ``following``."""
    if not line.endswith((".", "!", "?", "…", "。", ":", ";")) or line.endswith((" г.", " р.")):
        return False
    # A date wrapped after its day: "Jan Novák <jan@example.com> schrieb am Do., 26.".
    abbreviated = line.endswith(".") and _ADDRESS.search(line) and re.search(r"[<(]\S+@", line)
    return not (abbreviated and _is_wrapped(line, following))


def _passes_on(line: str) -> bool:
    """Whether a quotation begins with "> Begin forwarded message:"."""
    inner = line.lstrip("> \x01")
    return _ends_open(inner) and len(inner) < 60 and PASSED_ON.search(inner) is not None


def _introduces(bare: list[str], tail: int) -> bool:
    """Whether the line over quoted lines is own text that leads to them: "Anna commented:"."""
    last = _line_above(bare, tail)
    return last >= 0 and _ends_open(bare[last]) and _label_of(bare[last]) not in LABELS


# --- header blocks -------------------------------------------------------------------------------


def _label_of(line: str) -> str:
    found = _LABEL.match(line)
    return found[1].strip("* \xa0").casefold() if found else ""


def _headers(bare: list[str], before: int) -> list[tuple[int, str]]:
    """The first header block, or line that says "original message", with own text above it."""
    at = 0
    while at < before:
        if bare[at].startswith(_QUOTED_LINE):
            at += 1
            continue
        separator = _SEPARATOR.match(bare[at])
        if separator is not None:
            if len(separator[1]) >= 8 and PASSED_ON.search(separator[2]):
                return []  # What is passed on is what the mail is sent for.
            if _is_original(bare, at, separator):
                return [(at, "what follows a line for “original message”")]
            if len(separator[1]) == 10:
                return []  # So Gmail begins a mail that is passed on, in every language.
        elif bare[at].startswith("--") and any(bare[:at]) and _between_dashes(bare[at]):
            return [(at, "what follows an attribution")]
        if _label_of(bare[at]):
            end, is_one = _block(bare, at)
            if is_one and any(bare[:at]):
                return [(at, "a quoted mail with its header")]
            at = max(end, at + 1)
        else:
            at += 1
    return []


def _is_original(bare: list[str], at: int, separator: re.Match[str]) -> bool:
    if not any(bare[:at]):
        return False
    following = next((n for n in range(at + 1, min(at + 4, len(bare))) if bare[n]), None)
    if following is None:
        return False
    if len(separator[1]) == 10 and not ORIGINAL.search(separator[2]):
        return False
    if ORIGINAL.search(separator[2]) or WROTE.search(separator[2]):
        return True
    return bool(_label_of(bare[following])) and _block(bare, following)[1]


def _between_dashes(line: str) -> bool:
    """ "---- On Thu, 26 Nov 2026 Jan <jan@example.com> wrote ----"."""
    inner = line.strip("-— ")
    if len(inner) > 250 or not line.endswith("--") or len(inner) < 8:
        return False
    attributed = _ADDRESS.search(inner) is not None or WROTE.search(inner) is not None
    return attributed and _has_date(inner)


def _block(bare: list[str], at: int) -> tuple[int, bool]:
    """Where the ``Label: value`` lines from ``at`` on end, and whether they are a mail's "
    "header."""
    labels: list[str] = []
    values: list[str] = []
    line = at
    blanks = 0
    while line < len(bare) and len(labels) < 12:
        label = _label_of(bare[line])
        if label:
            labels.append(label)
            values.append(bare[line])
            blanks = 0
        elif not bare[line]:
            # HTML turned into text may have a blank line after each.
            blanks += 1
            following = bare[line + 1] if line + 1 < len(bare) else ""
            if blanks > 1 or LABELS.get(_label_of(following)) is None or len(labels) > 3:
                break
        elif labels and len(labels) < 4 and _goes_on(bare, line):
            values[-1] += " " + bare[line]
        else:
            break
        line += 1
    below_rule = bare[at].startswith(BELOW_RULE) or bare[_line_above(bare, at)] == _OUTLOOK_RULE
    return line, _is_a_header(labels, values, below_rule=below_rule)


def _is_a_header(labels: list[str], values: list[str], *, below_rule: bool) -> bool:
    """Whether labels and their lines are those of a mail's header.

    The details of a booking or of an order look much the same: they lack the address and the
    subject that every program writes, or the rule above them.
    """
    if len(labels) < 2:
        return False
    written = " ".join(values)
    has_address = _ADDRESS.search(written) is not None
    dated = _has_date(written)
    meanings = {LABELS[label] for label in labels if label in LABELS}
    if "from" in meanings:
        if len(meanings) > 2 and "subject" in meanings:
            return dated or has_address or "date" in meanings
        if len(meanings) > 1 and has_address and dated:
            return True
    timed = dated and _TIME.search(written) is not None
    # Of a language that is not in the table: from whom comes first, and when second.
    in_order = _has_date(values[1]) and _TIME.search(values[1]) is not None
    if below_rule and in_order and (len(set(labels)) > 3 or len(meanings) > 2):
        return True
    in_order = in_order and _ADDRESS.search(values[0]) is not None
    if not meanings or LABELS.get(labels[0]) == "from":
        return in_order and len(set(labels)) > 2
    if "subject" in meanings and in_order and len(set(labels)) > 3:
        return True
    return len(meanings) > 1 and has_address and timed


def _goes_on(bare: list[str], line: int) -> bool:
    """Whether a line is the rest of a header's value: an address on a line of its own, or what was
    wrapped before another label."""
    if bare[line].startswith(("<", "[mailto:")) or _ADDRESS.search(bare[line]):
        return True
    return line + 1 < len(bare) and _label_of(bare[line + 1]) in LABELS


def _unquoted(lines: list[str], bare: list[str], before: int) -> list[tuple[int, str]]:
    """The first attribution over a quotation that is not marked as one.

    So programs write that turn HTML into text. Only a sure attribution counts, and only where no
    line below it is marked: then what is not marked is an answer.
    """
    quoted = any(line.startswith(_QUOTED_LINE) for line in lines)
    for at in range(1, before):
        line = bare[at]
        if not line or len(line) > 300 or not _ends_an_attribution(line):
            continue
        begins = _attribution(bare, at, needs_both=False)
        if begins is None or not any(bare[:begins]) or not any(bare[at + 1 :]):
            continue
        written = " ".join(bare[begins : at + 1])
        has_address, has_date = _ADDRESS.search(written) is not None, _has_date(written)
        if WROTE.search(written) is not None:
            sure = has_address or has_date
        else:
            sure = has_address and has_date and _TIME.search(written) is not None
        if sure and not (quoted and any(_is_quoted(one) for one in lines[at:])):
            return [(begins, "what follows an attribution")]
    return []


def _ends_an_attribution(line: str) -> bool:
    if _ends_open(line):
        return _label_of(line) not in LABELS
    # Some leave out the colon; then it ends in "wrote".
    wrote = None
    for wrote in WROTE.finditer(line):
        pass
    return wrote is not None and wrote.end() == len(line) and _ADDRESS.search(line) is not None


def _is_quoted(line: str) -> bool:
    return line.startswith(_QUOTED_LINE)


def _without_debris(bare: list[str], end: int) -> int:
    """Without the rules and blank lines that stood over what was cut."""
    while end:
        line = bare[end - 1]
        if (
            not line
            or _RULE.match(line)
            or line in (">", "|", "*", "-")
            or (_SEPARATOR.match(line) and ORIGINAL.search(line))
        ):
            end -= 1
        else:
            break
    return end
