"""The text rules (design section 7): what of a mail's text a phone is shown.

Pure functions from text to text. Which part of the mail the text came from, and from which
charset, was decided before (:mod:`bridge.smtp.body`).
"""

from __future__ import annotations

import re

#: Line ends of every kind; U+2028, U+2029 and NEL are what web mailers paste.
_LINE_ENDS = re.compile(r"\r\n?|[\v\f\x85\u2028\u2029]")
#: Control characters, soft hyphen, grapheme joiner, zero-width space, word joiner, byte-order mark,
#: surrogates. Joiners (U+200C, U+200D) and direction marks stay: they change what is read.
_OUT = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u034f\u200b\u2060\ufeff\ud800-\udfff\ufffe\uffff]"
)
_BLANKS_AT_LINE_ENDS = re.compile(r"[ \t]+$", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{3,}")

# "-- " alone on a line, its blank included (RFC 3676 §4.3): without it, two dashes are text.
_SIGNATURE = re.compile(r"^-- $", re.MULTILINE)
_WROTE = (
    r"(?:wrote|writes|schrieb|a écrit|escribió|ha scritto|napisał\(a\)|"
    r"пише|писав|писала|написав|написала|пишет|писал|написал)"
)
#: The line over a quotation in the words of common mailers …
_ATTRIBUTION = re.compile(rf"\b{_WROTE}\b[^:]{{0,80}}:$", re.IGNORECASE)
#: … and the second half of one that the mailer wrapped.
_WRAPPED = re.compile(rf"(?:<[^>]*>,? *)?{_WROTE}\b[^:]{{0,80}}:$", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
#: Outlook's line over all that it quotes.
_ORIGINAL = re.compile(
    r"^-{3,} ?(?:Original Message|Forwarded message|Исходное сообщение|Пересылаемое сообщение|"
    r"Оригінальне повідомлення|Вихідне повідомлення|Ursprüngliche Nachricht) ?-{3,}[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_PLACE = re.compile(r"\{(body|subject)\}")


def lines_ended_by_lf(text: str) -> str:
    """Every kind of line end as ``\\n``."""
    if text.replace("\n", "").isprintable():
        return text
    return _LINE_ENDS.sub("\n", text)


def unflow(text: str, delsp: bool) -> str:
    """Paragraphs out of format=flowed (RFC 3676 §4): a line that ends in a blank goes on."""
    out: list[str] = []
    for line in text.split("\n"):
        line = line.removeprefix(" ")
        fixed = line.startswith(">") or line == "-- "
        if fixed and out and out[-1] != "\n":
            out.append("\n")  # A paragraph that was left open ends here.
        flows = line.endswith(" ") and not fixed
        out.append(line[:-1] if flows and delsp else line)
        if not flows:
            out.append("\n")
    return "".join(out).removesuffix("\n")


def cut_quotes(text: str) -> str:
    """Without signature and the quoted tail of a reply; a text that is all quotation stays.

    Only what reaches to the end is cut, never a quoted line with an answer under it.
    """
    if "-- " in text:
        signature = _SIGNATURE.search(text)
        text = text[: signature.start()] if signature else text
    if "---" in text:
        original = _ORIGINAL.search(text)
        if original and text[: original.start()].strip():
            text = text[: original.start()]
    return _without_quoted_tail(text) if ">" in text else text


def _without_quoted_tail(text: str) -> str:
    lines = text.rstrip().split("\n")
    end = _end_of_text(lines, quoted=True)
    if end in (0, len(lines)):
        return text
    last = lines[end - 1].strip()
    answer = end
    if _ATTRIBUTION.search(last):
        answer -= 1
        if answer and _WRAPPED.match(last) and _DIGIT.search(lines[answer - 1]):
            answer -= 1
        answer = _end_of_text(lines[:answer], quoted=False)
    return "\n".join(lines[: answer or end])


def _end_of_text(lines: list[str], *, quoted: bool) -> int:
    """How many lines are left without blank (and quoted) ones at the end."""
    end = len(lines)
    while end and (not lines[end - 1].strip() or (quoted and lines[end - 1].startswith(">"))):
        end -= 1
    return end


def cut_at(text: str, stop_line: str) -> str:
    """What stands before the first line that is ``stop_line``."""
    if stop_line not in text:
        return text
    kept: list[str] = []
    for line in text.split("\n"):
        if line.strip() == stop_line:
            break
        kept.append(line)
    return "\n".join(kept)


def clean(text: str) -> str:
    """Without what cannot be seen, without needless blanks and blank lines."""
    if not text.replace("\n", "").isprintable():
        text = _OUT.sub("", text.replace("\t", " ").replace("\xa0", " "))
    if " \n" in text:
        text = _BLANKS_AT_LINE_ENDS.sub("", text)
    if "\n\n\n" in text:
        text = _BLANK_LINES.sub("\n\n", text)
    return text.strip()


def compose(template: str, subject: str, body: str) -> str:
    """The account's ``text`` template filled in; where one of the two is empty, the other alone."""
    if not body or not subject:
        return body or subject
    if template == "{body}":
        return body
    words = {"body": body, "subject": subject}
    return _PLACE.sub(lambda place: words[place[1]], template).strip()
