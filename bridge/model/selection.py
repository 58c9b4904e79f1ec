"""A selection of messages by an operator: a filter, as data and as a test of one message."""

from __future__ import annotations

from typing import NamedTuple

from bridge.model.message import Message, MessageType, State


class Selection(NamedTuple):
    """Messages that meet all conditions; empty ones and None do not count.

    ``id`` is a message's or a submission's. ``since`` and ``until`` are Unix times of acceptance.
    ``phone`` is a number, or a prefix followed by ``*``. ``reason`` is the name of a failure, or a
    part of its text.
    """

    id: int = 0
    account: str = ""
    state: State | None = None
    message_type: MessageType | None = None
    sender: str = ""
    phone: str = ""
    reason: str = ""
    since: int = 0
    until: int = 0

    def may_hold(self, message: Message) -> bool:
        """Whether the message can be selected, without regard to the reason, which a message does
        not have."""
        if self.phone.endswith("*"):
            phone = message.phone.startswith(self.phone[:-1])
        else:
            phone = self.phone in ("", message.phone)
        return (
            phone
            and self.id in (0, message.id, message.submission_id)
            and self.account in ("", message.account)
            and self.message_type in (None, message.message_type)
            and self.sender in ("", message.sender)
            and self.since <= message.accepted_at
            and (not self.until or message.accepted_at < self.until)
        )
