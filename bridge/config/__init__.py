"""The configuration: its settings, the files they come from, mistakes and warnings."""

from __future__ import annotations

from pathlib import Path

from bridge.config.files import read
from bridge.config.settings import Settings
from bridge.config.warnings import find_warnings


def load(path: Path | None = None, *, secrets: bool = True) -> Settings:
    """The settings in ``path``, or in $CASCADE_BRIDGE_CONFIG, or in /etc/cascade-bridge.

    Without ``secrets``, a secret that cannot be read is no mistake: systemd gives its credentials
    to the daemon alone, and a command that only reads needs none. Raises
    :class:`bridge.config.settings.ConfigError` with every mistake that there is.
    """
    return read(path, secrets=secrets)


def warnings(settings: Settings) -> list[str]:
    """Settings that work and are worth a second look, a sentence each."""
    return list(find_warnings(settings))
