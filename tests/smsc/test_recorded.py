"""Recorded sessions of HTTP clients (recorded.txt): the bridge gives each answer."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bridge.model.message import Protocol
from bridge.relay.pending_answers import ANSWER_WITHIN
from tests.smsc.calling import smsc

RECORDED = Path(__file__).with_name("recorded.txt").read_text(encoding="utf-8")
#: The time limit of Laravel's channel (seconds).
PATIENCE = 5.0


class Exchange(NamedTuple):
    """A request, its answer, what the client made of it, and the messages that reached the API."""

    name: str
    request: bytes
    answer: str
    made: str
    messages: list[list[str]]


class Session(NamedTuple):
    client: str
    exchanges: list[Exchange]


def sessions() -> list[Session]:
    found: list[Session] = []
    for client in re.split(r"^== ", RECORDED, flags=re.M)[1:]:
        head, *rest = re.split(r"^-- ", client, flags=re.M)
        found.append(Session(head.strip(), [exchange(one) for one in rest]))
    return found


def exchange(written: str) -> Exchange:
    name, *lines = written.strip().splitlines()
    marked = [(line[0], line[2:]) for line in lines]

    def of(mark: str) -> list[str]:
        return [line for own, line in marked if own == mark]

    [made] = of("=")
    request = "\r\n".join(of(">")).replace("{time}", str(int(time.time()) + 86400))
    head, _, body = "\n".join(of("<")).partition("\n\n")
    answer = head.replace("\n", "\r\n") + "\r\n\r\n" + body
    return Exchange(name, request.encode(), answer, made, [json.loads(one) for one in of("+")])


async def ask(host: str, port: int, request: bytes) -> str:
    """The answer on a connection of its own."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        async with asyncio.timeout(30):
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"content-length: (\d+)", head)
            assert length, head
            return head + (await reader.readexactly(int(length[1]))).decode()
    finally:
        writer.close()


def filled(recorded: str, answer: str) -> str:
    """The recorded text, with the id and the length of this run."""
    body = answer.partition("\r\n\r\n")[2]
    id = re.search(r'"id": (\d+)', body)
    recorded = recorded.replace("{length}", str(len(body.encode())))
    return recorded.replace("{id}", id[1] if id else "")


def as_laravel_takes(answer: str) -> str:
    """What Laravel's channel makes of an answer with the status 200."""
    document: Any = json.loads(answer.partition("\r\n\r\n")[2])
    if document.get("error") is not None:
        code, text = document["error_code"], document["error"]
        return f"throws {code} smsc.ru responded with an error '{code}: {text}'"
    return f"returns {json.dumps(document)}"


@pytest.mark.parametrize("session", sessions(), ids=lambda session: session.client)
async def test_a_recorded_client_gets_every_answer(session: Session, tmp_path: Path) -> None:
    ids: set[int] = set()
    async with smsc(tmp_path) as face:
        url = face.client.base_url
        for one in session.exchanges:
            before = len(face.sandbox.messages)
            answer = await ask(url.host, url.port or 80, one.request)
            assert answer == filled(one.answer, answer), one.name
            made = as_laravel_takes(answer)
            assert made == filled(one.made, answer), one.name
            if made.startswith("returns"):
                id = json.loads(made.removeprefix("returns "))["id"]
                assert 0 < id < 2**31
                ids.add(id)
            sent = [[message.phone, message.text] for message in face.sandbox.messages[before:]]
            assert sorted(sent) == one.messages, one.name
    assert len(ids) == sum(one.made.startswith("returns") for one in session.exchanges)


def test_an_answer_comes_before_laravels_channel_gives_up() -> None:
    # It repeats what it gave up. The connection and the login take time too.
    assert ANSWER_WITHIN[Protocol.HTTP] <= PATIENCE - 1
