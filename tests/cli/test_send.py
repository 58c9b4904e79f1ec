"""``send`` through a running bridge, by SMTP and SMPP: Cascade's messages, and exit codes."""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio

from bridge import cli
from bridge.config.settings import Endpoint
from bridge.sandbox import Sandbox
from tests.serving.daemon import run, serving, write_config
from tests.smtp.conftest import Certificate, certificate  # noqa: F401 - a fixture
from tests.support import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

NUMBER, OTHER = "+380501234567", "+380671234567"
BOTH = pytest.mark.parametrize("by", ["smtp", "smpp"])
ACCEPTED = {
    "smtp": re.compile(r"250 2\.0\.0 OK - (?P<parts>\d) SMS, ID - (?P<id>\d+)\n"),
    "smpp": re.compile(r"submit_sm_resp ESME_ROK \(0x00\), message_id (?P<id>\d+)\n"),
}


class Running(NamedTuple):
    """A running bridge, its sandbox, and their configuration."""

    config: Path
    sandbox: Sandbox
    smtp: Endpoint
    smpp: Endpoint

    async def send(self, by: str, *arguments: str, input: str = "") -> tuple[int, str]:
        """``cascade-bridge send`` from a machine without a configuration."""
        server = str(self.smtp if by == "smtp" else self.smpp)
        return await send("--by", by, "--server", server, *arguments, input=input)


async def send(*arguments: str, input: str = "") -> tuple[int, str]:
    """The exit code and the output; runs in this process, which is faster."""
    output = io.StringIO()
    with (
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(output),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr("sys.stdin", io.StringIO(input))
        code = await asyncio.to_thread(cli.run, ["send", *arguments])
    return code, output.getvalue()


CRM = ("-a", "crm", "--password", "secret12")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bridge(
    tmp_path_factory: pytest.TempPathFactory,
    certificate: Certificate,  # noqa: F811 - the fixture that was imported
) -> AsyncIterator[Running]:
    folder = tmp_path_factory.mktemp("send")
    tls = f'certificate = "{certificate.certificate}"\nprivate_key = "{certificate.private_key}"'
    more = 'senders = ["Shop UA"]\n[accounts.few]\npassword = "secret12"\nsender = "Few"\n'
    more += "daily_limit = 1"
    async with Sandbox() as sandbox:
        config = write_config(folder, sandbox.url, tls, more)
        async with serving(config) as running:
            yield Running(config, sandbox, *await running.ready())


@pytest.fixture(autouse=True)
def _nothing_was_sent(bridge: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    bridge.sandbox.clear()
    # These may be set on a developer's machine.
    monkeypatch.setenv("CASCADE_BRIDGE_CONFIG", "/no/such/file")
    monkeypatch.delenv("CASCADE_BRIDGE_PASSWORD", raising=False)


@pytest.mark.filterwarnings("ignore::getpass.GetPassWarning")
async def test_secrets_of_the_service_alone_are_not_needed(bridge: Running, tmp_path: Path) -> None:
    """Members of the group read the configuration, and not the credentials of the service."""
    config = tmp_path / "bridge.toml"
    text = bridge.config.read_text().replace('"127.0.0.1:0"', f'"{bridge.smtp}"', 1)
    assert str(bridge.smtp) in text
    text = re.sub(
        r"^( *(?:authorization_key|password)) = .*", r'\1 = "credential:no-such"', text, flags=re.M
    )
    config.write_text(text)
    code, output = await send(
        "--config", str(config), "-a", "crm", NUMBER, "-t", "x", input="secret12\n"
    )
    assert (code, bool(ACCEPTED["smtp"].search(output))) == (0, True), output


@BOTH
async def test_an_accepted_message_ends_with_0_and_its_id(bridge: Running, by: str) -> None:
    code, output = await bridge.send(by, *CRM, NUMBER, "-t", "Ваш код 493817")
    assert code == 0, output
    [message] = bridge.sandbox.messages
    accepted = ACCEPTED[by].fullmatch(output)
    assert accepted, output
    assert accepted["id"] == message.id
    assert (message.phone, message.text) == (NUMBER, "Ваш код 493817")
    assert message.item["fromName"] == "Shop"


@BOTH
async def test_the_bridge_may_have_an_ipv6_address(
    bridge: Running, by: str, tmp_path: Path
) -> None:
    config = write_config(tmp_path, bridge.sandbox.url)
    config.write_text(config.read_text().replace("127.0.0.1:0", "[::1]:0"))
    async with serving(config) as running:
        smtp, smpp = await running.ready()
        server = str(smtp if by == "smtp" else smpp)
        code, output = await send("--by", by, "--server", server, *CRM, NUMBER, "-t", "x")
        assert code == 0, output
        assert await running.terminate() == 0


@BOTH
async def test_it_is_a_command_of_the_shell(bridge: Running, by: str) -> None:
    server = str(bridge.smtp if by == "smtp" else bridge.smpp)
    command = (sys.executable, "-m", "bridge.cli", "send", "--by", by, "--server", server)
    assert (await run(*command, *CRM, NUMBER, input="Hello\n"))[0] == 0
    code, output = await run(*command, *CRM, "12345", input="Hello\n")
    assert code == 65
    assert len(output.splitlines()) == 1
    assert [message.text.rstrip() for message in bridge.sandbox.messages] == ["Hello"]


@BOTH
async def test_several_numbers(bridge: Running, by: str) -> None:
    code, output = await bridge.send(by, *CRM, NUMBER, OTHER, "-t", "Hello")
    assert code == 0, output
    # One mail with one answer, but a submit_sm for each number.
    assert len(output.splitlines()) == {"smtp": 1, "smpp": 2}[by]
    assert {message.phone for message in bridge.sandbox.messages} == {NUMBER, OTHER}


@BOTH
async def test_the_text_may_come_from_standard_input(bridge: Running, by: str) -> None:
    code, output = await bridge.send(by, *CRM, NUMBER, input="Disk full on db1\n/var 98 %\n")
    assert code == 0, output
    [message] = bridge.sandbox.messages
    assert message.text.rstrip("\n") == "Disk full on db1\n/var 98 %"


@BOTH
@pytest.mark.parametrize(("letter", "parts"), [("a", 3), ("ї", 7)])
async def test_a_long_text_arrives_whole(bridge: Running, by: str, letter: str, parts: int) -> None:
    text = " ".join([letter * 40] * 11)
    code, output = await bridge.send(by, *CRM, NUMBER, "-t", text)
    assert code == 0, output
    [message] = bridge.sandbox.messages
    assert message.text == text
    assert by == "smpp" or f"OK - {parts} SMS" in output


async def test_a_survey_has_its_options(bridge: Running) -> None:
    survey = ("--type", "viber_survey", "--option", "Yes", "--option", "No, thanks")
    code, output = await bridge.send("smtp", *CRM, NUMBER, "-t", "Happy?", *survey)
    assert code == 0, output
    [message] = bridge.sandbox.messages
    assert message.item["messageType"] == "viber_survey"
    assert message.item["surveyOptions"] == ["Yes", "No, thanks"]


@BOTH
async def test_sender_type_and_validity_are_told(bridge: Running, by: str) -> None:
    told = ("--sender", "Shop UA", "--type", "promo", "--ttl", "5400")
    code, output = await bridge.send(by, *CRM, NUMBER, "-t", "Sale", *told)
    assert code == 0, output
    item = bridge.sandbox.messages[0].item
    assert (item["fromName"], item["messageType"]) == ("Shop UA", "promo")
    assert 5390 <= item["ttl"] <= 5400


async def test_a_reference_is_kept(bridge: Running) -> None:
    code, output = await bridge.send("smtp", *CRM, NUMBER, "-t", "x", "--reference", "order 7")
    assert code == 0, output
    with contextlib.closing(sqlite3.connect(bridge.config.with_name("bridge.db"))) as store:
        found = store.execute(
            "SELECT reference FROM message WHERE id = ?", (bridge.sandbox.messages[0].id,)
        )
        assert found.fetchall() == [("order 7",)]


async def test_by_starttls_with_the_servers_name_checked(
    bridge: Running,
    certificate: Certificate,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, output = await bridge.send("smtp", *CRM, NUMBER, "-t", "x", "--tls")
    assert (code, "certificate verify failed" in output) == (69, True), output
    assert "Traceback" not in output
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))
    code, output = await bridge.send("smtp", *CRM, NUMBER, "-t", "x", "--tls")
    assert (code, bridge.sandbox.message_count) == (0, 1), output


# --- what is refused -----------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((*CRM, "12345", "-t", "x"), 65, ("550 5.1.3 ERROR = 7", "ESME_RINVDSTADR (0x0B)")),
        (
            (*CRM, NUMBER, "-t", "x", "--sender", "Bank"),
            65,
            ("550 5.7.1 ERROR = 6", "ESME_RINVSRCADR (0x0A)"),
        ),
        (
            ("-a", "crm", "--password", "guess", NUMBER, "-t", "x"),
            77,
            ("535 5.7.8 ERROR = 2", "bind_transmitter_resp ESME_RINVPASWD (0x0E)"),
        ),
        (
            ("-a", "nobody", "--password", "secret12", NUMBER, "-t", "x"),
            77,
            ("535 5.7.8 ERROR = 2", "bind_transmitter_resp ESME_RINVPASWD (0x0E)"),
        ),
    ],
)
async def test_a_refusal_is_shown_word_for_word(
    bridge: Running, by: str, arguments: tuple[str, ...], code: int, said: tuple[str, str]
) -> None:
    ended, output = await bridge.send(by, *arguments)
    assert ended == code, output
    assert said[by == "smpp"] in output
    assert bridge.sandbox.message_count == 0


async def test_a_message_without_a_text_is_refused(bridge: Running) -> None:
    code, output = await bridge.send("smpp", *CRM, NUMBER, "-t", " ")
    assert (code, bridge.sandbox.message_count) == (65, 0)
    assert "ESME_RINVMSGLEN (0x01)" in output


@BOTH
async def test_what_the_api_refuses_is_refused(bridge: Running, by: str) -> None:
    bridge.sandbox.fault("400", phones=[NUMBER], code="INVALID_SENDER")
    try:
        code, output = await bridge.send(by, *CRM, NUMBER, "-t", "x")
    finally:
        bridge.sandbox.clear_faults()
    assert code == 65
    assert {"smtp": "550 5.7.1 ERROR = 6", "smpp": "ESME_RINVSRCADR (0x0A)"}[by] in output


async def test_one_wrong_number_of_two_is_told(bridge: Running) -> None:
    code, output = await bridge.send("smtp", *CRM, NUMBER, "12345", "-t", "x")
    assert (code, bridge.sandbox.message_count) == (0, 1)
    assert "250 2.0.0 OK - 1 SMS" in output
    assert "[and at RCPT: 550 5.1.3 ERROR = 7 (wrong phone number)]" in output
    code, output = await bridge.send("smpp", *CRM, NUMBER, "12345", "-t", "x")
    assert (code, bridge.sandbox.message_count) == (65, 2)
    assert "ESME_ROK" in output
    assert "ESME_RINVDSTADR" in output


@BOTH
async def test_what_may_be_tried_again_ends_with_75(bridge: Running, by: str) -> None:
    few = ("-a", "few", "--password", "secret12")
    code, output = await bridge.send(by, *few, NUMBER, OTHER, NUMBER, "-t", by)
    assert code == 75, output
    assert {"smtp": "451 4.7.1 ERROR = 9", "smpp": "ESME_RTHROTTLED (0x58)"}[by] in output


@BOTH
async def test_no_server_ends_with_69(by: str) -> None:
    server = f"127.0.0.1:{free_port()}"
    code, output = await send("--by", by, "--server", server, *CRM, NUMBER, "-t", "x")
    assert code == 69, output
    assert output.startswith(f"Error: {server}: ")
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*CRM, NUMBER, "-t", "x"), "give --server: no configuration that this user can read has"),
        (("--server", "here", *CRM, NUMBER, "-t", "x"), "'here' is not an address"),
        (("--server", "127.0.0.1:1", NUMBER, "-t", "x"), "give --account"),
        ((*CRM, "-t", "x"), "Missing argument 'NUMBER...'"),
        (("--by", "smpp", "--server", "127.0.0.1:1", *CRM, NUMBER, "--tls"), "--by smtp"),
        (("--by", "smpp", "--server", "127.0.0.1:1", *CRM, NUMBER, "--option", "a"), "--by smtp"),
        (
            ("--server", "127.0.0.1:1", "-a", "crm", "--password", "file:/no/such", NUMBER),
            "--password needs file:/no/such",
        ),
    ],
)
async def test_wrong_usage_ends_with_64(arguments: tuple[str, ...], said: str) -> None:
    code, output = await send(*arguments)
    assert (code, said in output) == (64, True), output


# --- where the rest comes from -------------------------------------------------------------------


@BOTH
async def test_options_default_to_the_configuration(
    bridge: Running, by: str, tmp_path: Path
) -> None:
    config = tmp_path / "bridge.toml"
    text = bridge.config.read_text()
    # The ports that the system chose, and one account.
    for endpoint in (bridge.smtp, bridge.smpp):
        text = text.replace("127.0.0.1:0", str(endpoint), 1)
    config.write_text(text[: text.index("[accounts.few]")])
    code, output = await send("--config", str(config), "--by", by, NUMBER, "-t", "x")
    assert (code, bridge.sandbox.message_count) == (0, 1), output


async def test_a_configuration_that_was_named_must_be_there(bridge: Running) -> None:
    code, output = await send("--config", "/no/such/file", NUMBER, "-t", "x")
    assert code == 78
    assert "/no/such/file: found no readable file" in output


async def test_the_password_may_be_in_a_file_or_the_environment(
    bridge: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret12\n")
    say = ("-a", "crm", NUMBER, "-t", "x")
    for given in ((f"--password=file:{secret}",), ("--password=env:OTHER_NAME",), ()):
        monkeypatch.setenv("OTHER_NAME", "secret12")
        monkeypatch.setenv("CASCADE_BRIDGE_PASSWORD", "secret12")
        code, output = await bridge.send("smtp", *say, *given)
        assert code == 0, output
