"""The addresses to listen on, and their certificates: what is reachable, what cannot work.

The rules among those of :mod:`bridge.config.mistakes` that concern all listeners alike.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from bridge.config.settings import Endpoint, Finding, Settings, Smpp, Smsc, Smtp


def is_loopback(endpoint: Endpoint) -> bool:
    """Whether the address can be reached only from this machine."""
    try:
        return ip_address(endpoint.host).is_loopback
    except ValueError:
        return endpoint.host == "localhost"


def _listeners(settings: Settings) -> Iterator[tuple[str, str, Endpoint]]:
    """(table, key, address) of every listener that opens."""
    tables = ["smtp", "smpp", "admin", "smsc", *["hooks"] * (settings.hooks.secret is not None)]
    for table in tables:
        for key in ("listen", "tls_listen", "lmtp_listen"):
            for endpoint in getattr(getattr(settings, table), key, ()):
                yield table, key, endpoint


def same_address(settings: Settings) -> Iterator[Finding]:
    """Listeners whose addresses collide."""
    taken: list[tuple[str, Endpoint]] = []
    for table, key, endpoint in _listeners(settings):
        for other, used in taken:
            version = {":" in endpoint.host, ":" in used.host}
            every = {"0.0.0.0", "::"} & {endpoint.host, used.host}  # noqa: S104
            same = endpoint.host == used.host or (every and len(version) == 1)
            if endpoint.port == used.port != 0 and same:
                yield (
                    (table, key),
                    f"{endpoint}, which {other} has already",
                    "an address of its own",
                )
                break
        taken.append((f"{table}.{key}", endpoint))


def _tls_mistake(certificate: Path, private_key: Path) -> str:
    """Why this pair cannot serve TLS; empty if it can."""
    for file in (certificate, private_key):
        try:
            file.open("rb").close()
        except OSError as error:
            return f"{file}, which cannot be read ({error.strerror})"
    try:
        # An encrypted key must be a mistake, not a prompt.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, private_key, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return f"{private_key}, which does not belong to {certificate}"
        return f"{certificate} and {private_key}, which are no PEM pair without a passphrase"
    return ""


def tls_pairs(settings: Settings) -> Iterator[Finding]:
    """Certificates without their keys, keys without certificates, TLS without either."""
    tables = (
        ("smtp", settings.smtp),
        ("smpp", settings.smpp),
        ("admin", settings.admin),
        ("hooks", settings.hooks),
        ("smsc", settings.smsc),
    )
    for name, table in tables:
        certificate, private_key = table.certificate, table.private_key
        if certificate and private_key:
            if wrong := _tls_mistake(certificate, private_key):
                yield (name, "certificate"), wrong, "a PEM certificate and its private key"
        elif certificate:
            yield (name, "private_key"), "no private key for the certificate", "both or neither"
        elif private_key:
            yield (name, "certificate"), "no certificate for the private key", "both or neither"
        elif isinstance(table, Smtp | Smpp | Smsc) and table.tls_listen:
            needed = "certificate and private_key beside tls_listen"
            yield (name, "tls_listen"), "no certificate to listen with", needed
    if settings.smtp.starttls == "required" and not settings.smtp.certificate:
        needed = "certificate and private_key, or another starttls"
        yield ("smtp", "starttls"), "no certificate for required STARTTLS", needed
