"""Notices with their subjects, for tests."""

from __future__ import annotations

from typing import Any

from bridge.model.message import State, Stored
from bridge.model.notice import Incoming, Kind, Notice, Owed, receivers_of
from tests.samples import NOW, message

#: An id as long as real ones.
ID = 250_000_000_000_001


def owed(state: State = State.DELIVERED, id: int = ID, **fields: Any) -> Owed:
    """A notice of a state; ``fields`` are fields of the notice, of the stored message or of the
    message."""
    notice = {name: fields.pop(name) for name in Notice._fields if name in fields}
    about = {name: fields.pop(name) for name in Stored._fields if name in fields}
    stored = Stored(message(id, **fields), state, "up", NOW + 60, "", "", sent_at=NOW + 1)
    queue = receivers_of("crm")
    told = Notice(queue, "crm", Kind.STATE, id, id, NOW + 60, NOW + 60, state, id=1)
    return Owed(told._replace(**notice), stored._replace(**about))


def incoming(text: str, **fields: Any) -> Owed:
    """The notice of a message from a phone."""
    sent = Incoming(ID, "uid", "crm", "+380501234567", "Shop", text, NOW, NOW)._replace(**fields)
    notice = Notice(receivers_of("crm"), "crm", Kind.INCOMING, ID, ID, NOW, NOW, id=1)
    return Owed(notice, incoming=sent)
