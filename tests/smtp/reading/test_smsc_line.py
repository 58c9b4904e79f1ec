"""The SMSC line: all forms and errors of every field, and the mail around it."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, Recipient, Route, Submission
from bridge.smtp.reading.mail import read_line
from bridge.smtp.reading.smsc_line import Line, find_line, parse_line
from tests.smtp.client import MAIL, connected
from tests.smtp.standins import (
    API_KEY,
    DOMAIN,
    ID,
    NAME,
    PASSWORD,
    StandInAccounts,
    StandInRelay,
    running,
)

#: Thursday, noon in Moscow.
NOW = int(datetime(2026, 1, 1, 9, 0, tzinfo=UTC).timestamp())
PHONE = "79999999999"
TO = (Recipient(PHONE),)


def parse(line: str, max_recipients: int = 100) -> Line:
    return parse_line(line, now=NOW, max_recipients=max_recipients)


def utc(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp())  # type: ignore[arg-type, misc]


def refusal(line: str, **more: Any) -> Failure:
    with pytest.raises(Failure) as refused:
        parse(line, **more)
    return refused.value


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # Lines of published clients.
        (f"L:P:0:0:0,0,:{PHONE}:text", Line("L", "P", TO, "text")),
        (
            f"L:P:0:0101321000:0,0,:{PHONE}:Ваш пароль: 123",
            Line("L", "P", TO, "Ваш пароль: 123", scheduled_at=utc(2032, 1, 1, 7)),
        ),
        (f"L:P:::,:{PHONE}:text", Line("L", "P", TO, "text")),
        (f"L:P:::1,,,:{PHONE}:Привет", Line("L", "P", TO, "Privet")),
        (
            "L:P:::,0,,1:+79160000000:текст",
            Line("L", "P", (Recipient("+79160000000"),), "текст", test=True),
        ),
        # All optional fields omitted, and all given.
        (f"L:P::::{PHONE}:text", Line("L", "P", TO, "text")),
        (
            f":key:17:0:0,10,Shop,0:{PHONE}:text",
            Line("", "key", TO, "text", "17", None, "Shop", Route.TG_VIBER),
        ),
        (f"L:P:order-7_a.b:0::{PHONE}:text", Line("L", "P", TO, "text", "order-7_a.b")),
        (f"L:P:::,,.,:{PHONE}:text", Line("L", "P", TO, "text")),
        (f"L:P:::,,79161234567,:{PHONE}:text", Line("L", "P", TO, "text", sender="79161234567")),
        (f"L:P:000::,,,0:{PHONE}:a:b\nc:d", Line("L", "P", TO, "a:b\nc:d")),
        (
            "L:P::::79991112233, +380501234567;G7 ;:text",
            Line("L", "P", tuple(map(Recipient, ("79991112233", "+380501234567", "G7"))), "text"),
        ),
    ],
)
def test_a_line_is_read_field_by_field(line: str, expected: Line) -> None:
    assert parse(line) == expected


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("", None),
        ("0", None),
        ("0,", None),
        ("0,5", None),
        ("0201261000", utc(2026, 1, 2, 7)),
        ("02.01.26 10:00", utc(2026, 1, 2, 7)),
        ("02.01.26 9:05,0", utc(2026, 1, 2, 6, 5)),
        ("02.01.26 10:00,-1", utc(2026, 1, 2, 8)),
        ("0201261000,2", utc(2026, 1, 2, 5)),
        ("0201261000,+2", utc(2026, 1, 2, 5)),
        ("0101261159", None),  # A minute ago in Moscow …
        ("0101261159,-1", NOW + 3540),  # … but in the future an hour further west.
        (f"0{NOW + 600}", NOW + 600),
        (f"0{NOW - 600}", None),
        ("+90", NOW + 5400),
        ("10-18", None),
        ("14-18", utc(2026, 1, 1, 11)),
        ("8-12", utc(2026, 1, 2, 5)),
        ("22-6", utc(2026, 1, 1, 19)),
        ("22-13", None),
        ("10-18,-4", utc(2026, 1, 1, 11)),
        ("10-18,9", utc(2026, 1, 1, 22)),
        ("0-24", None),
    ],
)
def test_times(time: str, expected: int | None) -> None:
    assert parse(f"L:P:0:{time}:0,0,:{PHONE}:text").scheduled_at == expected


@pytest.mark.parametrize(
    ("rows", "texts"),
    [
        ("79991112233:one\n79991112244:two", {"79991112233": "one", "79991112244": "two"}),
        (
            "79991112233;one\r\n\r\n79991112244;two;\r\n",
            {"79991112233": "one", "79991112244": "two;"},
        ),
        ("79991112233,79991112244:both", {"79991112233": "both", "79991112244": "both"}),
        ("79991112233;79991112244:both", {"79991112233": "both", "79991112244": "both"}),
        ("+7 (999) 111-22-33:a:b;c", {"+7 (999) 111-22-33": "a:b;c"}),
        ("G12:to a group", {"G12": "to a group"}),
        ("79991112233;12:30 is the time", {"79991112233": "12:30 is the time"}),
    ],
)
def test_lists_of_texts(rows: str, texts: dict[str, str]) -> None:
    line = parse(f"L:P:0:0:0,0,::{rows}")
    assert {recipient.address: recipient.text for recipient in line.recipients} == texts
    assert line.text == ""


@pytest.mark.parametrize(
    ("line", "reason", "names"),
    [
        ("", Reason.BAD_PARAMETER, "psw missing"),
        ("Hello, this is a usual mail", Reason.BAD_PARAMETER, "psw missing"),
        ("L:P", Reason.BAD_PARAMETER, "id missing"),
        ("L:P:0", Reason.BAD_PARAMETER, "time missing"),
        ("L:P:0:0:0,0,", Reason.BAD_PARAMETER, "phones missing"),
        (f"L:P:0:0:0,0,:{PHONE}", Reason.BAD_PARAMETER, "phones missing"),
        (f"L:P:0:0:0,0,:{PHONE}:", Reason.NO_TEXT, "mes"),
        (f"L:P:0:0:0,0,:{PHONE}:  \n ", Reason.NO_TEXT, "mes"),
        ("L:P:0:0:0,0,::", Reason.BAD_PARAMETER, "list empty"),
        ("L:P:0:0:0,0,:;,:text", Reason.BAD_PARAMETER, "phones empty"),
        ("L:P:0:0:0,0,::no phone here", Reason.BAD_PARAMETER, "list row 1"),
        ("L:P:0:0:0,0,::79991112233:a\n79991112244", Reason.BAD_PARAMETER, "list row 2"),
        ("L:P:0:0:0,0,::79991112233:", Reason.NO_TEXT, "list row 1"),
        ("L" * 300 + f":P:0:0:0,0,:{PHONE}:text", Reason.BAD_PARAMETER, "login"),
        (f"L:P\a:0:0:0,0,:{PHONE}:text", Reason.BAD_PARAMETER, "psw"),
        (f"L:P:a b:0:0,0,:{PHONE}:text", Reason.BAD_PARAMETER, "id"),
        (f"L:P:{'x' * 41}:0:0,0,:{PHONE}:text", Reason.BAD_PARAMETER, "id"),
        (f"L:P:0:soon:0,0,:{PHONE}:text", Reason.BAD_SCHEDULE, "time"),
        (f"L:P:0:3202261000:0,0,:{PHONE}:text", Reason.BAD_SCHEDULE, "time"),
        (f"L:P:0:25-26:0,0,:{PHONE}:text", Reason.BAD_SCHEDULE, "hours"),
        (f"L:P:0:9-9:0,0,:{PHONE}:text", Reason.BAD_SCHEDULE, "hours"),
        (f"L:P:0:0,far:0,0,:{PHONE}:text", Reason.BAD_SCHEDULE, "tz"),
        (f"L:P:0:0:3,0,:{PHONE}:text", Reason.BAD_PARAMETER, "translit"),
        (f"L:P:0:0:x,0,:{PHONE}:text", Reason.BAD_PARAMETER, "translit"),
        (f"L:P:0:0:0,0,a_b!,:{PHONE}:text", Reason.BAD_PARAMETER, "sender"),
        (f"L:P:0:0:0,0,TwelveLetter,:{PHONE}:text", Reason.BAD_PARAMETER, "sender"),
        (f"L:P:0:0:0,0,,2:{PHONE}:text", Reason.BAD_PARAMETER, "test"),
        (f"L:P:0:0:0,0,,0,1:{PHONE}:text", Reason.BAD_PARAMETER, "more than four"),
        (f"L:P:0:0:0,12,:{PHONE}:text", Reason.BAD_PARAMETER, "format"),
        *(
            (f"L:P:0:0:0,{number},:{PHONE}:text", Reason.BAD_PARAMETER, f"{number} ({name})")
            for number, name in {
                1: "flash",
                2: "wap-push",
                3: "HLR",
                4: "bin",
                5: "bin-hex",
                6: "ping",
                7: "MMS",
                8: "mail",
                9: "call",
                11: "soc",
            }.items()
        ),
    ],
)
def test_a_bad_line_says_which_field(line: str, reason: Reason, names: str) -> None:
    failure = refusal(line)
    assert failure.reason is reason
    assert failure.reason.codes.fmt == 1
    assert names in failure.description


def test_too_many_numbers() -> None:
    many = ",".join(f"7999111{n:04}" for n in range(11))
    assert "more than 10" in refusal(f"L:P:::,:{many}:text", max_recipients=10).description
    rows = "\n".join(f"7999111{n:04}:x" for n in range(11))
    assert "more than 10" in refusal(f"L:P:::,::{rows}", max_recipients=10).description


def test_a_refusal_never_quotes_a_password() -> None:
    for line in ("secret", "L:secret", "L:secret:secret", "secret:secret:sec ret:secret:x:y:z"):
        assert "secret" not in str(refusal(line))


def test_an_id_may_be_a_time_in_milliseconds() -> None:
    # As in send.php.
    assert parse(f"L:P:1764188000123:::{PHONE}:text").reference == "1764188000123"


def test_transliteration() -> None:
    line = parse(f"L:P:::1:{PHONE}:Щётка, ЇЖАК і «Юля» № 5")
    assert line.text == 'Shhyotka, YiZhAK i "Yulya" # 5'
    line = parse(f"L:P:::2:{PHONE}:Ваш код № 493817")
    assert line.text == "Baw Kog # 493817"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("  L:P:x \r\n", "L:P:x"),
        ("Dear all\n[text]L:P:x[/text]\nregards", "L:P:x"),
        ("[TEXT]\nL:P:x\n[/TEXT]", "L:P:x"),
        ("[text]L:P:x", "L:P:x"),
    ],
)
def test_where_the_line_stands(text: str, line: str) -> None:
    assert find_line(text) == line


@given(st.text(alphabet="0123456789:,;.+-gG[]/ \nабвa", max_size=80))
def test_any_text_is_a_line_or_a_failure(text: str) -> None:
    for line in (text, f"L:P:0:{text}", f"L:P:0:0:0,0,:{text}", f"L:P:0:0:0,0,::{text}"):
        with contextlib.suppress(Failure):
            parsed = parse(find_line(line))
            assert parsed.recipients
            assert parsed.scheduled_at is None or parsed.scheduled_at > NOW


# --- the mail around it


def submission(mail: bytes) -> Submission:
    return read_line(mail, now=NOW, max_recipients=100)[1]


LINE = f"L:P:::,:{PHONE}:Ваш пароль"


@pytest.mark.parametrize(
    "mail",
    [
        # Bare line feeds and a single header field, as from the service's own clients.
        b"Content-Type: text/plain; charset=windows-1251\n\n" + LINE.encode("cp1251"),
        b"\r\n" + LINE.encode("koi8-r") + b"\r\n",
        b"Subject: x\r\n\r\n" + LINE.encode("koi8-r") + b"\r\n",
        b"Content-Type: text/plain\r\n\r\n" + LINE.encode() + b"\r\n",
        b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>Hi</p><p>[text]"
        + LINE.encode()
        + b"[/text]</p><p>bye</p>",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        b"Content-Type: text/plain; charset=koi8-r\r\n\r\nintro\r\n[text]"
        + LINE.encode("koi8-r")
        + b"[/text]\r\n--b--\r\n",
    ],
)
def test_charsets_and_marks(mail: bytes) -> None:
    assert submission(mail).text == "Ваш пароль"
    assert submission(mail).recipients == TO


async def answers(line: str, **more: Any) -> tuple[str, StandInRelay]:
    relay = more.pop("relay", None) or StandInRelay()
    accounts = more.pop("accounts", None) or StandInAccounts(**more)
    async with (
        running(relay=relay, accounts=accounts, smsc_address="send") as part,
        connected(part.port) as client,
    ):
        client.send(
            f"MAIL FROM:<>\r\nRCPT TO:<send@{DOMAIN}>\r\nDATA\r\n\r\n{line}\r\n.\r\n".encode()
        )
        return (await client.replies(4))[-1], relay


async def test_the_line_brings_its_own_login() -> None:
    answer, relay = await answers(f"{NAME}:{PASSWORD}:42::,:{PHONE}:text", reply_fmt=1)
    assert answer == f"250 2.0.0 {ID},1"
    [sent] = relay.submitted
    assert (sent.recipients, sent.text, sent.reference, sent.dry_run) == (TO, "text", "42", False)


async def test_an_empty_login_means_an_api_key() -> None:
    answer, relay = await answers(f":{API_KEY}:::,:{PHONE}:text")
    assert answer == f"250 2.0.0 OK - 1 SMS, ID - {ID}"
    assert relay.texts == ["text"]


@pytest.mark.parametrize("login", [f"{NAME}:wrong", f"nobody:{PASSWORD}", ":wrong"])
async def test_wrong_credentials_are_code_2(login: str) -> None:
    answer, relay = await answers(f"{login}:::,:{PHONE}:text")
    assert answer == "535 5.7.8 ERROR = 2 (wrong login or password)"
    assert relay.submitted == []


async def test_a_bad_line_is_code_1() -> None:
    answer, relay = await answers(f"{NAME}:{PASSWORD}:::,3,:{PHONE}:text")
    assert answer == "554 5.6.0 ERROR = 1 (bad parameter: format 3 (HLR) cannot be sent)"
    assert relay.submitted == []


async def test_test_mode_is_marked_for_the_relay() -> None:
    answer, relay = await answers(f"{NAME}:{PASSWORD}:::,,,1:{PHONE}:text")
    assert answer == f"250 2.0.0 OK - 1 SMS, ID - {ID}"
    assert relay.submitted[0].dry_run


async def test_refused_rows_of_a_list_are_named() -> None:
    def answer(sent: Submission) -> Accepted:
        return Accepted(ID, 1, refused=((sent.recipients[1], Failure(Reason.NOT_FOUND)),))

    said, _ = await answers(
        f"{NAME}:{PASSWORD}:::,::{PHONE}:one\nG7:two", relay=StandInRelay(answer)
    )
    assert said == f"250 2.0.0 OK - 1 SMS, ID - {ID}; refused: G7: ERROR = 3 (nothing found)"


async def test_guessing_by_lines_ends_the_session() -> None:
    envelope = f"MAIL FROM:<>\r\nRCPT TO:<send@{DOMAIN}>\r\nDATA\r\n".encode()
    mail = f"\r\n{NAME}:wrong:::,:{PHONE}:text\r\n.\r\n".encode()
    async with (
        running(accounts=StandInAccounts(), smsc_address="send") as part,
        connected(part.port) as client,
    ):
        client.send((envelope + mail) * 4)
        replies = await client.replies(13)
    assert [reply[:3] for reply in replies[3::4]] == ["535"] * 3
    assert replies[12].startswith("421 4.7.0")


async def test_a_blocked_address_hears_it() -> None:
    accounts = StandInAccounts()
    async with (
        running(accounts=accounts, smsc_address="send") as part,
        connected(part.port) as client,
    ):
        accounts.blocked = True
        client.send(f"MAIL FROM:<>\r\nRCPT TO:<send@{DOMAIN}>\r\nDATA\r\n".encode())
        client.send(f"\r\n{NAME}:{PASSWORD}:::,:{PHONE}:text\r\n.\r\n".encode())
        assert (await client.replies(4))[-1] == (
            "421 4.7.0 ERROR = 4 (address blocked after failed logins)"
        )
        assert await client.reply() == ""


async def test_its_mails_are_small() -> None:
    async with (
        running(accounts=StandInAccounts(), smsc_address="send") as part,
        connected(part.port) as client,
    ):
        client.send(f"MAIL FROM:<>\r\nRCPT TO:<send@{DOMAIN}>\r\nDATA\r\n".encode())
        client.send(f"\r\n{NAME}:{PASSWORD}:::,:{PHONE}:{'x' * 110_000}\r\n.\r\n".encode())
        assert (await client.replies(4))[-1].startswith("552 5.3.4")
        client.send(b"MAIL FROM:<>\r\n" + MAIL)
        assert (await client.reply()).startswith("250")
