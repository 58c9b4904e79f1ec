"""The clients' records: submissions, answers, receipts, and times.

Only the order of events is checked here, because it cannot be checked later. Every text and phone
number is unique, so that the API's messages can be traced to their clients.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

#: How much later than a receipt on another connection an answer may be read (seconds): one loop
#: reads both.
SAME_MOMENT = 0.5
_OPERATORS = ("63", "66", "67", "68", "73", "93", "95", "96", "97", "98", "99")


class Said(Enum):
    """The result of a try."""

    YES = "yes"
    NO = "no"
    LOST = "no answer"


@dataclass(slots=True)
class Try:
    """One try of a submission. ``id`` is that of the answer, ``status`` the protocol's status,
    ``run`` the daemon's process."""

    run: str
    began: float
    said: Said = Said.LOST
    id: int = 0
    status: str = ""
    ended: float = 0.0


@dataclass(slots=True)
class Text:
    """One text to one phone. ``parts`` are the tries of each part; a short text is one part.

    ``intermediate`` and ``final`` are the requested receipts; ``ttl`` is the validity in seconds, 0
    for the account's. ``phones`` are several for a mail to several recipients.
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
        """Whether every part was accepted."""
        return all(any(one.said is Said.YES for one in part) for part in self.parts)

    @property
    def refused(self) -> bool:
        """Whether a part was refused in all tries: the text must not be sent."""
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
    """A received receipt. ``taken``: answered with ESME_ROK or a permanent refusal. ``phone``:
    about the message to this number; several may have one id."""

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
    """All records. ``violations`` were noticed during the run."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.began = time.monotonic()
        self.texts: list[Text] = []
        self.receipts: dict[int, list[Receipt]] = defaultdict(list)
        self.phoned: dict[str, Phoned] = {}
        #: Phone → the complete texts that receivers got and answered.
        self.incoming: dict[str, list[str]] = defaultdict(list)
        self.violations: list[str] = []
        self.told_ids: dict[int, Text] = {}
        self.told_at: dict[int, float] = {}
        self.queries = 0
        self._number = 0

    # --- new texts -------------------------------------------------------------------------

    def text(self, account: str, kind: str, *, parts: int = 1, length: int = 0) -> Text:
        """A unique text, to its own phone."""
        self._number += 1
        words = f"chaos {self._number:06} {kind}"
        if length:
            words += " " + "".join(chr(97 + n * 7 % 26) for n in range(length - len(words) - 1))
        made = Text(words, self.phone(), account, kind, [[] for _ in range(parts)])
        self.texts.append(made)
        return made

    def phone(self) -> str:
        """A new number. Its last four digits decide the final state in the sandbox: one of ten is
        undeliverable."""
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
            return  # it may have been in an earlier answer that was lost
        for receipt in self.receipts.get(one.id, ()):
            if receipt.at < one.ended - SAME_MOMENT:
                early = f"a receipt came {one.ended - receipt.at:.1f} s before the answer"
                self.violations.append(f"{early} with its id {one.id}: {text}, told by {receipt}")

    def receipt(self, id: int, receipt: Receipt) -> None:
        self.receipts[id].append(receipt)

    def of_kind(self, *kinds: str) -> Iterator[Text]:
        return (text for text in self.texts if text.kind in kinds)
