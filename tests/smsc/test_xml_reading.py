"""Untrusted XML, read within limits."""

from __future__ import annotations

import pytest

from bridge.model.failure import Failure, Reason
from bridge.smsc.xml_reading import MAX_DEPTH, MAX_ELEMENTS, MAX_NAME, read_xml


def test_elements_have_namespace_text_and_children() -> None:
    root = read_xml(b'<s:a xmlns:s="urn:s" xmlns="urn:d"> x <b>1 &amp; 2</b>y</s:a>')
    assert (root.namespace, root.name, root.content()) == ("urn:s", "a", "x y")
    child = root.child("b")
    assert child is not None
    assert (child.namespace, child.content()) == ("urn:d", "1 & 2")
    assert root.child("c") is None


def test_a_namespace_ends_with_its_element() -> None:
    root = read_xml(b'<a><b xmlns="urn:b"/><c/></a>')
    assert [child.namespace for child in root.children] == ["urn:b", ""]


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"<a>",
        b"<a></b>",
        b"<p:a/>",
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
        b'<?xml version="1.0" encoding="no-such"?><a/>',
        b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1),
        b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>",
        b"<" + b"a" * (MAX_NAME + 1) + b"/>",
        b"<a " + b" ".join(b'x%d="1"' % n for n in range(33)) + b"/>",
        b'<a xmlns="' + b"u" * (MAX_NAME + 1) + b'"/>',
    ],
)
def test_everything_beyond_the_limits_is_refused(octets: bytes) -> None:
    with pytest.raises(Failure) as caught:
        read_xml(octets)
    assert caught.value.reason is Reason.BAD_PARAMETER
