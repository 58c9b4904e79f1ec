"""The operator on call: runs one command, or opens one page of the console."""

from __future__ import annotations

import asyncio
import html
import re

import httpx

from bridge.smpp.protocol.pdu import MessageIdResp
from tests.serving.daemon import VIEW, AnyBridge
from tests.smpp.peer import Peer, a_submit


async def submit(peer: Peer, to: bytes = b"380501234567", *, registered_delivery: int = 0) -> int:
    submitted = a_submit(to=to, registered_delivery=registered_delivery)
    answer = await peer.ask("submit_sm", submitted)
    assert answer.command_status == 0
    assert isinstance(answer.body, MessageIdResp)
    return int(answer.body.message_id)


async def said(bridge: AnyBridge, *command: str) -> str:
    """The output of a command."""
    code, text = await bridge.command(*command)
    assert code == 0, text
    return text


async def line(bridge: AnyBridge, word: str, *command: str) -> str:
    """The only line of a command's output that begins with this word."""
    text = await said(bridge, *command)
    [found] = [one for one in text.splitlines() if one.startswith(f"{word} ")]
    return found


async def until(bridge: AnyBridge, pattern: str, *command: str) -> str:
    """The output of a command, once it contains the pattern."""
    text = ""
    try:
        async with asyncio.timeout(60):
            while re.search(pattern, text) is None:
                await asyncio.sleep(0.1)
                _, text = await bridge.command(*command)
    except TimeoutError:
        raise AssertionError(f"{pattern} is not in:\n{text}") from None
    return text


async def page(bridge: AnyBridge, path: str, url: str = "") -> str:
    """The text of a page of the console, as a viewer gets it."""
    # Not from a blocked address; also with an expired certificate.
    way = httpx.AsyncHTTPTransport(verify=False, local_address="127.0.0.2")
    own = {"Sec-Fetch-Site": "same-origin"}
    base = url or await bridge.api()
    async with httpx.AsyncClient(base_url=base, headers=own, transport=way, timeout=30) as client:
        login = await client.post("/console/login", data={"token": VIEW})
        assert login.status_code == 303
        answer = await client.get("/console" + path)
        assert answer.status_code == 200, answer.text
    main = answer.text.partition("<main")[2].partition("</main>")[0]
    text = html.unescape(re.sub(r"<[^>]*>", " ", main))
    return " ".join(text.split())
