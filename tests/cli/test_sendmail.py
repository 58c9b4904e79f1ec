"""``sendmail``: the options and exit codes of /usr/sbin/sendmail, whose callers hand over mails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.sandbox import Sandbox
from tests.night_calls.asking import said
from tests.running import Running, execute, running
from tests.serving.clients import change
from tests.serving.daemon import write_config
from tests.support import free_port

TO, BCC = "380501234567@sms.example.com", "380671234567@sms.example.com"


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Running]:
    trusted = 'trusted_networks = ["127.0.0.1"]'
    async with running(write_config(tmp_path, sandbox.url, account=trusted)) as bridge:
        yield bridge


async def sendmail(bridge: Running, mail: str, *options: str) -> tuple[int, str]:
    return await execute(
        "sendmail", "--server", str((await bridge.ready())[0]), *options, input=mail
    )


async def test_recipients_are_arguments_or_those_of_the_mail(
    bridge: Running, sandbox: Sandbox
) -> None:
    mail = f"To: {TO}\nBcc: {BCC}\n\nServer down\n"
    assert await sendmail(bridge, mail, "-t") == (0, "")
    assert {one.phone for one in sandbox.messages} == {"+380501234567", "+380671234567"}
    sandbox.clear()
    assert await sendmail(bridge, mail.replace("down", "up"), TO) == (0, "")
    assert [one.phone for one in sandbox.messages] == ["+380501234567"]
    assert await sendmail(bridge, "\nx\n") == (64, "Error: There is no recipient.\n")


async def test_a_dot_alone_ends_the_mail_unless_i_is_given(
    bridge: Running, sandbox: Sandbox
) -> None:
    mail = "\nfirst\n.\n..second\n"
    for options in ((), ("-i",), ("-oi",)):
        assert (await sendmail(bridge, mail, *options, TO))[0] == 0
    first, *others = [one.text for one in sandbox.messages]
    assert first == "first"
    assert others == ["first\n.\n..second"] * 2


async def test_sender_and_name_are_those_of_the_options(bridge: Running, sandbox: Sandbox) -> None:
    change(bridge, ("[accounts.crm]", '[accounts.crm]\ntext = "{subject}: {body}"'))
    await said(bridge, "reload")
    mail = "Subject: disk\n\nfull\n"
    options = ("-F", 'Cron "daemon" Анна', "-f", "root@db1.example", "-om")
    assert await sendmail(bridge, mail, *options, TO) == (0, "")
    [message] = sandbox.messages
    assert message.text == "disk: full"


async def test_a_group_with_a_name_of_any_letters_is_a_recipient(
    bridge: Running, sandbox: Sandbox
) -> None:
    await said(bridge, "groups", "add", "ніч")
    await said(bridge, "contacts", "add", "+380501234567", "--group", "ніч")
    assert await sendmail(bridge, "\nalarm\n", "ніч@sms.example.com") == (0, "")
    await sandbox.wait_for(1)


async def test_a_refusal_is_65_with_the_reply_for_each_recipient(
    bridge: Running, sandbox: Sandbox
) -> None:
    code, output = await sendmail(bridge, "\nx\n", "12345@sms.example.com")
    assert code == 65
    assert output.startswith("12345@sms.example.com: 550 5.1.3 ERROR = 7 (wrong phone number)")
    code, output = await sendmail(bridge, "\nx\n", TO, "12345@sms.example.com")
    assert (code, sandbox.message_count) == (65, 1)
    code, output = await sendmail(bridge, "\n\n", TO)
    assert (code, output.startswith("Error: 554 5.6.0 ")) == (65, True), output


async def test_for_what_may_pass_the_caller_keeps_the_mail(
    bridge: Running, sandbox: Sandbox
) -> None:
    change(bridge, ("[accounts.crm]", "[accounts.crm]\ndaily_limit = 1"))
    await said(bridge, "reload")
    assert (await sendmail(bridge, "\nx\n", TO))[0] == 0
    code, output = await sendmail(bridge, "\ny\n", TO)
    assert (code, "451 4.7.1" in output) == (75, True), output
    nobody = f"127.0.0.1:{free_port()}"
    for mode in ("-bm", "-bs"):
        code, output = await execute("sendmail", "--server", nobody, mode, TO, input="\nx\n")
        assert code == 75
        assert output.startswith(f"Error: {nobody}: ")


async def test_smtp_on_standard_input_is_passed_on(bridge: Running, sandbox: Sandbox) -> None:
    dialogue = f"EHLO x\nMAIL FROM:<a@b.example>\nRCPT TO:<{TO}>\nDATA\n\nby -bs\n.\nQUIT\n"
    code, output = await sendmail(bridge, dialogue.replace("\n", "\r\n"), "-bs")
    assert code == 0
    assert "250 2.0.0 OK - 1 SMS" in output
    assert output.splitlines()[-1].startswith("221 ")
    await sandbox.wait_for(1)


async def test_the_address_comes_from_the_configuration(bridge: Running, sandbox: Sandbox) -> None:
    smtp = (await bridge.ready())[0]
    first = bridge.config.read_text().replace("127.0.0.1:0", f"0.0.0.0:{smtp.port}", 1)
    bridge.config.write_text(first)
    assert await bridge.command("sendmail", TO, input="\nx\n") == (0, "")
    assert sandbox.message_count == 1
    code, output = await execute("sendmail", "--config", "/no/such.toml", TO, input="\nx\n")
    assert (code, "/no/such.toml" in output) == (78, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-bp",), "-bp is not offered: -bm and -bs are."),
        (("--server", "localhost", TO), "'localhost' is not"),
    ],
)
async def test_wrong_usage_is_explained(options: tuple[str, ...], words: str) -> None:
    code, output = await execute("sendmail", *options)
    assert (code, words in output) == (64, True), output
