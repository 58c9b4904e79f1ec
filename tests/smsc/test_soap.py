"""SOAP 1.1 and 1.2: requests as calls, their answers as responses, and the WSDL."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from bridge.smsc.parameters import Parameters
from bridge.smsc.soap import ENVELOPE_11, ENVELOPE_12, METHODS, answer, wsdl

NAMESPACE = "http://example.com/sys/soap.php"
WSDL, SCHEMA = "{http://schemas.xmlsoap.org/wsdl/}", "{http://www.w3.org/2001/XMLSchema}"


class Calls:
    """Records calls; ``found`` is the answer to each."""

    def __init__(self, found: object = None) -> None:
        self.found = {"id": 7, "cnt": 2} if found is None else found
        self.made: list[tuple[str, dict[str, str]]] = []

    async def run(self, name: str, parameters: Parameters) -> str:
        self.made.append((name, dict(parameters)))
        return json.dumps(self.found)


def request(method: str, inner: str = "", envelope: str = ENVELOPE_11) -> bytes:
    return (
        f'<s:Envelope xmlns:s="{envelope}"><s:Header/><s:Body>'
        f'<u:{method} xmlns:u="{NAMESPACE}">{inner}</u:{method}></s:Body></s:Envelope>'
    ).encode()


async def asked(body: bytes, calls: Calls | None = None) -> tuple[bytes, ElementTree.Element]:
    """The content type, and the only element of the answer's body."""
    kind, octets = await answer(body, (calls or Calls()).run)
    [of_body] = ElementTree.fromstring(octets)
    [element] = of_body
    return kind, element


def members(element: ElementTree.Element) -> dict[str, str | None]:
    [result] = element
    return {one.tag.partition("}")[2]: one.text for one in result}


async def test_a_request_is_a_call_with_fixed_parameters() -> None:
    calls = Calls({"id": 7, "cnt": 2, "cost": "0.80", "balance": "99.20"})
    inner = "<login>crm</login><psw>x</psw><phones>+1</phones><mes>Привіт &amp; бувай</mes>"
    kind, element = await asked(request("send_sms", inner), calls)
    assert calls.made == [
        (
            "send.php",
            {
                "login": "crm",
                "psw": "x",
                "phones": "+1",
                "mes": "Привіт & бувай",
                "cost": "3",
                "fmt": "3",
                "charset": "utf-8",
            },
        )
    ]
    assert kind == b"text/xml; charset=utf-8"
    assert element.tag == f"{{{NAMESPACE}}}SendResponse"
    assert element[0].tag == f"{{{NAMESPACE}}}sendresult"
    assert members(element) == {"id": "7", "balance": "99.20", "cost": "0.80", "cnt": "2"}


async def test_soap_1_2_is_answered_in_kind() -> None:
    kind, octets = await answer(request("get_balance", envelope=ENVELOPE_12), Calls().run)
    assert kind == b"application/soap+xml; charset=utf-8"
    assert ElementTree.fromstring(octets).tag == f"{{{ENVELOPE_12}}}Envelope"


async def test_further_parameters_come_in_one_argument() -> None:
    calls = Calls()
    inner = "<phones>1</phones><query>op=1&amp;sender=A%26B&amp;cost=0&amp;empty=</query>"
    _, element = await asked(request("send_sms2", inner), calls)
    [(_, given)] = calls.made
    assert (given["op"], given["sender"], given["empty"]) == ("1", "A&B", "")
    assert given["cost"] == "3", "what the method fixes stays"
    assert element.tag == f"{{{NAMESPACE}}}Send2Response"


async def test_arguments_of_other_methods_are_not_passed_on() -> None:
    calls = Calls()
    inner = "<login>crm</login><phones>1</phones><query>a=1</query>"
    await asked(request("get_balance", inner), calls)
    [(name, given)] = calls.made
    assert name == "balance.php"
    assert given == {"login": "crm", "fmt": "3", "charset": "utf-8"}


async def test_an_error_is_the_only_member() -> None:
    _, element = await asked(request("send_sms"), Calls({"error": "x", "error_code": 9, "id": 7}))
    assert members(element) == {"error": "9"}


async def test_a_status_has_no_error_where_there_is_none() -> None:
    _, element = await asked(request("get_status"), Calls({"status": 1, "err": 0}))
    assert members(element) == {"status": "1", "err": "0", "error": "0"}


async def test_several_statuses_fit_into_no_response() -> None:
    _, element = await asked(request("get_status"), Calls([{"status": 1}, {"status": 0}]))
    assert members(element) == {"error": "1"}


async def test_characters_that_xml_does_not_allow_are_blanks() -> None:
    found = {"status": 1, "message": "a\x01b\x0c<c>\n"}
    _, element = await asked(request("get_status"), Calls(found))
    assert members(element)["message"] == "a b <c>\n"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<x/>",
        b"no XML",
        request("unknown"),
        b"<Envelope><Body/></Envelope>",
        b"<Body><send_sms/></Body>",
    ],
)
async def test_what_is_no_request_is_a_fault(body: bytes) -> None:
    calls = Calls()
    kind, fault = await asked(body, calls)
    assert kind.startswith(b"text/xml")
    assert fault.tag == f"{{{ENVELOPE_11}}}Fault"
    assert fault.findtext("faultcode") == "s:Client"
    assert fault.findtext("faultstring")
    assert calls.made == []


async def test_a_fault_of_soap_1_2_has_its_own_form() -> None:
    _, fault = await asked(request("unknown", envelope=ENVELOPE_12))
    own = f"{{{ENVELOPE_12}}}"
    assert fault.findtext(f"{own}Code/{own}Value") == "s:Sender"
    assert "no such method" in (fault.findtext(f"{own}Reason/{own}Text") or "")


def names(element: ElementTree.Element) -> tuple[str | None, ...]:
    """The names of all elements that a part of the schema declares, in order."""
    return tuple(one.get("name") for one in element.iter(f"{SCHEMA}element"))


def test_the_wsdl_describes_every_method_at_its_address() -> None:
    address = "http://example.com/sys/soap.php?a=1&b"
    root = ElementTree.fromstring(wsdl(address))
    assert root.get("targetNamespace") == address
    [types] = root.findall(f"{WSDL}types/{SCHEMA}schema")
    schema = {f"tns:{one.get('name')}": one for one in types}
    messages = {
        f"tns:{one.get('name')}": schema[str(one[0].get("element"))]
        for one in root.iter(f"{WSDL}message")
    }
    [port_type] = root.findall(f"{WSDL}portType")
    assert [one.get("name") for one in port_type] == list(METHODS)
    for operation in port_type:
        method = METHODS[str(operation.get("name"))]
        given, returned = (messages[str(one.get("message"))] for one in operation)
        assert names(given) == (operation.get("name"), *method.arguments)
        assert names(returned) == (method.response, method.result, *method.members)
