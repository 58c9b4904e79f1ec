"""The fuzz target of mails with reproducible inputs: the damaged corpus."""

from __future__ import annotations

import random

from tests.fuzz.mail import one_input, seeds
from tests.fuzz.pace import Paced

#: Tokens of mails.
_WORDS = (
    b"\r",
    b"\n",
    b"\r\n\r\n",
    b"=?utf-8?B?0L8=?=",
    b"=?koi8-r?Q?=C1?=",
    b"Content-Type: multipart/mixed; boundary=x\n",
    b"Content-Type: text/html; charset=utf-16\n",
    b"Content-Transfer-Encoding: base64\n",
    b"\n--x\n",
    b"<div><!--<style>",
    b"&#x1F600;",
    b"\n-- \n",
    b"\n> > ",
    b"X-Cascade-TTL: 99999999999999999999\n",
    b"BY=-1;N ",
    b"\0",
    b"\xff\xfe",
    b"Subject: Re: x\nIn-Reply-To: <1@e>\n",
    b"\nOn 6 Jan 2025, A <a@b.c> wrote:\n",
    b"\nFrom: A <a@b.c>\nSent: 6 Jan 2025 10:00\nTo: B\nSubject: x\n",
    b"\n-----Original Message-----\n",
    b"\n\nSent from my iPhone\n",
    b"\n____________________________\nops mailing list\n",
    b"Content-Type: text/plain; charset=iso-2022-jp\n\n\x1b$B-!\x1b(I1",
    b"Content-Transfer-Encoding: x-uuencode\n\nbegin 644 x\n",
    b'Content-Type: multipart/related; start="<t>"; boundary*0=x\n',
    b"Content-Type: message/rfc822\n\n",
    b"<blockquote><a href='https://e.com'>x</a><td><p>",
    b"<style>.a{display:none}</style><p class=a style='font-size:0'>",
    b"<https://a.safelinks.protection.outlook.com/?url=https%3A%2F%2Fe.com>",
    b"[image: x][cid:1]",
    b"=0A\n",
)


def damaged(source: random.Random, octets: bytes) -> bytes:
    """The octets with random changes, deletions, repetitions and inserted tokens."""
    data = bytearray(octets)
    for _ in range(source.randrange(1, 9)):
        at = source.randrange(len(data)) if data else 0
        match source.randrange(5):
            case 0:
                data[at : at + 1] = source.randbytes(1)
            case 1:
                del data[at : at + source.randrange(1, 200)]
            case 2:
                data[at:at] = source.choice(_WORDS)
            case 3:
                data[at:at] = data[at : at + source.randrange(1, 200)] * source.randrange(1, 20)
            case _:
                data[at:at] = source.randbytes(source.randrange(1, 9))
    return bytes(data)


def test_damaged_mails_raise_nothing_that_is_not_ours_and_take_no_long_time() -> None:
    source = random.Random(20_261_122)
    mails = seeds()
    paced = Paced(one_input)
    for _ in range(2000):
        paced(source.randbytes(1) + damaged(source, source.choice(mails)))
    assert paced.grown_inputs > 10
