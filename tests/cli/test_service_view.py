"""`check` run by root: files that the service cannot open, and systemd's sockets."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bridge.cli.service_view import find_unreachable, read_socket_units
from bridge.config import load
from bridge.config.settings import Endpoint, Mistake
from tests.smtp.conftest import Certificate, certificate

__all__ = ["certificate"]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root sees with other users' eyes")

#: A user without files.
USER = "nobody"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can enter, unlike tmp_path."""
    with TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def write(folder: Path, more: str = "") -> Path:
    config = folder / "bridge.toml"
    config.write_text(f"""
        [store]
        url = "sqlite:///{folder}/bridge.db"
        [cascade]
        authorization_key = "file:cascade-key"
        {more}
    """)
    key = folder / "cascade-key"
    key.write_text("the key\n")
    for file in (config, key):
        file.chmod(0o644)
    return config


def unreachable(config: Path, user: str = USER) -> list[Mistake]:
    return find_unreachable(load(config), user)


@needs_root
def test_files_that_the_user_can_open_are_good(folder: Path) -> None:
    assert unreachable(write(folder)) == []
    assert os.geteuid() == 0
    assert os.getegid() == 0


@needs_root
@pytest.mark.parametrize("name", ["bridge.toml", "cascade-key"])
def test_a_file_that_only_root_can_read(folder: Path, name: str) -> None:
    config = write(folder)
    (folder / name).chmod(0o600)
    [mistake] = unreachable(config)
    assert mistake.file == str(folder / name)
    assert "which nobody cannot open (Permission denied)" in mistake.found
    assert "chmod 640" in mistake.allowed


@needs_root
def test_a_certificate_in_a_folder_that_only_root_can_enter(
    folder: Path, certificate: Certificate
) -> None:
    private = folder / "private"
    private.mkdir(mode=0o700)
    for name, file in zip(("tls.crt", "tls.key"), certificate, strict=True):
        shutil.copy(file, private / name)
        (private / name).chmod(0o644)
    more = f'[smtp]\ncertificate = "{private}/tls.crt"\nprivate_key = "{private}/tls.key"'
    found = unreachable(write(folder, more))
    assert [mistake.key for mistake in found] == ["smtp.certificate", "smtp.private_key"]
    assert all("Permission denied" in mistake.found for mistake in found)
    private.chmod(0o711)
    assert unreachable(write(folder, more)) == []


@needs_root
def test_a_database_that_root_put_back(folder: Path) -> None:
    config = write(folder)
    database = folder / "bridge.db"
    database.touch(0o644)
    [mistake] = unreachable(config)
    assert mistake.key == "store.url"
    os.chown(database, 65534, 65534)
    assert unreachable(config) == []


@needs_root
def test_a_machine_without_that_user_has_no_service(folder: Path) -> None:
    config = write(folder)
    config.chmod(0o600)
    assert unreachable(config, "no-such-user") == []


def test_the_sockets_of_active_units_replace_addresses() -> None:
    shown = """\
Listen=0.0.0.0:25 (Stream)
Listen=[::]:25 (Stream)
FileDescriptorName=smtp.listen
Triggers=cascade-bridge.service
ActiveState=active

Listen=[::]:2775 (Stream)
FileDescriptorName=smpp
Triggers=cascade-bridge.service
ActiveState=inactive

Listen=[::]:443 (Stream)
Listen=/run/web.sock (Stream)
FileDescriptorName=hooks
Triggers=cascade-bridge.service
ActiveState=active

Listen=/run/dbus/system_bus_socket (Stream)
FileDescriptorName=dbus.socket
Triggers=dbus.service
ActiveState=active
"""
    assert read_socket_units(shown) == {
        "smtp.listen": [Endpoint("0.0.0.0", 25), Endpoint("::", 25)],
        "hooks.listen": [Endpoint("::", 443)],
    }


def test_a_machine_without_socket_units_has_the_configuration_alone() -> None:
    assert read_socket_units("") == {}
