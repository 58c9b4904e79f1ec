"""Secrets: a literal, or where one is kept.

A credential is a file that systemd hands to the service. Outside of the service it is read where
the unit has it from, so that root's commands see what the service will see.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

#: The folder whose files the unit hands to the service (LoadCredential=).
CREDENTIALS: Final = Path("/etc/cascade-bridge/credentials")
#: What systemd puts before the names of the files of that folder.
PREFIX: Final = "cascade-bridge_"


def read_secret(value: object) -> str:
    """The secret behind a literal, ``file:PATH``, ``env:NAME`` or ``credential:NAME``.

    Raises ValueError with what is allowed instead.
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
    # The unit hands over the whole folder; a LoadCredential= of the administrator's, one file.
    own = Path(given, name)
    return own if own.exists() else Path(given, PREFIX + name)


def _read(path: Path, allowed: str) -> str:
    try:
        text = path.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"{allowed} ({reason})") from None
    if not text:
        raise ValueError(f"a file {path} that is not empty")
    return text
