"""A configuration from the service's view, for commands run by root.

Root can read everything. The service's user cannot, systemd hides folders from it, and passes it
sockets. Here the resulting errors are found before a start.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bridge.config.files import DEFAULT
from bridge.config.settings import Endpoint, Mistake, Settings, parse_endpoint

#: The user of the unit.
USER: Final = "cascade-bridge"
#: Folders that the unit hides: ProtectHome=, PrivateTmp=.
HIDDEN: Final = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))  # noqa: S108
#: Time limit for systemd's list of sockets (seconds).
_SYSTEMD_WITHIN: Final = 5.0


def find_unreachable(settings: Settings, user: str = USER) -> list[Mistake]:
    """Files that the service's user cannot use; none if we are not root, or there is no such user.

    Credentials are omitted: systemd reads them.
    """
    try:
        service = pwd.getpwnam(user)
    except KeyError:
        return []
    if os.geteuid() != 0 or service.pw_uid == 0:
        return []
    main = settings.files[0] if settings.files else DEFAULT
    with _as_user(service):
        return [
            Mistake(str(path if key == "" else main), key, f"{path}, {trouble}", allowed)
            for key, path, flags, allowed in _needed(settings, user)
            if (trouble := _trouble(path, flags, user))
        ]


def _needed(settings: Settings, user: str) -> Iterator[tuple[str, Path, int, str]]:
    """The files that the service opens: key, path, mode, and the requirement."""
    for file in settings.files:
        yield "", file, os.O_RDONLY, f"a file that {user} can read (chgrp {user}, chmod 640)"
    for name in ("smtp", "smpp", "admin", "hooks", "smsc"):
        table = getattr(settings, name)
        for key in ("certificate", "private_key"):
            path: Path | None = getattr(table, key)
            if path is not None:
                yield f"{name}.{key}", path, os.O_RDONLY, f"a file that {user} can read"
    scheme, _, rest = settings.store.url.partition(":///")
    if scheme == "sqlite" and Path(rest).exists():
        yield "store.url", Path(rest), os.O_RDWR, f"a file of {user}'s (chown {user}:)"


def _trouble(path: Path, flags: int, user: str) -> str:
    """The reason why the service cannot open a file; empty if it can."""
    hidden = [folder for folder in HIDDEN if path.is_relative_to(folder)]
    if hidden and user == USER:
        return f"which the service does not see: systemd hides {hidden[0]} from it"
    try:
        os.close(os.open(path, flags))
    except OSError as error:
        return f"which {user} cannot open ({error.strerror})"
    return ""


@contextmanager
def _as_user(service: pwd.struct_passwd) -> Iterator[None]:
    """Opens files with the rights of a user."""
    groups = os.getgroups()
    os.setgroups(os.getgrouplist(service.pw_name, service.pw_gid))
    os.setegid(service.pw_gid)
    os.seteuid(service.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def with_socket_units(settings: Settings) -> Settings:
    """The settings with the addresses of the socket units that listen now.

    They are passed to the service, whose configuration is the one in /etc.
    """
    if not settings.files or settings.files[0] != DEFAULT:
        return settings
    tables: dict[str, dict[str, list[Endpoint]]] = {}
    for key, addresses in socket_units().items():
        table, _, name = key.partition(".")
        tables.setdefault(table, {})[name] = addresses
    return settings.model_copy(
        update={
            table: getattr(settings, table).model_copy(update=keys)
            for table, keys in tables.items()
            if table in type(settings).model_fields
        }
    )


def socket_units() -> dict[str, list[Endpoint]]:
    """The addresses of the active socket units of the service, by the key that they replace."""
    try:
        shown = subprocess.run(
            ["systemctl", "show", "*.socket", "-pListen,ActiveState,FileDescriptorName,Triggers"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=_SYSTEMD_WITHIN,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return read_socket_units(shown)


def read_socket_units(shown: str) -> dict[str, list[Endpoint]]:
    """Reads the output of ``systemctl show`` for socket units, one paragraph each."""
    found: dict[str, list[Endpoint]] = {}
    for paragraph in shown.split("\n\n"):
        rows = [line.partition("=")[::2] for line in paragraph.splitlines()]
        values = dict(rows)
        if values.get("ActiveState") != "active" or f"{USER}.service" not in values.get(
            "Triggers", ""
        ):
            continue
        name = values.get("FileDescriptorName", "")
        key = name if "." in name else f"{name}.listen"
        found.setdefault(key, []).extend(
            parse_endpoint(address.removesuffix(" (Stream)"))
            for what, address in rows
            if what == "Listen" and address.endswith(" (Stream)") and ":" in address
        )
    return found
