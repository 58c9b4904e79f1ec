"""The configuration: settings, files, mistakes and warnings."""

from __future__ import annotations

from pathlib import Path

from bridge.config.files import read
from bridge.config.settings import Settings
from bridge.config.warnings import find_warnings


def load(path: Path | None = None, *, secrets: bool = True) -> Settings:
    """The settings in ``path``, or in $CASCADE_BRIDGE_CONFIG, or in /etc/cascade-bridge.

    Without ``secrets``, an unreadable secret is no mistake: systemd gives its credentials only to
    the daemon, and commands that only read do not need them. Raises
    :class:`bridge.config.settings.ConfigError` with all mistakes.
    """
    return read(path, secrets=secrets)


def warnings(settings: Settings) -> list[str]:
    """Warnings about settings that work but may be wrong, one sentence each."""
    return list(find_warnings(settings))
