"""A multipart's body into its parts (RFC 2046 §5.1), whatever became of its boundary.

Octets are looked at by C code, each level once; how many parts and levels there may be is the
caller's to bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

#: A line that may be a boundary, followed by one that is a field of a part's header, or by the
#: blank line of a part without one.
_DELIMITER = re.compile(
    rb"^--([^\s-][^\n]{0,199}|-[^\n]{0,199})\n(?=content-[a-z-]{1,40}[ \t]*:|mime-version[ \t]*:)",
    re.IGNORECASE | re.MULTILINE,
)
#: How much of a body may stand before the first part of a multipart that does not say so.
_MAX_PREAMBLE = 1000


def delimiter(body: bytes, boundary: bytes) -> bytes:
    """The boundary that separates the body's parts; empty where there is none.

    Tried are the declared one, as it stands and as it may have been meant, and then what the body
    looks like.
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
    """Whether nothing follows but blanks, and the two hyphens of the last delimiter."""
    end = body.find(b"\n", at, at + 200)
    return body[at : end if end >= 0 else at + 200].strip(b" \t") in (b"", b"--")


def found_delimiter(body: bytes, preamble: int | None = None) -> bytes:
    """The first line that looks like a boundary, at most ``preamble`` octets into the body."""
    end = len(body) if preamble is None else min(len(body), preamble)
    found = _DELIMITER.search(body, 0, end)
    return found[1].rstrip() if found else b""


def undeclared_delimiter(body: bytes) -> bytes:
    """The boundary of a body that looks like a multipart and is not said to be one."""
    if not body.startswith(b"--") and b"\n--" not in body:
        return b""
    # Only after a notice to old mail programs, which is no more than a paragraph.
    found = found_delimiter(body, _MAX_PREAMBLE)
    if not found:
        return b""
    before = body[: body.find(b"--" + found)].strip()
    noticed = b"MIME" in before or b"multi-part" in before.lower()
    return found if not before or noticed else b""


def parts(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """The parts in their order; what stands before the first and after the last is left out."""
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
        # Not from the end of a line that only begins like it: its own end may be the next one's.
        at = body.find(b"\n" + line, max(after, at)) + 1
        if at == 0:
            break
    if 0 <= start < len(body):
        yield body[start:]
