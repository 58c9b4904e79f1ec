"""SOAP 1.1 and 1.2 in front of the same operations.

Each method is a call with fixed parameters; ``…2`` takes further ones as ``p1=v1&p2=v2``. Names are
compared without namespaces, and answers use the request's namespace.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape, quoteattr

from bridge.model.failure import Failure, Reason
from bridge.smsc.parameters import MAX_PARAMETERS, Parameters
from bridge.smsc.xml_reading import Element, read_xml

ENVELOPE_11: Final = "http://schemas.xmlsoap.org/soap/envelope/"
ENVELOPE_12: Final = "http://www.w3.org/2003/05/soap-envelope"

#: Runs a call of ``/sys/<name>`` and returns its answer.
Run = Callable[[str, Parameters], Awaitable[str]]


class Method(NamedTuple):
    """A method: its call, its arguments, its response, and the members of the response."""

    call: str
    arguments: tuple[str, ...]
    response: str
    result: str
    members: tuple[str, ...]
    fixed: tuple[tuple[str, str], ...] = ()


_LOGIN: Final = ("login", "psw", "apikey")
_SEND: Final = Method(
    "send.php",
    (*_LOGIN, "phones", "mes", "id", "sender", "time"),
    "SendResponse",
    "sendresult",
    ("id", "balance", "cost", "cnt", "error"),
    (("cost", "3"),),
)
_COST: Final = Method(
    "send.php",
    (*_LOGIN, "phones", "mes", "sender"),
    "CostResponse",
    "costresult",
    ("cost", "cnt", "error"),
    (("cost", "1"),),
)
_STATUS: Final = Method(
    "status.php",
    (*_LOGIN, "phone", "id", "all"),
    "StatusResponse",
    "statusresult",
    (
        *("status", "last_date", "err", "send_date", "phone", "cost", "sender_id", "status_name"),
        *("message", "operator", "region", "sms_cnt", "error"),
    ),
)
_BALANCE: Final = Method(
    "balance.php", _LOGIN, "BalanceResponse", "balanceresult", ("balance", "error")
)


def _second(method: Method) -> Method:
    """The variant of a method with further parameters."""
    response = method.response.replace("Response", "2Response")
    return method._replace(arguments=(*method.arguments, "query"), response=response)


METHODS: Final[dict[str, Method]] = {
    "send_sms": _SEND,
    "send_sms2": _second(_SEND),
    "get_status": _STATUS,
    "get_status2": _second(_STATUS),
    "get_sms_cost": _COST,
    "get_sms_cost2": _second(_COST),
    "get_balance": _BALANCE,
}


async def answer(body: bytes, run: Run) -> tuple[bytes, bytes]:
    """The content type and the octets of the answer to a request."""
    envelope = ENVELOPE_11
    try:
        root = read_xml(body)
        if root.namespace == ENVELOPE_12:
            envelope = ENVELOPE_12
        request = _request(root)
        method = METHODS.get(request.name)
        if method is None:
            raise Failure(Reason.BAD_PARAMETER, "no such method")
    except Failure as failure:
        return _written(envelope, _fault(envelope, failure))
    found = json.loads(await run(method.call, _parameters(method, request)))
    if isinstance(found, list):
        # A response cannot have the statuses of several messages.
        found = {"error_code": Reason.BAD_PARAMETER.codes.fmt}
    return _written(envelope, _response(method, request.namespace, found))


def _request(root: Element) -> Element:
    body = root.child("Body") if root.name == "Envelope" else None
    if body is None or not body.children:
        raise Failure(Reason.BAD_PARAMETER, "no SOAP request")
    return body.children[0]


def _parameters(method: Method, request: Element) -> Parameters:
    values: dict[str, str] = {}
    for name in method.arguments:
        if (child := request.child(name)) is not None and name != "query":
            values[name] = child.content()
    query = request.child("query") if "query" in method.arguments else None
    if query is not None:
        pairs = query.content().split("&", MAX_PARAMETERS)[:MAX_PARAMETERS]
        values |= dict(parse_qsl("&".join(pairs), keep_blank_values=True))
    return Parameters(values | dict(method.fixed) | {"fmt": "3", "charset": "utf-8"}, "utf-8")


def _response(method: Method, namespace: str, found: dict[str, object]) -> str:
    members = {name: found[name] for name in method.members if found.get(name) is not None}
    if "error_code" in found:
        members = {"error": found["error_code"]}
    elif method.result == "statusresult":
        members["error"] = 0
    inner = "".join(f"<{name}>{escape(_text(value))}</{name}>" for name, value in members.items())
    return (
        f"<{method.response} xmlns={quoteattr(namespace)}>"
        f"<{method.result}>{inner}</{method.result}></{method.response}>"
    )


def _text(value: object) -> str:
    # XML 1.0 does not allow most control characters.
    return "".join(char if char >= " " or char in "\t\n" else " " for char in str(value))


def _fault(envelope: str, failure: Failure) -> str:
    why = escape(failure.description)
    if envelope == ENVELOPE_12:
        return (
            "<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code>"
            f'<s:Reason><s:Text xml:lang="en">{why}</s:Text></s:Reason></s:Fault>'
        )
    return f"<s:Fault><faultcode>s:Client</faultcode><faultstring>{why}</faultstring></s:Fault>"


def _written(envelope: str, body: str) -> tuple[bytes, bytes]:
    kind = b"application/soap+xml" if envelope == ENVELOPE_12 else b"text/xml"
    text = (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<s:Envelope xmlns:s="{envelope}"><s:Body>{body}</s:Body></s:Envelope>'
    )
    return kind + b"; charset=utf-8", text.encode()


# --- its description ---------------------------------------------------------------------------


def wsdl(address: str) -> bytes:
    """The description of the service at an address (WSDL 1.1, document/literal)."""
    own = quoteattr(address)
    elements, messages, operations, bindings = [], [], [], []
    responses: dict[str, Method] = {}
    for name, method in METHODS.items():
        elements.append(_element(name, method.arguments))
        responses[method.response] = method
        messages.append(_message(f"{name}In", name))
        messages.append(_message(f"{name}Out", method.response))
        operations.append(
            f'<operation name="{name}"><input message="tns:{name}In"/>'
            f'<output message="tns:{name}Out"/></operation>'
        )
        bindings.append(
            f'<operation name="{name}"><soap:operation soapAction=""/>'
            '<input><soap:body use="literal"/></input>'
            '<output><soap:body use="literal"/></output></operation>'
        )
    for name, method in responses.items():
        inner = _sequence(method.members)
        elements.append(
            f'<xs:element name="{name}"><xs:complexType><xs:sequence>'
            f'<xs:element name="{method.result}"><xs:complexType>{inner}</xs:complexType>'
            "</xs:element></xs:sequence></xs:complexType></xs:element>"
        )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" '
        'xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" '
        'xmlns:xs="http://www.w3.org/2001/XMLSchema" '
        f"xmlns:tns={own} targetNamespace={own}>"
        f'<types><xs:schema targetNamespace={own} elementFormDefault="qualified">'
        f"{''.join(elements)}</xs:schema></types>{''.join(messages)}"
        f'<portType name="ServicePortType">{"".join(operations)}</portType>'
        '<binding name="ServiceBinding" type="tns:ServicePortType">'
        '<soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>'
        f"{''.join(bindings)}</binding>"
        '<service name="Service"><port name="ServicePort" binding="tns:ServiceBinding">'
        f"<soap:address location={own}/></port></service></definitions>"
    ).encode()


def _element(name: str, members: tuple[str, ...]) -> str:
    return (
        f'<xs:element name="{name}"><xs:complexType>{_sequence(members)}</xs:complexType>'
        "</xs:element>"
    )


def _sequence(members: tuple[str, ...]) -> str:
    inner = "".join(
        f'<xs:element name="{name}" type="xs:string" minOccurs="0"/>' for name in members
    )
    return f"<xs:sequence>{inner}</xs:sequence>"


def _message(name: str, element: str) -> str:
    return f'<message name="{name}"><part name="parameters" element="tns:{element}"/></message>'
