"""The SASL exchanges, without a socket: challenges, name and password."""

from __future__ import annotations

import asyncio
import hmac
from base64 import b64decode, b64encode

import pytest

from bridge.smtp.inbound.auth import Credentials, Exchange, read_credentials
from bridge.smtp.reply import AUTH_ABORTED, AUTH_MALFORMED, Refused
from tests.smtp.inbound.test_wire import wire_of
from tests.smtp.standins import NAME, PASSWORD, StandInAccounts


def b64(text: str | bytes) -> str:
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


async def exchange(
    mechanism: str, initial: str | None, *lines: str
) -> tuple[Credentials, list[bytes]]:
    """The result for these lines of a client, and the challenges."""
    wire, pipe = wire_of(*(f"{line}\r\n".encode() for line in lines))
    accounts = StandInAccounts()
    found = await read_credentials(Exchange(wire, "bridge.test", accounts.get), mechanism, initial)
    wire.send()
    return found, [b64decode(line[4:]) for line in pipe.written.splitlines()]


async def refusal(mechanism: str, initial: str | None, *lines: str) -> str:
    with pytest.raises(Refused) as refused:
        await exchange(mechanism, initial, *lines)
    return refused.value.reply


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ("\0crm\0secret", ("crm", "secret")),
        ("crm\0crm\0secret", ("crm", "secret")),
        ("anna@shop.example\0crm\0secret", ("crm", "secret")),
        ("\0crm\0secret\0", ("crm", "secret")),
        ("\0crm\0пароль", ("crm", "пароль")),
        ("\0crm\0", ("crm", "")),
        ("\0\0secret", ("", "secret")),
        ("crm\0secret", ("crm", "secret")),
    ],
)
async def test_plain(message: str, found: tuple[str, str]) -> None:
    assert await exchange("PLAIN", b64(message)) == (found, [])
    assert await exchange("PLAIN", None, b64(message)) == (found, [b""])
    assert await exchange("PLAIN", b64(message).rstrip("=")) == (found, [])


async def test_plain_that_is_no_utf_8_is_a_wrong_password_and_no_error() -> None:
    (name, password), _ = await exchange("PLAIN", b64(b"\0crm\0\xff"))
    assert (name, password) == ("crm", "\ufffd")


async def test_login() -> None:
    answers = [b64("crm"), b64("secret")]
    questions = [b"Username:", b"Password:"]
    assert await exchange("LOGIN", None, *answers) == (("crm", "secret"), questions)
    assert await exchange("LOGIN", *answers) == (("crm", "secret"), questions[1:])
    assert await exchange("LOGIN", "=", answers[1]) == (("", "secret"), questions[1:])


async def test_cram_md5_gives_the_password_for_its_digest_only() -> None:
    wire, pipe = wire_of()
    accounts = StandInAccounts()
    reading = asyncio.ensure_future(
        read_credentials(Exchange(wire, "bridge.test", accounts.get), "CRAM-MD5", None)
    )
    await asyncio.sleep(0)  # until it waits for the answer
    challenge = b64decode(pipe.written[4:])
    assert challenge.endswith(b"@bridge.test>")
    digest = hmac.new(PASSWORD.encode(), challenge, "md5").hexdigest()
    wire.feed(f"{b64(f'{NAME} {digest}')}\r\n".encode())
    assert await reading == (NAME, PASSWORD)
    (name, password), _ = await exchange("CRAM-MD5", None, b64(f"{NAME} {digest}"))
    assert name == NAME
    assert password.startswith("\0")
    (name, password), _ = await exchange("CRAM-MD5", None, b64(f"nobody {digest}"))
    assert password.startswith("\0")


@pytest.mark.parametrize(
    ("mechanism", "initial", "lines"),
    [
        ("PLAIN", "!", ()),
        ("PLAIN", b64("crm"), ()),
        ("PLAIN", b64("\0crm"), ()),
        ("PLAIN", b64("\0crm\0secret\0more"), ()),
        ("PLAIN", "=", ()),
        ("LOGIN", None, (b64("crm"), "é")),
        ("CRAM-MD5", b64("crm 0"), ()),
        ("CRAM-MD5", None, (b64("crm"),)),
    ],
)
async def test_an_answer_that_is_malformed_is_refused(
    mechanism: str, initial: str | None, lines: tuple[str, ...]
) -> None:
    assert await refusal(mechanism, initial, *lines) == AUTH_MALFORMED


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
async def test_the_client_may_change_its_mind(mechanism: str) -> None:
    assert await refusal(mechanism, None, "*") == AUTH_ABORTED
