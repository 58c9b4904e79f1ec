"""Parameters of calls in the forms of clients."""

from __future__ import annotations

from urllib.parse import quote_from_bytes, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.failure import Failure, Reason
from bridge.smsc.parameters import MAX_PARAMETERS, Parameters, read_parameters

FORM = "application/x-www-form-urlencoded"


def multipart(fields: dict[str, bytes], boundary: str = "xYz") -> tuple[str, bytes]:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value
        for name, value in fields.items()
    ]
    body = b"\r\n".join([*parts, f"--{boundary}--\r\n".encode()])
    return f"multipart/form-data; boundary={boundary}", body


def outcome(query: bytes, content_type: str, body: bytes) -> Parameters | Reason:
    """The parameters, or the failure."""
    try:
        return read_parameters(query, content_type, body)
    except Failure as failure:
        return failure.reason


def test_a_query_alone() -> None:
    read = read_parameters(b"login=crm&psw=a%2Bb+c&mes=hi", "", b"")
    assert dict(read) == {"login": "crm", "psw": "a+b c", "mes": "hi"}


def test_a_form_alone() -> None:
    assert read_parameters(b"", FORM, b"login=crm&fmt=3")["fmt"] == "3"


def test_query_and_body_together() -> None:
    read = read_parameters(b"login=crm&fmt=1", FORM, b"psw=x&fmt=3")
    assert (read["login"], read["psw"], read["fmt"]) == ("crm", "x", "3")


def test_everything_in_the_query_and_an_empty_multipart_body() -> None:
    assert read_parameters(b"login=crm", *multipart({}))["login"] == "crm"


def test_a_multipart_body() -> None:
    read = read_parameters(b"", *multipart({"login": b"crm", "mes": "Привет".encode("cp1251")}))
    assert (read["login"], read["mes"]) == ("crm", "Привет")


def test_files_are_left_out() -> None:
    content_type, body = multipart({"login": b"crm"})
    file = b'--xYz\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n..\r\n'
    assert dict(read_parameters(b"", content_type, file + body)) == {"login": "crm"}


@pytest.mark.parametrize("body", [b"no boundary", b"--xYz\r\nbroken", b"--other--"])
def test_a_broken_multipart_body_is_a_bad_parameter(body: bytes) -> None:
    read = outcome(b"", "multipart/form-data; boundary=xYz", body)
    assert read in ({}, Reason.BAD_PARAMETER)


def test_a_multipart_body_without_boundary_is_a_bad_parameter() -> None:
    with pytest.raises(Failure) as caught:
        read_parameters(b"", "multipart/form-data", b"--x\r\n")
    assert caught.value.reason is Reason.BAD_PARAMETER


@pytest.mark.parametrize(
    ("charset", "python"),
    [("", "cp1251"), ("windows-1251", "cp1251"), ("utf-8", "utf-8"), ("koi8-r", "koi8-u")],
)
def test_texts_are_read_in_the_charset_of_the_call(charset: str, python: str) -> None:
    text = quote_from_bytes("Ваш код 1234".encode(python))
    read = read_parameters(f"mes={text}&charset={charset}".encode(), "", b"")
    assert read["mes"] == "Ваш код 1234"
    assert read.charset == python


def test_the_charset_may_stand_behind_the_text_and_in_capitals() -> None:
    query = "mes=" + quote_from_bytes("Привет".encode("koi8-r")) + "&charset=KOI8-R"
    assert read_parameters(query.encode(), "", b"")["mes"] == "Привет"


@pytest.mark.parametrize("kind", ["", "application/x-www-form-urlencoded", "text/plain"])
def test_json_needs_no_content_type(kind: str) -> None:
    assert read_parameters(b"", kind, b' {"mes": "a&b=c"}')["mes"] == "a&b=c"


def test_koi8_r_has_the_ukrainian_letters() -> None:
    query = b"charset=koi8-r&mes=" + quote_from_bytes("Дім, їжак, ґанок".encode("koi8-u")).encode()
    assert read_parameters(query, "", b"")["mes"] == "Дім, їжак, ґанок"


def test_utf_8_without_a_label_is_utf_8() -> None:
    read = read_parameters(urlencode({"mes": "Привіт ☎"}).encode(), "", b"")
    assert read["mes"] == "Привіт ☎"
    assert read.charset == "cp1251"


def test_a_charset_that_is_named_counts() -> None:
    text = quote_from_bytes("Ні".encode("cp1251"))
    assert read_parameters(f"mes={text}&charset=windows-1251".encode(), "", b"")["mes"] == "Ні"


def test_an_unpaired_surrogate_in_json_is_replaced() -> None:
    body = rb'{"mes": "a\ud800b", "phones": ["\udfff"]}'
    read = read_parameters(b"", "application/json", body)
    assert (read["mes"], read["phones"]) == ("a\ufffdb", "\ufffd")


def test_a_charset_that_nobody_knows_is_a_bad_parameter() -> None:
    with pytest.raises(Failure) as caught:
        read_parameters(b"charset=ebcdic", "", b"")
    assert caught.value.reason is Reason.BAD_PARAMETER


def test_raw_octets_in_a_body_are_read_too() -> None:
    body = b"mes=" + "Привет".encode("cp1251")
    assert read_parameters(b"", FORM, body)["mes"] == "Привет"


@pytest.mark.parametrize(("value", "on"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_switches(value: str, on: bool) -> None:
    assert Parameters({"add": value}, "utf-8").flag("add") is on
    assert not Parameters({}, "utf-8").flag("add")


def test_json() -> None:
    body = b'{"login": "crm", "phones": ["1", 2], "fmt": 3, "err": true, "tz": null}'
    read = read_parameters(b"", "application/json; charset=utf-8", body)
    assert dict(read) == {"login": "crm", "phones": "1,2", "fmt": "3", "err": "1", "tz": ""}


@pytest.mark.parametrize("body", [b"", b"[", b"[]", b'{"mes": {}}', b"[" * 100_000])
def test_broken_json_is_a_bad_parameter(body: bytes) -> None:
    with pytest.raises(Failure) as caught:
        read_parameters(b"", "application/json", body)
    assert caught.value.reason is Reason.BAD_PARAMETER


def test_a_call_has_so_many_parameters_and_no_more() -> None:
    query = "&".join(f"a{n}=1" for n in range(10 * MAX_PARAMETERS)).encode()
    assert len(read_parameters(query, "", b"")) == MAX_PARAMETERS


@given(
    st.binary(), st.sampled_from(["", FORM, "application/json", *[multipart({})[0]]]), st.binary()
)
def test_whatever_comes_is_read_or_refused(query: bytes, content_type: str, body: bytes) -> None:
    read = outcome(query, content_type, body)
    assert read is Reason.BAD_PARAMETER or isinstance(read, Parameters)
