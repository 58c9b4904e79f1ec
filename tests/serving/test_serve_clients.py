"""Third-party clients from end to end: through ``serve`` to the sandbox API."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import smtplib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from smpplib.client import Client

from bridge.config.settings import Endpoint
from bridge.sandbox import Sandbox
from tests.serving.daemon import Bridge, run, serving, write_config
from tests.smtp.conftest import Certificate, make_certificate
from tests.support import node_package, program


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def bridge(
    tmp_path: Path, sandbox: Sandbox, certificate: Certificate
) -> AsyncIterator[Bridge]:
    tls = (
        f'certificate = "{certificate.certificate}"\nprivate_key = "{certificate.private_key}"\n'
        'starttls = "required"'
    )
    async with serving(write_config(tmp_path, sandbox.url, tls)) as bridge:
        yield bridge


async def test_swaks_logs_in_over_starttls(bridge: Bridge, sandbox: Sandbox) -> None:
    smtp, _ = await bridge.ready()
    common = (
        *(program("swaks"), "--server", str(smtp), "--from", "nagios@example.com"),
        *("--to", "380501234567@sms.example.com", "--body", "db1 is down"),
        *("--auth", "LOGIN", "-au", "crm", "-ap", "secret12"),
    )
    code, said = await run(*common, "--tls")
    assert code == 0, said
    assert "TLS started" in said
    assert "250 2.0.0 OK - 1 SMS, ID - " in said
    assert [m.text for m in sandbox.messages] == ["db1 is down"]
    code, said = await run(*common)
    assert code != 0
    assert sandbox.message_count == 1


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (
            "Content-Type: text/plain; charset=koi8-r\nContent-Transfer-Encoding: 8bit",
            "Ваш пароль: 123 ёЁ".encode("koi8-r"),
        ),
        (
            "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64",
            base64.encodebytes("Ваш пароль: 123 ёЁ".encode()),
        ),
    ],
    ids=["koi8-r", "base64 UTF-8"],
)
async def test_a_mail_in_another_alphabet_arrives_as_its_text(
    bridge: Bridge, sandbox: Sandbox, certificate: Certificate, head: str, body: bytes
) -> None:
    smtp, _ = await bridge.ready()
    mail = f"From: a@b.c\nSubject: s\nMIME-Version: 1.0\n{head}\n\n".encode() + body

    def send() -> None:
        with smtplib.SMTP(smtp.host, smtp.port, timeout=30) as client:
            client.starttls(context=certificate.context())
            client.login("crm", "secret12")
            client.sendmail("a@b.c", ["+380501234567@sms.example.com"], mail)

    await asyncio.to_thread(send)
    assert [m.text for m in sandbox.messages] == ["Ваш пароль: 123 ёЁ"]


TEXTS = [
    (0, "Hello @ [1]", b"Hello \x00 \x1b<1\x1b>"),
    (3, "Grüße à Zoë", "Grüße à Zoë".encode("latin-1")),
    (8, "Привіт 👋", "Привіт 👋".encode("utf-16-be")),
]


async def test_smpplib_submits_three_alphabets_and_reads_ids(
    bridge: Bridge, sandbox: Sandbox
) -> None:
    _, smpp = await bridge.ready()

    def submit() -> list[str]:
        client = Client(smpp.host, smpp.port, timeout=30, allow_unknown_opt_params=True)
        ids: list[str] = []
        client.set_message_sent_handler(lambda pdu: ids.append(pdu.message_id.decode()))
        client.connect()
        client.bind_transceiver(system_id="crm", password="secret12")
        for data_coding, _, octets in TEXTS:
            client.send_message(
                dest_addr_ton=1,
                destination_addr="380501234567",
                data_coding=data_coding,
                short_message=octets,
            )
            client.read_once()
        client.unbind()
        client.disconnect()
        return ids

    ids = await asyncio.to_thread(submit)
    assert ids == [m.id for m in sandbox.messages]
    assert [m.text for m in sandbox.messages] == [text for _, text, _ in TEXTS]


_NODE_SMPP = """
const smpp = require('smpp');
const [host, port] = process.argv.slice(1);
const session = smpp.connect({url: `smpp://${host}:${port}`}, () => {
  session.bind_transceiver({system_id: 'crm', password: 'secret12'}, async (bound) => {
    const submit = (pdu) => new Promise((done) => session.submit_sm(pdu, done));
    const ids = [];
    for (const [data_coding, octets] of JSON.parse(process.argv[3])) {
      const answer = await submit({
        destination_addr: '380501234567', data_coding,
        short_message: Buffer.from(octets, 'hex'),
      });
      ids.push([answer.command_status, answer.message_id]);
    }
    console.log(JSON.stringify([bound.command_status, ids]));
    session.unbind(() => session.close(() => process.exit(0)));
  });
});
"""


async def test_node_smpp_submits_three_alphabets_and_reads_ids(
    bridge: Bridge, sandbox: Sandbox
) -> None:
    _, smpp = await bridge.ready()
    bound, answers = await _node(smpp, [(coding, octets.hex()) for coding, _, octets in TEXTS])
    assert bound == 0
    assert answers == [[0, m.id] for m in sandbox.messages]
    assert [m.text for m in sandbox.messages] == [text for _, text, _ in TEXTS]


async def _node(smpp: Endpoint, submits: list[tuple[int, str]]) -> tuple[int, list[list[object]]]:
    node = node_package("smpp")
    code, said = await run(node, "-e", _NODE_SMPP, smpp.host, str(smpp.port), json.dumps(submits))
    assert code == 0, said
    bound, answers = json.loads(said)
    return bound, answers


async def test_a_login_without_tls_is_not_even_tried(
    bridge: Bridge, certificate: Certificate
) -> None:
    smtp, _ = await bridge.ready()

    def login() -> None:
        with smtplib.SMTP(smtp.host, smtp.port, timeout=30) as client:
            with pytest.raises(smtplib.SMTPNotSupportedError):
                client.login("crm", "secret12")
            context: ssl.SSLContext = certificate.context()
            client.starttls(context=context)
            client.login("crm", "secret12")

    await asyncio.to_thread(login)


async def test_a_new_certificate_is_taken_over_without_ending_a_session(
    bridge: Bridge, sandbox: Sandbox, certificate: Certificate, tmp_path: Path
) -> None:
    smtp, _ = await bridge.ready()
    folder = tmp_path / "new"
    folder.mkdir()
    new = make_certificate(folder)

    def certificate_seen() -> bytes:
        with smtplib.SMTP(smtp.host, smtp.port, timeout=30) as client:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            client.starttls(context=context)
            assert isinstance(client.sock, ssl.SSLSocket)
            return client.sock.getpeercert(binary_form=True) or b""

    before = await asyncio.to_thread(certificate_seen)
    session = await asyncio.to_thread(smtplib.SMTP, smtp.host, smtp.port, timeout=30)
    text = bridge.config.read_text()
    text = text.replace(str(certificate.certificate), str(new.certificate))
    bridge.config.write_text(text.replace(str(certificate.private_key), str(new.private_key)))
    bridge.process.send_signal(signal.SIGHUP)
    await bridge.event("reloaded")
    assert await asyncio.to_thread(certificate_seen) != before
    assert (await asyncio.to_thread(session.noop))[0] == 250
    session.close()
    bridge.config.write_text(text.replace("starttls", "startls"))
    bridge.process.send_signal(signal.SIGHUP)
    event = await bridge.event("reload_failed")
    assert "smtp.startls" in event["mistakes"][0]
    assert await asyncio.to_thread(certificate_seen) != before
