"""The kind of a mail by the word before its subject."""

from __future__ import annotations

import pytest

from bridge.smtp.reading.subject import SubjectKind, kind_of


@pytest.mark.parametrize(
    "subject",
    [
        "Re: x",
        "RE : x",
        "re[2]: x",
        "Re(3): x",
        "Re^2: x",
        "AW: x",
        "Antw: x",
        "SV: x",
        "Odp: x",
        "YNT: x",
        "R: x",
        "RES: x",
        "Vá: x",
        "Отв: x",
        "Відп: x",
        "回复：x",
        "返信: x",
        "השב: x",
        "[EXT] Re: x",
        "[list] [x] AW: x",
        "***SPAM*** Re: x",
        "Re: Fwd: x",
        *(
            "Re: x (fwd)",
            "Re: [Fwd: x]",
            "Antw.: x",
            "Odp.: Re: x",
            "Réponse : x",
            "EXTERNAL: Re: x",
            "(External) [x]: AW: x",
        ),
    ],
)
def test_the_subject_of_an_answer(subject: str) -> None:
    assert kind_of(subject) is SubjectKind.ANSWER


@pytest.mark.parametrize(
    "subject",
    [
        "Fwd: x",
        "FW: x",
        "WG: x",
        "TR : x",
        "RV: x",
        "PD: x",
        "ENC: x",
        "I: x",
        "VB: x",
        "VL: x",
        "İLT: x",
        "Пересл: x",
        "转发: x",
        "轉寄: x",
        "転送: x",
        "[EXT] Fwd: Re: x",
        *("Inoltro: x", "EXT: Fwd: Re: x", "[Fwd: x]", "[Fwd: Re: x]", "x (fwd)", "Hall 5 (Fwd) "),
    ],
)
def test_the_subject_of_a_forwarded_mail(subject: str) -> None:
    assert kind_of(subject) is SubjectKind.FORWARD


@pytest.mark.parametrize(
    ("subject", "kind"),
    [
        ("Meeting", SubjectKind.NONE),
        ("", SubjectKind.NONE),
        ("Alarm: pump", SubjectKind.NONE),
        ("[Ticket#1] Printer", SubjectKind.NONE),
        ("10:00 meeting", SubjectKind.NONE),
        ("VS: x", SubjectKind.UNKNOWN),
        ("VS: Re: x", SubjectKind.UNKNOWN),
        ("Videresendt post: Re: x", SubjectKind.UNKNOWN),
        ("Qx: x", SubjectKind.UNKNOWN),
        ("Перенаправлено: x", SubjectKind.UNKNOWN),
        ("ส่งต่อ: x", SubjectKind.UNKNOWN),
        ("“Re”: x", SubjectKind.NONE),
        ("[Fwd x", SubjectKind.NONE),
    ],
)
def test_others(subject: str, kind: SubjectKind) -> None:
    assert kind_of(subject) is kind
