"""The demo's scenes: what they cover, and when one counts as failed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.cli.demo_scenes import SCENES, Played, Scene
from bridge.sandbox import Received

SCENE = Scene("a receipt", "smtp", "250 ", to=("+1", "+2"), text="Hi", messages=2, heard="DELIVRD")


def received(phone: str, text: str = "Hi") -> Received:
    return Received(1, "m", 1, 0.0, "async", (), {"toPhone": phone, "text": text})


GOOD = Played(SCENE, "250 OK", [received("+1"), received("+2")], ("stat:DELIVRD err:000",))


def test_good_and_bad_submissions_by_both_protocols_are_played() -> None:
    played = {(scene.protocol, bool(scene.messages)) for scene in SCENES}
    assert played == {(protocol, good) for protocol in ("smtp", "smpp") for good in (True, False)}


def test_every_scene_has_its_own_title() -> None:
    assert len({scene.title for scene in SCENES}) == len(SCENES)


def test_a_scene_is_good_if_reply_messages_and_receipt_are_as_expected() -> None:
    assert GOOD.good
    refused = Scene("a wrong number", "smtp", "550 ", to=("12",))
    assert Played(refused, "550 5.1.3 ERROR = 7", []).good


@pytest.mark.parametrize(
    "wrong",
    [
        replace(GOOD, reply="550 no"),
        replace(GOOD, received=GOOD.received[:1]),
        replace(GOOD, received=[received("+1"), received("+3")]),
        replace(GOOD, received=[received("+1"), received("+2", "Ho")]),
        replace(GOOD, heard=()),
        replace(GOOD, heard=("stat:UNDELIV err:006",)),
    ],
)
def test_a_scene_has_failed_if_one_of_them_differs(wrong: Played) -> None:
    assert not wrong.good
