"""``phones.php`` and ``templates.php``: the directory, with the answers of the source document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from bridge.dialect.answers import Row, created, done, listing
from bridge.dialect.directory_rows import black_list_row, contact_row, group_row, template_row
from bridge.directory import fields
from bridge.directory.directory import Directory
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
    list_black_list,
    list_contacts,
    list_groups,
    list_templates,
    set_membership,
)
from bridge.model.contact import BlackListEntry, Blocks, Contact, Group, Template
from bridge.model.failure import Failure, Reason
from bridge.net.rests import Rests
from bridge.smsc.call import Call
from bridge.smsc.long_lists import Numbered, long_list

T = TypeVar("T", bound=Numbered)

#: The parameters of a contact, and the fields that they set.
_CONTACT: Final = {
    "name": "name",
    "fnm": "first_name",
    "lnm": "last_name",
    "mnm": "middle_name",
    "bd": "birthday",
    "myid": "client_id",
    "cmt": "comments",
    "tags": "tags",
    "pho": "phone_other",
}
_MOST: Final = 100_000
_NUMBER: Final = 2**53
#: Most numbers that one call changes, as in send.php.
_MAX_PHONES: Final = 10_000


@dataclass(frozen=True)
class Phones:
    """Answers phones.php: the first switch that is on is the command."""

    directory: Directory

    async def __call__(self, call: Call) -> str:
        for name, command in self._commands().items():
            if call.parameters.given(name) and call.parameters[name].strip() not in ("", "0"):
                return await command(call)
        raise Failure(Reason.BAD_PARAMETER, "no command")

    def _commands(self) -> dict[str, Callable[[Call], Awaitable[str]]]:
        return {
            "add": self._add,
            "chg": self._change,
            "del": self._delete,
            "get": self._get,
            "add_group": self._add_group,
            "chg_group": self._change_group,
            "del_group": self._delete_group,
            "get_group": self._get_groups,
            "move_group": self._move,
            "add_black": self._add_black,
            "del_black": self._delete_black,
            "get_black": self._get_black,
        }

    # --- contacts ------------------------------------------------------------------------------

    async def _add(self, call: Call) -> str:
        contact = Contact(0, _phones(call, "phone"))._replace(**_changes(call))
        if call.parameters["grp"].strip():
            contact = contact._replace(groups=_groups(call))
        id = await self.directory.change(add_contact, call.account.name, contact)
        return created("phone", id, call.fmt)

    async def _change(self, call: Call) -> str:
        [phone, *_] = _phones(call, "phone")
        changes = _changes(call)
        if call.parameters.given("grp"):
            changes["groups"] = _groups(call)
        if call.parameters["new_phone"].strip():
            changes["phones"] = _phones(call, "new_phone")
        await self.directory.change(change_contact, call.account.name, phone, changes)
        return done(call.fmt)

    async def _delete(self, call: Call) -> str:
        phones = await _many_phones(call)
        await self.directory.change(delete_contacts, call.account.name, phones)
        return done(call.fmt)

    async def _get(self, call: Call) -> str:
        given, account = call.parameters, call.account
        phone = given["phone"].strip()
        number = fields.phone(phone, account.settings.region) if phone else ""
        group = call.number("grp", 0, _NUMBER) or None
        search = f"{given['search']} {given['fio']}"

        async def read(after: int, limit: int) -> list[Contact]:
            return await self.directory.look_up(
                list_contacts,
                account.name,
                group=group,
                phone=number,
                search=search,
                after=after,
                limit=limit,
            )

        return await _long_list("contact", read, lambda one: contact_row(one, call.fmt), call)

    # --- groups --------------------------------------------------------------------------------

    async def _add_group(self, call: Call) -> str:
        if call.number("type", 0, 1):
            raise Failure(Reason.BAD_PARAMETER, "type: groups are of phones, not of mail addresses")
        group = Group(0, fields.group_name(call.needed("name")), _group_number(call))
        id = await self.directory.change(add_group, call.account.name, group)
        return created("group", id, call.fmt)

    async def _change_group(self, call: Call) -> str:
        changes: dict[str, Any] = {}
        if call.parameters["name"].strip():
            changes["name"] = fields.group_name(call.parameters["name"])
        if call.parameters.given("num"):
            changes["number"] = _group_number(call)
        await self.directory.change(change_group, call.account.name, _group(call), changes)
        return done(call.fmt)

    async def _delete_group(self, call: Call) -> str:
        await self.directory.change(delete_group, call.account.name, _group(call))
        return done(call.fmt)

    async def _get_groups(self, call: Call) -> str:
        groups = await self.directory.look_up(list_groups, call.account.name)
        return _listing("group", [group_row(one, call.fmt) for one in groups], call)

    async def _move(self, call: Call) -> str:
        try:
            membership = Membership(call.number("move_group", 0, 3))
        except ValueError:
            raise Failure(Reason.BAD_PARAMETER, "move_group") from None
        phones, group = await _many_phones(call), _group(call)
        await self.directory.change(set_membership, call.account.name, phones, group, membership)
        return done(call.fmt)

    # --- the black list ------------------------------------------------------------------------

    async def _add_black(self, call: Call) -> str:
        phone = fields.phone(call.needed("phone"), call.account.settings.region)
        blocks = Blocks(call.number("type", 0, 2))
        comment = fields.text("cmt", call.parameters["cmt"])
        id = await self.directory.change(
            add_to_black_list, call.account.name, phone, blocks, comment
        )
        return created("phone", id, call.fmt)

    async def _delete_black(self, call: Call) -> str:
        phones = await _many_phones(call)
        await self.directory.change(delete_from_black_list, call.account.name, phones)
        return done(call.fmt)

    async def _get_black(self, call: Call) -> str:
        async def read(after: int, limit: int) -> list[BlackListEntry]:
            return await self.directory.look_up(
                list_black_list, call.account.name, after=after, limit=limit
            )

        return await _long_list("record", read, black_list_row, call)


@dataclass(frozen=True)
class Templates:
    """Answers templates.php."""

    directory: Directory

    async def __call__(self, call: Call) -> str:
        given, account = call.parameters, call.account.name
        if given.flag("add"):
            template = Template(
                0, fields.text("name", call.needed("name")), call.needed("msg")
            )._replace(**_template_changes(call))
            return created(
                "template", await self.directory.change(add_template, account, template), call.fmt
            )
        if given.flag("chg"):
            id, changes = call.number("id", 0, _NUMBER), _template_changes(call)
            for parameter, field in (("name", "name"), ("msg", "message")):
                if given[parameter].strip():
                    changes[field] = given[parameter].strip()
            await self.directory.change(change_template, account, id, changes)
            return done(call.fmt)
        if given.flag("del"):
            await self.directory.change(delete_template, account, call.number("id", 0, _NUMBER))
            return done(call.fmt)
        if given.flag("get"):
            found = await self.directory.look_up(list_templates, account)
            return _listing("template", [template_row(one) for one in found], call)
        raise Failure(Reason.BAD_PARAMETER, "no command")


# --- parameters --------------------------------------------------------------------------------


def _phones(call: Call, name: str) -> tuple[str, ...]:
    return fields.phones(call.needed(name), call.account.settings.region)


async def _many_phones(call: Call) -> list[str]:
    """The numbers of a list, each once."""
    found: dict[str, None] = {}
    rests = Rests()
    for piece in call.needed("phone").replace(";", ",").split(","):
        if piece.strip():
            found.update(dict.fromkeys(fields.phones(piece, call.account.settings.region)))
            await rests.after_some()
        if len(found) > _MAX_PHONES:
            raise Failure(Reason.BAD_PARAMETER, f"more than {_MAX_PHONES} phones")
    return list(found)


def _changes(call: Call) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    for parameter, field in _CONTACT.items():
        if call.parameters.given(parameter):
            value = call.parameters[parameter]
            if field == "birthday":
                changes[field] = fields.birthday(value)
            elif field == "comments":
                changes[field] = fields.text(parameter, value, fields.MAX_COMMENTS)
            else:
                changes[field] = fields.text(parameter, value)
    return changes


def _groups(call: Call) -> tuple[int, ...]:
    try:
        ids = {
            int(one) for one in call.parameters["grp"].replace("|", ",").split(",") if one.strip()
        }
    except ValueError:
        raise Failure(Reason.BAD_PARAMETER, "grp") from None
    if any(not 0 <= id < _NUMBER for id in ids):
        raise Failure(Reason.BAD_PARAMETER, "grp")
    return tuple(sorted(ids - {0}))


def _group(call: Call) -> int:
    call.needed("grp")
    return call.number("grp", 0, _NUMBER)


def _group_number(call: Call) -> int | None:
    return call.number("num", 0, 10**15 - 1) or None


def _template_changes(call: Call) -> dict[str, Any]:
    given = call.parameters
    changes: dict[str, Any] = {}
    if given.given("format"):
        changes["format"] = fields.template_format(given["format"])
    if given.given("sender"):
        changes["sender"] = fields.text("sender", given["sender"], 15)
    if given.given("fl[1]"):
        changes["flag"] = int(given.flag("fl[1]"))
    return changes


async def _long_list(
    element: str,
    read: Callable[[int, int], Awaitable[Sequence[T]]],
    row: Callable[[T], Row],
    call: Call,
) -> str:
    after = call.number("after_id", 0, _NUMBER)
    most = call.number("lmt", _MOST, _MOST) or _MOST
    answer = await long_list(element, read, row, call.fmt, after=after, most=most)
    if answer is None:
        raise Failure(Reason.NOT_FOUND)
    return answer


def _listing(element: str, rows: Sequence[Row], call: Call) -> str:
    if not rows:
        raise Failure(Reason.NOT_FOUND)
    return listing(element, rows, call.fmt)
