"""Sockets of the service manager: what of the environment counts, and what is refused."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bridge.config.settings import ConfigError, Endpoint, Settings
from bridge.net.networks import without_mapping
from bridge.net.passed_sockets import PassedSockets, bound_to, passed_sockets, serve

CONFIGURED = [Endpoint("127.0.0.1", 2525)]


async def test_an_address_that_cannot_be_used_is_named_with_the_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        here = Endpoint("127.0.0.1", taken.getsockname()[1])
        for where, reason in (
            (here, 'address already in use; "sudo ss -ltnp" names the program'),
            (Endpoint("198.51.100.99", 2525), "no address of this machine"),
        ):
            with pytest.raises(OSError) as caught:
                await serve(asyncio.Protocol, where, backlog=1)
            assert str(caught.value) == f"{where}: {reason}"


@contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        yield opened


def passing(names: str, code: str, *sockets: socket.socket) -> subprocess.CompletedProcess[str]:
    """Runs ``code`` in a process to which these sockets are passed, as systemd passes them."""
    prepare = "import os, sys\n"
    prepare += "".join(
        f"os.dup2({one.fileno()}, {100 + n})\n" for n, one in enumerate(sockets)
    ) + "".join(f"os.dup2({100 + n}, {3 + n})\n" for n in range(len(sockets)))
    prepare += f"os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='{len(sockets)}')\n"
    prepare += f"os.environ['LISTEN_FDNAMES'] = {names!r}\n"
    prepare += "from bridge.config.settings import Endpoint\n"
    prepare += "from bridge.net.passed_sockets import *\n"
    return subprocess.run(
        [sys.executable, "-c", prepare + code],
        pass_fds=[one.fileno() for one in sockets],
        capture_output=True,
        text=True,
        check=False,
    )


def test_sockets_replace_the_addresses_of_the_key_that_names_them() -> None:
    with listening() as one, listening() as two, listening() as three:
        code = """
passed = passed_sockets()
for key in ("smtp.listen", "smtp.tls_listen", "smpp.listen", "hooks.listen"):
    places = passed.instead_of(key, [Endpoint("127.0.0.1", 1)])
    print(key, *(place.getsockname()[1] if hasattr(place, "fileno") else place for place in places))
print(sorted(name for name in os.environ if name.startswith("LISTEN_")))
"""
        result = passing("smtp:smtp.tls_listen:smtp", code, one, two, three)
        ports = [str(bound.getsockname()[1]) for bound in (one, two, three)]
    assert result.stdout.splitlines() == [
        f"smtp.listen {ports[0]} {ports[2]}",
        f"smtp.tls_listen {ports[1]}",
        "smpp.listen 127.0.0.1:1",
        "hooks.listen 127.0.0.1:1",
        "[]",
    ], result.stderr


def test_without_sockets_the_configuration_counts() -> None:
    passed = passed_sockets({})
    assert passed.instead_of("smtp.listen", CONFIGURED) == CONFIGURED
    passed.check(Settings())


def test_sockets_for_another_process_are_left_alone() -> None:
    environment = {"LISTEN_PID": str(os.getppid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "smtp"}
    passed = passed_sockets(environment)
    assert passed.instead_of("smtp.listen", CONFIGURED) == CONFIGURED
    assert environment == {}


@pytest.mark.parametrize(
    ("key", "allowed"),
    [
        ("smpt.listen", "one of smtp.listen, smtp.tls_listen"),
        ("smtp.domains", "one of smtp.listen"),
        ("smpp.tls_listen", "smpp.certificate"),
        ("hooks.listen", "hooks.secret"),
    ],
)
def test_a_socket_that_nobody_would_take_is_a_mistake(key: str, allowed: str) -> None:
    with listening() as opened:
        passed = PassedSockets({"smtp.listen": [opened], key: [opened]})
        with pytest.raises(ConfigError) as error:
            passed.check(Settings())
    [mistake] = error.value.mistakes
    assert mistake.key == key
    assert allowed in mistake.allowed


def test_a_socket_that_does_not_listen_is_an_error() -> None:
    with socket.socket() as closed:
        result = passing("smtp", "passed_sockets()", closed)
    assert "smtp.listen does not listen" in result.stderr


def test_the_port_that_the_system_chose_is_told() -> None:
    with listening() as opened:
        port = opened.getsockname()[1]
        assert bound_to(Endpoint("localhost", 0), opened) == ("localhost", port)
        assert bound_to(opened, opened) == ("127.0.0.1", port)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::ffff:1", "::ffff:1"),
        ("2001:db8::1", "2001:db8::1"),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
def test_an_ipv4_client_of_an_ipv6_socket_has_its_ipv4_address(address: str, shown: str) -> None:
    assert without_mapping(address) == shown
