"""Submissions by HTTP: JSON in, their outcomes out; the rules are those of the other protocols.

An account submits by its own login, an operator for any account. An account sees only its own
messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from bridge.accounts.accounts import Account
from bridge.model.failure import Failure, Reason
from bridge.model.message import (
    Accepted,
    MessageType,
    Outcome,
    Protocol,
    Recipient,
    Route,
    Submission,
)
from bridge.relay.relay import Relay

#: Most submissions in a request, and recipients of each.
MOST = 1000
#: The header that identifies a request which is repeated, and its longest value.
REPEAT_HEADER = "Idempotency-Key"
LONGEST_KEY = 255
#: The longest duration of a send-out: 30 days (seconds).
MAX_SPREAD = 30 * 86400


class PostedMessage(BaseModel):
    """One submission. ``to`` is one or several phones or groups (``g7``, or a name); ``type`` and
    ``route`` as in the configuration; ``ttl`` in seconds; ``schedule`` is the time of sending;
    ``options`` are the answers of a survey; ``reference`` is the client's own id. ``name`` makes it
    a send-out, spread ``over`` a number of seconds. ``template`` replaces ``text``, with
    ``variables``."""

    model_config = ConfigDict(extra="forbid")

    to: str | Annotated[list[str], Field(min_length=1, max_length=MOST)]
    text: str = ""
    sender: str = ""
    type: Literal["", "transaction", "promo", "viber_survey", "flashcall"] = ""
    route: Literal["", "async", "tg-viber"] = ""
    ttl: Annotated[int | None, Field(ge=1)] = None
    schedule: datetime | None = None
    priority: Annotated[int, Field(ge=0, le=3)] = 0
    options: list[str] = []
    fallback: str = ""
    reference: Annotated[str, Field(max_length=255)] = ""
    name: Annotated[str, Field(max_length=255)] = ""
    over: Annotated[int, Field(ge=0, le=MAX_SPREAD)] = 0
    template: Annotated[str, Field(max_length=255)] = ""
    variables: dict[str, str] = {}

    @model_validator(mode="after")
    def _one_text(self) -> PostedMessage:
        if self.text and self.template:
            raise ValueError("give a text or a template")
        return self

    def submission(self, peer: str, repeat_key: bytes = b"") -> Submission:
        """The submission in the bridge's vocabulary."""
        addresses = [self.to] if isinstance(self.to, str) else self.to
        return Submission(
            Protocol.HTTP,
            tuple(Recipient(address, written=address) for address in addresses),
            self.text,
            peer,
            self.sender,
            MessageType(self.type) if self.type else None,
            tuple(self.options),
            self.fallback,
            Route(self.route) if self.route else None,
            self.ttl,
            int(self.schedule.timestamp()) if self.schedule else None,
            self.priority,
            reference=self.reference,
            repeat_key=repeat_key,
            name=self.name,
            spread=self.over,
            template=self.template,
            variables=tuple(self.variables.items()),
        )


Posted = PostedMessage | Annotated[list[PostedMessage], Field(min_length=1, max_length=MOST)]
POSTED: TypeAdapter[Posted] = TypeAdapter(Posted)


@dataclass(frozen=True, slots=True)
class RefusedRecipient:
    """A refused recipient: ``to`` as written, the failure's fmt code and text."""

    to: str
    reason: str
    code: int
    detail: str


@dataclass(frozen=True, slots=True)
class PostedOutcome:
    """The outcome of a submission. If it was refused as a whole, ``id`` is 0 and ``refused`` has
    the reason. ``parts`` counts SMS; ``queued``: the API has not answered yet."""

    id: int
    parts: int
    queued: bool
    refused: list[RefusedRecipient]


def read(document: Any) -> tuple[list[PostedMessage], bool]:
    """The submissions of a request, and whether they were a list; raises Failure(BAD_PARAMETER)."""
    try:
        # Chosen here, so that the error is about the form that the client meant.
        if isinstance(document, list):
            many = TypeAdapter(list[PostedMessage]).validate_python(document)
            if not 0 < len(many) <= MOST:
                raise Failure(Reason.BAD_PARAMETER, f"1 to {MOST} messages at once")
            return many, True
        return [PostedMessage.model_validate(document)], False
    except ValidationError as error:
        raise invalid(error) from None


def invalid(error: ValidationError) -> Failure:
    """The failure for values that do not have the documented form: the first of them."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    why = str(first["msg"]).removeprefix("Value error, ")
    return Failure(Reason.BAD_PARAMETER, f"{where}: {why}" if where else why)


def repeat_key(header: str) -> bytes:
    """The key that identifies a repeated request, from its ``Idempotency-Key``: a string, with or
    without quotation marks (draft-ietf-httpapi-idempotency-key-header). Raises
    Failure(BAD_PARAMETER)."""
    key = header.strip()
    if key[:1] == key[-1:] == '"' and len(key) > 1:
        key = key[1:-1]
    if not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        raise Failure(
            Reason.BAD_PARAMETER, f"Idempotency-Key: 1 to {LONGEST_KEY} printable characters"
        )
    return b"%b\0%b" % (REPEAT_HEADER.encode(), key.encode())


async def post(
    relay: Relay, account: Account, messages: list[PostedMessage], peer: str, key: bytes = b""
) -> list[Outcome]:
    """Submits all at once and waits for their outcomes. ``key`` identifies the request if it is
    repeated; in it a message is known by its place, phone and text."""
    futures = [
        relay.submit(account, message.submission(peer, key and b"%b\0%d" % (key, place)))
        for place, message in enumerate(messages)
    ]
    return [await future for future in futures]


def shown(message: PostedMessage, outcome: Outcome) -> PostedOutcome:
    """An outcome as an answer."""
    if isinstance(outcome, Accepted):
        refused = [
            _refused(recipient.written or recipient.address, failure)
            for recipient, failure in outcome.refused
        ]
        return PostedOutcome(outcome.id, outcome.parts, outcome.queued, refused)
    to = message.to if isinstance(message.to, str) else ", ".join(message.to)
    return PostedOutcome(0, 0, False, [_refused(to, outcome)])


def _refused(to: str, failure: Failure) -> RefusedRecipient:
    reason = failure.reason
    return RefusedRecipient(to, reason.name, reason.codes.fmt, failure.description)
