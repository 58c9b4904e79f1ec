"""Texts between nodes by NOTIFY: of any length, in pieces for PostgreSQL's limit."""

from __future__ import annotations

from uuid import uuid4

#: The channel. Payload: the sending node, the id of the words, the number of the piece from 1, how
#: many there are, and the piece.
WORDS = "cascade_bridge_words"
#: A payload has less than 8,000 octets (PostgreSQL, NOTIFY); the words are split in characters of
#: up to four.
_PIECE = 1_900
#: Most incomplete texts that are kept; older ones are dropped.
_UNFINISHED = 100


def pieces(node: int, words: str) -> list[str]:
    """The payloads of a text."""
    id = uuid4().hex
    parts = [words[at : at + _PIECE] for at in range(0, len(words), _PIECE)]
    return [f"{node} {id} {n} {len(parts)} {part}" for n, part in enumerate(parts, 1)]


class Hearing:
    """Joins received pieces; those of one sender come in order."""

    def __init__(self) -> None:
        self._heard: dict[str, list[str]] = {}

    def hear(self, payload: str) -> str | None:
        """Takes a piece; returns the text if it was the last one."""
        _, id, number, count, piece = payload.split(" ", 4)
        parts = self._heard.setdefault(id, [])
        parts.append(piece)
        if number != count:
            if len(self._heard) > _UNFINISHED:
                del self._heard[next(iter(self._heard))]
            return None
        del self._heard[id]
        # A node that has just begun to listen may have missed the first pieces.
        return "".join(parts) if len(parts) == int(count) else None
