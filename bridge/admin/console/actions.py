"""The actions of the buttons: each runs one verb, and redirects to a page with the result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import quote, urlencode

from starlette.responses import Response

from bridge.admin.console.pages import BULK, filter_of, perhaps, show_message, show_phone
from bridge.admin.console.visit import Visit
from bridge.admin.directory_answers import ContactFields
from bridge.admin.tokens import Role
from bridge.directory import fields
from bridge.model.failure import Failure, Reason

_DONE: Final = {"hold": "held", "release": "released", "retry": "sent now", "cancel": "cancelled"}


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"


async def change_messages(visit: Visit) -> Response:
    """Holds, releases, retries or cancels the messages of the filter."""
    verb = visit.request.path_params["verb"]
    if verb not in BULK:
        raise Failure(Reason.NOT_FOUND, f"no verb {verb}")
    run = getattr(visit.control, f"{verb}_messages")
    changed = await run(by=visit.session.by, filter=filter_of(visit.form))
    back = visit.form.get("back", "")
    path = back if back.startswith("/messages/") and back[10:].isdecimal() else "/queue"
    return visit.done(f"{_messages(changed.count)} {_DONE[verb]}.{perhaps(changed)}", path)


async def hold(visit: Visit) -> Response:
    """Holds or releases an account or an upstream as a whole."""
    scope, name = visit.form.get("scope", ""), visit.form.get("name", "")
    if visit.request.path_params["verb"] == "release":
        await visit.control.release(by=visit.session.by, scope=scope, name=name)
        said = f"The {scope} {name} is released."
    else:
        await visit.control.hold(by=visit.session.by, scope=scope, name=name)
        said = f"The {scope} {name} is held: nothing of it is sent until it is released."
    back = visit.form.get("back", "")
    return visit.done(said, back if back in ("/", "/accounts", "/queue") else "/accounts")


async def close_session(visit: Visit) -> Response:
    """Ends one session."""
    id = visit.form.get("id", "")
    await visit.control.close_sessions(by=visit.session.by, id=id)
    return visit.done(f"Session {id} is closed.", "/sessions")


async def lift_block(visit: Visit) -> Response:
    """Lifts the block of an address."""
    address, account = visit.form.get("address", ""), visit.form.get("account")
    await visit.control.lift_block(by=visit.session.by, address=address, account=account)
    return visit.done(f"{address} may log in again.", "/sessions")


async def show_texts(visit: Visit) -> Response:
    """Shows the text of a message; the log records the caller."""
    id = visit.request.path_params["id"]
    told = await visit.control.show_text(by=visit.session.by, id=id)
    texts = {one["id"]: one for one in told}
    if phone := visit.form.get("phone"):
        return await show_phone(visit, phone, texts)
    return await show_message(visit, id, texts)


# --- the directory -------------------------------------------------------------------------------


async def change_directory(visit: Visit) -> Response:
    """Adds to or deletes from contacts, groups, templates or the black list of an account."""
    done = _DIRECTORY.get(visit.request.path_params["what"])
    if done is None:
        raise Failure(Reason.NOT_FOUND, "no such change")
    run, says = done
    account = visit.form.get("account", "")
    await run(visit, account)
    back = visit.form.get("back", "")
    path = f"/directory?{urlencode({'account': account})}"
    if back.startswith("/phones/"):
        path = f"/phones/{quote(back[8:], safe='')}"
    return visit.done(says, path)


async def _add_contact(visit: Visit, account: str) -> None:
    form = visit.form
    group = form.get("group", "")
    given = ContactFields(name=form.get("name"), groups=[group] if group else None)
    phone = form.get("phone", "")
    await visit.control.add_contact(by=visit.session.by, account=account, phone=phone, given=given)


async def _delete_contact(visit: Visit, account: str) -> None:
    phones = [visit.form.get("phone", "")]
    await visit.control.delete_contacts(by=visit.session.by, account=account, phones=phones)


async def _add_group(visit: Visit, account: str) -> None:
    form = visit.form
    await visit.control.add_group(
        by=visit.session.by,
        account=account,
        name=form.get("name", ""),
        number=fields.group_number(form.get("number", "")) or 0,
        hours=form.get("hours", ""),
        max_parts=fields.parts(form.get("max_parts", "")),
    )


async def _delete_group(visit: Visit, account: str) -> None:
    group = visit.form.get("id", "")
    await visit.control.delete_group(by=visit.session.by, account=account, group=group)


async def _add_template(visit: Visit, account: str) -> None:
    form = visit.form
    await visit.control.add_template(
        by=visit.session.by,
        account=account,
        name=form.get("name", ""),
        message=form.get("message", ""),
        sender=form.get("sender", ""),
    )


async def _delete_template(visit: Visit, account: str) -> None:
    template = visit.form.get("id", "")
    await visit.control.delete_template(by=visit.session.by, account=account, template=template)


async def _block(visit: Visit, account: str) -> None:
    form = visit.form
    await visit.control.add_to_black_list(
        by=visit.session.by,
        account=account,
        phone=form.get("phone", ""),
        blocks=form.get("blocks", "all"),
        comment=form.get("comment", ""),
    )


async def _unblock(visit: Visit, account: str) -> None:
    phones = [visit.form.get("phone", "")]
    await visit.control.delete_from_black_list(by=visit.session.by, account=account, phones=phones)


_DIRECTORY: Final[dict[str, tuple[Callable[[Visit, str], Awaitable[None]], str]]] = {
    "add-contact": (_add_contact, "The contact is added."),
    "delete-contact": (_delete_contact, "The contact is deleted."),
    "add-group": (_add_group, "The group is added."),
    "delete-group": (_delete_group, "The group is deleted."),
    "add-template": (_add_template, "The template is added."),
    "delete-template": (_delete_template, "The template is deleted."),
    "add-to-black-list": (_block, "The number is in the black list."),
    "delete-from-black-list": (_unblock, "The number is out of the black list."),
}

Action = Callable[[Visit], Awaitable[Any]]
ACTIONS: Final[dict[str, tuple[Role, Action]]] = {
    "/queue/{verb}": (Role.OPERATE, change_messages),
    "/holds/{verb}": (Role.OPERATE, hold),
    "/sessions/close": (Role.OPERATE, close_session),
    "/blocked/lift": (Role.OPERATE, lift_block),
    "/messages/{id}/text": (Role.VIEW, show_texts),
    "/directory/{what}": (Role.OPERATE, change_directory),
}
