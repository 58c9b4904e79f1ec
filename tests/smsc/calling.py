"""A daemon with the SMSC dialect, and a client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bridge.sandbox import Sandbox
from tests.serving.daemon import Bridge, serving, write_config

LOGIN = {"login": "crm", "psw": "secret12"}
FIRST, SECOND, THIRD = "380501234567", "380671112233", "380631112233"


@dataclass
class Smsc:
    bridge: Bridge
    sandbox: Sandbox
    client: httpx.AsyncClient

    async def call(self, name: str, /, **parameters: Any) -> str:
        """The answer to a GET with the login and these parameters in UTF-8."""
        query = {**LOGIN, "charset": "utf-8", **parameters}
        response = await self.client.get(f"/sys/{name}.php", params=query)
        assert response.status_code == 200
        return response.text

    async def json(self, name: str, /, **parameters: Any) -> Any:
        response = await self.client.get(
            f"/sys/{name}.php", params={**LOGIN, "charset": "utf-8", "fmt": 3, **parameters}
        )
        assert response.headers["content-type"] == "application/json; charset=utf-8"
        return response.json()


@asynccontextmanager
async def smsc(
    folder: Path, account: str = "", more: str = "", sandbox: Sandbox | None = None, api: str = ""
) -> AsyncIterator[Smsc]:
    """``account`` are further lines of the account crm, ``more`` further ones of ``[smsc]``; the
    bridge reaches ``sandbox``, if there is one, at ``api``."""
    async with nullcontext(sandbox) if sandbox else Sandbox() as sandbox:
        own = f'protocols = ["http", "smtp", "smpp"]\n{account}'
        config = write_config(folder, api or sandbox.url, account=own)
        config.write_text(config.read_text() + f'\n[smsc]\nlisten = ["127.0.0.1:0"]\n{more}\n')
        async with serving(config) as bridge:
            ready = await bridge.event("ready")
            async with httpx.AsyncClient(
                base_url=f"http://{ready['smsc'][0]}", timeout=30
            ) as client:
                yield Smsc(bridge, sandbox, client)
