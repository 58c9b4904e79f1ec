"""Dialogues of real clients outside of the specifications, and the right replies.

Each dialogue was recorded from an appliance, a library or a server, and rewritten with our
addresses. If the right reply is a choice, the reason is given.
"""

from __future__ import annotations

from base64 import b64encode
from typing import NamedTuple

import pytest

from tests.smtp.client import MAIL, connected
from tests.smtp.standins import ID, NAME, PASSWORD, StandInAccounts, running


class Dialogue(NamedTuple):
    """``lines`` are sent after ``start``; ``reply`` answers the last of them."""

    kind: str
    start: str
    lines: tuple[bytes, ...]
    reply: str
    why: str = ""


def b64(text: str) -> bytes:
    return b64encode(text.encode())


RCPT = b"RCPT TO:<380501234567@sms.example.com>"
MAIL_FROM = b"MAIL FROM:<a@example.com>"
NOTHING, GREETED, LOGGED_IN = "nothing", "EHLO", "EHLO and AUTH"

NAME_UNUSED = "nothing depends on the client's name, and a mail that must go out is worth more"
PATH_CLEAR = "which address is meant is clear, and a refusal would lose the alarm"
DSN_HINT = "ORCPT only decorates reports; DSN's parameters are never a reason to refuse a mail"

DIALOGUES = [
    Dialogue(
        "host name in windows-1251",
        NOTHING,
        (b"EHLO " + "Дмитрий-ПК".encode("cp1251"),),
        "250",
        NAME_UNUSED,
    ),
    Dialogue("host name in koi8-r", NOTHING, (b"HELO " + "сервер".encode("koi8-r"),), "250"),
    Dialogue("no host name", NOTHING, (b"EHLO",), "250", NAME_UNUSED),
    Dialogue("no host name, a blank", NOTHING, (b"HELO ",), "250", NAME_UNUSED),
    Dialogue("a tab before the host name", NOTHING, (b"EHLO\tprinter",), "250"),
    Dialogue("lower case", NOTHING, (b"ehlo printer",), "250"),
    Dialogue("NOOP in another charset", GREETED, (b"NOOP \xff\xfe",), "250"),
    Dialogue("VRFY in another charset", GREETED, (b"VRFY \xe0\xe1",), "252"),
    Dialogue("VRFY of nobody", GREETED, (b"VRFY",), "501"),
    Dialogue("HELP in another charset", GREETED, (b"HELP \xe0\xe1",), "214"),
    Dialogue(
        "display name inside the brackets, as keepalived writes it",
        LOGGED_IN,
        (b"MAIL FROM:<LB one <keepalived@lb1.example.com>>",),
        "250",
    ),
    Dialogue(
        "display name before the brackets",
        LOGGED_IN,
        (b'MAIL FROM:"LB one" <keepalived@lb1.example.com>',),
        "250",
        PATH_CLEAR,
    ),
    Dialogue("double brackets", LOGGED_IN, (b"MAIL FROM:<<a@example.com>>",), "250", PATH_CLEAR),
    Dialogue(
        "display name of a recipient",
        LOGGED_IN,
        (MAIL_FROM, b"RCPT TO:<Duty <380501234567@sms.example.com>>"),
        "250",
    ),
    Dialogue(
        "display name in windows-1251",
        LOGGED_IN,
        (b'MAIL FROM:"' + "Тривога".encode("cp1251") + b'" <a@example.com>',),
        "250",
        PATH_CLEAR,
    ),
    Dialogue("blanks inside the brackets", LOGGED_IN, (b"MAIL FROM:< a@example.com >",), "250"),
    Dialogue("a blank before the colon", LOGGED_IN, (b"MAIL FROM :<a@example.com>",), "250"),
    Dialogue("no blank before SIZE", LOGGED_IN, (b"MAIL FROM:<a@example.com>SIZE=9",), "250"),
    Dialogue(
        "quotes inside the brackets, as Outlook writes them",
        LOGGED_IN,
        (MAIL_FROM, b"RCPT TO:<'380501234567@sms.example.com'>"),
        "250",
        PATH_CLEAR,
    ),
    Dialogue(
        "a number with the scheme of a link",
        LOGGED_IN,
        (MAIL_FROM, b"RCPT TO:<tel:+380501234567@sms.example.com>"),
        "250",
        PATH_CLEAR,
    ),
    Dialogue(
        "an address in koi8-r",
        LOGGED_IN,
        (b"MAIL FROM:<" + "дима".encode("koi8-r") + b"@example.com> SMTPUTF8",),
        "553",
        "SMTPUTF8 is UTF-8, and a report could not be sent there",
    ),
    Dialogue("brackets that do not close", LOGGED_IN, (b"MAIL FROM:<a <b@example.com>",), "553"),
    Dialogue(
        "a bracket that does not close",
        LOGGED_IN,
        (b"MAIL FROM:<a@example.com",),
        "250",
        PATH_CLEAR,
    ),
    Dialogue("a bracket too many", LOGGED_IN, (b"MAIL FROM:<a@example.com>>",), "250", PATH_CLEAR),
    Dialogue("a semicolon behind", LOGGED_IN, (b"MAIL FROM:<a@example.com>;",), "250", PATH_CLEAR),
    Dialogue(
        "AUTH PLAIN without authzid and its NUL",
        GREETED,
        (b"AUTH PLAIN " + b64(f"{NAME}\0{PASSWORD}"),),
        "235",
        "which field is which is clear",
    ),
    Dialogue("sender without brackets and domain", LOGGED_IN, (b"MAIL FROM: megaraid",), "250"),
    Dialogue("sender with an empty domain", LOGGED_IN, (b"MAIL FROM:<user@>",), "250"),
    Dialogue("empty sender without brackets", LOGGED_IN, (b"MAIL FROM:",), "250"),
    Dialogue("recipient without a domain", LOGGED_IN, (MAIL_FROM, b"RCPT TO: megaraid"), "553"),
    Dialogue(
        "AUTH PLAIN for a mail address",
        GREETED,
        (b"AUTH PLAIN " + b64(f"alerts@example.com\0{NAME}\0{PASSWORD}"),),
        "235",
        "the authzid gives no rights here: the account acts for itself",
    ),
    Dialogue(
        "AUTH PLAIN for a mail address, a wrong password",
        GREETED,
        (b"AUTH PLAIN " + b64(f"x@example.com\0{NAME}\0wrong"),),
        "535",
    ),
    Dialogue(
        "AUTH PLAIN with a NUL behind",
        GREETED,
        (b"AUTH PLAIN " + b64(f"\0{NAME}\0{PASSWORD}\0"),),
        "235",
    ),
    Dialogue(
        "AUTH PLAIN with a NUL behind a wrong password",
        GREETED,
        (b"AUTH PLAIN " + b64(f"\0{NAME}\0wrong\0"),),
        "535",
    ),
    Dialogue(
        "AUTH PLAIN with a line end behind, as echo writes it",
        GREETED,
        (b"AUTH PLAIN " + b64(f"\0{NAME}\0{PASSWORD}\n"),),
        "235",
        "no password ends in a line end",
    ),
    Dialogue(
        "AUTH LOGIN with line ends behind",
        GREETED,
        (b"AUTH LOGIN", b64(f"{NAME}\n"), b64(f"{PASSWORD}\r\n")),
        "235",
    ),
    Dialogue(
        "AUTH LOGIN without padding",
        GREETED,
        (b"AUTH LOGIN", b64(NAME).rstrip(b"="), b64(PASSWORD).rstrip(b"=")),
        "235",
        "padding carries nothing",
    ),
    Dialogue(
        "ORCPT with a plus that is not encoded",
        LOGGED_IN,
        (MAIL_FROM, RCPT + b" ORCPT=rfc822;380501234567+promo@sms.example.com"),
        "250",
    ),
    Dialogue(
        "ORCPT without a type",
        LOGGED_IN,
        (MAIL_FROM, RCPT + b" ORCPT=380501234567@sms.example.com"),
        "250",
        DSN_HINT,
    ),
    Dialogue(
        "ORCPT with an equals sign",
        LOGGED_IN,
        (MAIL_FROM, RCPT + b" ORCPT=rfc822;a=b@example.com"),
        "250",
        DSN_HINT,
    ),
    Dialogue("ORCPT of nothing", LOGGED_IN, (MAIL_FROM, RCPT + b" ORCPT="), "250", DSN_HINT),
    Dialogue(
        "ORCPT with hex in lower case",
        LOGGED_IN,
        (MAIL_FROM, RCPT + b" ORCPT=rfc822;a+3db@example.com"),
        "250",
    ),
    Dialogue(
        "ORCPT in UTF-8 without SMTPUTF8",
        LOGGED_IN,
        (MAIL_FROM, RCPT + " ORCPT=utf-8;дима@example.com".encode()),
        "250",
        DSN_HINT,
    ),
    Dialogue("ORCPT in Latin-1", LOGGED_IN, (MAIL_FROM, RCPT + b" ORCPT=rfc822;\xe4@e.com"), "250"),
    Dialogue("NOTIFY of nothing", LOGGED_IN, (MAIL_FROM, RCPT + b" NOTIFY="), "250", DSN_HINT),
]


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=lambda one: one.kind)
async def test_a_dialogue(dialogue: Dialogue) -> None:
    async with (
        running(accounts=StandInAccounts(), dsn=True) as part,
        connected(part.port, greet=False) as client,
    ):
        await client.reply()
        if dialogue.start is not NOTHING:
            await client.ask("EHLO client.test")
        if dialogue.start is LOGGED_IN:
            plain = b64(f"\0{NAME}\0{PASSWORD}")
            assert (await client.ask(b"AUTH PLAIN " + plain)).startswith("235")
        for line in dialogue.lines[:-1]:
            assert (await client.ask(line))[0] in "23"
        assert (await client.ask(dialogue.lines[-1])).startswith(dialogue.reply)
        assert await client.ask("NOOP") == "250 2.0.0 OK"


async def test_a_mail_from_an_appliance_that_writes_names_into_its_paths() -> None:
    async with running() as part, connected(part.port) as client:
        client.send(b"MAIL FROM:<LB one <keepalived@lb1.example.com>>\r\n")
        client.send(b"RCPT TO:Duty <380501234567@sms.example.com>\r\nDATA\r\n" + MAIL)
        assert (await client.replies(4))[-1] == f"250 2.0.0 OK - 1 SMS, ID - {ID}"
    [submission] = part.relay.submitted
    assert submission.envelope is not None
    assert submission.envelope.return_path == "keepalived@lb1.example.com"
    assert submission.recipients[0].address == "380501234567"


CHUNK = (
    b"RSET\r\nMAIL FROM:<b@example.com>\r\nRCPT TO:<380671234567@sms.example.com>\r\nDATA\r\n"
    b"Subject: y\r\n\r\nsmuggled\r\n.\r\n"
)


async def test_the_octets_of_a_chunk_are_never_commands() -> None:
    """Recorded at a server without CHUNKING, which executed every line of the chunk.

    With CHUNKING, such a chunk is the mail itself if a transaction has begun, and is discarded
    otherwise.
    """
    bdat = b"BDAT %d LAST\r\n" % len(CHUNK) + CHUNK
    async with running() as part, connected(part.port) as client:
        client.send(bdat)
        assert (await client.reply()).startswith("503")
        client.send(MAIL_FROM + b"\r\n" + RCPT + b"\r\n" + bdat + b"NOOP\r\n")
        assert [reply[:3] for reply in await client.replies(4)] == ["250"] * 4
    [submission] = part.relay.submitted
    assert [one.address for one in submission.recipients] == ["380501234567"]
    assert "RCPT TO" in submission.text
