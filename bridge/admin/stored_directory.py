"""The verbs that read the directory from the store; they work without a daemon too."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bridge.admin.directory_answers import (
    BlackListShown,
    ContactShown,
    GroupShown,
    TemplateShown,
)
from bridge.admin.queue_filter import StoredId
from bridge.config.settings import Settings
from bridge.directory import fields
from bridge.directory.groups import group_meant
from bridge.directory.templates import variables_of
from bridge.directory.verbs import (
    find_template,
    list_black_list,
    list_contacts,
    list_groups,
    list_templates,
)
from bridge.model.contact import Template
from bridge.model.failure import Failure, Reason
from bridge.store import Store

#: Most records in one answer; ``after`` gets the next ones.
PageSize = Annotated[int, Field(ge=1, le=10_000)]


class StoredDirectory:
    """The verbs that need only the store."""

    settings: Settings
    _store: Store

    def region(self, account: str) -> str:
        """The region of an account's numbers; raises Failure(NOT_FOUND)."""
        own = self.settings.accounts.get(account)
        if own is None:
            raise Failure(Reason.NOT_FOUND, f"no account {account}")
        return own.region

    async def list_contacts(
        self,
        *,
        account: str,
        group: str = "",
        phone: str = "",
        search: str = "",
        after: StoredId = 0,
        limit: PageSize = 1000,
    ) -> list[ContactShown]:
        """List contacts of an account, in pages: the first with an id after ``after``.

        ``group``, ``phone`` and ``search`` narrow the list.
        """
        region = self.region(account)
        groups = await self._store.look_up(list_groups, account)
        found = await self._store.look_up(
            list_contacts,
            account,
            group=group_meant(groups, group).id if group else None,
            phone=fields.phone(phone, region) if phone else "",
            search=search,
            after=after,
            limit=limit,
        )
        names = {one.id: one.name for one in groups}
        return [ContactShown.of(contact, names) for contact in found]

    async def list_groups(self, *, account: str) -> list[GroupShown]:
        """List the groups of an account."""
        self.region(account)
        return [GroupShown.of(one) for one in await self._store.look_up(list_groups, account)]

    async def list_black_list(
        self, *, account: str, phone: str = "", after: StoredId = 0, limit: PageSize = 1000
    ) -> list[BlackListShown]:
        """List an account's black list after the id ``after``, or show the entry of one number."""
        region = self.region(account)
        found = await self._store.look_up(
            list_black_list,
            account,
            phone=fields.phone(phone, region) if phone else "",
            after=after,
            limit=limit,
        )
        return [BlackListShown.of(one) for one in found]

    async def list_templates(self, *, account: str) -> list[TemplateShown]:
        """List the templates of an account."""
        self.region(account)
        return [_shown(one) for one in await self._store.look_up(list_templates, account)]

    async def show_template(self, *, account: str, template: str) -> TemplateShown:
        """Show a template by its id or its name."""
        self.region(account)
        return _shown(await self._store.look_up(find_template, account, template))


def _shown(template: Template) -> TemplateShown:
    return TemplateShown.of(template, variables_of(template.message))
