"""The verbs that read the directory from the store."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.admin.directory_answers import ContactFields
from bridge.model.failure import Failure, Reason
from tests.admin.controlling import BY, Controlled

PHONES = ("+380501234567", "+380671112233", "+380631112233")


async def filled(verbs: Controlled) -> None:
    control = verbs.control
    await control.add_group(by=BY, account="crm", name="Day", number=7)
    for phone, name in zip(PHONES, ("Anna", "Borys", "Vira"), strict=True):
        fields = ContactFields(name=name, groups=["g7"] if name == "Anna" else None)
        await control.add_contact(by=BY, account="crm", phone=phone, given=fields)
    await control.add_to_black_list(by=BY, account="crm", phone=PHONES[0], blocks="bulk")
    await control.add_template(by=BY, account="crm", name="ready", message="{name}: {order}")


async def test_contacts_are_listed_by_group_phone_and_text(verbs: Controlled) -> None:
    await filled(verbs)

    async def names(**filter: Any) -> list[str]:
        found = await verbs.control.list_contacts(account="crm", **filter)
        return [one.name for one in found]

    assert await names() == ["Anna", "Borys", "Vira"]
    assert await names(group="day") == await names(group="g7") == ["Anna"]
    assert await names(phone="067 111 22 33") == ["Borys"]
    assert await names(search="vir") == ["Vira"]
    assert await names(search="nobody") == []
    [anna, *_] = await verbs.control.list_contacts(account="crm")
    assert anna.group_names == ["Day"]


async def test_long_lists_come_in_pages(verbs: Controlled) -> None:
    await filled(verbs)
    first = await verbs.control.list_contacts(account="crm", limit=2)
    second = await verbs.control.list_contacts(account="crm", after=first[-1].id, limit=2)
    assert [one.name for one in (*first, *second)] == ["Anna", "Borys", "Vira"]
    assert await verbs.control.list_black_list(account="crm", after=1) == []


async def test_groups_entries_and_templates_are_shown(verbs: Controlled) -> None:
    await filled(verbs)
    [group] = await verbs.control.list_groups(account="crm")
    assert (group.name, group.number, group.size) == ("Day", 7, 1)
    [entry] = await verbs.control.list_black_list(account="crm", phone="050 123-45-67")
    assert (entry.phone, entry.blocks) == (PHONES[0], "bulk")
    assert await verbs.control.list_black_list(account="crm", phone=PHONES[1]) == []
    [template] = await verbs.control.list_templates(account="crm")
    assert template.variables == ["name", "order"]
    assert await verbs.control.show_template(account="crm", template="ready") == template
    assert await verbs.control.show_template(account="crm", template="1") == template


async def test_the_directory_of_another_account_is_its_own(verbs: Controlled) -> None:
    await filled(verbs)
    control = verbs.control
    assert await control.list_contacts(account="erp") == []
    assert await control.list_groups(account="erp") == []
    assert await control.list_black_list(account="erp") == []
    assert await control.list_templates(account="erp") == []


async def test_unknown_accounts_groups_and_templates_are_not_found(verbs: Controlled) -> None:
    control = verbs.control
    for verb, words in (
        (control.list_contacts(account="nobody"), "no account nobody"),
        (control.list_groups(account="nobody"), "no account nobody"),
        (control.list_black_list(account="nobody"), "no account nobody"),
        (control.list_templates(account="nobody"), "no account nobody"),
        (control.show_template(account="nobody", template="x"), "no account nobody"),
        (control.list_contacts(account="crm", group="x"), "no group x"),
        (control.show_template(account="crm", template="x"), "no such template"),
    ):
        with pytest.raises(Failure) as caught:
            await verb
        assert (caught.value.reason, caught.value.detail) == (Reason.NOT_FOUND, words)
    with pytest.raises(Failure) as caught:
        await control.list_contacts(account="crm", phone="12")
    assert caught.value.reason is Reason.BAD_PARAMETER
