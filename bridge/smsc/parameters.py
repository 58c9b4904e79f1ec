"""The parameters of a call: query and body, octets → text.

A call has its parameters in the query, in an urlencoded or multipart body, or in both at once;
``POST /rest/send/`` has them as JSON. All are in one charset: the parameter ``charset``, or
windows-1251. The operations interpret them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from email.message import Message
from typing import Final
from urllib.parse import unquote_to_bytes

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError

from bridge.model.failure import Failure, Reason

#: The dialect's names of charsets → Python's.
CHARSETS: Final[dict[str, str]] = {
    "": "cp1251",
    "windows-1251": "cp1251",
    "cp1251": "cp1251",
    "utf-8": "utf-8",
    "utf8": "utf-8",
    # With the Ukrainian letters in place of lines and frames, which no text has.
    "koi8-r": "koi8-u",
    "koi8-u": "koi8-u",
}
#: Most parameters of a call; further ones are not read.
MAX_PARAMETERS: Final = 200
#: The content types of nearly all calls: a GET without a body, or a form.
_PLAIN: Final = frozenset({"", "application/x-www-form-urlencoded"})
#: JSON types of a parameter, besides a switch and a list.
_JSON_SCALARS: Final = (str, int, float)
#: An unpaired surrogate, which JSON can express but no charset can encode.
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Parameters(Mapping[str, str]):
    """The parameters of one call by name; a missing one is empty.

    ``charset`` is Python's name of the charset in which the answer is written, ``read_as`` of that
    in which the parameters came.
    """

    def __init__(self, values: dict[str, str], charset: str, read_as: str = "") -> None:
        self._values = values
        self.charset = charset
        self.read_as = read_as or charset

    def __getitem__(self, name: str) -> str:
        return self._values.get(name, "")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def flag(self, name: str) -> bool:
        """Whether a switch is on: ``1`` or ``true``."""
        return self[name].strip().lower() in ("1", "true")

    def having(self, **values: str) -> Parameters:
        """A copy with other values."""
        return Parameters(self._values | values, self.charset, self.read_as)

    def given(self, name: str) -> bool:
        """Whether the client gave this parameter, even with an empty value."""
        return name in self._values


def read_parameters(query: bytes, content_type: str, body: bytes) -> Parameters:
    """Joins query and body; a name in both has the body's value.

    Raises :class:`Failure` (bad parameter) for a body that does not match its content type.
    """
    media_type, boundary = _content_type(content_type)
    pairs = dict(_urlencoded(query))
    if media_type == "multipart/form-data":
        pairs |= dict(_multipart(boundary, body))
    elif media_type == "application/json" or body.lstrip()[:1] == b"{":
        # Some clients send JSON without its type; no form begins with a brace.
        return _from_json(pairs, body)
    else:
        pairs |= dict(_urlencoded(body.strip()))
    return _decoded(pairs)


def _content_type(field: str) -> tuple[str, bytes]:
    """The media type, and the boundary of a multipart one."""
    if field in _PLAIN:
        return field, b""
    header = Message()
    header["content-type"] = field[:1000].replace("\r", " ").replace("\n", " ")
    boundary = header.get_boundary() or ""
    return header.get_content_type(), boundary.encode("latin-1", "replace")


def _urlencoded(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    for pair in text.split(b"&", MAX_PARAMETERS)[:MAX_PARAMETERS]:
        name, _, value = pair.partition(b"=")
        if name:
            yield _unquoted(name), _unquoted(value)


def _unquoted(text: bytes) -> bytes:
    text = text.replace(b"+", b" ")
    return unquote_to_bytes(text) if b"%" in text else text


def _multipart(boundary: bytes, body: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The fields of a form; files are ignored.

    A form with too many parts is refused: each costs much more than its octets.
    """
    fields: list[tuple[bytes, bytes]] = []
    parts = 0
    header, value, name = bytearray(), bytearray(), bytearray()
    head: dict[str, str] = {}

    def begin() -> None:
        nonlocal parts
        parts += 1
        if parts > MAX_PARAMETERS:
            raise Failure(Reason.BAD_PARAMETER, f"more than {MAX_PARAMETERS} parts")
        head.clear()
        value.clear()

    def head_end() -> None:
        head[name.decode("latin-1").lower()] = header.decode("latin-1")
        name.clear()
        header.clear()

    def end() -> None:
        disposition = Message()
        disposition["content-disposition"] = head.get("content-disposition", "")[:1000]
        field = disposition.get_param("name", header="content-disposition")
        is_file = disposition.get_param("filename", header="content-disposition") is not None
        if isinstance(field, str) and field and not is_file:
            fields.append((field.encode("latin-1", "replace"), bytes(value)))

    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": begin,
                "on_part_data": lambda data, start, stop: value.extend(data[start:stop]),
                "on_part_end": end,
                "on_header_field": lambda data, start, stop: name.extend(data[start:stop]),
                "on_header_value": lambda data, start, stop: header.extend(data[start:stop]),
                "on_header_end": head_end,
            },
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as e:
        raise Failure(Reason.BAD_PARAMETER, "multipart body", cause=str(e)) from None
    return iter(fields)


def _charset(name: str) -> str:
    charset = CHARSETS.get(name.strip().lower())
    if charset is None:
        raise Failure(Reason.BAD_PARAMETER, "charset")
    return charset


def _decoded(pairs: dict[bytes, bytes]) -> Parameters:
    label = pairs.get(b"charset", b"").decode("latin-1").strip()
    charset = read_as = _charset(label)
    octets = b"".join(pairs.values())
    if not label and not octets.isascii() and _is_utf_8(octets):
        # Clients without the parameter send UTF-8 as often as windows-1251, which accepts any
        # octets. A given charset counts: "Ні" in windows-1251 is valid UTF-8 too.
        read_as = "utf-8"
    values = {
        name.decode(read_as, "replace"): value.decode(read_as, "replace")
        for name, value in pairs.items()
    }
    return Parameters(values, charset, read_as)


def _is_utf_8(octets: bytes) -> bool:
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _from_json(pairs: dict[bytes, bytes], body: bytes) -> Parameters:
    """One object; ``phones`` may be a list of numbers."""
    values = dict(_decoded(pairs).items())
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise Failure(Reason.BAD_PARAMETER, "JSON") from None
    if not isinstance(document, dict):
        raise Failure(Reason.BAD_PARAMETER, "JSON")
    for name, value in list(document.items())[:MAX_PARAMETERS]:
        values[name] = _from_scalar(name, value)
    return Parameters(values, _charset(values.get("charset") or "utf-8"))


def _from_scalar(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if value is None:
        return ""
    if isinstance(value, _JSON_SCALARS):
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", str(value))
    if isinstance(value, list) and all(isinstance(one, str | int) for one in value):
        return ",".join(_from_scalar(name, one) for one in value)
    raise Failure(Reason.BAD_PARAMETER, name)
