"""Splits a multipart's body into its parts (RFC 2046 §5.1), even with a damaged boundary.

Octets are searched by C code, once per level; the caller limits the number of parts and levels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

#: A line that may be a boundary, followed by a field of a part's header, or by a blank line for a
#: part without one.
_DELIMITER = re.compile(
    rb"^--([^\s-][^\n]{0,199}|-[^\n]{0,199})\n(?=content-[a-z-]{1,40}[ \t]*:|mime-version[ \t]*:)",
    re.IGNORECASE | re.MULTILINE,
)
#: The longest preamble of a multipart without a declared boundary.
_MAX_PREAMBLE = 1000


def delimiter(body: bytes, boundary: bytes) -> bytes:
    """The boundary between the body's parts; empty if there is none.

    Tries the declared boundary, then variants of it, then a search of the body.
    """
    meant = boundary.strip()
    for tried in (boundary.rstrip(), meant, meant.strip(b"\"'"), meant.rstrip(b";,"), meant[2:]):
        if tried and _stands(body, tried):
            return tried
    squeezed = b"".join(meant.split())
    if squeezed != meant and _stands(body, squeezed):
        return squeezed
    return found_delimiter(body)


def _stands(body: bytes, boundary: bytes) -> bool:
    line = b"--" + boundary
    at = 0 if body.startswith(line) else body.find(b"\n" + line) + 1
    while at or body.startswith(line):
        if _ends_the_line(body, at + len(line)):
            return True
        at = body.find(b"\n" + line, at + len(line)) + 1
        if at == 0:
            return False
    return False


def _ends_the_line(body: bytes, at: int) -> bool:
    """Whether only spaces follow, or the two hyphens of the last delimiter."""
    end = body.find(b"\n", at, at + 200)
    return body[at : end if end >= 0 else at + 200].strip(b" \t") in (b"", b"--")


def found_delimiter(body: bytes, preamble: int | None = None) -> bytes:
    """The first line that looks like a boundary, within the first ``preamble`` octets of the
    body."""
    end = len(body) if preamble is None else min(len(body), preamble)
    found = _DELIMITER.search(body, 0, end)
    return found[1].rstrip() if found else b""


def undeclared_delimiter(body: bytes) -> bytes:
    """The boundary of a body that looks like a multipart but is not declared as one."""
    if not body.startswith(b"--") and b"\n--" not in body:
        return b""
    # Only after a short notice for old mail programs.
    found = found_delimiter(body, _MAX_PREAMBLE)
    if not found:
        return b""
    before = body[: body.find(b"--" + found)].strip()
    return found if not before or _is_notice(before) else b""


def _is_notice(before: bytes) -> bool:
    """Whether a preamble only tells old programs that there are parts."""
    return b"MIME" in before or b"multi-part" in before.lower()


def preamble(body: bytes, boundary: bytes) -> bytes:
    """What stands before the first part, except for a notice for old programs."""
    before = body[: max(0, body.find(b"--" + boundary))].strip()
    return b"" if _is_notice(before) else before


def parts(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """The parts in order, without preamble and epilogue."""
    line = b"--" + boundary
    start = -1
    at = 0 if body.startswith(line) else body.find(b"\n" + line) + 1
    while at or body.startswith(line):
        after = at + len(line)
        end = body.find(b"\n", after)
        end = len(body) if end < 0 else end
        rest = body[after:end].strip(b" \t")
        if rest in (b"", b"--"):
            if start >= 0:
                # The line end before the delimiter belongs to it.
                yield body[start : max(start, at - 1)]
            start = -1 if rest else end + 1
        # Not from the end of a line that only begins like a delimiter: the next delimiter may
        # follow at once.
        at = body.find(b"\n" + line, max(after, at)) + 1
        if at == 0:
            break
    if 0 <= start < len(body):
        # The last delimiter may be cut.
        last = body.rfind(b"\n", start) + 1
        cut = len(body) - last > 2 and (line + b"-").startswith(body[last:])
        yield body[start:last] if cut and last else body[start:]
