"""Runs a command under a unit's limits on system calls, as systemd would.

    python -m tests.limits cascade-bridge.service command argument …

SystemCallFilter, RestrictAddressFamilies and MemoryDenyWriteExecute become seccomp filters by
libseccomp, which systemd itself uses (systemd.exec(5)). No service manager is needed.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.support import program

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_EQUAL, _GREATER, _MASKED_EQUAL = 4, 6, 7  # enum scmp_compare
_SHM_EXEC = 0o100000
_WRITE_AND_EXECUTE = mmap.PROT_WRITE | mmap.PROT_EXEC
#: Forbidden combinations: system call, argument, mask of bits that must not all be set.
_WRITABLE_AND_EXECUTABLE = (
    ("mmap", 2, _WRITE_AND_EXECUTE),
    ("mprotect", 2, mmap.PROT_EXEC),
    ("pkey_mprotect", 2, mmap.PROT_EXEC),
    ("shmat", 2, _SHM_EXEC),
)
_LAST_FAMILY = 63


def settings(unit: Path) -> dict[str, list[str]]:
    """The keys of a unit with their values in order; an empty value clears earlier ones."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            values = found.setdefault(key.strip(), [])
            values.append(value.strip()) if value.strip() else values.clear()
    return found


def system_calls(filters: list[str]) -> set[str]:
    """The system calls allowed by SystemCallFilter= lines: the listed ones, without those after
    ``~``."""
    command = [program("systemd-analyze"), "syscall-filter", "--no-pager"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    sets: dict[str, list[str]] = {}
    name = ""
    for line in listed.splitlines():
        if line.startswith("@"):
            name = line.strip()
            sets[name] = []
        elif line.startswith(" ") and not line.strip().startswith("#"):
            sets[name].append(line.strip())

    def members(name: str) -> set[str]:
        return set().union(*map(members, sets[name])) if name.startswith("@") else {name}

    allowed: set[str] = set()
    for line in filters:
        named = set[str]().union(*map(members, line.removeprefix("~").split()))
        allowed = allowed - named if line.startswith("~") else allowed | named
    return allowed


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    )


class _Filter:
    """One seccomp filter: its default action, and its rules."""

    def __init__(self, action: int) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2")
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(action)))

    def add(self, action: int, call: str, *comparisons: _Comparison) -> None:
        number = self._library.seccomp_syscall_resolve_name(call.encode())
        if number == -1:
            return  # a system call that is newer than the library
        array = (_Comparison * len(comparisons))(*comparisons)
        error = self._library.seccomp_rule_add_array(
            self._context, ctypes.c_uint32(action), number, len(comparisons), array
        )
        if error:
            raise OSError(-error, f"{call}: {os.strerror(-error)}")

    def load(self) -> None:
        error = self._library.seccomp_load(self._context)
        if error:
            raise OSError(-error, f"seccomp_load: {os.strerror(-error)}")


def limit(unit: Path) -> None:
    """Applies the unit's limits to this process and its children."""
    keys = settings(unit)
    refused = _ERRNO | errno.EPERM
    if keys.get("MemoryDenyWriteExecute") == ["yes"]:
        memory = _Filter(_ALLOW)
        for call, argument, mask in _WRITABLE_AND_EXECUTABLE:
            memory.add(refused, call, _Comparison(argument, _MASKED_EQUAL, mask, mask))
        memory.load()
    if "RestrictAddressFamilies" in keys:
        families = {getattr(socket, name) for name in keys["RestrictAddressFamilies"][0].split()}
        sockets = _Filter(_ALLOW)
        unsupported = _ERRNO | errno.EAFNOSUPPORT
        for family in set(range(_LAST_FAMILY + 1)) - families:
            sockets.add(unsupported, "socket", _Comparison(0, _EQUAL, family))
        sockets.add(unsupported, "socket", _Comparison(0, _GREATER, _LAST_FAMILY))
        sockets.load()
    if "SystemCallFilter" in keys:
        calls = _Filter(refused)
        for call in system_calls(keys["SystemCallFilter"]):
            calls.add(_ALLOW, call)
        calls.load()


if __name__ == "__main__":
    limit(Path(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
