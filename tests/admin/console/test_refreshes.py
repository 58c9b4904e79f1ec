"""A page is made once for all browsers that refresh it at about the same time."""

from __future__ import annotations

import pytest
from starlette.responses import PlainTextResponse, Response

from bridge.admin.console.refreshes import SHARED_FOR, PageAsked, Refreshes
from bridge.admin.tokens import Role

OVERVIEW = PageAsked(Role.VIEW, "/console/", "")


class Pages:
    """Makes pages, each with its number."""

    def __init__(self) -> None:
        self.now = 100.0
        self.refreshes = Refreshes(lambda: self.now)
        self.made = 0
        self.status = 200
        self.takes = 0.0

    async def _make(self) -> Response:
        self.made += 1
        self.now += self.takes
        return PlainTextResponse(str(self.made), self.status)

    async def ask(self, page: PageAsked = OVERVIEW) -> int:
        return int(bytes((await self.refreshes.answer(page, self._make)).body))


@pytest.fixture
def pages() -> Pages:
    return Pages()


async def test_browsers_share_a_page_until_it_is_old(pages: Pages) -> None:
    assert [await pages.ask() for _ in range(10)] == [1] * 10
    pages.now += SHARED_FOR - 0.1
    assert await pages.ask() == 1
    pages.now += 0.1
    assert await pages.ask() == 2


async def test_roles_and_queries_have_pages_of_their_own(pages: Pages) -> None:
    operator = OVERVIEW._replace(role=Role.OPERATE)
    day = OVERVIEW._replace(query="span=day")
    assert [await pages.ask(one) for one in (OVERVIEW, operator, day, OVERVIEW)] == [1, 2, 3, 1]


async def test_after_a_change_nobody_sees_an_earlier_page(pages: Pages) -> None:
    await pages.ask()
    pages.refreshes.changed()
    pages.now += 0.1
    assert await pages.ask() == 2


async def test_a_page_that_was_made_during_a_change_is_not_shared(pages: Pages) -> None:
    async def change_meanwhile() -> Response:
        pages.now += 0.1
        pages.refreshes.changed()
        return PlainTextResponse("0")

    await pages.refreshes.answer(OVERVIEW, change_meanwhile)
    assert await pages.ask() == 1


async def test_an_error_is_not_shared(pages: Pages) -> None:
    pages.status = 503
    assert [await pages.ask(), await pages.ask()] == [1, 2]


async def test_the_age_counts_from_before_the_page_was_made(pages: Pages) -> None:
    pages.takes = SHARED_FOR
    assert [await pages.ask(), await pages.ask()] == [1, 2]
