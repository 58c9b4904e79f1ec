"""Templates in the store."""

from __future__ import annotations

import pytest

from bridge.model.contact import Template
from bridge.model.failure import Failure, Reason
from bridge.store import Store
from bridge.store.directory.templates import (
    add_template,
    change_template,
    delete_template,
    find_template,
    list_templates,
)

TEMPLATE = Template(0, "Код", "Ваш код {code}", sender="Shop", flag=1)


async def test_a_template_comes_back_whole(store: Store) -> None:
    id = await store.change(add_template, "crm", TEMPLATE)
    template = TEMPLATE._replace(id=id)
    assert await store.look_up(list_templates, "crm") == [template]
    assert await store.look_up(find_template, "crm", "КОД") == template
    assert await store.look_up(find_template, "crm", str(id)) == template


async def test_no_two_templates_of_an_account_have_the_same_name(store: Store) -> None:
    id = await store.change(add_template, "crm", TEMPLATE)
    other = await store.change(add_template, "crm", TEMPLATE._replace(name="Other"))
    for verb, args in (
        (add_template, ("crm", TEMPLATE._replace(name="КОД"))),
        (change_template, ("crm", other, {"name": "код"})),
    ):
        with pytest.raises(Failure) as caught:
            await store.change(verb, *args)
        assert caught.value.reason is Reason.OPERATION_FAILED
    # A template keeps its own, and another account may have it too.
    await store.change(change_template, "crm", id, {"name": "КОД"})
    await store.change(add_template, "shop", TEMPLATE)


async def test_a_template_named_like_an_id_is_found_if_no_template_has_the_id(
    store: Store,
) -> None:
    id = await store.change(add_template, "crm", TEMPLATE._replace(name="777"))
    assert (await store.look_up(find_template, "crm", "777")).id == id


async def test_a_template_is_changed_and_deleted(store: Store) -> None:
    id = await store.change(add_template, "crm", TEMPLATE)
    with pytest.raises(Failure):
        await store.change(delete_template, "shop", id)
    await store.change(change_template, "crm", id, {"message": "new", "flag": 0})
    found = await store.look_up(find_template, "crm", "Код")
    assert (found.message, found.flag) == ("new", 0)
    await store.change(delete_template, "crm", id)
    assert await store.look_up(list_templates, "crm") == []
    for verb, args in (
        (change_template, ("crm", id, {"message": "x"})),
        (delete_template, ("crm", id)),
        (find_template, ("crm", "Код")),
    ):
        with pytest.raises(Failure) as caught:
            await store.change(verb, *args)
        assert caught.value.reason is Reason.NOT_FOUND


async def test_no_text_breaks_the_search_for_a_template(store: Store) -> None:
    for name in ("9" * 18, "9" * 19, "9" * 5000, "٣", "a\n'"):
        with pytest.raises(Failure) as caught:
            await store.look_up(find_template, "crm", name)
        assert caught.value.reason is Reason.NOT_FOUND
