"""Arguments and answers of the directory's verbs: plain data, the same for API and commands."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.directory.imports import ImportRun
from bridge.model.contact import BlackListEntry, Contact, Group, Template

#: Most wrong lines of a file that are listed; the others are counted.
WRONG_NAMED = 1000


@dataclass(frozen=True, slots=True)
class ContactShown:
    """A contact: its fields, and its groups by id and by name."""

    id: int
    phones: list[str]
    name: str
    groups: list[int]
    group_names: list[str]
    first_name: str
    last_name: str
    middle_name: str
    birthday: str
    client_id: str
    comments: str
    tags: str
    phone_other: str

    @classmethod
    def of(cls, contact: Contact, names: dict[int, str]) -> ContactShown:
        groups = [names[id] for id in contact.groups if id in names]
        return cls(
            contact.id,
            list(contact.phones),
            contact.name,
            list(contact.groups),
            groups,
            *contact[4:],
        )


@dataclass(frozen=True, slots=True)
class ContactFields:
    """Fields of a contact; omitted fields do not change. ``groups`` are names, numbers (``g7``) or
    ids."""

    name: str | None = None
    groups: list[str] | None = None
    first_name: str | None = None
    last_name: str | None = None
    middle_name: str | None = None
    birthday: str | None = None
    client_id: str | None = None
    comments: str | None = None
    tags: str | None = None
    phone_other: str | None = None


@dataclass(frozen=True, slots=True)
class GroupShown:
    """A group with the number of its contacts."""

    id: int
    name: str
    number: int | None
    size: int
    hours: str
    max_parts: int

    @classmethod
    def of(cls, group: Group) -> GroupShown:
        return cls(*group)


@dataclass(frozen=True, slots=True)
class BlackListShown:
    """An entry of the black list; ``blocks`` is all, bulk or single."""

    id: int
    phone: str
    blocks: str
    comment: str

    @classmethod
    def of(cls, entry: BlackListEntry) -> BlackListShown:
        return cls(entry.id, entry.phone, entry.blocks.name.lower(), entry.comment)


@dataclass(frozen=True, slots=True)
class TemplateShown:
    """A template, and the variables that it needs."""

    id: int
    name: str
    message: str
    format: str
    sender: str
    flag: int
    variables: list[str]

    @classmethod
    def of(cls, template: Template, variables: list[str]) -> TemplateShown:
        return cls(*template, variables)


@dataclass(frozen=True, slots=True)
class Created:
    """The id of a new record."""

    id: int


@dataclass(frozen=True, slots=True)
class WrongLineShown:
    """A rejected line of a file, and the reason."""

    line: int
    why: str


@dataclass(frozen=True, slots=True)
class ImportShown:
    """The progress of an import or its preview (``phase``: waiting, read, stored, finished) and its
    counts. ``failed`` is the reason for an early end; ``groups`` were created."""

    id: int
    preview: bool
    phase: str
    done: int
    of: int
    added: int
    changed: int
    unchanged: int
    groups: list[str]
    wrong: int
    wrong_lines: list[WrongLineShown]
    failed: str

    @classmethod
    def of_run(cls, run: ImportRun) -> ImportShown:
        result = run.result
        wrong = result.wrong if result else ()
        return cls(
            run.id,
            run.preview,
            run.phase,
            run.done,
            run.of,
            result.added if result else 0,
            result.changed if result else 0,
            result.unchanged if result else 0,
            list(result.groups) if result else [],
            len(wrong),
            [WrongLineShown(*one) for one in wrong[:WRONG_NAMED]],
            str(run.failure) if run.failure else "",
        )
