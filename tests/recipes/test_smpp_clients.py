"""SMPP clients with the recipes' configurations and code: their texts reach the phone."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.recipes.conftest import PASSWORD, Served
from tests.recipes.pages import block, replaced
from tests.recipes.test_monitoring import running
from tests.smpp.test_kannel import Kannel, listening
from tests.support import free_port, node_package, program

TEXT = "Ваше замовлення готове"
BOXES = """\
group = core
admin-port = {admin}
admin-password = secret
smsbox-port = {box}
box-allow-ip = "127.0.0.1"

{recipe}

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {send}

group = sendsms-user
username = tester
password = secret
max-messages = 10
concatenation = true
"""


async def test_kannel(tmp_path: Path, served: Served) -> None:
    admin, box, send = free_port(), free_port(), free_port()
    recipe = replaced(
        block("recipes.md", "Kannel", "kannel"),
        ("port = 2775", f"port = {served.smpp}"),
        ("smsc-password = password", f"smsc-password = {PASSWORD}"),
    )
    config = tmp_path / "kannel.conf"
    config.write_text(BOXES.format(admin=admin, box=box, send=send, recipe=recipe))
    (tmp_path / "box").mkdir()
    async with running(tmp_path, program("bearerbox"), str(config)):
        await listening(box)
        async with running(tmp_path / "box", program("smsbox"), str(config)):
            await listening(send)
            await Kannel(send, admin).send(TEXT, coding="2")
            assert await served.text() == TEXT


async def test_node_smpp(tmp_path: Path, served: Served) -> None:
    node = node_package("smpp")
    code = replaced(
        block("recipes.md", "node-smpp", "js"),
        ("127.0.0.1:2775", f"127.0.0.1:{served.smpp}"),
        ("password: 'password'", f"password: '{PASSWORD}'"),
    )
    (tmp_path / "send.js").write_text(code)
    process = await asyncio.create_subprocess_exec(
        node, str(tmp_path / "send.js"), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    answer = (await asyncio.wait_for(process.stdout.readline(), 30)).split()
    process.kill()
    await process.wait()
    assert await served.text() == TEXT
    [message] = served.sandbox.messages
    assert answer == [b"0", message.id.encode()]
