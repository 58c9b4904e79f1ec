"""The scenes of ``cascade-bridge demo``: what a client submits, and what must come of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bridge.sandbox import Received

ACCOUNT, PASSWORD = "demo", "demo1234"
_WRONG_PASSWORD = "guess"  # noqa: S105 - it is wrong on purpose
NUMBER, _OTHER = "+380501234567", "+380671234567"
#: In the sandbox messages to such numbers become undeliverable.
_UNREACHABLE = "+380501230002"


@dataclass(frozen=True)
class Scene:
    """One submission, and the beginning of the expected reply."""

    title: str
    protocol: str
    reply: str
    to: tuple[str, ...] = (NUMBER,)
    text: str = "Your code is 493817"
    password: str = PASSWORD
    headers: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    fields: dict[str, str | int] = field(default_factory=dict)
    #: The expected number of messages at Cascade.
    messages: int = 0
    #: The phone's answer, which the client must get.
    answer: str = ""
    heard: str = ""


_OK = "submit_sm_resp ESME_ROK (0x00), message_id "
_SURVEY = {"X-Cascade-Type": "viber_survey"}

SCENES = (
    Scene(
        "a mail",
        "smtp",
        "250 2.0.0 OK - 1 SMS, ID - ",
        text="Ваш код 493817",
        messages=1,
    ),
    Scene(
        "a mail to two numbers",
        "smtp",
        "250 2.0.0 OK - 2 SMS, ID - ",
        to=(NUMBER, _OTHER),
        text="Order 1207 is ready for collection",
        messages=2,
    ),
    Scene(
        "a survey by mail",
        "smtp",
        "250 2.0.0 OK - 1 SMS, ID - ",
        text="Are you satisfied with our service?",
        headers=_SURVEY,
        options=("Yes", "No"),
        messages=1,
    ),
    Scene("a submit_sm in GSM-7", "smpp", _OK, messages=1),
    Scene("a submit_sm in UCS-2", "smpp", _OK, text="Ваше замовлення 1207 готове 👍", messages=1),
    Scene(
        "a promo by submit_sm",
        "smpp",
        _OK,
        text="Summer sale: up to 50 percent off",
        fields={"service_type": "PROMO"},
        messages=1,
    ),
    Scene(
        "a receipt",
        "smpp",
        _OK,
        fields={"registered_delivery": 1},
        messages=1,
        heard=" stat:DELIVRD err:000 ",
    ),
    Scene(
        "a receipt of a phone that nothing reaches",
        "smpp",
        _OK,
        to=(_UNREACHABLE,),
        fields={"registered_delivery": 1},
        messages=1,
        heard=" stat:UNDELIV err:006 ",
    ),
    Scene(
        "an answer from a phone",
        "smpp",
        _OK,
        text="Shall we deliver tomorrow?",
        messages=1,
        answer="Yes, after six",
        heard=" to Demo: Yes, after six",
    ),
    Scene("a mail to a wrong number", "smtp", "550 5.1.3 ERROR = 7 (", to=("12345",)),
    Scene(
        "a mail with a wrong password", "smtp", "535 5.7.8 ERROR = 2 (", password=_WRONG_PASSWORD
    ),
    Scene(
        "a survey with one option",
        "smtp",
        "554 5.6.0 ERROR = 1 (",
        text="Are you satisfied?",
        headers=_SURVEY,
        options=("Yes",),
    ),
    Scene(
        "a submit_sm to a wrong number",
        "smpp",
        "submit_sm_resp ESME_RINVDSTADR (0x0B)",
        to=("12345",),
    ),
    Scene(
        "a bind with a wrong password",
        "smpp",
        "bind_transmitter_resp ESME_RINVPASWD (0x0E)",
        password=_WRONG_PASSWORD,
    ),
    Scene(
        "a survey without options",
        "smpp",
        "submit_sm_resp ESME_RSUBMITFAIL (0x45)",
        text="Are you satisfied?",
        fields={"service_type": "SURVY"},
    ),
)


@dataclass(frozen=True)
class Played:
    """The result of a scene."""

    scene: Scene
    reply: str
    received: list[Received]
    heard: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether the reply, Cascade's messages and the client's receipts are as expected."""
        texts = {message.text for message in self.received}
        phones = [message.phone for message in self.received]
        wanted = list(self.scene.to) if self.scene.messages else []
        return (
            self.reply.startswith(self.scene.reply)
            and len(self.received) == self.scene.messages
            and phones == wanted
            and texts <= {self.scene.text}
            and self.scene.heard in " ".join(self.heard)
        )
