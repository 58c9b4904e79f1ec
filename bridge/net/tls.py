"""The TLS contexts of the listeners, and their certificates' renewal."""

from __future__ import annotations

import ssl
from pathlib import Path


def server_context(certificate: Path | None, private_key: Path | None) -> ssl.SSLContext | None:
    """A context with this certificate, TLS 1.2 or later; ``None`` without one.

    Without a key of its own the certificate's file holds it. Raises OSError and ssl.SSLError for
    files that cannot be used.
    """
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, private_key)
    return context


def renewed(
    live: ssl.SSLContext | None, certificate: Path | None, private_key: Path | None
) -> ssl.SSLContext | None:
    """``live`` with this certificate, a new context where there was none, ``None`` without one.

    Listening sockets hold the context itself, so that a certificate is changed inside it. It is
    tried on another one first: one that cannot be used changes nothing, and raises as
    :func:`server_context` does.
    """
    context = server_context(certificate, private_key)
    if live is None or certificate is None or context is None:
        return context
    live.load_cert_chain(certificate, private_key)
    return live
