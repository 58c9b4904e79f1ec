"""Shared by the tests of the configuration: files to write, and their mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.config import load
from bridge.config.settings import ConfigError, Mistake

#: The least settings of a valid account.
GOOD = """
[cascade]
authorization_key = "key"
[accounts.crm]
password = "secret12"
sender = "Shop"
"""


class Folder:
    """Writes the configuration's files: ``write(text, "accounts.d/crm.toml")``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, text: str, name: str = "bridge.toml") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


def mistakes(path: Path | None) -> list[Mistake]:
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert caught.value.mistakes
    return caught.value.mistakes


def mistake(path: Path) -> Mistake:
    (only,) = mistakes(path)
    return only
