"""get.php and senders.php of a running daemon."""

from __future__ import annotations

from pathlib import Path

from tests.smsc.calling import LOGIN, smsc


async def test_messages_from_phones(tmp_path: Path) -> None:
    async with smsc(tmp_path, account="") as face:
        assert await face.json("get", get_answers=1) == []


async def test_senders(tmp_path: Path) -> None:
    async with smsc(tmp_path, 'senders = ["Bank"]') as face:
        response = await face.client.get(
            "/sys/senders.php", params=LOGIN | {"get": 1, "fmt": 3, "charset": "utf-8"}
        )
        assert response.content == b'[{\n"sender": "Bank"\n},\n{\n"sender": "Shop"\n}]'
