"""``explain``: how a recipient or a mail would be handled, and why."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pytest

from bridge.cli import Exit, run
from bridge.config import load
from bridge.model.contact import Contact, Group
from bridge.smtp.reply_address import reply_addresses_of
from bridge.store.directory.contacts import add_contact
from bridge.store.directory.groups import add_group
from bridge.store.sqlite.engine import SqliteStore
from tests.cli.stores import write_store

CONFIG = """
cascade.authorization_key = "key"
smtp.smsc_address = "send"
hooks.secret = "long-enough-for-a-path"
[accounts.crm]
password = "secret12"
sender = "Shop"
countries = ["UA"]
"""

MAIL = """\
From: erp@example.com
To: =?utf-8?B?0JzQsNGA0ZbRjw==?= <0501234567@sms.example.com>, 12@sms.example.com
Cc: +380671234567+promo@sms.example.com
Subject: Order
Content-Type: text/plain; charset=utf-8
X-Cascade-TTL: 2h

Your order is ready.
--\x20
ERP
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "bridge.toml"
    path.write_text(CONFIG)
    return str(path)


@pytest.fixture
def reply_address(config: str) -> str:
    """A reply address of the bridge of ``config``."""
    replies = reply_addresses_of(load(Path(config)))
    assert replies is not None
    return replies.address("crm", "+380501234567", "Shop", time.time())


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    path = tmp_path / "mail.eml"
    path.write_text(MAIL)
    return path


@pytest.mark.parametrize(
    ("address", "code", "said"),
    [
        ("380501234567@sms.example.com", Exit.OK, "the number +380501234567 (international form)"),
        ("0501234567@sms.example.com", Exit.OK, "+380501234567 (national form of UA)"),
        ("<+380501234567+promo@sms.example.com>", Exit.OK, "promo (by its tag)"),
        ("380501234567+tgviber@sms.example.com", Exit.OK, "tg-viber (by its tag)"),
        ("send@sms.example.com", Exit.OK, "the SMSC line"),
        ("12@sms.example.com", Exit.DATA, "550 5.1.3 ERROR = 7 (wrong phone number)"),
        ("team@sms.example.com", Exit.DATA, "550 5.1.1 ERROR = 3"),
        ("48501234567@sms.example.com", Exit.DATA, "country not allowed"),
        ("380501234567+x@sms.example.com", Exit.DATA, "unknown or second tag"),
        ("380501234567@example.org", Exit.DATA, "example.org: not in smtp.domains"),
        ("380501234567", Exit.DATA, "553 5.1.3 The address needs a domain"),
        ("a@b@c", Exit.DATA, "553 5.1.3 Malformed address"),
    ],
)
def test_an_address(
    config: str, capsys: pytest.CaptureFixture[str], address: str, code: Exit, said: str
) -> None:
    assert run(["explain", "--config", config, address]) == code
    assert said in capsys.readouterr().out


def test_a_mail(config: str, mail: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "--config", config, "--mail", str(mail)]) == Exit.DATA
    out = capsys.readouterr().out
    assert "12@sms.example.com: refused, 550 5.1.3" in out
    assert "Your order is ready.\n" in out
    assert "part     text/plain\n" in out
    assert "charset  utf-8 (declared as utf-8)\n" in out
    assert "cut      8 characters: signature or footer\n" in out
    assert "to +380501234567, from Shop, transaction, async, 1 SMS, valid for 2 h" in out
    assert "to +380671234567, from Shop, promo, async, 1 SMS, valid for 2 h" in out


def test_a_mail_says_which_part_charset_and_cuts_were_chosen(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mail = tmp_path / "reply.eml"
    mail.write_bytes(
        b"To: 0501234567@sms.example.com\nSubject: Re: x\n"
        b"Content-Type: multipart/alternative; boundary=b\n\n--b\n\n\n--b\n"
        b"Content-Type: text/html; charset=windows-1251\n\n"
        + "<p>Так.</p><p>26.11.2026, Іван &lt;i@e.com&gt;:</p><blockquote>?</blockquote>".encode()
        + b"\n--b--\n"
    )
    assert run(["explain", "--config", config, "--mail", str(mail)]) == Exit.OK
    out = capsys.readouterr().out
    assert "part     part 2, text/html\n" in out
    assert "charset  utf-8 (declared as windows-1251, which is wrong)\n" in out
    assert "characters: quotation under an attribution\n" in out
    assert "text     Так.\n" in out


def test_a_mail_to_other_recipients(
    config: str, mail: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = "380991234567@sms.example.com"
    assert run(["explain", "--config", config, "--mail", str(mail), address]) == Exit.OK
    out = capsys.readouterr().out
    assert "to +380991234567" in out
    assert "0501234567" not in out


def test_a_mail_on_standard_input_with_the_smsc_line(
    config: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = b"\n:key:7:0:0,0,,1:+380501234567,G5:\xf0\xd2\xc9\xd7\xc5\xd4"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(line)))
    address = "send@sms.example.com"
    assert run(["explain", "--config", config, "--mail", "-", address]) == Exit.DATA
    out = capsys.readouterr().out
    assert "(an API key)" in out
    assert "nothing is sent" in out
    assert "Привет" in out
    assert "G5: 550 5.1.1" in out


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"X-Cascade-TTL: soon\n\ntext", "bad validity: X-Cascade-TTL"),
        (b"\n", "no text"),
        (b"Content-Type: multipart/encrypted\n\n", "encrypted"),
        (b"\n" + b"x" * 11_000_000, "552 5.3.4"),
    ],
)
def test_a_mail_that_would_be_refused(
    config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], octets: bytes, said: str
) -> None:
    (tmp_path / "bad.eml").write_bytes(octets)
    arguments = ["explain", "--config", config, "--mail", str(tmp_path / "bad.eml")]
    assert run([*arguments, "380501234567@sms.example.com"]) == Exit.DATA
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], Exit.USAGE),
        (["--account", "nobody", "380501234567@sms.example.com"], Exit.NO_USER),
        (["--mail", "/nowhere/mail"], Exit.NO_INPUT),
        (["--mail", "/dev/null"], Exit.USAGE),
    ],
)
def test_what_cannot_be_explained(config: str, arguments: list[str], code: Exit) -> None:
    assert run(["explain", "--config", config, *arguments]) == code


def test_an_account_must_be_named_where_there_are_two(config: str) -> None:
    path = Path(config)
    path.write_text(path.read_text() + '[accounts.erp]\npassword = "x"\nsender = "ERP"\n')
    address = "380501234567@sms.example.com"
    assert run(["explain", "--config", config, address]) == Exit.USAGE
    assert run(["explain", "--config", config, "-a", "erp", address]) == Exit.OK


@pytest.fixture
def with_groups(tmp_path: Path) -> str:
    """The configuration of a store with a group of two numbers and an empty one."""

    async def fill(store: SqliteStore) -> None:
        night = await store.change(add_group, "crm", Group(0, "Night shift", 7, 0, "", 1))
        await store.change(add_group, "crm", Group(0, "Nobody"))
        for phone in ("+380501234567", "+380671234567"):
            contact = Contact(0, (phone,), groups=(night,))
            await store.change(add_contact, "crm", contact)

    config = write_store(tmp_path, fill)
    config.write_text(config.read_text() + "message_type = 'promo'\n[smtp]\n")
    return str(config)


@pytest.mark.parametrize("local", ["g7", "night.shift", '"Night shift"', "g7+transaction"])
def test_a_group_says_how_many_it_reaches(
    with_groups: str, capsys: pytest.CaptureFixture[str], local: str
) -> None:
    assert run(["explain", "--config", with_groups, f"{local}@sms.example.com"]) == Exit.OK
    out = capsys.readouterr().out
    assert "the group Night shift (g7) of 2 contacts, at most 1 SMS" in out
    assert ("transaction (by its tag)" in out) == ("+" in local)


@pytest.mark.parametrize("local", ["nobody", "g8"])
def test_an_empty_or_unknown_group_is_refused(
    with_groups: str, capsys: pytest.CaptureFixture[str], local: str
) -> None:
    assert run(["explain", "--config", with_groups, f"{local}@sms.example.com"]) == Exit.DATA
    assert "550 5.1.1 ERROR = 3" in capsys.readouterr().out


def test_a_mail_to_a_group_shows_a_message_for_each_number(
    with_groups: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mail = tmp_path / "mail.eml"
    mail.write_text("To: g7@sms.example.com, 380991234567@sms.example.com\n\nFire in room 5")
    assert run(["explain", "--config", with_groups, "--mail", str(mail)]) == Exit.OK
    out = capsys.readouterr().out
    assert "the group Night shift (g7) of 2 contacts" in out
    for phone in ("+380501234567", "+380671234567", "+380991234567"):
        assert f"to {phone}, from Shop, promo, async, 1 SMS" in out


def test_a_reply_address_says_who_is_answered_and_until_when(
    config: str, reply_address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["explain", reply_address, "--config", config]) == Exit.OK
    said = capsys.readouterr().out
    assert "an answer to +380501234567 from Shop of crm, without a login" in said
    assert "until" in said
    answer = tmp_path / "answer.eml"
    answer.write_text("Subject: Re: x\nX-Cascade-Sender: Other\n\nAt ten.\n\n> When?\n")
    code = run(["explain", reply_address, "--mail", str(answer), "--config", config])
    said = capsys.readouterr().out
    assert code == Exit.OK, said
    assert "At ten." in said
    assert "When" not in said
