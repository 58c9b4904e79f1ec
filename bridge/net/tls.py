"""TLS contexts: of the listeners, with their certificates' renewal, and of HTTP clients."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx


def server_context(certificate: Path | None, private_key: Path | None) -> ssl.SSLContext | None:
    """A context with this certificate, TLS 1.2 or later; ``None`` without one.

    Without a private key file, the key is in the certificate's file. Raises OSError and
    ssl.SSLError for unusable files.
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

    Listening sockets keep the context, so that the certificate is changed inside it. It is tried on
    another context first: an unusable one changes nothing, and raises as :func:`server_context`.
    """
    context = server_context(certificate, private_key)
    if live is None or certificate is None or context is None:
        return context
    live.load_cert_chain(certificate, private_key)
    return live


def client_context() -> ssl.SSLContext:
    """A context that checks a server's name and certificate, against httpx's list of authorities.

    The environment changes nothing.
    """
    context = httpx.create_ssl_context(trust_env=False)
    context.set_alpn_protocols(["http/1.1"])
    return context
