"""The pages on migration: their configurations work, and former clients still send."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import smtplib
import ssl
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote_plus, urlsplit

import httpx
import pytest
from smpplib.client import Client
from smpplib.command import BindTransmitter

from bridge.sandbox import Sandbox
from tests.recipes.pages import DOCS, block, blocks, replaced
from tests.recipes.test_monitoring import running
from tests.serving.daemon import Bridge, run, serving
from tests.smpp.test_kannel import listening
from tests.smtp import relays
from tests.smtp.conftest import Certificate, certificate  # noqa: F401 - a fixture
from tests.support import free_port, missing, program, usable

PAGES = sorted(page.stem for page in (DOCS / "migration").glob("*.md"))
PHONE = "+380501234567"
TEXT = "Your order is ready"
TEXT_IN_UKRAINIAN = "Ваше замовлення готове"


class Migrated(NamedTuple):
    bridge: Bridge
    sandbox: Sandbox
    #: Ports by listener, as the event ``ready`` names them.
    ports: dict[str, int]

    async def text(self) -> str:
        [message] = await self.sandbox.wait_for(1, timeout=30)
        assert message.phone == PHONE
        return message.text


@asynccontextmanager
async def migrated(page: str, folder: Path, certificate: Certificate) -> AsyncIterator[Migrated]:  # noqa: F811
    """A bridge with the page's configuration, on free loopback ports."""
    headings = re.findall(r"^## (After.*)$", (DOCS / f"migration/{page}.md").read_text(), re.M)
    [text] = [one for name in headings for one in blocks(f"migration/{page}.md", name, "toml")]
    text = re.sub(r'"[\w.]*:\d+"\]', '"127.0.0.1:0"]', text)
    text = re.sub(r"credential:[\w-]+", "test-key", text)
    text = text.replace("/etc/cascade-bridge/tls.crt", str(certificate.certificate))
    text = text.replace("/etc/cascade-bridge/tls.key", str(certificate.private_key))
    for name in re.findall(r'"file:([\w.]+)"', text):
        (folder / name).write_text("secret12")
        text = text.replace(f"file:{name}", f"file:{folder / name}")
    async with Sandbox() as sandbox:
        text = text.replace("[cascade]\n", f'[cascade]\nbase_url = "{sandbox.url}"\n')
        text += f'\n[store]\nurl = "sqlite:///{folder}/bridge.db"\n'
        if "[admin]" not in text:
            text += '[admin]\nlisten = ["127.0.0.1:0"]\n'
        for table in ("smtp", "smpp"):
            keys = text.partition(f"[{table}]\n")[2].partition("\n[")[0]
            if not re.search(r"^listen", keys, re.M):
                own = "[]" if "tls_listen" in keys else '["127.0.0.1:0"]'
                text = text if keys else f"{text}[{table}]\n"
                text = text.replace(f"[{table}]\n", f"[{table}]\nlisten = {own}\n")
        text = text.replace("[admin]\n", f'[admin]\nsocket = "{folder}/admin.sock"\n')
        config = folder / "bridge.toml"
        config.write_text(text)
        async with serving(config) as bridge:
            ready = await bridge.event("ready")
            ports = {
                name: int(value[0].rpartition(":")[2])
                for name, value in ready.items()
                if isinstance(value, list) and value
            }
            yield Migrated(bridge, sandbox, ports)


@pytest.fixture
async def after(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    certificate: Certificate,  # noqa: F811
) -> AsyncIterator[Migrated]:
    async with migrated(request.param, tmp_path, certificate) as running:
        yield running


def submit(port: int, system_id: str, password: str, tls: ssl.SSLContext | None = None) -> None:
    client = Client("127.0.0.1", port, timeout=20, ssl_context=tls, allow_unknown_opt_params=True)
    client.connect()
    client.bind_transceiver(system_id=system_id, password=password)
    client.send_message(
        dest_addr_ton=1, destination_addr="380501234567", short_message=TEXT.encode()
    )
    client.read_once()
    client.unbind()
    client.disconnect()


@pytest.mark.parametrize("page", PAGES)
async def test_the_configuration_is_accepted(
    page: str,
    tmp_path: Path,
    certificate: Certificate,  # noqa: F811
) -> None:
    async with migrated(page, tmp_path, certificate) as running:
        code, said = await running.bridge.command("check")
        assert code == 0, said


def test_clients_of_opensmppbox_find_port_name_and_logins_as_they_were() -> None:
    bearerbox, box, logins = blocks("migration/kannel.md", "Before", "kannel")
    before = dict(re.findall(r"^([\w-]+) = (\S+)$", box, re.M))
    after = tomllib.loads(block("migration/kannel.md", "After", "toml"))
    assert f"smsbox-port = {before['bearerbox-port']}\n" in bearerbox
    assert after["smpp"]["listen"] == [f":{before['opensmppbox-port']}"]
    assert after["smpp"]["system_id"] == before["our-system-id"]
    passwords = {name: password for name, password, *_ in map(str.split, logins.splitlines())}
    assert {name: one["password"] for name, one in after["accounts"].items()} == passwords


@pytest.mark.parametrize("after", ["kannel"], indirect=True)
async def test_a_login_of_opensmppbox_binds_and_sends(after: Migrated) -> None:
    before = blocks("migration/kannel.md", "Before", "kannel")[2]
    # The other account is allowed from 10.0.0.* only.
    system_id, password = before.splitlines()[1].split()[:2]
    await asyncio.to_thread(submit, after.ports["smpp"], system_id, password)
    assert await after.text() == TEXT


async def test_bearerbox_takes_the_former_configuration(tmp_path: Path) -> None:
    admin, box = free_port(), free_port()
    config = replaced(
        blocks("migration/kannel.md", "Before", "kannel")[0],
        ("13000", str(admin)),
        ("13001", str(box)),
        ("smpp.operator.example\nport = 2775", f"127.0.0.1\nport = {free_port()}"),
    )
    (tmp_path / "kannel.conf").write_text(config)
    async with running(tmp_path, program("bearerbox"), str(tmp_path / "kannel.conf")):
        await listening(box)


@pytest.mark.parametrize("after", ["jasmin"], indirect=True)
async def test_a_user_of_jasmin_binds_and_sends(after: Migrated) -> None:
    before = block("migration/jasmin.md", "Before", "jcli")
    user = dict(re.findall(r"^(username|password) (\w+)$", before, re.M))
    await asyncio.to_thread(submit, after.ports["smpp"], user["username"], user["password"])
    assert await after.text() == TEXT


@pytest.mark.parametrize(
    ("after", "heading"),
    [("playsms", "After: programs call the bridge"), ("smsgate", "After: HTTP")],
    indirect=["after"],
)
async def test_the_call_of_the_page_sends(
    after: Migrated, heading: str, request: pytest.FixtureRequest
) -> None:
    page = request.node.callspec.params["after"]
    call = replaced(
        block(f"migration/{page}.md", heading, "sh").replace("\\\n", " "),
        ("https://bridge.example.com:8025", f"https://127.0.0.1:{after.ports['admin']}"),
    )
    command, *arguments = shlex.split(call)
    code, said = await run(program(command), "--insecure", "--silent", *arguments)
    assert (code, '"refused":[]' in said) == (0, True), said
    assert await after.text() == TEXT


def test_the_former_call_of_playsms_has_what_the_page_compares() -> None:
    url = block("migration/playsms.md", "Before", "text").strip()
    query = dict(parse_qsl(urlsplit(url).query))
    assert query.keys() == {"app", "u", "h", "op", "to", "msg"}
    assert (query["op"], query["to"], query["msg"]) == ("pv", PHONE.lstrip("+"), TEXT)


@pytest.mark.parametrize("after", ["playsms"], indirect=True)
async def test_the_gateway_generic_of_playsms_sends(after: Migrated) -> None:
    url = replaced(
        block("migration/playsms.md", "After: playSMS stays", "text").strip(),
        ("https://bridge.example.com:8443", f"https://127.0.0.1:{after.ports['smsc']}"),
        # What playSMS puts there.
        ("{USERNAME}", "shop"),
        ("{PASSWORD}", "secret34"),
        ("{SENDER}", "Shop"),
        ("{TO}", "380501234567"),
        ("{MESSAGE}", quote_plus(TEXT_IN_UKRAINIAN)),
    )
    async with httpx.AsyncClient(verify=False, timeout=30) as client:
        answer = await client.get(url, timeout=20)
    # It takes the number at the beginning for success.
    assert re.fullmatch(r"[1-9]\d*,1", answer.text)
    assert await after.text() == TEXT_IN_UKRAINIAN


#: A login as SMSGate gives them: the password is longer than SMPP 3.4 allows (§4.1.1).
OF_SMSGATE = ("shop", "secret34secret")


def test_the_former_services_of_smsgate_had_the_ports_and_the_domain_of_the_bridge() -> None:
    before = dict(re.findall(r"^(\w+)=(.*)$", block("migration/smsgate.md", "Before", "ini"), re.M))
    after = tomllib.loads(block("migration/smsgate.md", "After", "toml"))
    assert f":{before['SMTP__PORT']}" in after["smtp"]["listen"]
    assert before["SMTP__DOMAIN"] in after["smtp"]["domains"]
    assert before["SMPP__BIND_ADDRESS"].removeprefix("0.0.0.0") in after["smpp"]["tls_listen"]


@pytest.mark.parametrize("after", ["smsgate"], indirect=True)
async def test_a_client_of_smsgates_smpp_server_changes_only_the_host(
    after: Migrated, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This client would cut the password, and never got into SMSGate.
    monkeypatch.setattr(BindTransmitter.params["password"], "max", 20)
    insecure = ssl.create_default_context()
    insecure.check_hostname, insecure.verify_mode = False, ssl.CERT_NONE
    await asyncio.to_thread(submit, after.ports["smpp"], *OF_SMSGATE, insecure)
    assert await after.text() == TEXT


@pytest.mark.parametrize("after", ["smsgate"], indirect=True)
async def test_a_mail_program_of_smsgate_changes_only_the_host(after: Migrated) -> None:
    def send() -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with smtplib.SMTP("127.0.0.1", after.ports["smtp"], timeout=20) as client:
            client.starttls(context=context)
            client.login(*OF_SMSGATE)
            for to in ("380501234567@smtp.sms-gate.app", "+380501234567@sms.example.com"):
                client.sendmail("shop@example.com", [to], f"\n{TEXT}\n")

    await asyncio.to_thread(send)
    messages = await after.sandbox.wait_for(2, timeout=30)
    assert [(one.phone, one.text) for one in messages] == [(PHONE, TEXT)] * 2


async def by_library_of_smsgate(code: str, folder: Path, ca: Path) -> tuple[int, str]:
    """Runs a program where SMSGate's client library for Python is installed."""
    python = os.environ.get("SMSGATE_CLIENT_PYTHON", "")
    if not python:
        missing("an environment with android-sms-gateway (SMSGATE_CLIENT_PYTHON)")
    usable(python, "-c", "import android_sms_gateway, requests")
    (folder / "send.py").write_text(code)
    return await run("env", f"REQUESTS_CA_BUNDLE={ca}", python, str(folder / "send.py"))


@pytest.mark.parametrize("after", ["smsgate"], indirect=True)
async def test_a_function_takes_the_place_of_smsgates_client_library(
    after: Migrated,
    tmp_path: Path,
    certificate: Certificate,  # noqa: F811
) -> None:
    host = f"https://127.0.0.1:{after.ports['admin']}"
    library = replaced(
        block("migration/smsgate.md", "Before", "python"),
        ('"secret34secret"', f'"secret34secret", base_url="{host}/api/v1"'),
    )
    code, said = await by_library_of_smsgate(library, tmp_path, certificate.certificate)
    assert (code, "400 Client Error" in said) == (1, True), said

    function = replaced(
        block("migration/smsgate.md", "After: HTTP", "python"),
        ("https://bridge.example.com:8025", host),
    )
    code, said = await by_library_of_smsgate(function, tmp_path, certificate.certificate)
    assert code == 0, said
    assert await after.text() == TEXT


def hand_over(port: int) -> None:
    """A mail to the phone, without TLS or login."""
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.sendmail("a@example.com", ["380501234567@sms.example.com"], f"\n{TEXT}\n")


async def test_postfix_called_the_script() -> None:
    service, transport = blocks("migration/postfix-pipe.md", "Before", "postfix")
    with relays.private_folder() as folder:
        (folder / "transport").write_text(transport)
        relays.postmap(folder / "transport")
        called = folder / "called"
        called.mkdir(mode=0o777)
        called.chmod(0o777)
        script = folder / "send-sms"
        script.write_text(
            f'#!/bin/sh\necho "$1" >{called}/to.new\nmv {called}/to.new {called}/to\n'
        )
        script.chmod(0o755)
        master = replaced(service, ("/usr/local/bin/send-sms", str(script)))
        main = f"transport_maps = hash:{folder}/transport\n"
        with relays.postfix(main, master) as server:
            await asyncio.to_thread(hand_over, server.port)
            await server.said("sms.example.com", "status=sent")
        assert (called / "to").read_text() == "380501234567\n"


@pytest.mark.parametrize("after", ["postfix-pipe"], indirect=True)
async def test_postfix_relays_in_place_of_the_script(after: Migrated) -> None:
    transport = blocks("migration/postfix-pipe.md", "After", "postfix")[0]
    with relays.private_folder() as folder:
        line = replaced(transport, ("2525", str(after.ports["smtp"])))
        (folder / "transport").write_text(line)
        relays.postmap(folder / "transport")

        with relays.postfix(f"transport_maps = hash:{folder}/transport\n") as server:
            await asyncio.to_thread(hand_over, server.port)
            assert await after.text() == TEXT


@pytest.mark.parametrize("by", ["mail", "smpp", "http"])
@pytest.mark.parametrize("after", ["smsc"], indirect=True)
async def test_a_client_of_smsc_sends_by(by: str, after: Migrated) -> None:
    insecure: Any = ssl.create_default_context()
    insecure.check_hostname, insecure.verify_mode = False, ssl.CERT_NONE
    if by == "smpp":
        await asyncio.to_thread(submit, after.ports["smpp"], "shop", "secret12", insecure)
    elif by == "http":
        async with httpx.AsyncClient(verify=False, timeout=30) as client:
            answer = await client.get(
                f"https://127.0.0.1:{after.ports['smsc']}/sys/send.php",
                params={"login": "shop", "psw": "secret12", "phones": "380501234567", "mes": TEXT},
                timeout=20,
            )
        assert answer.text.startswith("OK - 1 SMS, ID - ")
    else:

        def send() -> None:
            line = f"shop:secret12:7:0:0,0,:380501234567:{TEXT}"
            with smtplib.SMTP("127.0.0.1", after.ports["smtp"], timeout=20) as client:
                client.starttls(context=insecure)
                client.sendmail("shop@example.com", ["send@sms.example.com"], f"\n{line}\n")

        await asyncio.to_thread(send)
    assert await after.text() == TEXT
