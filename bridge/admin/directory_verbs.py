"""The verbs that change the directory: contacts, groups, black list, templates, imports.

:mod:`bridge.directory.fields` checks the values. Every change is an ``audit`` event with the number
of changed records, without phones.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable
from contextlib import suppress
from typing import Annotated, Any, Literal

import structlog
from pydantic import Field

from bridge.accounts.accounts import Account
from bridge.admin.answers import Changed
from bridge.admin.directory_answers import ContactFields, Created, ImportShown
from bridge.admin.parts import DaemonParts
from bridge.admin.queue_filter import StoredId
from bridge.admin.stored_verbs import StoredVerbs
from bridge.config.settings import Settings
from bridge.directory import fields
from bridge.directory.groups import group_meant, names_group
from bridge.directory.verbs import (
    Membership,
    add_contact,
    add_group,
    add_template,
    add_to_black_list,
    change_contact,
    change_group,
    change_template,
    delete_contacts,
    delete_from_black_list,
    delete_group,
    delete_template,
    find_template,
    list_groups,
    set_membership,
)
from bridge.model.contact import Contact, Group, Template
from bridge.model.failure import Failure, Reason

log = structlog.get_logger()

Phones = Annotated[list[str], Field(min_length=1, max_length=10_000)]
ImportKind = Literal["contacts", "groups", "templates", "black_list"]
_NO_FIELDS = ContactFields()


class DirectoryVerbs(StoredVerbs):
    """``by`` names the caller, for the log."""

    def __init__(self, settings: Settings, parts: DaemonParts) -> None:
        super().__init__(settings, parts.store)
        self._directory = parts.directory
        self._imports = parts.imports

    def _audit(self, what: str, by: str, **fields: object) -> None:
        log.info("audit", action=what, by=by, **fields)

    def max_parts(self, account: Account, to: Iterable[str]) -> int:
        """The most parts of a message to these phones and groups."""
        limits = [account.settings.max_parts]
        for address in filter(names_group, to):
            with suppress(Failure):
                limits.append(self._directory.groups.find(account.name, address).max_parts)
        return min(filter(None, limits))

    # --- contacts ----------------------------------------------------------------------------

    async def add_contact(
        self, *, by: str, account: str, phone: str, given: ContactFields = _NO_FIELDS
    ) -> Created:
        """Add a contact; ``phone`` may be several numbers separated by commas."""
        changes = await self._contact(account, given)
        contact = Contact(0, fields.phones(phone, self.region(account)))._replace(**changes)
        id = await self._directory.change(add_contact, account, contact)
        self._audit("add_contact", by, account=account, contact=id)
        return Created(id)

    async def change_contact(
        self,
        *,
        by: str,
        account: str,
        phone: str,
        new_phone: str = "",
        given: ContactFields = _NO_FIELDS,
    ) -> Changed:
        """Change fields of the contact with this phone.

        ``new_phone`` replaces all its phones.
        """
        region = self.region(account)
        changes = await self._contact(account, given)
        if new_phone:
            changes["phones"] = fields.phones(new_phone, region)
        [one, *_] = fields.phones(phone, region)
        await self._directory.change(change_contact, account, one, changes)
        self._audit("change_contact", by, account=account, fields=", ".join(changes))
        return Changed(1)

    async def delete_contacts(self, *, by: str, account: str, phones: Phones) -> Changed:
        """Delete the contacts with any of these phones."""
        numbers = self._phones(account, phones)
        count = await self._directory.change(delete_contacts, account, numbers)
        self._audit("delete_contacts", by, account=account, contacts=count)
        return Changed(count)

    async def move_contacts(
        self,
        *,
        by: str,
        account: str,
        phones: Phones,
        group: str,
        how: Literal["move", "add", "remove"] = "move",
    ) -> Changed:
        """Move contacts into a group, add them to it, or remove them from it."""
        numbers = self._phones(account, phones)
        [id] = await self._groups(account, [group])
        membership = Membership[how.upper()]
        await self._directory.change(set_membership, account, numbers, id, membership)
        self._audit("move_contacts", by, account=account, group=group, how=how)
        return Changed(len(numbers))

    def _phones(self, account: str, written: list[str]) -> list[str]:
        region = self.region(account)
        return [phone for one in written for phone in fields.phones(one, region)]

    async def _contact(self, account: str, given: ContactFields) -> dict[str, Any]:
        self.region(account)
        changes: dict[str, Any] = {}
        for name in ContactFields.__dataclass_fields__:
            value = getattr(given, name)
            if value is None:
                continue
            if name == "groups":
                changes[name] = await self._groups(account, value)
            elif name == "birthday":
                changes[name] = fields.birthday(value)
            else:
                most = fields.MAX_COMMENTS if name == "comments" else fields.MAX_FIELD
                changes[name] = fields.text(name, value, most)
        return changes

    async def _groups(self, account: str, written: list[str]) -> tuple[int, ...]:
        there = await self._directory.look_up(list_groups, account)
        return tuple(sorted({group_meant(there, one).id for one in written if one}))

    # --- groups ------------------------------------------------------------------------------

    async def add_group(
        self,
        *,
        by: str,
        account: str,
        name: str,
        number: int = 0,
        hours: str = "",
        max_parts: int = 0,
    ) -> Created:
        """Add a group; its name and ``g<number>`` become recipients."""
        self.region(account)
        group = Group(
            0,
            fields.group_name(name),
            fields.group_number(str(number)),
            0,
            fields.hours(hours),
            fields.parts(str(max_parts)),
        )
        id = await self._directory.change(add_group, account, group)
        self._audit("add_group", by, account=account, group=group.name)
        return Created(id)

    async def change_group(
        self,
        *,
        by: str,
        account: str,
        group: str,
        name: str | None = None,
        number: int | None = None,
        hours: str | None = None,
        max_parts: int | None = None,
    ) -> Changed:
        """Change a group, given by its name, ``g<number>`` or its id."""
        [id] = await self._groups(account, [group])
        changes: dict[str, Any] = {}
        if name is not None:
            changes["name"] = fields.group_name(name)
        if number is not None:
            changes["number"] = fields.group_number(str(number))
        if hours is not None:
            changes["hours"] = fields.hours(hours)
        if max_parts is not None:
            changes["max_parts"] = fields.parts(str(max_parts))
        await self._directory.change(change_group, account, id, changes)
        self._audit("change_group", by, account=account, group=group, fields=", ".join(changes))
        return Changed(1)

    async def delete_group(self, *, by: str, account: str, group: str) -> Changed:
        """Delete a group; its contacts stay."""
        [id] = await self._groups(account, [group])
        await self._directory.change(delete_group, account, id)
        self._audit("delete_group", by, account=account, group=group)
        return Changed(1)

    # --- the black list ------------------------------------------------------------------------

    async def add_to_black_list(
        self, *, by: str, account: str, phone: str, blocks: str = "all", comment: str = ""
    ) -> Created:
        """Block a phone: all messages, or only ``bulk`` or ``single`` ones."""
        one = fields.phone(phone, self.region(account))
        comment = fields.text("comment", comment)
        kind = fields.blocks(blocks)
        id = await self._directory.change(add_to_black_list, account, one, kind, comment)
        self._audit("add_to_black_list", by, account=account, entry=id)
        return Created(id)

    async def delete_from_black_list(self, *, by: str, account: str, phones: Phones) -> Changed:
        """Delete these phones from the black list."""
        numbers = self._phones(account, phones)
        count = await self._directory.change(delete_from_black_list, account, numbers)
        self._audit("delete_from_black_list", by, account=account, entries=count)
        return Changed(count)

    # --- templates -----------------------------------------------------------------------------

    async def add_template(
        self, *, by: str, account: str, name: str, message: str, format: str = "", sender: str = ""
    ) -> Created:
        """Add a template: a text with variables such as ``{name}``."""
        self.region(account)
        template = Template(
            0,
            _needed("name", fields.text("name", name)),
            _needed("message", message.strip()),
            fields.template_format(format) or "sms",
            fields.text("sender", sender, 15),
        )
        id = await self._directory.note(add_template, account, template)
        self._audit("add_template", by, account=account, template=template.name)
        return Created(id)

    async def change_template(
        self,
        *,
        by: str,
        account: str,
        template: str,
        name: str | None = None,
        message: str | None = None,
        format: str | None = None,
        sender: str | None = None,
    ) -> Changed:
        """Change a template, given by its name or its id."""
        found = await self._template(account, template)
        changes: dict[str, Any] = {}
        if name is not None:
            changes["name"] = _needed("name", fields.text("name", name))
        if message is not None:
            changes["message"] = _needed("message", message.strip())
        if format is not None:
            changes["format"] = fields.template_format(format) or "sms"
        if sender is not None:
            changes["sender"] = fields.text("sender", sender, 15)
        await self._directory.note(change_template, account, found.id, changes)
        self._audit("change_template", by, account=account, template=found.name)
        return Changed(1)

    async def delete_template(self, *, by: str, account: str, template: str) -> Changed:
        """Delete a template, given by its name or its id."""
        found = await self._template(account, template)
        await self._directory.note(delete_template, account, found.id)
        self._audit("delete_template", by, account=account, template=found.name)
        return Changed(1)

    async def _template(self, account: str, template: str) -> Template:
        self.region(account)
        return await self._directory.look_up(find_template, account, template)

    # --- files ---------------------------------------------------------------------------------

    async def import_file(
        self, *, by: str, account: str, kind: ImportKind, file: str, preview: bool = False
    ) -> ImportShown:
        """Begin the import of a file, or its preview.

        ``file`` is CSV, for contacts also vCard, in base64.
        """
        try:
            octets = b64decode(file, validate=True)
        except ValueError:
            raise Failure(Reason.BAD_PARAMETER, "file: base64") from None
        run = self._imports.begin(account, kind, octets, self.region(account), preview=preview)
        if not preview:
            self._audit("import_file", by, account=account, kind=kind, octets=len(octets))
        return ImportShown.of_run(run)

    async def show_import(self, *, account: str, id: StoredId) -> ImportShown:
        """Show the progress and the counts of an import."""
        return ImportShown.of_run(self._imports.find(account, id))


def _needed(name: str, value: str) -> str:
    if not value:
        raise Failure(Reason.BAD_PARAMETER, f"{name} missing")
    return value
