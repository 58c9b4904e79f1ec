"""Attributions: "On Thu, 26 Nov 2026 Jan Novák <jan@example.com> wrote:", in any language.

Found by structure: up to three lines that end in a colon, with an address or a date. Lines come
stripped of spaces and direction marks; a line is given by its number.
"""

from __future__ import annotations

import re

from bridge.smtp.reading.quote_words import WROTE

ADDRESS = re.compile(r"[\w.+-]@[\w-]|\[mailto:")
#: An address in brackets at the end of its line, perhaps followed by words that continue in the
#: next line.
_ADDRESS_AT_THE_END = re.compile(
    r"[<(][^<>()@]{1,100}@[^<>()@]{1,100}[>)],?(?: [^\s.:;!?]{1,12}){0,3}$"
)
#: An address as programs write it: in brackets, or right before the colon.
_ADDRESS_OF_A_PROGRAM = re.compile(r"[<([]\S{1,100}@|mailto:|@\S{1,100}[:：]$")
_ADDRESS_IN_BRACKETS = re.compile(r"[<(]\S{1,100}@")
#: A year, in digits of any script.
_DATE = re.compile(
    r"\b(?:19|20|25)\d\d\b|\d{4} ?[年년]|\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b|(?:(?![0-9])\d){4}"
    r"|\b\d{1,2}\. ?\d{1,2}\. ?\d{2,4}|(?:19|20|25)\d\d(?=[^\W\d_])"
)
TIME = re.compile(r"(?<![\d.])\d{1,2}[:.h]\d\d(?!\.?\d)|\d{1,2} ?[時时시] ?\d{1,2}")
_DAY = re.compile(r"\b\d{1,2}\b")


def ends_open(line: str) -> bool:
    """Whether a line ends in a colon."""
    return line.rstrip(" *_\xa0").endswith((":", "：", "﹕", ":-", "՝"))


def ends_attribution(line: str) -> bool:
    """Whether a line may be the last of an attribution."""
    if ends_open(line):
        return True
    # Some programs omit the colon; then it ends in "wrote".
    ends = [wrote.end() for wrote in WROTE.finditer(line)]
    return len(line) in ends and ADDRESS.search(line) is not None


def attribution(bare: list[str], last: int, *, needs_both: bool) -> int | None:
    """The first line of the attribution that ends in line ``last``; ``None`` if there is none.

    ``needs_both``: address and date are both required.
    """
    closing = bare[last]
    if not ends_open(closing) and not WROTE.search(closing):
        # Some programs omit the colon; then the line must have address and date.
        whole = ADDRESS.search(closing) and has_date(closing) and len(closing) < 200
        return last if whole and not needs_both and not _is_a_sentence(closing, "") else None
    begins = None
    for first in range(last, max(-1, last - 4), -1):
        line = bare[first]
        if not line and first != last:
            # Some programs leave a blank line in it: "Jan Novák\n\n<\nmailto:…>", "…>\n\nwrote:".
            below = bare[first + 1]
            if below.startswith("<") or WROTE.fullmatch(below.rstrip(":： ")):
                continue
            break
        if len(line) > 300 or (first < last and _is_a_sentence(line, bare[first + 1])):
            break
        written = " ".join(bare[first : last + 1])
        if len(written) > 500:
            break
        addressed, dated = ADDRESS.search(written) is not None, has_date(written)
        if addressed and dated:
            return _with_the_name(bare, first)
        if begins is None and (addressed or dated or _has_time_and_day(written)):
            begins = first
        if first == last and dated and WROTE.search(written):
            # The name may be in the line above: "Jan Novák <jan@example.com>,".
            above = bare[first - 1] if first else ""
            if _ADDRESS_AT_THE_END.search(above) and _is_wrapped(above, line):
                return first - 1
            break
    return None if needs_both or begins is None else _with_the_name(bare, begins)


def _with_the_name(bare: list[str], first: int) -> int:
    """The first line of an attribution whose address was wrapped onto its own line."""
    if first and bare[first].startswith("<") and _is_wrapped(bare[first - 1], bare[first]):
        return first - 1
    return first


def _is_wrapped(line: str, following: str) -> bool:
    """Whether a program may have wrapped the line here."""
    return 0 < len(line) <= 100 and len(line) + 1 + len(following.split(" ", 1)[0]) > 66


def between_dashes(line: str, *, dated: bool) -> bool:
    """ "---- On Thu, 26 Nov 2026 Jan <jan@example.com> wrote ----"; ``dated``: only with a date,
    otherwise only with an address and "wrote"."""
    inner = line.strip("-—= ")
    if len(inner) > 250 or not line.endswith(("--", "==")) or len(inner) < 8:
        return False
    addressed, wrote = ADDRESS.search(inner) is not None, WROTE.search(inner) is not None
    return ((addressed or wrote) and has_date(inner)) or (addressed and wrote and not dated)


def is_sure(written: str) -> bool:
    """Whether an attribution is certain, even without ``>`` on the lines below it."""
    addressed, dated = ADDRESS.search(written) is not None, has_date(written)
    if WROTE.search(written) is not None:
        return addressed or dated
    timed = addressed and dated and TIME.search(written) is not None
    return timed and _ADDRESS_OF_A_PROGRAM.search(written) is not None


def has_date(written: str) -> bool:
    return _DATE.search(written) is not None


def _has_time_and_day(written: str) -> bool:
    return TIME.search(written) is not None and len(_DAY.findall(written)) > 2


def _is_a_sentence(line: str, following: str) -> bool:
    """Whether a line is a complete sentence, so that the attribution cannot begin in it."""
    if not line.endswith((".", "!", "?", "…", "。", ":", ";")) or line.endswith((" г.", " р.")):
        return False
    # A date wrapped after its day: "Jan Novák <jan@example.com> schrieb am Do., 26.".
    abbreviated = line.endswith(".") and _ADDRESS_IN_BRACKETS.search(line) is not None
    return not (abbreviated and _is_wrapped(line, following))
