"""SMPP clients and commands of a running daemon, and changes of its configuration."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.serving.daemon import AnyBridge
from tests.smpp.peer import Peer


async def connect(bridge: AnyBridge) -> Peer:
    _, smpp = await bridge.ready()
    return Peer(*await asyncio.open_connection(*smpp))


async def bound(bridge: AnyBridge, password: bytes = b"secret12") -> Peer:
    peer = await connect(bridge)
    assert (await peer.bind(password=password)).command_status == 0
    return peer


async def listed(bridge: AnyBridge, *arguments: str) -> Any:
    code, said = await bridge.command(*arguments, "--json")
    assert code == 0, said
    return json.loads(said)


def change(bridge: AnyBridge, *pairs: tuple[str, str]) -> None:
    text = bridge.config.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    bridge.config.write_text(text)
