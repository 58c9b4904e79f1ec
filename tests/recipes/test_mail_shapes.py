"""Mails in the form of programs that cannot be installed here, sent as those programs send them.

The mails are in the corpus (``tests/smtp/corpus``), where their texts stand beside them. SAP and 1C
are not free.
"""

from __future__ import annotations

import asyncio
import json
import smtplib
from pathlib import Path

import pytest

from bridge.sandbox import Sandbox
from tests.serving.daemon import serving, write_config

CORPUS = Path(__file__).parents[1] / "smtp/corpus"
NUMBER = "380501234567@sms.example.com"
#: SAPconnect's conversion of a phone number for its communication method SMS.
SAP_NUMBER = "SMS=+380501234567@sms.example.com"
#: System → the recipient in its form, and its mails.
SYSTEMS = {
    "SAP": (
        SAP_NUMBER,
        ["sap_connect_sms_address_with_pdf", "sap_netweaver_quoted_printable_alone"],
    ),
    "1C": (NUMBER, ["one_c_mixed_alternative_koi8_r", "one_c_uk_windows_1251_base64"]),
}


@pytest.mark.parametrize("system", SYSTEMS)
async def test_its_mails_reach_the_phone_in_one_session(system: str, tmp_path: Path) -> None:
    recipient, names = SYSTEMS[system]
    account = 'trusted_networks = ["127.0.0.1/32"]'

    def send(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
            for name in names:
                mail = (CORPUS / f"{name}.eml").read_bytes()
                client.sendmail("system@example.com", [recipient], mail)

    async with Sandbox() as sandbox:
        config = write_config(tmp_path, sandbox.url, account=account)
        async with serving(config) as bridge:
            smtp, _ = await bridge.ready()
            await asyncio.to_thread(send, smtp.port)
            messages = await sandbox.wait_for(len(names), timeout=60)
    texts = [json.loads((CORPUS / f"{name}.json").read_text())["text"] for name in names]
    assert [(message.phone, message.text) for message in messages] == [
        ("+380501234567", text) for text in texts
    ]
