"""One request of a user: its fields, the frame of its page, and notes that are shown once."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from bridge.admin.console.sessions import ConsoleSession, ConsoleSessions
from bridge.admin.console.visit import NAVIGATION, Visit
from bridge.admin.tokens import Role


@pytest.fixture
def session() -> ConsoleSession:
    sessions = ConsoleSessions()
    found = sessions.find(sessions.begin(Role.VIEW, "view token", 1), 1)
    assert found is not None
    return found


def visit(session: ConsoleSession, path: str = "/", query: str = "", **more: Any) -> Visit:
    scope = {
        "type": "http",
        "method": "GET",
        "path": f"/console{path}",
        "query_string": query.encode(),
        "headers": [(b"host", b"bridge.example")],
    }
    control: Any = None  # no verb runs here
    return Visit(Request(scope), control, session, **more)


def test_empty_fields_of_a_query_are_left_out(session: ConsoleSession) -> None:
    found = visit(session, query="account=crm&state=&to=%20&q=%20050%20123%20").asked
    assert found == {"account": "crm", "q": "050 123"}


def test_a_page_has_its_place_in_the_navigation(session: ConsoleSession) -> None:
    context = visit(session, "/queue").context("Queue", total=3)
    assert (context["frame"], context["title"], context["total"]) == ("base.html", "Queue", 3)
    assert (context["here"], context["navigation"]) == ("/queue", NAVIGATION)
    assert (context["may_operate"], context["by"]) == (False, "view token")


def test_an_operator_gets_the_buttons() -> None:
    sessions = ConsoleSessions()
    operator = sessions.find(sessions.begin(Role.OPERATE, "operate token", 1), 1)
    assert operator is not None
    assert visit(operator).context("Overview")["may_operate"]
    assert visit(operator, refresh=True).context("Overview")["may_operate"]


def test_a_note_is_shown_on_the_next_page_only(session: ConsoleSession) -> None:
    answer = visit(session).done("20 messages held.", "/queue?account=shop")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/queue?account=shop")
    refreshed = visit(session, refresh=True).context("Queue")
    assert "notes" not in refreshed, "a refresh is not a page that the user loads"
    assert visit(session).context("Queue")["notes"] == ["20 messages held."]
    assert visit(session).context("Queue")["notes"] == []


def test_a_refresh_does_not_name_the_user(session: ConsoleSession) -> None:
    context = visit(session, refresh=True).context("Queue")
    assert context["frame"] == "refresh.html"
    assert not {"by", "navigation", "notes"} & context.keys()
