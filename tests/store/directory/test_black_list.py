"""The black list and templates in the store, on both engines."""

from __future__ import annotations

import asyncio

import pytest

from bridge.model.contact import BlackListEntry, Blocks, Template
from bridge.model.failure import Failure, Reason
from bridge.store import Store
from bridge.store.directory.black_list import (
    BlackListChange,
    add_to_black_list,
    black_list_changes,
    delete_from_black_list,
    list_black_list,
)
from bridge.store.directory.templates import (
    add_template,
    change_template,
    delete_template,
    find_template,
    list_templates,
)
from bridge.store.directory.versions import BLACK_LIST, versions

PHONE = "+380501234567"


async def test_an_entry_comes_back_whole(store: Store) -> None:
    id = await store.change(add_to_black_list, "crm", PHONE, Blocks.BULK, "asked for it")
    entry = BlackListEntry(id, PHONE, Blocks.BULK, "asked for it")
    assert await store.look_up(list_black_list, "crm") == [entry]
    assert await store.look_up(list_black_list, "crm", phone=PHONE) == [entry]
    assert await store.look_up(list_black_list, "crm", after=id) == []
    assert await store.look_up(list_black_list, "shop") == []


async def test_the_same_number_again(store: Store) -> None:
    id = await store.change(add_to_black_list, "crm", PHONE, Blocks.BULK)
    with pytest.raises(Failure) as caught:
        await store.change(add_to_black_list, "crm", PHONE, Blocks.ALL)
    assert caught.value.reason is Reason.OPERATION_FAILED
    again = await store.change(add_to_black_list, "crm", PHONE, Blocks.ALL, "STOP", again=True)
    assert again == id
    assert await store.look_up(list_black_list, "crm") == [
        BlackListEntry(id, PHONE, Blocks.ALL, "STOP")
    ]


async def test_deleting(store: Store) -> None:
    await store.change(add_to_black_list, "crm", PHONE, Blocks.ALL)
    assert await store.change(delete_from_black_list, "crm", [PHONE, "+1"]) == 1
    with pytest.raises(Failure) as caught:
        await store.change(delete_from_black_list, "crm", [PHONE])
    assert caught.value.reason is Reason.NOT_FOUND


async def test_every_change_has_a_version(store: Store) -> None:
    await store.change(add_to_black_list, "crm", PHONE, Blocks.BULK)
    await store.change(add_to_black_list, "crm", "+1", Blocks.ALL)
    await store.change(delete_from_black_list, "crm", [PHONE])
    with pytest.raises(Failure):
        await store.change(add_to_black_list, "crm", "+1", Blocks.ALL)
    await store.change(add_to_black_list, "shop", PHONE, Blocks.ALL)
    assert await store.look_up(versions, BLACK_LIST) == {"crm": 3, "shop": 1}
    assert await store.look_up(black_list_changes, "crm", 1) == [
        (2, BlackListChange("+1", Blocks.ALL)),
        (3, BlackListChange(PHONE, None)),
    ]


async def test_changes_at_once_are_in_order(store: Store) -> None:
    changes = [store.change(add_to_black_list, "crm", f"+{n}", Blocks.ALL) for n in range(20)]
    await asyncio.gather(*changes)
    versions = [version for version, _ in await store.look_up(black_list_changes, "crm", 0)]
    assert versions == list(range(1, 21))


class TestTemplates:
    TEMPLATE = Template(0, "Код", "Ваш код {code}", sender="Shop", flag=1)

    async def test_a_template_comes_back_whole(self, store: Store) -> None:
        id = await store.change(add_template, "crm", self.TEMPLATE)
        template = self.TEMPLATE._replace(id=id)
        assert await store.look_up(list_templates, "crm") == [template]
        assert await store.look_up(find_template, "crm", "КОД") == template
        assert await store.look_up(find_template, "crm", str(id)) == template

    async def test_a_name_is_one_templates_alone(self, store: Store) -> None:
        await store.change(add_template, "crm", self.TEMPLATE)
        other = await store.change(add_template, "crm", self.TEMPLATE._replace(name="Other"))
        with pytest.raises(Failure):
            await store.change(add_template, "crm", self.TEMPLATE._replace(name="КОД"))
        with pytest.raises(Failure):
            await store.change(change_template, "crm", other, {"name": "код"})

    async def test_changing_and_deleting(self, store: Store) -> None:
        id = await store.change(add_template, "crm", self.TEMPLATE)
        await store.change(change_template, "crm", id, {"message": "new", "flag": 0})
        found = await store.look_up(find_template, "crm", "Код")
        assert (found.message, found.flag) == ("new", 0)
        await store.change(delete_template, "crm", id)
        for verb, args in (
            (change_template, ("crm", id, {"message": "x"})),
            (delete_template, ("crm", id)),
            (find_template, ("crm", "Код")),
        ):
            with pytest.raises(Failure) as caught:
                await store.change(verb, *args)
            assert caught.value.reason is Reason.NOT_FOUND

    @pytest.mark.parametrize("name", ["9" * 19, "9" * 5000, "٣", "a\n'"])
    async def test_a_name_that_is_no_id_of_any_size_is_not_found(
        self, store: Store, name: str
    ) -> None:
        with pytest.raises(Failure) as caught:
            await store.look_up(find_template, "crm", name)
        assert caught.value.reason is Reason.NOT_FOUND
