"""One request of a logged-in user, and the frame of every page."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from bridge.admin.console import security
from bridge.admin.console.rendering import page
from bridge.admin.console.sessions import ConsoleSession
from bridge.admin.control import Control
from bridge.admin.tokens import Role

PREFIX: Final = "/console"
#: Path → its name in the navigation.
NAVIGATION: Final = {
    "/": "Overview",
    "/queue": "Queue",
    "/failures": "Failures",
    "/sessions": "Sessions",
    "/accounts": "Accounts",
    "/directory": "Directory",
    "/hooks": "Hooks",
    "/events": "Events",
}


class Visit:
    """``form`` are the fields of a POST. ``refresh``: only the contents of the page are wanted, and
    the answer is shared by users."""

    def __init__(
        self,
        request: Request,
        control: Control,
        session: ConsoleSession,
        form: dict[str, str] | None = None,
        *,
        refresh: bool = False,
    ) -> None:
        self.request = request
        self.control = control
        self.session = session
        self.form = form or {}
        self.refresh = refresh

    @property
    def asked(self) -> dict[str, str]:
        """The fields of the query that have a value."""
        return {
            name: value.strip()
            for name, value in self.request.query_params.items()
            if value.strip()
        }

    def context(self, title: str, **more: Any) -> dict[str, Any]:
        """The variables of a template."""
        if self.refresh:
            return {
                "frame": "refresh.html",
                "title": title,
                "prefix": PREFIX,
                "may_operate": self.session.role >= Role.OPERATE,
                **more,
            }
        notes, self.session.notes = self.session.notes, []
        return {
            "frame": "base.html",
            "title": title,
            "navigation": NAVIGATION,
            "prefix": PREFIX,
            "here": self.request.url.path.removeprefix(PREFIX),
            "may_operate": self.session.role >= Role.OPERATE,
            "by": self.session.by,
            "notes": notes,
            "q": "",
            **more,
        }

    def page(self, template: str, title: str, **more: Any) -> Response:
        return page(template, self.context(title, **more))

    def done(self, note: str, path: str) -> Response:
        """After a change: redirects to another page, which shows the note."""
        self.session.notes.append(note)
        return self.go(path)

    def go(self, path: str) -> Response:
        return RedirectResponse(PREFIX + path, 303, security.HEADERS)
