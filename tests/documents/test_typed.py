"""What the pages type to a running bridge is typed to one, in the order of the page."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from bridge.sandbox import Sandbox
from tests.cli.test_examples import run as invoked
from tests.documents.pages import BLOCKS
from tests.serving.daemon import run, serving, write_config
from tests.support import free_port, program

#: Lines of pages whose shell blocks are typed here.
TYPED = {
    page: [
        line
        for block in BLOCKS
        if (block.page, block.language) == (page, "sh")
        for line in block.lines
    ]
    for page in ("docs/directory.md", "docs/operations.md", "docs/sandbox.md", "docs/smsc.md")
}
#: Not typed here: a daemon of its own, which its own tests start.
ELSEWHERE = "cascade-bridge sandbox"


class Typing(NamedTuple):
    folder: Path
    #: What stands in the documents → what stands for it here.
    instead: dict[str, str]
    sandbox: Sandbox

    async def type(self, line: str) -> None:
        """Types a line, which has to end with 0."""
        for documented, here in self.instead.items():
            line = line.replace(documented, here)
        if line.startswith("curl "):
            command, *arguments = shlex.split(line)
            code, said = await run(program(command), "--silent", "--fail-with-body", *arguments)
        else:
            code, said = await asyncio.to_thread(invoked, line.removeprefix("sudo "), self.folder)
        assert code == 0, f"{line}: {code} {said}"


@pytest.fixture
async def typing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Typing]:
    smtp, smpp = free_port(), free_port()
    account = 'protocols = ["smtp", "smpp", "http"]\ntrusted_networks = ["127.0.0.1/32"]'
    async with Sandbox() as sandbox:
        config = write_config(tmp_path, sandbox.url, account=account, smpp_port=smpp)
        config.write_text(config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{smtp}", 1))
        monkeypatch.setenv("CASCADE_BRIDGE_CONFIG", str(config))
        monkeypatch.chdir(tmp_path)
        async with serving(config) as bridge:
            await bridge.ready()
            instead = {
                "https://bridge.example.com:8025": await bridge.api(),
                "http://127.0.0.1:8080": sandbox.url,
                "/var/backups/": "copy-",
            }
            yield Typing(tmp_path, instead, sandbox)


async def test_the_page_on_the_directory(typing: Typing) -> None:
    [people] = [block for block in BLOCKS if block.language == "csv"]
    (typing.folder / "people.csv").write_text(people.text)
    for line in TYPED["docs/directory.md"]:
        await typing.type(line)
    assert (typing.folder / "people.vcf").read_text().count("BEGIN:VCARD") == 3
    texts = [message.text for message in typing.sandbox.messages]
    assert "Anna, your order 17 is ready" in texts


async def test_the_page_on_the_smsc_dialect(typing: Typing) -> None:
    [line] = TYPED["docs/smsc.md"]
    # It asks for the password twice, which a test cannot type: one is made instead.
    await typing.type(f"{line} --generate")


async def test_the_pages_on_operation_and_on_the_sandbox(typing: Typing) -> None:
    lines = TYPED["docs/operations.md"] + TYPED["docs/sandbox.md"]
    typed = [line for line in lines if not line.startswith(ELSEWHERE)]
    assert len(typed) >= 4
    for line in typed:
        await typing.type(line)
    assert [message.text for message in typing.sandbox.messages] == ["Your order is ready"]
