"""What tests of several folders share: programs that may be missing, and free ports."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
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
    """Fails as for a missing program where the command does not end with 0 (run as ``user``)."""
    try:
        subprocess.run(command, capture_output=True, check=True, user=user)
    except (OSError, LookupError, subprocess.CalledProcessError) as e:
        missing(f"a {command[0]} that {user or 'this user'} can run ({e})")


def node_package(name: str) -> str:
    """The node interpreter, where ``require(name)`` works (NODE_PATH says where packages are)."""
    node = program("node")
    found = subprocess.run([node, "-e", f"require({name!r})"], capture_output=True, check=False)
    if found.returncode:
        missing(f"the npm package {name}")
    return node


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
