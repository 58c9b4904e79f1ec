"""Shared by the tests: programs that may be missing, free ports, certificates."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skips with a reason; in CI, which installs everything, a missing program is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and in CI it must not be")
    pytest.skip(f"{what} is not installed")


def program(name: str) -> str:
    """The path of an installed program."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        missing(name)
    return path


def usable(*command: str, user: str | None = None) -> None:
    """Skips like :func:`missing` if the command, run as ``user``, does not exit with 0."""
    try:
        subprocess.run(command, capture_output=True, check=True, user=user)
    except (OSError, LookupError, subprocess.CalledProcessError) as e:
        missing(f"a {command[0]} that {user or 'this user'} can run ({e})")


def node_package(name: str) -> str:
    """The node interpreter, if ``require(name)`` works (NODE_PATH names the packages' folder)."""
    node = program("node")
    found = subprocess.run([node, "-e", f"require({name!r})"], capture_output=True, check=False)
    if found.returncode:
        missing(f"the npm package {name}")
    return node


#: Ports that this process has given out. Random ports of two processes hardly ever collide.
_GIVEN: set[int] = set()


def free_port() -> int:
    """A free port, for programs that must know their port before they listen.

    It is below the ports of outgoing connections: a client that retries a port from that range
    before the server listens may get this port as its own.
    """
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.SystemRandom().randrange(10_000, max(first_outgoing, 20_000))
        with socket.socket() as probe, contextlib.suppress(OSError):
            if port not in _GIVEN:
                probe.bind(("127.0.0.1", port))
                _GIVEN.add(port)
                return port


#: A certificate and its private key.
Pair = tuple[Path, Path]


def make_certificate(folder: Path, name: str) -> Pair:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        [
            *(program("openssl"), "req", "-x509", "-newkey", "ec"),
            *("-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key
