"""Runs a client program that prints the answers it got."""

from __future__ import annotations

import asyncio
import json
from typing import Any


async def answers_of(*command: str) -> list[dict[str, Any]]:
    """The JSON array that the program prints."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), 30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    answers: list[dict[str, Any]] = json.loads(output)
    return answers
