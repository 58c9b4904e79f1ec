"""A bridge with the account of the recipes, and the sandbox behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from bridge.sandbox import Sandbox
from tests.recipes.pages import block, replaced
from tests.serving.daemon import serving, write_config

PASSWORD = "secret12"


class Served(NamedTuple):
    """The bridge's addresses, and the API's messages."""

    smtp: int
    smpp: int
    sandbox: Sandbox

    async def text(self, phone: str = "+380501234567") -> str:
        """The text of the first message, once it has arrived."""
        [message, *_] = await self.sandbox.wait_for(1, timeout=60)
        assert message.phone == phone
        return message.text


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    folder = tmp_path / "bridge"
    folder.mkdir()
    async with Sandbox() as sandbox, serving(write_config(folder, sandbox.url)) as bridge:
        smtp, smpp = await bridge.ready()
        yield Served(smtp.port, smpp.port, sandbox)


@pytest.fixture
def msmtprc(tmp_path: Path, served: Served) -> Path:
    """The recipe's configuration of msmtp."""
    password = tmp_path / "msmtp-sms.password"
    password.write_text(PASSWORD)
    file = tmp_path / "msmtprc"
    file.write_text(
        replaced(
            block("recipes.md", "msmtp", "msmtp"),
            ("port 2525", f"port {served.smtp}"),
            ("/etc/msmtp-sms.password", str(password)),
        )
    )
    file.chmod(0o600)
    return file
