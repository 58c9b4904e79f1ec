"""``check --connect``: tests of the configured services."""

from __future__ import annotations

from pathlib import Path

from bridge.sandbox import Sandbox
from tests.serving.daemon import serving, write_config
from tests.support import free_port


async def test_everything_is_tried_and_what_does_not_work_is_said(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        config = write_config(tmp_path, sandbox.url)
        smtp, smpp, admin = free_port(), free_port(), free_port()
        text = config.read_text()
        for port in (smtp, smpp, admin):
            text = text.replace("127.0.0.1:0", f"127.0.0.1:{port}", 1)
        config.write_text(text)
        async with serving(config) as bridge:
            await bridge.ready()
            code, said = await bridge.command("check", "--connect")
            assert code == 0, said
            for line in (
                f"good  smtp 127.0.0.1:{smtp}: answers",
                f"good  smpp 127.0.0.1:{smpp}: answers",
                f"good  admin 127.0.0.1:{admin}: answers",
                "good  API 127.0.0.1: answers HTTP",
                "good  store: answers within",
                f"good  disk {tmp_path}: ",
                "Everything works.",
            ):
                assert line in said
            config.write_text(text.replace("test-key", "wrong"))
            code, said = await bridge.command("check", "--connect")
            assert code == 69
            assert "BAD   API 127.0.0.1: refuses the key: HTTP 401" in said
            await bridge.terminate()
            code, said = await bridge.command("check", "--connect")
            assert code == 69
            assert f"BAD   smtp 127.0.0.1:{smtp}: does not answer: Connection refused" in said
