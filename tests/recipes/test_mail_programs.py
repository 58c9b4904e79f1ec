"""Mail servers and programs with the recipes' configurations: mails reach the phone."""

from __future__ import annotations

import asyncio
import os
import shutil
import smtplib
from email.message import EmailMessage
from pathlib import Path

from bridge.sandbox import Sandbox
from tests.recipes.conftest import PASSWORD, Served
from tests.recipes.pages import block, blocks, replaced
from tests.serving import installed
from tests.serving.daemon import run, serving, write_config
from tests.serving.test_serve_mailers import TEXT as DISK
from tests.serving.test_serve_mailers import hand_over
from tests.smtp import relays
from tests.smtp.conftest import Certificate, certificate  # noqa: F401 - a fixture
from tests.support import free_port, missing, program

TO = "380501234567@sms.example.com"
TEXT = "Ваше замовлення готове"


def mail() -> str:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "order", "shop@example.com", TO
    mail.set_content(TEXT, cte="8bit")
    return mail.as_string()


def deliver(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        client.sendmail("shop@example.com", [TO], mail().encode())


async def test_postfix(tmp_path: Path, served: Served) -> None:
    main, maps = blocks("recipes.md", "Postfix", "postfix")
    transport, secret = maps.splitlines()
    with relays.private_folder() as folder:
        for name, line in (("transport", transport), ("sasl_passwd", secret)):
            file = folder / name
            line = line.replace("2525", str(served.smtp)).replace("the-password", PASSWORD)
            file.write_text(line + "\n")
            relays.postmap(file)
        with relays.postfix(replaced(main, ("/etc/postfix", str(folder)))) as server:
            await asyncio.to_thread(deliver, server.port)
            assert await served.text() == TEXT


EXIM = """\
primary_hostname = relay.test
exim_path = {exim}
exim_user = Debian-exim
exim_group = Debian-exim
never_users =
spool_directory = {folder}/spool
log_file_path = {folder}/%slog
pid_file_path = {folder}/pid
tls_advertise_hosts =
queue_only_load = 1000
keep_environment =
"""


async def test_exim(tmp_path: Path, served: Served) -> None:
    exim = program("exim4")
    with relays.private_folder() as folder:
        (folder / "spool").mkdir()
        for place in (folder, folder / "spool"):
            shutil.chown(place, "Debian-exim", "Debian-exim")
        recipe = replaced(
            block("recipes.md", "Exim", "exim"),
            ("port = 2525", f"port = {served.smtp}"),
            ("the-password", PASSWORD),
        )
        (folder / "exim.conf").write_text(EXIM.format(exim=exim, folder=folder) + recipe)
        code, said = await run(
            *(exim, "-C", str(folder / "exim.conf"), "-odi", "-f", "shop@example.com", TO),
            input=mail(),
        )
        assert code == 0, said
        assert await served.text() == TEXT


async def test_opensmtpd(
    tmp_path: Path,
    certificate: Certificate,  # noqa: F811
) -> None:
    own = free_port()
    tls = f"""
        certificate = "{certificate.certificate}"
        private_key = "{certificate.private_key}"
        starttls = "required"
    """
    async with Sandbox() as sandbox, serving(write_config(tmp_path, sandbox.url, tls)) as bridge:
        smtp, smpp = await bridge.ready()
        recipe = replaced(
            block("recipes.md", "OpenSMTPD", "opensmtpd"),
            ("bridge.example.com:2525", f"localhost:{smtp.port}"),
        )
        (tmp_path / "smtpd.conf").write_text(f"listen on 127.0.0.1 port {own}\n{recipe}")
        script = f"""
            useradd --system --no-create-home --home-dir /var/lib/opensmtpd/empty opensmtpd
            useradd --system --no-create-home --home-dir /var/lib/opensmtpd/empty opensmtpq
            echo 'bridge crm:{PASSWORD}' >/etc/smtpd.secrets
            chown root:opensmtpd /etc/smtpd.secrets
            chmod 640 /etc/smtpd.secrets
            cat {certificate.certificate} >>/etc/ssl/certs/ca-certificates.crt
            exec smtpd -d -v -f {tmp_path}/smtpd.conf
        """
        async with installed.running("opensmtpd", tmp_path, script):
            await asyncio.to_thread(hand_over, own)
            assert await Served(smtp.port, smpp.port, sandbox).text() == DISK


async def test_php_mail(tmp_path: Path, served: Served, msmtprc: Path) -> None:
    setting = replaced(
        block("recipes.md", "PHP", "php-ini"),
        ("/usr/bin/msmtp", f"{program('msmtp')} -C {msmtprc}"),
    )
    (tmp_path / "php.ini").write_text(setting)
    code, said = await run(
        program("php"), "-c", str(tmp_path / "php.ini"), "-r", block("recipes.md", "PHP", "php")
    )
    assert code == 0, said
    assert await served.text() == TEXT


async def test_django(tmp_path: Path, served: Served) -> None:
    settings, send = blocks("recipes.md", "Django", "python")
    (tmp_path / "shop_settings.py").write_text(
        replaced(settings, ("2525", str(served.smtp)), ("the-password", PASSWORD))
    )
    (tmp_path / "send.py").write_text(send)
    python = os.environ.get("MAIL_CLIENTS_PYTHON", "")
    if not python:
        missing("an environment with Django (MAIL_CLIENTS_PYTHON)")
    code, said = await run(
        *("env", f"PYTHONPATH={tmp_path}", "DJANGO_SETTINGS_MODULE=shop_settings"),
        *(python, str(tmp_path / "send.py")),
    )
    assert code == 0, said
    assert await served.text() == TEXT
