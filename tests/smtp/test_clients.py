"""Mails from common clients."""

from __future__ import annotations

import asyncio
import os
import smtplib
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.smtp.conftest import Certificate
from tests.smtp.standins import ID, NAME, PASSWORD, Running, StandInAccounts, running
from tests.support import node_package, program

TO = "380501234567@sms.example.com"
OK = f"250 2.0.0 OK - 1 SMS, ID - {ID}"
TEXT = "Ваш код: 1234 🙂"


async def run(*command: str, stdin: str = "", **environment: str) -> tuple[int, str]:
    """The exit code and the output of the program."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **environment},
    )
    async with asyncio.timeout(30):
        output, _ = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return process.returncode, output.decode(errors="replace")


def secured(certificate: Certificate) -> dict[str, Any]:
    return certificate.settings(starttls="required", tls_listen=["127.0.0.1:0"])


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("tls", ["--tls", "--tls-on-connect"])
async def test_swaks(certificate: Certificate, tls: str, mechanism: str) -> None:
    async with running(accounts=StandInAccounts(), **secured(certificate)) as part:
        port = part.port if tls == "--tls" else part.tls_port
        code, output = await run(
            *(program("swaks"), "--server", f"127.0.0.1:{port}", tls, "--to", TO),
            *("--auth", mechanism, "--auth-user", NAME, "--auth-password", PASSWORD),
            *("--header", "Content-Type: text/plain; charset=utf-8", "--body", TEXT),
        )
        assert code == 0, output
        assert OK in output
        assert part.relay.texts == [TEXT]


async def test_swaks_with_a_wrong_password(certificate: Certificate) -> None:
    async with running(accounts=StandInAccounts(), **secured(certificate)) as part:
        code, output = await run(
            *(program("swaks"), "--server", f"127.0.0.1:{part.port}", "--tls", "--to", TO),
            *("--auth", "PLAIN", "--auth-user", NAME, "--auth-password", "wrong"),
        )
        assert code != 0
        assert "535 5.7.8 ERROR = 2 (wrong login or password)" in output


async def test_swaks_with_cram_md5() -> None:
    mechanisms: dict[str, Any] = {"auth_mechanisms": ["CRAM-MD5"]}
    async with running(accounts=StandInAccounts(), **mechanisms) as part:
        code, output = await run(
            *(program("swaks"), "--server", f"127.0.0.1:{part.port}", "--to", TO, "--body", "text"),
            *("--auth", "CRAM-MD5", "--auth-user", NAME, "--auth-password", PASSWORD),
        )
        assert code == 0, output
        assert OK in output


async def test_swaks_by_lmtp() -> None:
    async with running(lmtp_listen=["127.0.0.1:0"]) as part:
        code, output = await run(
            *(program("swaks"), "--server", f"127.0.0.1:{part.lmtp_port}", "--protocol", "LMTP"),
            *("--to", f"{TO},380671234567@sms.example.com", "--body", "text"),
        )
        assert code == 0, output
        assert output.count(OK) == 2


@pytest.mark.parametrize(("version", "family"), [("1", "TCP4"), ("2", "AF_INET")])
async def test_swaks_behind_a_proxy(version: str, family: str) -> None:
    accounts = StandInAccounts(trusted_network="192.0.2.0/24")
    async with running(accounts=accounts, proxies=["127.0.0.1"]) as part:
        code, output = await run(
            *(program("swaks"), "--server", f"127.0.0.1:{part.port}", "--to", TO, "--body", "text"),
            *("--proxy-version", version, "--proxy-family", family, "--proxy-source", "192.0.2.7"),
            *("--proxy-source-port", "40000", "--proxy-dest", "198.51.100.1"),
            *("--proxy-dest-port", "25"),
        )
        assert code == 0, output
        assert part.relay.submitted[0].peer == "192.0.2.7"


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_curl(certificate: Certificate, tmp_path: Path, scheme: str) -> None:
    mail = tmp_path / "mail"
    mail.write_text(f"Subject: x\nContent-Type: text/plain; charset=utf-8\n\n{TEXT}\n")
    async with running(accounts=StandInAccounts(), **secured(certificate)) as part:
        port = part.port if scheme == "smtp" else part.tls_port
        code, output = await run(
            *(program("curl"), "--verbose", "--url", f"{scheme}://localhost:{port}"),
            *("--ssl-reqd", "--cacert", str(certificate.certificate), "--ipv4"),
            *("--user", f"{NAME}:{PASSWORD}", "--mail-from", "a@b.cd", "--mail-rcpt", TO),
            *("--upload-file", str(mail), "--crlf"),
        )
        assert code == 0, output
        assert OK in output
        assert part.relay.texts == [TEXT]


async def test_msmtp(certificate: Certificate) -> None:
    async with running(accounts=StandInAccounts(), **secured(certificate)) as part:
        code, output = await run(
            *(program("msmtp"), "--host=127.0.0.1", f"--port={part.port}", "--tls=on"),
            *("--tls-starttls=on", f"--tls-trust-file={certificate.certificate}", "--auth=on"),
            *(f"--user={NAME}", f"--passwordeval=echo {PASSWORD}", "--from=a@b.cd", TO),
            stdin=f"Subject: x\nContent-Type: text/plain; charset=utf-8\n\n{TEXT}\n",
        )
        assert code == 0, output
        assert part.relay.texts == [TEXT]


def send_with_smtplib(part: Running, certificate: Certificate) -> list[object]:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "x", "a@b.cd", TO
    mail.set_content(TEXT)
    mail.add_alternative(f"<p>{TEXT}</p>", subtype="html")
    answers: list[object] = []
    with smtplib.SMTP("127.0.0.1", part.port, timeout=30) as plain:
        plain.starttls(context=certificate.context())
        plain.login(NAME, PASSWORD)
        answers.append(plain.send_message(mail))
        refused = plain.sendmail("a@b.cd", [TO, "12@sms.example.com"], "Subject: two\r\n\r\n")
        answers.append(refused)
    with smtplib.SMTP_SSL(
        "127.0.0.1", part.tls_port, context=certificate.context(), timeout=10
    ) as tls:
        tls.login(NAME, PASSWORD)
        tls.mail("a@b.cd")
        tls.rcpt(TO)
        answers.append(tls.data("no header at all"))
    return answers


async def test_smtplib(certificate: Certificate) -> None:
    async with running(accounts=StandInAccounts(), **secured(certificate)) as part:
        answers = await asyncio.to_thread(send_with_smtplib, part, certificate)
        assert answers == [
            {},
            {"12@sms.example.com": (550, b"5.1.3 ERROR = 7 (wrong phone number)")},
            (250, OK.removeprefix("250 ").encode()),
        ]
        assert part.relay.texts == [TEXT, "two", "no header at all"]


NODEMAILER = """
const transport = require("nodemailer").createTransport({
  host: "localhost", port: +process.env.PORT, secure: process.env.SECURE === "1",
  auth: { user: process.env.USER_NAME, pass: process.env.PASSWORD },
});
transport.sendMail({ from: "a@b.cd", to: process.env.TO, subject: "x", text: process.env.TEXT,
                     html: "<b>html</b>", dsn: { id: "1", return: "headers", notify: "failure",
                     recipient: "a@b.cd" } })
  .then((info) => { console.log(info.response); transport.close(); })
  .catch((error) => { console.log(error.message); process.exit(1); });
"""


@pytest.mark.parametrize("secure", ["0", "1"])
async def test_nodemailer(certificate: Certificate, tmp_path: Path, secure: str) -> None:
    node = node_package("nodemailer")
    async with running(accounts=StandInAccounts(), **secured(certificate)) as part:
        code, output = await run(
            *(node, "-e", NODEMAILER),
            PORT=str(part.tls_port if secure == "1" else part.port),
            SECURE=secure,
            USER_NAME=NAME,
            PASSWORD=PASSWORD,
            TO=TO,
            TEXT=TEXT,
            NODE_EXTRA_CA_CERTS=str(certificate.certificate),
        )
        assert code == 0, output
        assert OK in output
        assert part.relay.texts == [TEXT]


async def test_smtp_source() -> None:
    """Many sessions at once, from Postfix's load generator."""
    async with running() as part:
        code, output = await run(
            *(program("smtp-source"), "-s", "10", "-m", "200", "-l", "500"),
            *("-f", "a@b.cd", "-t", TO, f"127.0.0.1:{part.port}"),
        )
        assert code == 0, output
        assert len(part.relay.submitted) == 200
