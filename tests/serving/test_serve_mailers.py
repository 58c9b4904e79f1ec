"""Third-party mail programs from end to end: their texts reach the sandbox API."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import NamedTuple

import pytest

from bridge.sandbox import Sandbox
from tests.serving import installed
from tests.serving.daemon import run, serving, write_config
from tests.smtp.conftest import Certificate, certificate  # noqa: F401 - a fixture
from tests.support import free_port, missing, program

PHONE = "+380501234567"
TO = "380501234567@sms.example.com"
FROM = "monitoring@shop.example"
TEXT = "Диск db1 заповнений на 95 %"


class Served(NamedTuple):
    """A running bridge, and its API."""

    sandbox: Sandbox
    port: int
    lmtp_port: int

    async def texts(self, count: int = 1) -> list[str]:
        """The phone's texts, once there are this many."""
        messages = await self.sandbox.wait_for(count, timeout=30)
        assert {message.phone for message in messages} == {PHONE}
        return [message.text for message in messages]


@pytest.fixture
async def trusting(tmp_path: Path) -> AsyncIterator[Served]:
    """A bridge without TLS, which trusts every client of this machine."""
    lmtp = free_port()
    async with Sandbox() as sandbox:
        config = write_config(
            tmp_path,
            sandbox.url,
            more=f'lmtp_listen = ["127.0.0.1:{lmtp}"]',
            account='trusted_networks = ["127.0.0.1/32"]',
        )
        async with serving(config) as bridge:
            smtp, _ = await bridge.ready()
            yield Served(sandbox, smtp.port, lmtp)


@pytest.fixture
async def secured(
    tmp_path: Path,
    certificate: Certificate,  # noqa: F811
) -> AsyncIterator[Served]:
    """A bridge that requires STARTTLS and a login."""
    tls = (
        f'certificate = "{certificate.certificate}"\nprivate_key = "{certificate.private_key}"\n'
        'starttls = "required"'
    )
    async with Sandbox() as sandbox, serving(write_config(tmp_path, sandbox.url, tls)) as bridge:
        smtp, _ = await bridge.ready()
        yield Served(sandbox, smtp.port, 0)


def a_mail() -> str:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "db1", FROM, TO
    mail.set_content(TEXT, cte="8bit")
    return mail.as_string()


# --- libraries -----------------------------------------------------------------------------------

PHPMAILER = r"""
require '/usr/share/php/libphp-phpmailer/autoload.php';
[, $port, $ca, $from, $to, $text] = $argv;
$mail = new PHPMailer\PHPMailer\PHPMailer(true);
$mail->isSMTP();
$mail->Host = 'localhost';
$mail->Port = $port;
$mail->SMTPSecure = 'tls';
$mail->SMTPOptions = ['ssl' => ['cafile' => $ca]];
$mail->SMTPAuth = true;
$mail->Username = 'crm';
$mail->Password = 'secret12';
$mail->CharSet = 'UTF-8';
$mail->setFrom($from);
$mail->addAddress($to);
$mail->Subject = 'db1';
$mail->isHTML(true);
$mail->Body = "<p>$text</p>";
$mail->AltBody = $text;
$mail->send();
"""

RUBY_MAIL = r"""
require 'mail'
port, ca, from, to, text = ARGV
Mail.defaults do
  delivery_method :smtp, address: 'localhost', port: port.to_i, enable_starttls: true, ca_file: ca,
                  user_name: 'crm', password: 'secret12', authentication: :login
end
Mail.deliver { from from; to to; subject 'db1'; charset = 'UTF-8'; body text }
"""

JAKARTA_MAIL = r"""
import jakarta.mail.*;
import jakarta.mail.internet.*;
import java.util.Properties;

public class Send {
  public static void main(String[] argv) throws Exception {
    var settings = new Properties();
    settings.put("mail.smtp.host", "localhost");
    settings.put("mail.smtp.port", argv[0]);
    settings.put("mail.smtp.auth", "true");
    settings.put("mail.smtp.starttls.required", "true");
    settings.put("mail.smtp.ssl.trust", "localhost");
    var session = Session.getInstance(settings);
    var mail = new MimeMessage(session);
    mail.setFrom(argv[2]);
    mail.setRecipients(Message.RecipientType.TO, argv[3]);
    mail.setSubject("db1");
    mail.setText(argv[4], "UTF-8");
    var transport = session.getTransport("smtp");
    transport.connect("crm", "secret12");
    transport.sendMessage(mail, mail.getAllRecipients());
    transport.close();
  }
}
"""
JARS = Path("/usr/share/java")


def php(folder: Path) -> list[str]:
    if not Path("/usr/share/php/libphp-phpmailer").exists():
        missing("PHPMailer (Debian's libphp-phpmailer)")
    return [program("php"), "-r", PHPMAILER, "--"]


def ruby(folder: Path) -> list[str]:
    return [program("ruby"), "-e", RUBY_MAIL]


def java(folder: Path) -> list[str]:
    jars = [JARS / "jakarta-mail.jar", JARS / "jakarta-activation.jar"]
    if not all(jar.exists() for jar in jars):
        missing("Jakarta Mail (Debian's libjakarta-mail-java)")
    source = folder / "Send.java"
    source.write_text(JAKARTA_MAIL)
    return [program("java"), "-cp", ":".join(map(str, jars)), str(source)]


@pytest.mark.parametrize("library", [php, ruby, java], ids=["PHPMailer", "Ruby mail", "Jakarta"])
async def test_a_library_logs_in_over_starttls(
    library: Callable[[Path], list[str]],
    secured: Served,
    certificate: Certificate,  # noqa: F811
    tmp_path: Path,
) -> None:
    arguments = (str(secured.port), str(certificate.certificate), FROM, TO, TEXT)
    code, said = await run(*library(tmp_path), *arguments)
    assert code == 0, said
    assert await secured.texts() == [TEXT]


# --- programs that send by themselves ------------------------------------------------------------

MONIT = """\
set daemon 1
set logfile {folder}/log
set pidfile {folder}/pid
set idfile {folder}/id
set statefile {folder}/state
set mailserver 127.0.0.1 port {port} username "crm" password "secret12"
set mail-format {{
  from: {sender}
  subject: $SERVICE
  message: {text}
}}
set alert {to} only on {{ nonexist }}
check file backup with path {folder}/backup
  if does not exist then alert
"""


@asynccontextmanager
async def started(*command: str) -> AsyncIterator[None]:
    """Runs a program during the block."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_monit_says_that_a_file_is_missing(trusting: Served, tmp_path: Path) -> None:
    monit = program("monit")
    folder = tmp_path / "monit"
    folder.mkdir()
    control = folder / "monitrc"
    control.write_text(
        MONIT.format(folder=folder, port=trusting.port, sender=FROM, to=TO, text=TEXT)
    )
    control.chmod(0o600)
    async with started(monit, "-I", "-c", str(control)):
        assert await trusting.texts() == [TEXT]


class Mailbox:
    """A POP3 server with one mail (RFC 1939)."""

    def __init__(self, mail: str) -> None:
        self._lines = mail.splitlines()
        self.deleted = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        octets = sum(len(line.encode()) + 2 for line in self._lines)
        answers = {
            "STAT": [f"+OK 1 {octets}"],
            "LIST": [f"+OK 1 {octets}"],
            "UIDL": ["+OK 1 first"],
            "RETR": ["+OK", *self._lines, "."],
            "CAPA": ["-ERR"],
        }
        writer.write(b"+OK\r\n")
        while line := await reader.readline():
            command = line.split()[0].decode().upper()
            said = answers.get(command, ["+OK"])
            writer.write("".join(f"{one}\r\n" for one in said).encode())
            if command == "DELE":
                self.deleted.set()
            if command == "QUIT":
                break
        writer.close()


async def test_fetchmail_hands_a_mailbox_over_by_lmtp(trusting: Served, tmp_path: Path) -> None:
    fetchmail = program("fetchmail")
    mailbox = Mailbox(a_mail())
    server = await asyncio.start_server(mailbox.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    control = tmp_path / "fetchmailrc"
    control.write_text(f"""\
        set no bouncemail
        poll 127.0.0.1 protocol POP3 port {port}
          user "shop" password "x" is "380501234567" here
          sslproto "" fetchall lmtp smtphost "127.0.0.1/{trusting.lmtp_port}"
          smtpaddress "sms.example.com"
    """)
    control.chmod(0o600)
    code, said = await run(
        *(fetchmail, "--fetchmailrc", str(control), "--nosyslog", "--verbose"),
        *("--pidfile", str(tmp_path / "pid")),
    )
    server.close()
    assert code == 0, said
    assert await trusting.texts() == [TEXT]
    assert mailbox.deleted.is_set()


# --- mail servers that exclude one another -------------------------------------------------------


async def test_nullmailer_relays_with_a_login(secured: Served, tmp_path: Path) -> None:
    (tmp_path / "mail").write_text(a_mail())
    script = f"""
        mkdir -p /etc/nullmailer /var/spool/nullmailer/queue /var/spool/nullmailer/tmp
        mkdir -p /var/spool/nullmailer/failed
        mkfifo /var/spool/nullmailer/trigger
        chown -R mail:mail /var/spool/nullmailer
        echo relay.test >/etc/nullmailer/me
        echo 'localhost smtp --port={secured.port} --starttls --insecure' \\
            '--user=crm --pass=secret12' >/etc/nullmailer/remotes
        nullmailer-inject -f {FROM} {TO} <{tmp_path}/mail
        exec nullmailer-send
    """
    async with installed.running("nullmailer", tmp_path, script):
        assert await secured.texts() == [TEXT]


async def test_dma_relays_with_a_login(secured: Served, tmp_path: Path) -> None:
    (tmp_path / "mail").write_text(a_mail())
    script = f"""
        mkdir -p /var/spool/dma
        chown root:mail /var/spool/dma
        chmod 2775 /var/spool/dma
        echo 'crm|localhost:secret12' >/etc/dma/auth.conf
        printf '%s\\n' 'SMARTHOST localhost' 'PORT {secured.port}' 'AUTHPATH /etc/dma/auth.conf' \\
            SECURETRANSFER STARTTLS 'MAILNAME relay.test' >/etc/dma/dma.conf
        dma -D -f {FROM} {TO} <{tmp_path}/mail
    """
    async with installed.running("dma", tmp_path, script):
        assert await secured.texts() == [TEXT]


SENDMAIL = """\
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `relay.test')dnl
define(`RELAY_MAILER_ARGS', `TCP $h {port}')dnl
define(`SMART_HOST', `relay:[127.0.0.1]')dnl
FEATURE(`nocanonify')dnl
MAILER(`smtp')dnl
"""


async def test_sendmail_relays(trusting: Served, tmp_path: Path) -> None:
    (tmp_path / "mail").write_text(a_mail())
    (tmp_path / "relay.mc").write_text(SENDMAIL.format(port=trusting.port))
    script = f"""
        echo 'hosts files' >/etc/mail/service.switch
        echo "127.0.0.1 relay.test $(hostname)" >/etc/hosts
        cd /usr/share/sendmail/cf/cf
        m4 ../m4/cf.m4 {tmp_path}/relay.mc >/etc/mail/sendmail.cf
        mkdir -p /var/spool/mqueue
        chmod 700 /var/spool/mqueue
        /usr/libexec/sendmail/sendmail -Am -v -odi -f {FROM} {TO} <{tmp_path}/mail
    """
    async with installed.running("sendmail", tmp_path, script):
        assert await trusting.texts() == [TEXT]


OPENSMTPD = """\
listen on 127.0.0.1 port {own}
action "bridge" relay host smtp://127.0.0.1:{port}
match from any for domain "sms.example.com" action "bridge"
"""


async def test_opensmtpd_relays(trusting: Served, tmp_path: Path) -> None:
    own = free_port()
    (tmp_path / "smtpd.conf").write_text(OPENSMTPD.format(own=own, port=trusting.port))
    script = f"""
        useradd --system --no-create-home --home-dir /var/lib/opensmtpd/empty opensmtpd
        useradd --system --no-create-home --home-dir /var/lib/opensmtpd/empty opensmtpq
        exec smtpd -d -v -f {tmp_path}/smtpd.conf
    """
    async with installed.running("opensmtpd", tmp_path, script):
        await asyncio.to_thread(hand_over, own)
        assert await trusting.texts() == [TEXT]


def hand_over(port: int) -> None:
    """Sends a mail to a mail server, once it listens."""
    for _ in range(300):
        with contextlib.suppress(ConnectionRefusedError):
            with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
                client.sendmail(FROM, [TO], a_mail().encode())
            return
        time.sleep(0.1)
    raise AssertionError("it does not listen")
