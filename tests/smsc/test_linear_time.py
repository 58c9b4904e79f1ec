"""Calls take linear time, with and without a login."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest

from bridge.accounts.accounts import Account
from bridge.config.settings import AccountSettings
from bridge.dialect.answers import Format
from bridge.model.failure import Failure, Reason
from bridge.smsc import soap
from bridge.smsc.call import Call
from bridge.smsc.parameters import MAX_PARAMETERS, Parameters, read_parameters
from bridge.smsc.send import submission_of
from bridge.smsc.xml_reading import MAX_ATTRIBUTES, read_xml
from tests.linear import assert_linear
from tests.samples import NOW

MULTIPART = "multipart/form-data; boundary=b"
FIELD = b"--b\r\nContent-Disposition: form-data; name=a"
SOAP = b'<Envelope xmlns="e"><Body><send_sms2 xmlns="n"><query>'


def urlencoded(body: bytes) -> object:
    return read_parameters(body, "", body)


def multipart(body: bytes) -> object:
    return read_parameters(b"", MULTIPART, body)


def content_type(field: bytes) -> object:
    return read_parameters(b"", field.decode(), b"")


def json(body: bytes) -> object:
    return read_parameters(b"", "application/json", body)


def soap_call(body: bytes) -> object:
    async def run(name: str, parameters: Parameters) -> str:
        return '{"error_code": 1}'

    return asyncio.run(soap.answer(body, run))


def send(**parameters: bytes) -> object:
    given = {name: value.decode() for name, value in parameters.items()}
    account = Account("crm", AccountSettings(sender="Shop"))
    call = Call(account, Parameters(given, "utf-8"), Format.TEXT, "127.0.0.1", NOW)
    return asyncio.run(submission_of(call, "1"))


def list_rows(text: bytes) -> object:
    return send(list=text)


def phones(text: bytes) -> object:
    return send(phones=text, mes=b"x")


def text(octets: bytes) -> object:
    return send(phones=b"380501234567", mes=octets, nl=b"1", translit=b"1", maxsms=b"3")


#: The reader, the repeated piece, the prefix, and the suffix.
INPUTS: list[tuple[Callable[[bytes], object], bytes, bytes, bytes]] = [
    (urlencoded, b"a=&", b"", b""),
    (urlencoded, b"%41", b"a=", b""),
    (urlencoded, b"+", b"a=", b""),
    (multipart, b"--b\r\n\r\n\r\n", b"", b""),
    (multipart, FIELD + b"\r\n\r\n\r\n", b"", b""),
    (multipart, b";", FIELD, b"\r\n\r\n\r\n--b--"),
    (multipart, b"a:b\r\n", b"--b\r\n", b""),
    (multipart, b"\r\n--", FIELD + b"\r\n\r\n", b"\r\n--b--"),
    (multipart, b"\r\n--c", FIELD + b"\r\n\r\n", b"\r\n--b--"),
    (multipart, b"\r", FIELD + b"\r\n\r\n", b"\r\n--b--"),
    (content_type, b";", b"multipart/form-data", b""),
    (content_type, b'";', b"multipart/form-data; x=", b""),
    (json, b"[", b"", b""),
    (json, b'{"a":', b"", b""),
    (json, b"9", b'{"a":', b"}"),
    (json, b"1,", b'{"phones":[', b"1]}"),
    (json, b"\\ud800", b'{"a":"', b'"}'),
    (soap_call, b"a=&", SOAP, b"</query></send_sms2></Body></Envelope>"),
    (soap_call, b"&amp;", SOAP, b"</query></send_sms2></Body></Envelope>"),
    (soap_call, b"<a>", b"", b""),
    (soap_call, b"<a/>", b"<e>", b"</e>"),
    (soap_call, b" a=''", b"<e", b"/>"),
    (soap_call, b"u", b'<e xmlns="', b'"/>'),
    (list_rows, b" ", b"1", b"x:text"),
    (list_rows, b"1 ", b"", b"x:text"),
    (list_rows, b"1,", b"", b"x;text"),
    (list_rows, b",", b"1", b":text"),
    (list_rows, b"\n", b"1:x", b"2"),
    (list_rows, b"1:x\n", b"", b""),
    (phones, b"1,", b"", b""),
    (phones, b" ", b"1", b"x"),
    (text, b"\\n", b"", b""),
    (text, "щ".encode(), b"", b""),
    (text, b"_", b"_", b""),
]


@pytest.mark.parametrize("number", range(len(INPUTS)))
def test_work_grows_with_the_input_and_no_faster(number: int) -> None:
    read, piece, before, behind = INPUTS[number]

    def work(size: int) -> None:
        with suppress(Failure):
            read(before + piece * (size // len(piece) + 1) + behind)

    assert_linear(work)


def test_a_namespace_on_many_attributes_is_not_written_out_for_each() -> None:
    """Half of the octets are the namespace, half the attributes: Expat's own namespaces would take
    quadratic time."""

    def work(size: int) -> None:
        attributes = b" p:a=''" * (size // 14)
        with suppress(Failure):
            read_xml(b"<e xmlns:p='" + b"u" * (size // 2) + b"'" + attributes + b"/>")
        attributes = b"".join(b" p:a%d=''" % number for number in range(size // 24))
        with suppress(Failure):
            read_xml(b"<e xmlns:p='" + b"u" * (size // 2) + b"'" + attributes + b"/>")

    assert_linear(work)


@pytest.mark.parametrize(
    "document",
    [
        b"<e xmlns='" + b"u" * 1000 + b"'/>",
        b"<e xmlns:p='" + b"u" * 1000 + b"'/>",
        b"<" + b"e" * 1000 + b"/>",
        b"<e" + b"".join(b" a%d=''" % n for n in range(MAX_ATTRIBUTES + 1)) + b"/>",
        b"<p:e/>",
    ],
)
def test_xml_beyond_the_limits_is_a_bad_parameter(document: bytes) -> None:
    with pytest.raises(Failure) as refused:
        read_xml(document)
    assert refused.value.reason is Reason.BAD_PARAMETER


def test_names_have_the_namespaces_of_their_prefixes() -> None:
    root = read_xml(
        b"<s:e xmlns:s='one' xmlns='two'><a><b xmlns='three'/></a><c xmlns=''/><s:d/></s:e>"
    )
    a, c, d = root.children
    found = [(one.namespace, one.name) for one in (root, a, a.children[0], c, d)]
    assert found == [("one", "e"), ("two", "a"), ("three", "b"), ("", "c"), ("one", "d")]


def test_a_form_of_more_parts_than_parameters_is_refused() -> None:
    """Each part costs much more than its octets."""
    with pytest.raises(Failure) as refused:
        multipart((FIELD + b"\r\n\r\n\r\n") * (MAX_PARAMETERS + 1) + b"--b--\r\n")
    assert refused.value.reason is Reason.BAD_PARAMETER


def test_a_boundary_of_any_length_is_read_or_refused() -> None:
    with pytest.raises(Failure) as refused:
        read_parameters(b"", "multipart/form-data; boundary=" + "b" * 900, b"x")
    assert refused.value.reason is Reason.BAD_PARAMETER
