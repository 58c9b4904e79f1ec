"""The SMSC dialect with calls of every parameter, and with reproducibly damaged ones."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import structlog

from bridge.dialect.answers import Format
from bridge.smsc.soap import ENVELOPE_12, METHODS
from tests.fuzz.smsc import (
    CALLS,
    FORMS,
    WAYS,
    Face,
    call_of,
    envelope,
    facing,
    faults_into,
    judge,
    judge_soap,
    seeds,
    taken,
)
from tests.fuzz.test_mail import damaged

_NAMES = sorted({pair.partition(b"=")[0].decode() for form in FORMS for pair in form.split(b"&")})
_VALUES = (
    *("", "0", "1", "2", "-1", "true", "99999999999999999999", "9" * 5000, "1e9", "nan", "٣", "\0"),
    *(
        "380501234567",
        "+380 (50) 123-45-67",
        "G7",
        "12",
        ",",
        ";",
        "1,2",
        "\n",
        "a\r\nb",
        "€\ud7ff",
    ),
    *("utf-8", "windows-1251", "koi8-r", "utf-16", "Shop", "0-24", "3113260000", "24:00", "<&>"),
)
#: Tokens of XML.
_XML = (
    *(b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"<?xml version='1.0' encoding='utf-16'?>", b"&a;"),
    *(b"<s:Body>", b"</s:Body>", b"<a>" * 40, b"&#0;", b"&#xD800;", b"]]>", b"<![CDATA[", b"\xff"),
)


def keeping() -> list[Any]:
    """Collects events with a traceback from now on."""
    faults: list[Any] = []
    structlog.configure(processors=[faults_into(faults)])
    return faults


async def calls(face: Face, source: random.Random, count: int) -> None:
    for _ in range(count):
        fields = {
            source.choice(_NAMES): source.choice(_VALUES) for _ in range(source.randrange(1, 9))
        }
        octets = urlencode(fields, errors="replace").encode()
        if source.random() < 0.5:
            octets = source.choice(FORMS) + b"&" + octets
        asked = call_of(source.choice(CALLS), source.choice(WAYS), source.randrange(4), octets)
        judge(await face.ask(*asked))


async def test_whatever_a_call_says_has_an_answer_of_the_dialect(tmp_path: Path) -> None:
    faults = keeping()
    async with facing(tmp_path) as face:
        await calls(face, random.Random(20_261_126), 600)
    assert not faults


#: Values that can break a parser, an encoder or a database.
_ODD = ("9" * 5000, "\ud800", "a\0b", "٣", "1,", ",", "-1", "1e400", "\u2028", "﷽" * 300)


async def test_odd_values_of_every_parameter_have_an_answer(tmp_path: Path) -> None:
    faults = keeping()
    async with facing(tmp_path) as face:
        for form in FORMS:
            given = dict(parse_qsl(form.decode("latin-1"), keep_blank_values=True))
            for name in given:
                for odd in _ODD:
                    fields = {**given, name: odd}
                    for call in ("send.php", "status.php", "phones.php", "jobs.php"):
                        octets = urlencode(fields, errors="surrogatepass").encode()
                        target = call_of(call, WAYS[1], 3, octets)
                        judge(await face.ask(*target))
                    body = json.dumps({**fields, "login": "crm", "psw": "secret"}).encode()
                    judge(await face.ask("/rest/send/", "application/json", body))
                    judge(await face.ask("/sys/phones.php?fmt=2", "application/json", body))
    assert not faults


async def test_odd_values_by_soap_have_a_response_or_a_fault(tmp_path: Path) -> None:
    faults = keeping()
    async with facing(tmp_path) as face:
        for method, layout in METHODS.items():
            for name in layout.arguments:
                for odd in ("9" * 5000, "1,", ",", "1,2", "&#9;", "op=1&amp;err=1&amp;cost=9", ""):
                    given = {"phones": "380501234567", "mes": "x", "phone": "1", "id": "2"}
                    octets = envelope(method, **given | {name: odd})
                    judge_soap(await face.ask("/sys/soap.php", "text/xml", octets))
    assert not faults


async def test_damaged_calls_have_an_answer_of_the_dialect(tmp_path: Path) -> None:
    faults = keeping()
    source = random.Random(20_261_127)
    async with facing(tmp_path) as face:
        for _ in range(600):
            octets = damaged(source, source.choice(seeds()))
            await taken(face, octets, source.randrange(len(CALLS) * len(Format) * len(WAYS)))
    assert not faults


async def test_damaged_envelopes_have_a_response_or_a_fault(tmp_path: Path) -> None:
    faults = keeping()
    source = random.Random(20_261_128)
    good = [
        *(envelope(method, phones="380501234567", mes="x", phone="12") for method in METHODS),
        envelope("get_status2", ENVELOPE_12, phone="1", id="2", query="all=1&amp;fmt=0"),
    ]
    async with facing(tmp_path) as face:
        for _ in range(400):
            octets = source.choice(good)
            for _ in range(source.randrange(3)):
                at = source.randrange(len(octets))
                octets = octets[:at] + source.choice(_XML) + octets[at:]
            if source.random() < 0.3:
                octets = damaged(source, octets) or b" "
            judge_soap(await face.ask("/sys/soap.php", "text/xml", octets))
    assert not faults
