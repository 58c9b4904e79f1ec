"""A certificate for TLS tests, made once."""

from __future__ import annotations

import os
import ssl
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support import program


class Certificate(NamedTuple):
    certificate: Path
    private_key: Path

    def settings(self, **more: Any) -> dict[str, Any]:
        return {"certificate": self.certificate, "private_key": self.private_key, **more}

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))


def make_certificate(folder: Path, *, on: str = "") -> Certificate:
    """One that is valid for two days from now, or from the day ``on`` (``2020-01-31``)."""
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    command += " -subj /CN=bridge.test -addext subjectAltName=DNS:localhost,IP:127.0.0.1"
    files = ["-keyout", str(made.private_key), "-out", str(made.certificate)]
    clock = [program("faketime"), f"{on} 00:00:00"] if on else []
    made_by = [*clock, program("openssl"), *command.split(), *files]
    # faketime reads the day in the machine's time zone.
    subprocess.run(made_by, check=True, capture_output=True, env=os.environ | {"TZ": "UTC"})
    return made


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))
