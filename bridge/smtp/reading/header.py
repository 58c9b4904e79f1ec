"""The needed header fields of a mail, from its raw octets.

Decides where the header section of a mail or a part ends, and finds the needed fields (RFC 5322
§2.2): parsing all fields would cost more than the rest of the mail. Lines must end in a bare LF.
"""

from __future__ import annotations

import re

from bridge.model.failure import Failure, Reason

#: The longest header section.
MAX_HEADER = 64 * 1024
#: Most lines in a section that are not fields, but continue the previous one.
MAX_BROKEN_LINES = 8
#: Most places of a header with such lines.
MAX_BREAKS = 8

# Possessive quantifiers, so that each octet is read once. Not for groups, which are wrong in Python
# before 3.11.5 (gh-106052) and need no backtracking here.
_SECTION = re.compile(rb"(?:[!-9;-~]++[ \t]*+:.*+(?:\n|\Z)(?:[ \t].*+(?:\n|\Z))*)*")
_FIELD = re.compile(
    rb"^(subject|content-(?:type|transfer-encoding|disposition|id)|message-id|x-cascade-[^\s:]*+)"
    rb"[ \t]*+:(.*+(?:\n[ \t].*+)*)",
    re.IGNORECASE | re.MULTILINE,
)
# Octets are searched for as numbers: for octets as bytes, "in" makes an exception first.
_CR, _LF = 0x0D, 0x0A
_FOLD = re.compile(rb"\r?\n[ \t]")
_ENDED_AGAIN = re.compile(rb"(?<!\r)\r++\n")
#: Fields that occur only in a mail's header, never in a text.
_OF_MAILS = re.compile(
    rb"^(?:mime-version|content-type|content-transfer-encoding|message-id|received|return-path"
    rb"|x-mailer|x-priority|x-originating-ip|dkim-signature|subject)[ \t]*+:",
    re.IGNORECASE | re.MULTILINE,
)
_OF_MIME = re.compile(rb"^(?:mime-version|content-type)[ \t]*+:", re.IGNORECASE | re.MULTILINE)
#: One of them stands in every header: what has none, and looks like one, is a text.
_OF_ANY_MAIL = re.compile(
    rb"^(?:from|to|cc|bcc|subject|date|sender|reply-to|message-id|mime-version|content-[a-z-]++"
    rb"|received|return-path|delivered-to|importance|priority|x-[!-9;-~]++)[ \t]*+:",
    re.IGNORECASE | re.MULTILINE,
)
#: Parameters on a line of their own that lacks its blank: "Content-Type: text/plain;".
_OPEN_PARAMETER = re.compile(rb";[ \t]*+\n\Z")
_PARAMETERS = re.compile(rb"(?:;?[ \t]*+[a-z-]{1,20}\*?[ \t]*+=[^\n]*+(?:\n|\Z))+", re.IGNORECASE)
#: Fields of a part that stand below a blank line too many: scripts end their header too early.
_LATE_FIELDS = re.compile(
    rb"\n?(?:(?:mime-version|content-[a-z-]{1,40}|x-mailer|x-priority|reply-to)[ \t]*+:"
    rb"[^\n]*+\n(?:[ \t][^\n]*+\n){0,9})++(?=\n)",
    re.IGNORECASE,
)
#: Lines of a part's header that are no fields, and a field below them.
_BROKEN_PART = re.compile(
    rb"(?:[^\n:]{1,200}\n){1,4}(?=content-(?:type|transfer-encoding|disposition)[ \t]*+:)",
    re.IGNORECASE,
)
_BEFORE_A_HEADER = re.compile(
    rb"(?=[\xef\s>F])(?:\xef\xbb\xbf|[ \t]*+\n|>?From [^\n]{1,200}\n)*[ \t]*+"
)
#: A first line that is no field, above a header that names the sender or the recipient.
_NO_FIELD = re.compile(rb"[^\n]{1,200}\n(?=[!-9;-~]++[ \t]*+:)")
_OF_PEOPLE = re.compile(rb"^(?:from|to|date)[ \t]*+:", re.IGNORECASE | re.MULTILINE)

#: Fields of mails that no person wrote to this recipient: automatic answers (RFC 3834 §5 and older
#: fields), reports (RFC 6522), lists (RFC 2369).
_AUTOMATIC = re.compile(
    rb"^(?:auto-submitted[ \t]*+:(?!\s*+no[ \t]*+(?:$|[;(]))"
    rb"|precedence[ \t]*+:\s*+(?:bulk|junk|list|auto_reply)\b"
    rb"|x-auto(?:reply|respond)[ \t]*+:"
    rb"|list-[a-z]++[ \t]*+:"
    rb"|content-type[ \t]*+:\s*+multipart/report\b)",
    re.IGNORECASE | re.MULTILINE,
)
#: Fields of mails that a program wrote.
_GENERATED = re.compile(
    rb"^(?:auto-submitted[ \t]*+:(?!\s*+no[ \t]*+(?:$|[;(]))"
    rb"|precedence[ \t]*+:\s*+(?:bulk|junk|auto_reply)\b"
    rb"|x-auto-response-suppress[ \t]*+:"
    # Trackers and help desks, whose mails are in threads too.
    rb"|x-(?:gitlab|github|jira|atlassian|redmine|rt|otrs|znuny|zammad|zendesk|freshdesk|trac"
    rb"|bugzilla|mantis|youtrack|gerrit|phabricator|discourse|jenkins|sentry)-[a-z-]++[ \t]*+:"
    rb"|feedback-id[ \t]*+:)",
    re.IGNORECASE | re.MULTILINE,
)
#: Fields that name the answered mail (RFC 5322 §3.6.4).
_ANSWERS = re.compile(rb"^(?:in-reply-to|references)[ \t]*+:\s*+\S", re.IGNORECASE | re.MULTILINE)

Fields = dict[bytes, list[bytes]]

_FIRST_LETTERS = (b"MIME-", b"Mime-", b"mime-", b"Content-", b"content-", b"CONTENT-")


def split(mail: bytes) -> tuple[Fields, bytes]:
    """The needed fields, by lower-case name in their order, and the body.

    A mail that does not begin with header fields is all body. Raises a Failure for a header section
    of more than :data:`MAX_HEADER` octets.
    """
    start = mail.find(b"\n") + 1 if mail.startswith((b"From ", b">From ")) else 0
    end = _end(mail, start)
    if end == start and (late := _late_start(mail, start)) > start:
        mail, start = mail[late:], 0
        end = _end(mail, start)
    if not mail.startswith(b"\n", end) and start < end < len(mail):
        mail, end = _mended_throughout(mail, start, end)
    fields = fields_of(mail, start, end)
    if not fields and start < end and _OF_ANY_MAIL.search(mail, start, end) is None:
        return {}, mail[start:]
    has_one = start < end
    if mail.startswith(b"\n", end):
        end += 1
    if b"content-type" not in fields:
        late = end
        while late < end + MAX_BREAKS and mail.startswith(b"\n", late):
            late += 1
        if mail.startswith(_FIRST_LETTERS, late):
            began = _take_late_fields(fields, mail, late)
            end = began if began > late else end
        elif has_one and b"subject" not in fields:
            end = _take_whole_header(fields, mail, end)
    return fields, mail[end:]


def _take_whole_header(fields: Fields, mail: bytes, start: int) -> int:
    """Adds the fields of the mail's header at ``start``, below fields of a relay: to a mail that
    begins with a blank line it adds its own above. Returns where the body begins."""
    section = _SECTION.match(mail, start, start + MAX_HEADER)
    if section is None or section[0].count(b"\n") < 2 or not mail.startswith(b"\n", section.end()):
        return start
    found = fields_of(mail, start, section.end())
    if b"subject" not in found or _OF_MIME.search(section[0]) is None:
        return start
    fields.update(found)
    return section.end() + 1


def _take_late_fields(fields: Fields, octets: bytes, start: int) -> int:
    """Adds the fields of a part at ``start``, below a blank line; returns where its body begins."""
    late = _LATE_FIELDS.match(octets, start, start + 4096)
    if late is None or _OF_MAILS.search(octets, start, late.end()) is None:
        return start
    for name, values in fields_of(octets, start, late.end()).items():
        fields.setdefault(name, values)
    return late.end() + 1


def _mended_throughout(mail: bytes, start: int, end: int) -> tuple[bytes, int]:
    """The mail with the broken lines of its header mended, and where the header ends."""
    for _ in range(MAX_BREAKS):
        if end == len(mail) or mail.startswith(b"\n", end):
            break
        whole = _mended(mail, start, end)
        if whole is None:
            break
        mail, end = whole, _end(whole, start)
    return mail, end


def lines_by_lf(mail: bytes) -> bytes:
    """The octets with their lines ended by LF."""
    if _CR in mail:
        mail = mail.replace(b"\r\n", b"\n")
        if _CR in mail:
            mail = _ENDED_AGAIN.sub(b"\n", mail)  # Programs made CR LF of the LF in CR LF.
            if _LF not in mail.rstrip(b"\r\n"):
                mail = mail.replace(b"\r", b"\n")  # No other line end: so old programs write.
    return mail


def _end(mail: bytes, start: int) -> int:
    """The end of the section that begins at ``start``."""
    section = _SECTION.match(mail, start, start + MAX_HEADER + 1)
    end = section.end() if section else start
    if end - start > MAX_HEADER or _goes_on(mail, start, end):
        raise Failure(Reason.BAD_PARAMETER, f"headers of more than {MAX_HEADER} octets")
    return end


def fields_of(mail: bytes, start: int, end: int) -> Fields:
    """The needed fields of a section."""
    fields: Fields = {}
    for found in _FIELD.finditer(mail, start, end):
        fields.setdefault(found[1].lower(), []).append(found[2])
    return fields


def _goes_on(mail: bytes, start: int, end: int) -> bool:
    """Whether the section ended only because a line was cut at the limit."""
    if len(mail) <= start + MAX_HEADER or mail.startswith(b"\n", end):
        return False
    if mail.find(b"\n", end, start + MAX_HEADER) >= 0:
        return False  # a complete line that is no field: the body, without a blank line before
    further = _SECTION.match(mail, end)
    return further is not None and further.end() > end


def _late_start(mail: bytes, start: int) -> int:
    """The start of the header after blank lines or a byte-order mark; ``start`` if there is
    none."""
    before = _BEFORE_A_HEADER.match(mail, start, start + 512)
    if before is None or before.end() == start:
        return _below_first_line(mail, start)
    section = _SECTION.match(mail, before.end(), before.end() + MAX_HEADER)
    if section is not None and b"\xef\xbb\xbf" in before[0]:
        return before.end() if _OF_ANY_MAIL.search(section[0]) else start
    if section is None or _OF_MAILS.search(mail, before.end(), section.end()) is None:
        return start
    # A single "Subject: …" may be the first line of a text.
    return before.end() if section[0].count(b"\n") > 1 else start


def _below_first_line(mail: bytes, start: int) -> int:
    """The start of the header below a broken first line; ``start`` if the mail has no header."""
    line = _NO_FIELD.match(mail, start)
    section = line and _SECTION.match(mail, line.end(), line.end() + MAX_HEADER)
    if not line or not section or not mail.startswith(b"\n", section.end()):
        return start
    found = _OF_MAILS.search(section[0]) and _OF_PEOPLE.search(section[0])
    return line.end() if found and section[0].count(b"\n") > 2 else start


def _mended(mail: bytes, start: int, end: int) -> bytes | None:
    """The mail with broken lines of its header joined to the lines that they continue.

    Scripts break a header so by putting a text with line ends into a field. ``None`` if the lines
    after the section are not a header: up to the first blank line they must be fields, some of them
    fields that never occur in a text, or parameters.
    """
    if (whole := _with_parameters(mail, start, end)) is not None:
        return whole
    blank = mail.find(b"\n\n", end, start + MAX_HEADER)
    blank = min(len(mail), start + MAX_HEADER) if blank < 0 else blank + 1
    lines = mail[end:blank].split(b"\n", MAX_BROKEN_LINES + 1)
    at = end
    if lines[0].startswith(b"--"):
        return None  # The boundary of the first part, without a blank line before it.
    for line in lines[:MAX_BROKEN_LINES]:
        section = _SECTION.match(mail, at, blank)
        if section is not None and section.end() > at:
            break
        at += len(line) + 1
    if at == end:
        return None
    section = _SECTION.match(mail, at, blank)
    if section is None or _OF_MAILS.search(mail, at, section.end()) is None:
        return None
    goes_on = mail[end:at].replace(b"\n", b" ").rstrip()
    return mail[: end - 1] + b"\n " + goes_on + b"\n" + mail[at:]


def _with_parameters(octets: bytes, start: int, end: int) -> bytes | None:
    """The octets with the parameters behind the section put to the field that they are of."""
    open_before = _OPEN_PARAMETER.search(octets, max(start, end - 200), end) is not None
    if not open_before and not octets.startswith(b";", end):
        return None
    parameters = _PARAMETERS.match(octets, end, end + 1000)
    if parameters is None:
        return None
    lines = parameters[0].replace(b"\n", b" ").rstrip()
    return octets[: end - 1] + b"\n " + lines + b"\n" + octets[parameters.end() :]


def part(octets: bytes) -> tuple[Fields, bytes]:
    """The needed fields and the body of one part of a multipart."""
    if octets.startswith(b"\n"):
        late: Fields = {}
        start = _take_late_fields(late, octets, 1) if octets.startswith(_FIRST_LETTERS, 1) else 1
        return late, octets[start:]
    section = _SECTION.match(octets, 0, MAX_HEADER)
    end = section.end() if section else 0
    if (whole := _with_parameters(octets, 0, end)) is not None:
        octets = whole
        section = _SECTION.match(octets, 0, MAX_HEADER)
        end = section.end() if section else 0
    fields = fields_of(octets, 0, end)
    for _ in range(MAX_BREAKS):
        broken = _BROKEN_PART.match(octets, end, end + 2000)
        section = broken and _SECTION.match(octets, broken.end(), broken.end() + MAX_HEADER)
        if not broken or not section:
            break
        end = section.end()
        fields = {**fields_of(octets, broken.end(), end), **fields}
    if octets.startswith(b"\n", end):
        end += 1
    return fields, octets[end:]


def first(fields: Fields, name: bytes) -> bytes:
    """The raw value of a field; empty if it is missing."""
    values = fields.get(name)
    return values[0].strip() if values else b""


def unfold(raw: bytes) -> bytes:
    """The value on one line (RFC 5322 §2.2.3)."""
    return _FOLD.sub(b" ", raw).strip() if _LF in raw else raw.strip()


def is_automatic(section: bytes) -> bool:
    """Whether the header section is that of an automatic answer, a report or a list."""
    return _AUTOMATIC.search(section) is not None


def is_generated(section: bytes) -> bool:
    """Whether the header section is that of a mail written by a program."""
    return _GENERATED.search(section) is not None


def names_an_answered_mail(section: bytes) -> bool:
    """Whether the header section names an answered mail."""
    return _ANSWERS.search(section) is not None
