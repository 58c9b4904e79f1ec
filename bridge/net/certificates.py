"""The expiry time of a certificate, read from its file."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

#: DER tags (X.690) of the fields up to the validity (RFC 5280 §4.1).
_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17


def expires_at(file: Path) -> datetime:
    """The expiry time of the first certificate in a PEM file; raises OSError or ValueError."""
    text = file.read_text("latin-1")
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    start = text.find(begin)
    if start < 0 or text.find(end, start) < 0:
        raise ValueError(f"{file} holds no certificate")
    der = ssl.PEM_cert_to_DER_cert(text[start : text.find(end, start)] + end + "\n")
    _, certificate = _element(der)
    _, body = _element(certificate)
    tag, _ = _element(body)
    # The version is optional. Serial number, algorithm and issuer follow.
    for _ in range(4 if tag == _VERSION else 3):
        body = body[_length(body) :]
    _, validity = _element(body)
    tag, written = _element(validity[_length(validity) :])
    # Two-digit years mean 1950 to 2049 (RFC 5280 §4.1.2.5.1).
    text = written.decode("ascii").rstrip("Z")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def _header(der: bytes) -> tuple[int, int]:
    """The length of an element's header, and of its content."""
    if len(der) < 2:
        raise ValueError("a certificate that ends too early")
    if der[1] < 0x80:
        return 2, der[1]
    size = der[1] & 0x7F
    return 2 + size, int.from_bytes(der[2 : 2 + size], "big")


def _length(der: bytes) -> int:
    header, contents = _header(der)
    return header + contents


def _element(der: bytes) -> tuple[int, bytes]:
    """The tag and the content of the first element."""
    header, contents = _header(der)
    return der[0], der[header : header + contents]
