"""The TLS context of a listener, and its reload."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from bridge.net.tls import renewed, server_context
from tests.smtp.conftest import Certificate, certificate, make_certificate

__all__ = ["certificate"]


def test_there_is_no_tls_without_a_certificate() -> None:
    assert server_context(None, None) is None


def test_old_versions_are_not_spoken(certificate: Certificate) -> None:
    context = server_context(*certificate)
    assert context is not None
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_one_file_may_hold_both(certificate: Certificate, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.certificate.read_bytes() + certificate.private_key.read_bytes())
    assert server_context(both, None) is not None


def test_a_new_certificate_goes_into_the_live_context(
    certificate: Certificate, tmp_path: Path
) -> None:
    live = server_context(*certificate)
    other = make_certificate(tmp_path)
    assert renewed(live, *other) is live
    with pytest.raises(ssl.SSLError):
        renewed(live, other.certificate, certificate.private_key)
    assert renewed(live, None, None) is None
    begun = renewed(None, *other)
    assert begun is not None
    assert begun is not live
