"""The examples in the help of the commands: each is run."""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import httpx
import pytest
from click.testing import CliRunner
from smpplib.client import Client

from bridge.cli import Exit, cli
from bridge.cli import run as run_program
from bridge.sandbox import Sandbox
from tests.running import running
from tests.serving.daemon import VIEW, write_config
from tests.support import free_port

#: An id in an example is replaced by that of a message.
_ID = re.compile(r"\b250072205885\d{3}\b")
MAIL = "From: a@example.com\nTo: 380501234567@sms.example.com\nSubject: x\n\nServer down\n"
CONTACTS_VCF = "BEGIN:VCARD\nVERSION:3.0\nFN:Olha\nTEL:+380671112244\nEND:VCARD\n"
#: The files that the examples read.
FILES = {
    "mail.eml": MAIL,
    "people.vcf": CONTACTS_VCF,
    "password.txt": "secret12\n",
    "names.csv": "id,type,value\n1,name,Anna\n",
}

#: The commands with examples, in the order in which they are run: what creates comes first.
ORDER = """
    check, explain, accounts hash-password, accounts test, variables upload,
    groups add, templates add, contacts add, contacts list, contacts show, contacts export,
    contacts import, groups list, groups show, groups export, groups import, groups change,
    templates list, templates show, templates export, templates import, templates change,
    send, sendmail, status, trace, top, nodes, report, failures, hooks, audits,
    sessions list, sessions close, blocked list, blocked lift, accounts list, accounts show,
    hold, queue hold, queue list, queue show, queue release, queue retry, queue cancel, release,
    blacklist add, blacklist list, blacklist show, blacklist export, blacklist import,
    blacklist delete, contacts move, contacts change, contacts delete, groups delete,
    templates delete, log-level, reload, erase, completion, backup, drain
"""
#: Commands that do not end by themselves, and where they are tested.
ELSEWHERE = {
    "serve": "tests/serving",
    "demo": "tests/cli/test_demo.py",
    "sandbox": "tests/cli/test_sandbox.py",
}
#: Examples that find nothing here: nobody is blocked, there is one node, and the message is sent.
NOTHING_FOUND = re.compile(
    r"blocked lift|sessions close smpp-17@2|drain --node 2|queue (hold|release|retry|cancel) \d"
)


def commands(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command)
    for child in command.list_commands(context):
        found = command.get_command(context, child)
        assert found is not None
        yield from commands(found, f"{name} {child}".strip())


def examples() -> dict[str, list[str]]:
    """The lines of examples by command."""
    found = {}
    for name, command in commands(cli):
        block = (command.help or "").partition("Examples:")[2]
        lines = [line.strip() for line in block.splitlines() if "cascade-bridge " in line]
        if lines:
            found[name] = lines
    return found


def test_every_command_with_examples_has_its_place() -> None:
    order = [name.strip() for name in ORDER.replace("\n", " ").split(",")]
    assert sorted({*order, *ELSEWHERE}) == sorted({*examples(), *ELSEWHERE})


def run(line: str, folder: Path) -> tuple[int, str]:
    """Runs an example as a shell would: with input from a file or an echo, output into a file."""
    given = "y\n"
    if line.startswith("echo "):
        echo, line = line.split(" | ", 1)
        given = shlex.split(echo)[1] + "\n"
    line, _, target = line.partition(" > ")
    line, _, source = line.partition(" < ")
    if source:
        given = (folder / source.strip()).read_text()
    arguments = shlex.split(line)[1:]
    with CliRunner().isolation(input=given) as (stdout, _, output):
        code = run_program(arguments)
        printed, said = stdout.getvalue(), output.getvalue().decode()
    if target:
        (folder / target.strip().rpartition("/")[2]).write_bytes(printed)
    return code, said


async def session_of(api: str) -> str:
    """The name of the session that was opened, once the bridge has taken it."""
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {VIEW}"}, timeout=30) as client:
        found: list[dict[str, str]] = []
        while not found:
            found = (await client.get(f"{api}/api/v1/sessions", timeout=30)).json()
    [session] = found
    return session["id"]


async def test_the_examples_do_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    smtp, smpp = free_port(), free_port()
    account = 'protocols = ["smtp", "smpp", "http"]\ntrusted_networks = ["127.0.0.1/32"]'
    account += "\nallow_variables = true"
    # No message ends meanwhile: erase would find it, and ask.
    async with Sandbox(processing_for=86_400) as sandbox:
        config = write_config(tmp_path, sandbox.url, account=account, smpp_port=smpp)
        text = config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{smtp}", 1)
        config.write_text(text.replace("127.0.0.1:0", f"127.0.0.1:{free_port()}"))
        monkeypatch.setenv("CASCADE_BRIDGE_CONFIG", str(config))
        monkeypatch.chdir(tmp_path)
        async with running(config) as bridge:
            api = await bridge.api()
            async with httpx.AsyncClient(auth=("crm", "secret12"), timeout=30) as client:
                posted = {"to": "+380501234567", "text": "x", "reference": "<17.erp@example.com>"}
                answer = await client.post(f"{api}/api/v1/messages", json=posted, timeout=30)
            wrong = await tried(answer.json()["id"], api, smpp, tmp_path)
    assert not wrong, "\n".join(wrong)


def bind(port: int) -> Client:
    client = Client("127.0.0.1", port, timeout=30)
    client.connect()
    client.bind_transceiver(system_id="crm", password="secret12")
    return client


async def tried(id: int, api: str, smpp: int, folder: Path) -> list[str]:
    """Runs all examples; those that failed, and what they said."""
    lines, wrong = examples(), []
    bound: list[Client] = []
    opened: list[asyncio.StreamWriter] = []
    for name in (name.strip() for name in ORDER.replace("\n", " ").split(",")):
        # The bridge may have stopped before an example after this one.
        for example in sorted(lines[name], key=lambda line: line == "cascade-bridge drain"):
            line = _ID.sub(str(id), example)
            line = line.replace("--account shop", "--account crm").replace("/var/backups/", "copy-")
            if line.endswith("smpp-17"):
                # Only now: a session that does not bind ends after bind_timeout.
                opened.append((await asyncio.open_connection("127.0.0.1", smpp))[1])
                line = line.replace("smpp-17", await session_of(api))
            elif line.startswith("cascade-bridge sessions close --account"):
                bound.append(await asyncio.to_thread(bind, smpp))
            code, said = await asyncio.to_thread(run, line, folder)
            if code and not (code == Exit.NO_INPUT and NOTHING_FOUND.search(line)):
                wrong.append(f"{line}: {code} {said[-300:]}")
    for writer in opened:
        writer.close()
    for client in bound:
        client.disconnect()
    return wrong
