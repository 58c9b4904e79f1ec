"""The record of how a mail was read: part, charset, cuts, and reasons.

``explain`` shows it in full; a summary is kept with the message for its trace.
"""

from __future__ import annotations

from typing import NamedTuple


class Cutting(NamedTuple):
    """A cut: its description, and the number of characters."""

    what: str
    characters: int


class Record:
    """Filled while a mail is read.

    ``part`` is the type of the part that was read and ``place`` its position ("1.2"; empty for a
    mail of one part); ``charset`` is the codec and ``declared`` the label. ``notes`` are about
    skipped parts and wrong labels, ``left_out`` is the content of a mail without any text.
    """

    __slots__ = ("charset", "cuts", "declared", "left_out", "notes", "part", "place")

    def __init__(self) -> None:
        self.part = ""
        self.place = ""
        self.charset = ""
        self.declared = ""
        self.left_out = ""
        self.cuts: list[Cutting] = []
        self.notes: list[str] = []

    def cut(self, before: str, after: str, what: str) -> str:
        """Records a cut from ``before`` to ``after``; returns ``after``."""
        characters = len(before.rstrip()) - len(after.rstrip())
        if characters > 0:
            self.cuts.append(Cutting(what, characters))
        return after

    def note(self, what: str) -> None:
        if what not in self.notes and len(self.notes) < 10:
            self.notes.append(what)

    def summary(self) -> str:
        """The record in one line, for the trace."""
        words = [self.part + (f" (part {self.place})" if self.place else ""), self.charset]
        words += self.notes
        words += [f"cut: {what} ({characters} characters)" for what, characters in self.cuts]
        return "; ".join(filter(None, words))
