"""The data at the end of a run.

The store's tables, the API's ledger, the smarthost's mails, and the clients' records: four
independent sources.
"""

from __future__ import annotations

import email
import email.policy
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from email.message import Message as MailPart
from pathlib import Path
from typing import Final, NamedTuple

from tests.chaos.databases import SqliteFile
from tests.chaos.node import Node
from tests.chaos.record import Record, Text
from tests.chaos.scene import Scene

_PHONES: Final = re.compile(r"\+?\d{12}")


class Message(NamedTuple):
    """A row of the store."""

    id: int
    submission_id: int
    account: str
    phone: str
    text: str
    state: str
    cause: str
    failure: str
    unknown: int
    sent_at: int
    upstream_id: str
    receipts: int


class Mail(NamedTuple):
    """A mail at the smarthost: its recipient, its Message-ID, and the reported recipients."""

    to: str
    message_id: str
    fates: tuple[tuple[str, str], ...]  # a phone, and the action
    subject: str
    text: str


class Notice(NamedTuple):
    """A notice of the store about a part without a message, or about a message."""

    about: int
    known_as: int
    kind: str
    state: str
    ended_at: int
    outcome: str
    queue: str


@dataclass
class Evidence:
    """All data at the end of a run."""

    record: Record
    nodes: list[Node]
    messages: dict[int, Message]
    submissions: dict[int, list[Message]]
    aliases: dict[int, int]
    parts: set[int]
    notices: dict[int, list[Notice]]  # by the client's id
    #: Message id → number of accepted posts, and text → ids.
    posts: Counter[int]
    sent: dict[tuple[str, str], set[int]]  # phone and text → ids of messages
    mails: list[Mail]
    soundness: str = ""
    by_text: dict[tuple[str, str], list[Message]] = field(default_factory=dict)
    #: The messages of accounts with a daily limit that count.
    counted: dict[str, int] = field(default_factory=dict)

    def led_to(self, id: int) -> list[Message]:
        """The messages with this id."""
        found = self.messages.get(self.aliases.get(id, id))
        return [found] if found else self.submissions.get(id, [])

    def of(self, text: Text) -> list[Message]:
        """All messages with this text, whatever the client's answer was."""
        found = {one.id: one for id in text.ids for one in self.led_to(id)}
        for words in (text.text, *(new for new, _ in text.replaced)):
            for phone in text.phones or (text.phone,):
                for one in self.by_text.get((phone, words), ()):
                    found[one.id] = one
        return [*found.values()]

    def keep(self, folder: Path) -> None:
        """Writes all data as text, for an analysis."""
        kept = {
            "texts": [*map(repr, self.record.texts)],
            "receipts": [f"{id}: {told}" for id, told in self.record.receipts.items()],
            "messages": [*map(repr, self.messages.values())],
            "notices": [f"{id}: {some}" for id, some in self.notices.items()],
            "posts": [f"{key}: {ids}" for key, ids in self.sent.items()],
            "mails": [*map(repr, self.mails)],
        }
        for name, lines in kept.items():
            (folder / f"{name}.txt").write_text("\n".join([*lines, ""]))

    def texts_of(self, text: Text) -> set[int]:
        """The ids of the API's messages with this text, in any of its versions."""
        return {
            id
            for words in (text.text, *(new for new, _ in text.replaced))
            for phone in text.phones or (text.phone,)
            for id in self.sent.get((phone, words), ())
        }


async def gather(running: Scene) -> Evidence:
    """Reads the store, the API's ledger and the smarthost's mails."""
    rows = running.database.rows
    columns = ", ".join(Message._fields)
    messages = {row[0]: Message(*row) for row in await rows(f"SELECT {columns} FROM message")}
    submissions: dict[int, list[Message]] = defaultdict(list)
    by_text: dict[tuple[str, str], list[Message]] = defaultdict(list)
    for one in messages.values():
        if one.submission_id != one.id:
            submissions[one.submission_id].append(one)
        by_text[one.phone, one.text].append(one)
    notices: dict[int, list[Notice]] = defaultdict(list)
    for row in await rows(f"SELECT {', '.join(Notice._fields)} FROM notice ORDER BY id"):
        notices[row[1]].append(Notice(*row))
    posts: Counter[int] = Counter()
    sent: dict[tuple[str, str], set[int]] = defaultdict(set)
    for received in running.sandbox.messages:
        posts[int(received.id)] += 1
        sent[received.phone, received.text].add(int(received.id))
    soundness = ""
    if isinstance(running.database, SqliteFile):
        [(soundness,)] = await rows("PRAGMA integrity_check")
    return Evidence(
        running.record,
        running.nodes,
        messages,
        submissions,
        dict(await rows("SELECT id, message_id FROM alias")),
        {id for (id,) in await rows("SELECT id FROM part")},
        notices,
        posts,
        sent,
        [read_mail(taken.recipients, taken.octets) for taken in running.smarthost.taken],
        "" if soundness == "ok" else soundness,
        by_text,
        dict(await rows("SELECT account, accepted FROM daily_count")),
    )


def read_mail(recipients: list[str], octets: bytes) -> Mail:
    mail = email.message_from_bytes(octets, policy=email.policy.default)
    fates: list[tuple[str, str]] = []
    words = ""
    for part in mail.walk():
        if part.get_content_type() == "message/delivery-status":
            groups = part.get_payload()
            assert isinstance(groups, list)
            for group in groups[1:]:
                assert isinstance(group, MailPart)
                found = _PHONES.search(str(group["Final-Recipient"]))
                phone = "+" + found[0].lstrip("+") if found else str(group["Final-Recipient"])
                fates.append((phone, str(group["Action"])))
        elif part.get_content_type() == "text/plain" and not words:
            words = part.get_content()
    return Mail(
        ",".join(recipients), str(mail["Message-ID"]), tuple(fates), str(mail["Subject"]), words
    )
