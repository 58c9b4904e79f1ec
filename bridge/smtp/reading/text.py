"""The rules for the text that goes to the phone.

Pure functions from text to text. :mod:`bridge.smtp.reading.body` has found and decoded it.
"""

from __future__ import annotations

import re

from bridge.model.failure import Failure, Reason

#: ASCII's, and the line end.
_PRINTABLE = bytes((0x0A, *range(0x20, 0x7F)))
#: All kinds of line ends; U+2028, U+2029 and NEL come from web mailers.
_LINE_ENDS = re.compile(r"\r\n?|[\v\f\x85\u2028\u2029]")
#: Control characters, soft hyphen, grapheme joiner, zero-width space, word joiner, byte-order mark,
#: surrogates. Joiners (U+200C, U+200D) and direction marks stay: they change the text.
_OUT = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u034f\u200b\u2060\ufeff\ud800-\udfff\ufffe\uffff]"
)
#: Characters that alone are no text: joiners and marks that only change their neighbours.
_ONLY_MARKS = re.compile("[\\s\u200c-\u200f\u202a-\u202e\u2066-\u2069\ufe00-\ufe0f]*")
#: Colours of a terminal, and characters that are struck over.
_TERMINAL = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]|\x1b[()][A-B0-2]|.\x08")
_BLANK_LINES = re.compile(r"\n{3,}")

_ARMOUR = "-----BEGIN PGP SIGNED MESSAGE-----", "\n-----BEGIN PGP SIGNATURE-----"
_ARMOUR_END = "-----END PGP SIGNATURE-----"
_ARMOUR_HEADER = re.compile(r"[ \t]*\n(?:[A-Za-z]+: .*\n)*[ \t]*\n")
_DASH_ESCAPED = re.compile(r"^- ", re.MULTILINE)
#: Encrypted texts and keys below or between a text.
_ARMOURED = re.compile(
    r"-----BEGIN PGP (?:MESSAGE|PUBLIC KEY BLOCK)-----.*?(?:-----END PGP [A-Z ]{3,20}-----|\Z)",
    re.DOTALL,
)
#: A file in uuencode, whose lines have no small letters: scripts write "uuencode x x | mail".
_FILE = re.compile(
    r"^begin [0-7]{3,4} [^\n]{1,200}\n(?:[ -`]{0,90}\n)*end[ \t]*(?:\n|\Z)", re.MULTILINE
)
_PLACE = re.compile(r"\{(body|subject)\}")


def _is_plain(text: str) -> bool:
    """Whether the text has no characters but printable ones and ``\\n``."""
    if text.isascii():  # ten times as fast
        return not text.encode().translate(None, _PRINTABLE)
    return text.replace("\n", "").isprintable()


def lines_ended_by_lf(text: str) -> str:
    """Every kind of line end as ``\\n``."""
    if _is_plain(text):
        return text
    return _LINE_ENDS.sub("\n", text)


def unflow(text: str, delsp: bool) -> str:
    """The paragraphs of format=flowed (RFC 3676 §4): a line that ends in a space continues."""
    out: list[str] = []
    for line in text.split("\n"):
        line = line.removeprefix(" ")
        fixed = line.startswith(">") or line == "-- "
        if fixed and out and out[-1] != "\n":
            out.append("\n")  # An open paragraph ends here.
        flows = line.endswith(" ") and not fixed
        out.append(line[:-1] if flows and delsp else line)
        if not flows:
            out.append("\n")
    return "".join(out).removesuffix("\n")


def without_armour(text: str) -> str:
    """The readable text among OpenPGP's blocks (RFC 9580 §6.2); raises a Failure if all of it is
    encrypted."""
    left = _ARMOURED.sub("", text)
    if not left.strip():
        raise Failure(Reason.UNDECODABLE_TEXT, "encrypted (OpenPGP)")
    return unsigned(left)


def without_files(text: str) -> str:
    """The text without files in uuencode."""
    return _FILE.sub("", text)


def unsigned(text: str) -> str:
    """The first clear-signed text of OpenPGP, without its armour (RFC 4880 §7)."""
    start = text.find(_ARMOUR[0])
    end = text.find(_ARMOUR[1], start)
    header = _ARMOUR_HEADER.match(text, start + len(_ARMOUR[0])) if 0 <= start < end else None
    if header is None:
        return text
    after = text.find(_ARMOUR_END, end)
    rest = text[after + len(_ARMOUR_END) :] if after >= 0 else ""
    return text[:start] + _DASH_ESCAPED.sub("", text[header.end() : end]) + rest


def cut_at(text: str, stop_line: str) -> str:
    """The text before the first line that equals ``stop_line``."""
    if stop_line not in text:
        return text
    kept: list[str] = []
    for line in text.split("\n"):
        if line.strip() == stop_line:
            break
        kept.append(line)
    return "\n".join(kept)


def clean(text: str) -> str:
    """The text without invisible characters, needless spaces and blank lines."""
    text = text.replace("\ufffc", "")  # Stands for an attachment in Apple's texts.
    if not _is_plain(text):
        if "\x1b" in text or "\b" in text:
            text = _TERMINAL.sub("", text)
        text = _OUT.sub("", text.replace("\t", " ").replace("\xa0", " "))
        if _ONLY_MARKS.fullmatch(text):
            return ""
    if " \n" in text:
        text = "\n".join([line.rstrip(" ") for line in text.split("\n")])
    if "\n\n\n" in text:
        text = _BLANK_LINES.sub("\n\n", text)
    return text.strip()


def compose(template: str, subject: str, body: str) -> str:
    """The account's ``text`` template with subject and text; if one is empty, the other alone."""
    if not body or not subject:
        return body or subject
    if template == "{body}":
        return body
    words = {"body": body, "subject": subject}
    return _PLACE.sub(lambda place: words[place[1]], template).strip()
