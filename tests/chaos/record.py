"""What the clients of a run know: what they handed over, what they were told, and when.

Nothing is judged here except what cannot be seen later: the order in which something came. Every
text is unique, and so is its phone number, so that what the API got can be traced to who sent it.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

#: Seconds that the answer to a submission may be read after a receipt that came by another
#: connection: one loop reads both.
SAME_MOMENT = 0.5
_OPERATORS = ("63", "66", "67", "68", "73", "93", "95", "96", "97", "98", "99")


class Said(Enum):
    """How a try to hand something over ended."""

    YES = "yes"
    NO = "no"
    LOST = "no answer"


@dataclass(slots=True)
class Try:
    """One time that something was handed over. ``id`` is what the client was told; ``status`` the
    protocol's own word; ``run`` names the daemon that was asked."""

    run: str
    began: float
    said: Said = Said.LOST
    id: int = 0
    status: str = ""
    ended: float = 0.0


@dataclass(slots=True)
class Text:
    """One text to one phone. ``parts`` are the tries of each part, one of them where it is whole.

    ``intermediate`` and ``final`` are the receipts that were asked for; ``ttl`` is its validity in
    seconds, 0 the account's own. ``phones`` has more than one number where a mail went to several.
    """

    text: str
    phone: str
    account: str
    kind: str
    parts: list[list[Try]]
    final: bool = True
    intermediate: bool = False
    ttl: int = 0
    phones: tuple[str, ...] = ()
    sender: str = ""
    cancelled: Said | None = None
    replaced: list[tuple[str, Said]] = field(default_factory=list)

    @property
    def tries(self) -> list[Try]:
        return [one for part in self.parts for one in part]

    @property
    def accepted(self) -> bool:
        """Every part was taken."""
        return all(any(one.said is Said.YES for one in part) for part in self.parts)

    @property
    def refused(self) -> bool:
        """Some part was refused whenever it was handed over: nothing may come of the text."""
        return any(part and all(one.said is Said.NO for one in part) for part in self.parts)

    @property
    def ids(self) -> set[int]:
        return {one.id for one in self.tries if one.said is Said.YES}

    def __str__(self) -> str:
        tries = "; ".join(
            ", ".join(f"{one.said.value} {one.status or one.id} by {one.run}" for one in part)
            for part in self.parts
        )
        return f"{self.kind} {self.text[:40]!r} of {self.account} to {self.phone} ({tries})"


class Receipt(NamedTuple):
    """One receipt as it came. ``taken``: it was answered with ESME_ROK, or a refusal for good.
    ``phone``: about the message to this number; several may have one id."""

    at: float
    state: int
    run: str
    session: int
    taken: bool
    phone: str = ""


@dataclass(slots=True)
class Phoned:
    """A message from a phone that the API posted; ``acknowledged`` with 200."""

    uid: str
    text: str
    phone: str
    account: str
    posts: int = 0
    acknowledged: bool = False


class Record:
    """All of it. ``violations`` are what was seen to be wrong while it happened."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.began = time.monotonic()
        self.texts: list[Text] = []
        self.receipts: dict[int, list[Receipt]] = defaultdict(list)
        self.phoned: dict[str, Phoned] = {}
        #: By the number of the phone: the whole texts that receivers got and answered.
        self.incoming: dict[str, list[str]] = defaultdict(list)
        self.violations: list[str] = []
        self.told_ids: dict[int, Text] = {}
        self.told_at: dict[int, float] = {}
        self.queries = 0
        self._number = 0

    # --- new texts -------------------------------------------------------------------------

    def text(self, account: str, kind: str, *, parts: int = 1, length: int = 0) -> Text:
        """A text that nobody else has, to a phone of its own."""
        self._number += 1
        words = f"chaos {self._number:06} {kind}"
        if length:
            words += " " + "".join(chr(97 + n * 7 % 26) for n in range(length - len(words) - 1))
        made = Text(words, self.phone(), account, kind, [[] for _ in range(parts)])
        self.texts.append(made)
        return made

    def phone(self) -> str:
        """A new number. The last four digits decide how the stand-in for the API ends it: of ten
        one is undeliverable, and some of these for good."""
        self._number += 1
        n, k = self._number, self._number // 10
        if n % 10 or k >= 1000 * len(_OPERATORS):
            return f"+38050{n:06}9"
        return f"+380{_OPERATORS[k // 1000]}{k % 1000:03}000{2 + k % 2}"

    # --- what clients were told ------------------------------------------------------------

    def answered(self, text: Text, one: Try) -> None:
        """A try has its answer."""
        one.ended = time.monotonic()
        if one.said is not Said.YES:
            return
        first = self.told_at.setdefault(one.id, one.ended)
        owner = self.told_ids.setdefault(one.id, text)
        if owner is not text:
            self.violations.append(f"id {one.id} was told for two texts: {owner} and {text}")
        if first != one.ended or any(other.said is Said.LOST for other in text.tries):
            return  # it may have been told before, by an answer that got lost
        for receipt in self.receipts.get(one.id, ()):
            if receipt.at < one.ended - SAME_MOMENT:
                early = f"a receipt came {one.ended - receipt.at:.1f} s before the answer"
                self.violations.append(f"{early} with its id {one.id}: {text}, told by {receipt}")

    def receipt(self, id: int, receipt: Receipt) -> None:
        self.receipts[id].append(receipt)

    def of_kind(self, *kinds: str) -> Iterator[Text]:
        return (text for text in self.texts if text.kind in kinds)
