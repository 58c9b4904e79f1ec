"""Parts, also with damaged boundaries."""

from __future__ import annotations

import pytest

from bridge.smtp.reading.content_type import content_type
from bridge.smtp.reading.multipart import delimiter, parts, undeclared_delimiter

BODY = b"preamble\n--a b\nContent-Type: text/plain\n\none\n--a b  \n\ntwo\n--a b--\nepilogue\n"


@pytest.mark.parametrize(
    "written",
    [
        b'boundary="a b"',
        b"boundary=a b",
        b"boundary='a b'",
        b'boundary="a b',
        b'boundary="a\n b"',
        b"boundary*0=a%20; boundary*1*=b",
        b"boundary*=utf-8''a%20b",
        b"boundary*=idna''a%20b",
        b"boundary=other",
        b'BOUNDARY = "a b"',
        b"",
    ],
)
def test_the_boundary_is_found(written: bytes) -> None:
    declared = content_type(b"multipart/mixed; " + written).boundary
    assert delimiter(BODY, declared) == b"a b"


def test_the_parts_stand_between_their_delimiters() -> None:
    assert list(parts(BODY, b"a b")) == [b"Content-Type: text/plain\n\none", b"\ntwo"]
    assert list(parts(b"--a\n\nx", b"a")) == [b"\nx"]
    assert list(parts(b"--ab\n\nx\n--a\n\ny\n--ab--", b"a")) == [b"\ny\n--ab--"]
    assert list(parts(b"x", b"a")) == []
    for cut in (b"--ab-", b"--ab", b"--a"):
        assert next(parts(b"--ab\n\nx\n" + cut, b"ab")).rstrip() == b"\nx"
    assert list(parts(b"--ab\n\nx\n--", b"ab")) == [b"\nx\n--"]


def test_a_body_that_does_not_say_so_is_of_parts_only_where_it_begins_so() -> None:
    part = b"--b\nContent-Type: text/plain\n\nx\n--b--"
    assert undeclared_delimiter(part) == b"b"
    notice = b"This is a multi-part message in MIME format.\n\n"
    assert undeclared_delimiter(notice + part) == b"b"
    assert undeclared_delimiter(b"Look at this:\n\n" + part) == b""
    assert undeclared_delimiter(b"a\n-- \nb") == b""
