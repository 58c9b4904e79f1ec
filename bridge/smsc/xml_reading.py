"""XML of strangers, read within limits: no document type, no entities but XML's own five, bounded
depth and number of elements."""

from __future__ import annotations

from typing import Final, NamedTuple
from xml.parsers import expat

from bridge.model.failure import Failure, Reason

MAX_DEPTH: Final = 32
MAX_ELEMENTS: Final = 10_000
#: Divides the namespace of a name from its local part; no name holds it.
_DIVIDER: Final = "\x1f"


class Element(NamedTuple):
    """An element with its namespace, its local name, its text and what is in it."""

    namespace: str
    name: str
    text: list[str]
    children: list[Element]

    def child(self, name: str) -> Element | None:
        """The first element in it with this local name."""
        return next((one for one in self.children if one.name == name), None)

    def content(self) -> str:
        """The text of the element itself."""
        return "".join(self.text).strip()


class _Reading:
    """Builds elements from what the parser meets."""

    def __init__(self) -> None:
        self.root = Element("", "", [], [])
        self._open = [self.root]
        self._elements = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if len(self._open) > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise Failure(Reason.BAD_PARAMETER, "XML too deep or too long")
        namespace, _, local = name.rpartition(_DIVIDER)
        element = Element(namespace, local, [], [])
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, name: str) -> None:
        self._open.pop()

    def text(self, text: str) -> None:
        self._open[-1].text.append(text)

    def refuse(self, *_: object) -> None:
        raise Failure(Reason.BAD_PARAMETER, "XML with a document type")


def read_xml(octets: bytes) -> Element:
    """The root element. Raises Failure (bad parameter)."""
    reading = _Reading()
    parser = expat.ParserCreate(namespace_separator=_DIVIDER)
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.text
    parser.StartDoctypeDeclHandler = reading.refuse
    parser.EntityDeclHandler = reading.refuse
    try:
        parser.Parse(octets, True)
    except expat.ExpatError as error:
        raise Failure(Reason.BAD_PARAMETER, "XML", cause=str(error)) from None
    except (LookupError, ValueError) as error:  # an encoding that nobody knows
        raise Failure(Reason.BAD_PARAMETER, "XML", cause=str(error)) from None
    return reading.root.children[0]
