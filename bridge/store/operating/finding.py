"""Messages by the Message-ID of their mail."""

from __future__ import annotations

from typing import Final

import orjson

from bridge.model.ids import first_id
from bridge.model.message import Stored
from bridge.store.directory.verb import Statement, Verb
from bridge.store.rows import STORED, to_stored

_STORED: Final = ", ".join(STORED)


def find_by_message_id(message_id: str, limit: int, since: int) -> Verb[list[Stored]]:
    """The newest messages from the mail with this Message-ID (with or without brackets), among
    those accepted since then (Unix time)."""
    bare = message_id.strip("<>")
    rows = yield Statement(
        f"SELECT {_STORED} FROM message WHERE id >= ? "  # noqa: S608
        "AND (envelope LIKE ? ESCAPE '!' OR envelope LIKE ? ESCAPE '!') ORDER BY id DESC LIMIT ?",
        (first_id(since), _pattern(f"<{bare}>"), _pattern(bare), limit),
    )
    return [to_stored(row) for row in rows]


def _pattern(message_id: str) -> str:
    """Matches records of this mail (:func:`bridge.model.mail_record.dump`)."""
    field = orjson.dumps({"message_id": message_id}).decode()[1:-1]
    for sign in "!%_":
        field = field.replace(sign, "!" + sign)
    return f"%{field}%"
