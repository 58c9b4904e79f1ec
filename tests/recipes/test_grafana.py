"""Grafana, which is on no registry that the tests can use: what it sent comes again.

The webhooks are in grafana.txt, the mails and their texts in the corpus
(``tests/smtp/corpus/grafana_*``); both were recorded on 2026-11-26. Grafana 7.5.5 ran as a server.
Of 11.6 and 12.0 the Alertmanager, contact points, templates and mailer ran in a program that gave
them alerts. Of the HTML only elements, links, texts and what hides them were kept: with its style
sheets it was read as the same text.
"""

from __future__ import annotations

import asyncio
import base64
import configparser
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from bridge.config.settings import Endpoint
from bridge.sandbox import Sandbox
from tests.recipes.pages import DOCS, blocks
from tests.running import running
from tests.serving.daemon import write_config

PHONE = "+380501234567"
CORPUS = Path(__file__).parents[1] / "smtp/corpus"
#: What the recipe adds to the account → the mails.
MAILS = {
    'stop_line = "END"': [
        *("grafana_11_html", "grafana_11_text_and_html", "grafana_11_text", "grafana_12_picture"),
        "grafana_12_no_summary",
    ],
    'text = "{subject}"': ["grafana_7_alerting", "grafana_7_ok"],
}
#: Its commands, and the code of each answer.
COMMANDS = (
    ("EHLO grafana.example.com", 250),
    ("AUTH PLAIN " + base64.b64encode(b"\0crm\0secret12").decode(), 235),
    ("MAIL FROM:<grafana@example.com> BODY=8BITMIME SMTPUTF8", 250),
    ("RCPT TO:<380501234567@sms.example.com>", 250),
    ("DATA", 354),
)


class Webhook(NamedTuple):
    name: str
    request: bytes
    text: str


def webhooks() -> list[Webhook]:
    found: list[Webhook] = []
    written = Path(__file__).with_name("grafana.txt").read_text("utf-8")
    for one in re.split(r"^-- ", written, flags=re.M)[1:]:
        name, *lines, text = one.strip().splitlines()
        request = "\r\n".join(line[2:] for line in lines)
        found.append(Webhook(name, request.encode(), json.loads(text.removeprefix("+ "))))
    return found


def test_the_recipe_of_grafana_is_what_it_was_tried_with() -> None:
    settings, message, template, payload = blocks("recipes.md", "Grafana", "grafana")
    parser = configparser.ConfigParser()
    parser.read_string(settings)
    assert parser["smtp"]["host"] == "127.0.0.1:2525"
    assert parser["emails"]["content_types"] == "text/html,text/plain"
    words = "{{ or .Annotations.summary .Labels.alertname }}"
    each = f"{{{{ range .Alerts }}}}{{{{ .Status }}}}: {words}\n{{{{ end }}}}"
    assert message == f"{each}END\n"
    assert template == f'{{{{ define "sms" }}}}{each}{{{{ end }}}}\n'
    assert payload == (
        '{{ coll.Dict "to" "380501234567" "text" (tmpl.Exec "sms" . | trimSpace) | data.ToJSON }}\n'
    )
    section = (DOCS / "recipes.md").read_text("utf-8").partition("\n## Grafana\n")[2]
    assert all(f"`{account}`" in section for account in MAILS)


async def submit(smtp: Endpoint, mail: bytes) -> None:
    """Submits one mail in a session of its own, command by command."""
    reader, writer = await asyncio.open_connection(smtp.host, smtp.port)

    async def answer() -> int:
        while (line := await reader.readline())[3:4] == b"-":
            pass
        return int(line[:3])

    try:
        async with asyncio.timeout(30):
            assert await answer() == 220
            for command, code in COMMANDS:
                writer.write(command.encode() + b"\r\n")
                assert await answer() == code, command
            writer.write(mail.replace(b"\n", b"\r\n") + b".\r\n")
            assert await answer() == 250
            writer.write(b"QUIT\r\n")
            assert await answer() == 221
    finally:
        writer.close()


def texts(names: Iterable[str]) -> list[str]:
    return [json.loads((CORPUS / f"{name}.json").read_text())["text"] for name in names]


@pytest.mark.parametrize("account", MAILS)
async def test_each_recorded_mail_is_one_short_message(account: str, tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        config = write_config(tmp_path, sandbox.url, account=account)
        async with running(config) as bridge:
            smtp, _ = await bridge.ready()
            for name in MAILS[account]:
                await submit(smtp, (CORPUS / f"{name}.eml").read_bytes())
            messages = await sandbox.wait_for(len(MAILS[account]))
    sent = [(message.phone, message.text) for message in messages]
    assert sent == [(PHONE, text) for text in texts(MAILS[account])]
    assert all(len(text) < 100 for _, text in sent)


async def test_each_recorded_webhook_is_accepted(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        config = write_config(tmp_path, sandbox.url, account='protocols = ["http"]')
        async with running(config) as bridge:
            host, port = (await bridge.event("ready"))["admin"][0].rsplit(":", 1)
            for one in webhooks():
                reader, writer = await asyncio.open_connection(host, int(port))
                async with asyncio.timeout(30):
                    writer.write(one.request)
                    assert (await reader.readline()).split()[1] == b"202", one.name
                writer.close()
            messages = await sandbox.wait_for(len(webhooks()))
    sent = [(message.phone, message.text) for message in messages]
    assert sent == [(PHONE, one.text) for one in webhooks()]
