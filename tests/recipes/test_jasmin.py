"""Jasmin with the recipe's connector and the users of the page on migration: its HTTP API sends.

Jasmin keeps its queues in RabbitMQ and its data in Redis; both run here only for this test.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.recipes.conftest import PASSWORD, Served
from tests.recipes.pages import block, replaced
from tests.recipes.test_monitoring import running
from tests.smpp.test_kannel import listening
from tests.support import free_port, missing, program

RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
#: Sections of Jasmin's configuration that have a log.
LOGS = (
    *("amqp-broker", "redis-client", "jcli", "http-api", "smpp-server", "smpp-server-pb"),
    *("client-management", "service-smppclient", "sm-listener", "dlr", "dlr-thrower"),
    *("deliversm-thrower", "router", "interceptor-client"),
)
TEXT = "Your order is ready"


def prepared(folder: Path) -> Path:
    """An empty folder for the broker, if it is installed."""
    if not RABBITMQ.exists():
        missing("RabbitMQ")
    folder.mkdir()
    (folder / "plugins").write_text("[].\n")
    return folder


@asynccontextmanager
async def rabbitmq(folder: Path) -> AsyncIterator[int]:
    """A broker of its own; its port."""
    port, epmd = free_port(), str(free_port())
    settings = {
        "NODENAME": "jasmin@localhost",
        "MNESIA_BASE": f"{folder}/data",
        "LOG_BASE": f"{folder}/log",
        "NODE_IP_ADDRESS": "127.0.0.1",
        "NODE_PORT": str(port),
        "DIST_PORT": str(free_port()),
        "ENABLED_PLUGINS_FILE": f"{folder}/plugins",
        "CONFIG_FILE": f"{folder}/none",
        "PID_FILE": f"{folder}/pid",
    }
    environment = {f"RABBITMQ_{name}": value for name, value in settings.items()}
    environment |= {"HOME": str(folder), "ERL_EPMD_PORT": epmd, "ERL_EPMD_ADDRESS": "127.0.0.1"}
    command = ["env", *(f"{name}={value}" for name, value in environment.items())]
    try:
        async with running(folder, *command, str(RABBITMQ)):
            await listening(port)
            yield port
    finally:
        # It starts the port mapper of Erlang, and leaves it behind.
        await (
            await asyncio.create_subprocess_exec(
                program("epmd"),
                "-kill",
                env=os.environ | {"ERL_EPMD_PORT": epmd},
                stdout=asyncio.subprocess.DEVNULL,
            )
        ).wait()


async def type_to(port: int, *lines: str) -> list[str]:
    """Types lines into jcli; the answers to those that change something."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await asyncio.wait_for(reader.readuntil(b"Session ref"), 60)
    said = b""
    for line in lines:
        writer.write(f"{line}\r\n".encode())
        answer = b""
        while not re.search(rb"(?:> |jcli : )$", answer):
            answer += await asyncio.wait_for(reader.read(4096), 60)
        said += answer
    writer.close()
    answers = rb"^(Successfully .+?|Unknown .+?|Error.*?|.*[Ff]ailed.*?)\r"
    return [answer.decode() for answer in re.findall(answers, said, re.MULTILINE)]


async def test_jasmin(tmp_path: Path, served: Served) -> None:
    python = Path(program("jasmind.py")).parent / "python"
    [spec] = python.parents[1].glob("lib/*/site-packages/txamqp/specs/standard/amqp0-9-1*.xml")
    redis, jcli, api = free_port(), free_port(), free_port()
    folder = tmp_path / "jasmin"
    (folder / "redis").mkdir(parents=True)
    recipe = replaced(
        block("recipes.md", "Jasmin", "jcli"),
        ("port 2775", f"port {served.smpp}"),
        ("password password", f"password {PASSWORD}"),
    )
    before = block("migration/jasmin.md", "Before", "jcli")
    async with rabbitmq(prepared(tmp_path / "rabbitmq")) as broker:
        ports = {
            "amqp-broker": f"port = {broker}\nspec = {spec}",
            "redis-client": f"port = {redis}",
            "jcli": f"port = {jcli}\nauthentication = False",
            "http-api": f"port = {api}\naccess_log = {folder}/access",
            "smpp-server": f"port = {free_port()}",
            "smpp-server-pb": f"port = {free_port()}",
            "client-management": f"port = {free_port()}\nstore_path = {folder}",
            "router": f"port = {free_port()}\nstore_path = {folder}",
        }
        config = folder / "jasmin.cfg"
        config.write_text(
            "".join(
                f"[{name}]\nlog_file = {folder}/{name}.log\n{ports.get(name, '')}\n"
                for name in LOGS
            )
        )
        command = ("env", f"ROOT_PATH={folder}", f"LOG_PATH={folder}", str(python))
        daemon = (*command, str(python.with_name("jasmind.py")), "-c", str(config))
        store = (program("redis-server"), "--port", str(redis), "--bind", "127.0.0.1", "--save", "")
        async with running(folder / "redis", *store):
            await listening(redis)
            async with running(folder, *daemon):
                await listening(jcli)
                # The page's route leads to a connector that was there before it.
                operator = ("smppccm -a", "cid operator", "ok")
                assert await type_to(jcli, *operator, *before.splitlines()) == [
                    "Successfully added connector [operator]",
                    "Successfully added Group [shops]",
                    "Successfully added User [shop] to Group [shops]",
                    "Successfully added MTRoute [DefaultRoute] with order:0",
                ]
                assert await type_to(jcli, *recipe.splitlines()[:-1]) == [
                    "Successfully added connector [cascade]",
                    "Successfully started connector id:cascade",
                    "Successfully added MTRoute [DefaultRoute] with order:0",
                ]
                user = dict(re.findall(r"^(username|password) (\w+)$", before, re.M))
                async with httpx.AsyncClient(timeout=30) as client:
                    answer = await client.get(
                        f"http://127.0.0.1:{api}/send",
                        params={**user, "to": "380501234567", "content": TEXT},
                        timeout=30,
                    )
                assert answer.status_code == 200, answer.text
                assert await served.text() == TEXT
