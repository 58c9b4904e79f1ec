"""The console's routes: login, and the page or action of each path.

Every page is a GET that works without JavaScript; every change is a POST of a form that answers
with a redirect to a page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode

import structlog
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from bridge.admin.console import actions, pages, security
from bridge.admin.console.refreshes import PageAsked, Refreshes
from bridge.admin.console.rendering import asset, page
from bridge.admin.console.sessions import ConsoleSession, ConsoleSessions
from bridge.admin.console.visit import PREFIX, Visit
from bridge.admin.control import Control
from bridge.admin.endpoints import status_of
from bridge.admin.messages import invalid
from bridge.admin.tokens import Role, Tokens
from bridge.model.failure import Failure, Reason
from bridge.store import StoreError

log = structlog.get_logger()

_LOGIN: Final = f"{PREFIX}/login"
#: The header of an automatic refresh, which does not keep the session alive.
_REFRESH: Final = "x-refresh"
#: Most fields of a form.
_MOST_FIELDS: Final = 50

Answer = Callable[[Visit], Awaitable[Response]]


class Console:
    """Pages and actions behind a login. Belongs to one event loop."""

    def __init__(self, control: Control, tokens: Tokens) -> None:
        self._control = control
        self._tokens = tokens
        self._sessions = ConsoleSessions()
        self._refreshes = Refreshes()

    def routes(self) -> list[Route]:
        """All paths of the console, and the redirect from ``/``."""
        return [
            Route("/", _to_overview),
            Route(PREFIX, _to_overview),
            Route(PREFIX + "/static/{name}", self._asset),
            Route(_LOGIN, self._show_login),
            Route(_LOGIN, self._log_in, methods=["POST"]),
            Route(PREFIX + "/logout", self._log_out, methods=["POST"]),
            *(
                Route(PREFIX + path, partial(self._view, answer))
                for path, answer in pages.PAGES.items()
            ),
            *(
                Route(PREFIX + path, partial(self._change, role, answer), methods=["POST"])
                for path, (role, answer) in actions.ACTIONS.items()
            ),
        ]

    # --- access ----------------------------------------------------------------------------

    def _closed(self, request: Request) -> Response | None:
        """The reason for not serving the console, if any."""
        where = self._control.settings.admin.console
        if where == "off":
            return _plain("The console is off: [admin] console.", 404)
        if where == "private" and not security.is_private(request):
            return _plain(
                "The console is served only on the loopback or with TLS: others could read along."
                " Set [admin] certificate, or console.",
                403,
            )
        if request.method == "POST" and not security.same_origin(request):
            return _plain("This request did not come from a page of the console.", 403)
        return None

    def _session(self, request: Request) -> ConsoleSession | None:
        id = request.cookies.get(security.cookie_name(request), "")
        use = _REFRESH not in request.headers
        return self._sessions.find(id, self._tokens.generation, use=use)

    async def _view(self, answer: Answer, request: Request) -> Response:
        if closed := self._closed(request):
            return closed
        session = self._session(request)
        refresh = _REFRESH in request.headers
        if session is None:
            if refresh:
                return _plain("Log in again.", 401)
            path = request.url.path
            path += f"?{request.url.query}" if request.url.query else ""
            return _redirect(f"{_LOGIN}?{urlencode({'next': path})}")
        visit = Visit(request, self._control, session, refresh=refresh)
        if not refresh:
            return await _answered(visit, answer)
        asked = PageAsked(session.role, request.url.path, request.url.query)
        return await self._refreshes.answer(asked, partial(_answered, visit, answer))

    async def _change(self, role: Role, answer: Answer, request: Request) -> Response:
        if closed := self._closed(request):
            return closed
        session = self._session(request)
        if session is None:
            return _redirect(_LOGIN)
        visit = Visit(request, self._control, session, await _form(request))
        try:
            return await _answered(visit, partial(_allowed, role, answer))
        finally:
            self._refreshes.changed()

    # --- login -----------------------------------------------------------------------------

    async def _show_login(self, request: Request) -> Response:
        return self._closed(request) or self._login_page(request.query_params.get("next", ""))

    def _login_page(self, next: str, problem: str = "", status: int = 200) -> Response:
        context = {"next": next, "problem": problem, "any": self._tokens.any}
        return page("login.html", context, status)

    async def _log_in(self, request: Request) -> Response:
        if closed := self._closed(request):
            return closed
        form = await _form(request)
        next = form.get("next", "")
        address = request.client.host if request.client else ""
        try:
            role = await self._tokens.role_of(form.get("token", "").strip(), address)
        except Failure as failure:
            blocked = failure.reason is Reason.ADDRESS_BLOCKED
            says = "Too many wrong tokens from here. Try again later." if blocked else ""
            says = says or "This token is wrong."
            return self._login_page(next, says, status_of(failure))
        by = f"{role.name.lower()} token from {address} in the console"
        log.info("audit", action="log_in", by=by)
        response = _redirect(_local(next))
        id = self._sessions.begin(role, by, self._tokens.generation)
        security.set_cookie(request, response, id)
        return response

    async def _log_out(self, request: Request) -> Response:
        if closed := self._closed(request):
            return closed
        self._sessions.end(request.cookies.get(security.cookie_name(request), ""))
        response = _redirect(_LOGIN)
        security.set_cookie(request, response, "")
        return response

    async def _asset(self, request: Request) -> Response:
        return self._closed(request) or asset(request.path_params["name"]) or _plain("", 404)


async def _allowed(role: Role, answer: Answer, visit: Visit) -> Response:
    """The answer for a session with this role; raises Failure for others."""
    if visit.session.role < role:
        raise Failure(Reason.NOT_ALLOWED, "this login may only read")
    return await answer(visit)


async def _answered(visit: Visit, answer: Answer) -> Response:
    """The answer, or a page with the reason why there is none."""
    try:
        return await answer(visit)
    except (Failure, StoreError, ValidationError) as error:
        failure = _failure(error)
        context = visit.context("Error", problem=failure)
        return page("problem.html", context, status_of(failure))


def _failure(error: Failure | StoreError | ValidationError) -> Failure:
    if isinstance(error, Failure):
        return error
    if isinstance(error, StoreError):
        return Failure(Reason.OPERATION_FAILED, str(error))
    return invalid(error)


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form, without unreadable ones; raises nothing."""
    body = (await request.body()).decode("utf-8", "replace")
    try:
        return dict(parse_qsl(body, max_num_fields=_MOST_FIELDS))
    except ValueError:
        return {}


def _local(path: str) -> str:
    """The path if it is one of the console, else the console's start."""
    inside = path.startswith(f"{PREFIX}/") and not set(path) & set("\\\r\n")
    return quote(path, safe="/?&=%+*:.-_~") if inside else f"{PREFIX}/"


async def _to_overview(_: Request) -> Response:
    return _redirect(f"{PREFIX}/")


def _redirect(to: str) -> Response:
    return RedirectResponse(to, 303, security.HEADERS)


def _plain(text: str, status: int) -> Response:
    return PlainTextResponse(f"{text}\n" if text else "", status, security.HEADERS)
