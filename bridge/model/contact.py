"""The vocabulary of the directory: contacts, groups, black list, templates. Plain data, no I/O."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Contact(NamedTuple):
    """A person of an account's directory.

    ``phones`` are E.164 with ``+``; messages go to each of them. ``groups`` are ids of groups.
    ``birthday`` is ``dd.mm.yyyy`` or empty. ``client_id`` is the client's own id, ``phone_other``
    are numbers to which nothing is sent, as written.
    """

    id: int
    phones: tuple[str, ...]
    name: str = ""
    groups: tuple[int, ...] = ()
    first_name: str = ""
    last_name: str = ""
    middle_name: str = ""
    birthday: str = ""
    client_id: str = ""
    comments: str = ""
    tags: str = ""
    phone_other: str = ""


class Group(NamedTuple):
    """A group of contacts. Clients address it by ``number`` or by ``name``.

    ``size`` is the number of its contacts. ``hours`` are the hours for messages to it (``"9-21"``,
    in the account's zone; empty: always), ``max_parts`` limits the parts of a message to it (0: the
    account's limit).
    """

    id: int
    name: str
    number: int | None = None
    size: int = 0
    hours: str = ""
    max_parts: int = 0


class Blocks(IntEnum):
    """The messages that an entry of the black list blocks."""

    ALL = 0
    #: To a group, a list, or more than one recipient.
    BULK = 1
    #: To one recipient.
    SINGLE = 2


class BlackListEntry(NamedTuple):
    """A blocked number."""

    id: int
    phone: str
    blocks: Blocks = Blocks.ALL
    comment: str = ""


class Template(NamedTuple):
    """A text with placeholders (``{name}``). ``format`` is the dialect's name of the format,
    ``flag`` its switch for shared templates."""

    id: int
    name: str
    message: str
    format: str = "sms"
    sender: str = ""
    flag: int = 0
