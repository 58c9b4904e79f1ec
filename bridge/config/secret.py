"""Secrets: a literal, a file, an environment variable, or a credential of systemd.

A credential is a file that systemd passes to the service. Outside of the service it is read from
the unit's source, so that root's commands see the service's value.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

#: The folder whose files the unit passes to the service (LoadCredential=).
CREDENTIALS: Final = Path("/etc/cascade-bridge/credentials")
#: The prefix that systemd gives to the names of that folder's files.
PREFIX: Final = "cascade-bridge_"


def read_secret(value: object) -> str:
    """The secret of a literal, ``file:PATH``, ``env:NAME`` or ``credential:NAME``.

    Raises ValueError with the allowed values.
    """
    if not isinstance(value, str):
        raise ValueError("a string: the secret itself, file:PATH, env:NAME or credential:NAME")
    kind, _, name = value.partition(":")
    if kind == "env":
        if not os.environ.get(name):
            raise ValueError(f"env:{name} where that variable is set and not empty")
        return os.environ[name]
    if kind == "credential":
        path = _credential(name)
        return _read(path, f"credential:{name} where {path} can be read")
    if kind == "file":
        return _read(Path(name), f"file:{name} where that can be read")
    if not value:
        raise ValueError("a secret that is not empty (or the key left out)")
    return value


def _credential(name: str) -> Path:
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    if not given:
        return CREDENTIALS / name
    # The unit passes the whole folder; a LoadCredential= of the administrator passes one file.
    own = Path(given, name)
    return own if os.path.exists(own) else Path(given, PREFIX + name)


def _read(path: Path, allowed: str) -> str:
    try:
        text = path.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"{allowed} ({reason})") from None
    if not text:
        raise ValueError(f"a file {path} that is not empty")
    return text
