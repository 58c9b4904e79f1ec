"""Who may send, from where, how much; checks credentials."""

from __future__ import annotations

from bridge.config import AccountSettings


class Account:
    """One configured account at run time: its name, its settings and what it uses up."""

    def __init__(self, name: str, settings: AccountSettings) -> None:
        self.name = name
        self.settings = settings
