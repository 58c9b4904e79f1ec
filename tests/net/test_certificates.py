"""The expiry of a certificate, read from its file."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridge.net.certificates import expires_at
from tests.support import make_certificate, program


def test_the_expiry_is_the_one_that_openssl_reads(tmp_path: Path) -> None:
    certificate, _ = make_certificate(tmp_path, "bridge")
    said = subprocess.run(
        [program("openssl"), "x509", "-enddate", "-noout", "-in", certificate],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    end = datetime.strptime(said.strip(), "notAfter=%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
    assert expires_at(certificate) == end


def test_other_files_have_no_expiry(tmp_path: Path) -> None:
    file = tmp_path / "file.pem"
    file.write_text("nothing")
    with pytest.raises(ValueError, match="holds no certificate"):
        expires_at(file)
    file.write_text("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")
    with pytest.raises(ValueError, match="ends too early"):
        expires_at(file)
    with pytest.raises(OSError, match="No such file"):
        expires_at(tmp_path / "missing.pem")
