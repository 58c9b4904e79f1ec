"""Reads untrusted XML within limits: no document type, only the five predefined entities, bounded
depth, elements, attributes and names.

Namespaces are resolved here. Expat would copy the whole namespace into every name: a long one on
many attributes takes hours, on many elements all memory.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from xml.parsers import expat

from bridge.model.failure import Failure, Reason

MAX_DEPTH: Final = 32
MAX_ELEMENTS: Final = 10_000
#: Most attributes of an element, and the longest name or namespace.
MAX_ATTRIBUTES: Final = 32
MAX_NAME: Final = 256


class Element(NamedTuple):
    """An element with its namespace, local name, text and child elements."""

    namespace: str
    name: str
    text: list[str]
    children: list[Element]

    def child(self, name: str) -> Element | None:
        """The first child element with this local name."""
        return next((one for one in self.children if one.name == name), None)

    def content(self) -> str:
        """The text of the element itself."""
        return "".join(self.text).strip()


class _Reading:
    """Builds elements from the parser's events."""

    def __init__(self) -> None:
        self.root = Element("", "", [], [])
        self._open = [self.root]
        #: For each open element: prefix → namespace; the default namespace has the empty prefix.
        self._scopes: list[dict[str, str]] = [{"": ""}]
        self._elements = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if len(self._open) > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise Failure(Reason.BAD_PARAMETER, "XML too deep or too long")
        if len(attributes) > MAX_ATTRIBUTES or len(name) > MAX_NAME:
            raise Failure(Reason.BAD_PARAMETER, "XML with too many attributes or too long names")
        scope = self._scope(attributes)
        prefix, _, local = name.rpartition(":")
        if prefix not in scope:
            raise Failure(Reason.BAD_PARAMETER, "XML with an unknown prefix")
        element = Element(scope[prefix], local, [], [])
        self._open[-1].children.append(element)
        self._open.append(element)
        self._scopes.append(scope)

    def _scope(self, attributes: dict[str, str]) -> dict[str, str]:
        """The namespaces in an element with these attributes."""
        declared = {
            name[6:]: namespace
            for name, namespace in attributes.items()
            if name == "xmlns" or name.startswith("xmlns:")
        }
        if any(len(text) > MAX_NAME for pair in declared.items() for text in pair):
            raise Failure(Reason.BAD_PARAMETER, "XML with too long names")
        return self._scopes[-1] | declared if declared else self._scopes[-1]

    def end(self, name: str) -> None:
        self._open.pop()
        self._scopes.pop()

    def text(self, text: str) -> None:
        self._open[-1].text.append(text)

    def refuse(self, *_: object) -> None:
        raise Failure(Reason.BAD_PARAMETER, "XML with a document type")


def read_xml(octets: bytes) -> Element:
    """The root element. Raises Failure (bad parameter)."""
    reading = _Reading()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.text
    parser.StartDoctypeDeclHandler = reading.refuse
    parser.EntityDeclHandler = reading.refuse
    try:
        parser.Parse(octets, True)
    except expat.ExpatError as error:
        raise Failure(Reason.BAD_PARAMETER, "XML", cause=str(error)) from None
    except (LookupError, ValueError) as error:  # an unknown encoding
        raise Failure(Reason.BAD_PARAMETER, "XML", cause=str(error)) from None
    return reading.root.children[0]
