"""Addresses that collide, certificates that do not work, and what counts as loopback."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bridge.config import load
from bridge.config.listening import is_loopback
from bridge.config.settings import Endpoint
from tests.configs import Folder, mistake
from tests.support import program


@pytest.fixture
def write(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("192.0.2.1", False),
        ("mail.example.com", False),
    ],
)
def test_only_this_machine_reaches_a_loopback_address(host: str, loopback: bool) -> None:
    assert is_loopback(Endpoint(host, 25)) is loopback


@pytest.mark.parametrize(
    ("text", "key", "found", "allowed"),
    [
        ('smtp.starttls = "required"', "smtp.starttls", "no certificate", "certificate and"),
        ('smtp.certificate = "x"', "smtp.private_key", "no private key", "both or neither"),
        ('smpp.private_key = "x"', "smpp.certificate", "no certificate", "both or neither"),
        ('smtp.tls_listen = [":465"]', "smtp.tls_listen", "no certificate", "beside"),
        ('smpp.tls_listen = [":3550"]', "smpp.tls_listen", "no certificate", "beside"),
        ('smpp.listen = ["127.0.0.1:2525"]', "smpp.listen", "smtp.listen has", "of its own"),
        ('smpp.listen = [":2525"]', "smpp.listen", "smtp.listen has already", "of its own"),
        ('smsc.tls_listen = [":443"]', "smsc.tls_listen", "no certificate", "beside"),
    ],
)
def test_a_mistake_of_a_listener(
    write: Folder, text: str, key: str, found: str, allowed: str
) -> None:
    only = mistake(write(text))
    assert only.key == key
    assert found in only.found
    assert allowed in only.allowed


def test_free_ports_of_the_system_do_not_collide(write: Folder) -> None:
    load(write('smtp.listen = ["127.0.0.1:0", "127.0.0.1:0"]\nsmpp.listen = ["127.0.0.1:0"]'))


def test_the_address_of_the_webhooks_is_free_while_they_are_off(write: Folder) -> None:
    taken = 'admin.listen = ["127.0.0.1:8026"]'
    load(write(taken))
    assert (
        mistake(write(f'{taken}\nhooks.secret = "secret-of-24-characters."')).key == "hooks.listen"
    )


def test_different_addresses_may_have_the_same_port(write: Folder) -> None:
    load(write('smtp.listen = ["127.0.0.1:25", "127.0.0.2:25", "[::]:25", "[::1]:26"]'))


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return make_pair(tmp_path, "one")


def make_pair(folder: Path, name: str, *more: str) -> tuple[Path, Path]:
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    encrypted = more or ("-nodes",)
    subprocess.run(
        [
            *(program("openssl"), "req", "-x509", "-subj", "/CN=localhost"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-keyout", str(key), "-out", str(certificate), *encrypted),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


def pair_text(certificate: Path, key: Path) -> str:
    return f'[smtp]\ncertificate = "{certificate}"\nprivate_key = "{key}"'


def test_a_certificate_with_its_key_is_accepted(write: Folder, pair: tuple[Path, Path]) -> None:
    settings = load(write(pair_text(*pair) + '\nstarttls = "required"\ntls_listen = [":465"]'))
    assert settings.smtp.certificate == pair[0]


def test_paths_are_relative_to_the_file(write: Folder, pair: tuple[Path, Path]) -> None:
    settings = load(write(pair_text(Path(pair[0].name), Path(pair[1].name))))
    assert (settings.smtp.certificate, settings.smtp.private_key) == pair


def test_a_key_must_belong_to_its_certificate(
    write: Folder, tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    _, other = make_pair(tmp_path, "two")
    only = mistake(write(pair_text(pair[0], other)))
    assert only.found == f"{other}, which does not belong to {pair[0]}"


def test_a_key_with_a_passphrase_is_a_mistake_and_no_prompt(write: Folder, tmp_path: Path) -> None:
    pair = make_pair(tmp_path, "locked", "-passout", "pass:1234")
    assert "without a passphrase" in mistake(write(pair_text(*pair))).found


def test_missing_files_and_nonsense_are_no_pair(
    write: Folder, tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    missing = tmp_path / "no"
    assert "cannot be read (No such" in mistake(write(pair_text(pair[0], missing))).found
    nonsense = write("nonsense", "nonsense.pem")
    assert "no PEM pair" in mistake(write(pair_text(nonsense, pair[1]))).found
