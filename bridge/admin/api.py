"""HTTP for the control verbs: health and metrics without a login, ``/api/v1`` with a role.

Requests are checked against :mod:`bridge.admin.endpoints`, and every failure is answered as a
problem (RFC 9457). :mod:`bridge.admin.listener` finds the caller and its role.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from json import JSONDecodeError
from typing import Any, Final, NamedTuple

import orjson
import structlog
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.accounts.accounts import Account
from bridge.admin import alerts, messages
from bridge.admin.control import Control
from bridge.admin.endpoints import (
    ALERT_PARAMETERS,
    ENDPOINTS,
    PREFIX,
    ApiEndpoint,
    openapi,
    status_of,
)
from bridge.admin.metrics import Metrics
from bridge.admin.tokens import Role
from bridge.config.settings import ConfigError
from bridge.model.failure import Failure, Reason
from bridge.relay.relay import Relay
from bridge.store import StoreError

log = structlog.get_logger()

#: The headers of every answer.
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
#: HTTP errors before the verb: reason and detail of the failure.
_HTTP_FAILURES: Final = {
    404: (Reason.NOT_FOUND, "no such path"),
    405: (Reason.BAD_PARAMETER, "this path does not allow the method"),
}


class Caller(NamedTuple):
    """The caller: its role, and a name for the log. ``refused`` is the reason for a missing role;
    ``account`` is the account that logged in."""

    role: Role
    name: str
    refused: Failure | None = None
    account: Account | None = None


#: The endpoints that an account may use, for its own data.
_OWN: Final = f"{PREFIX}/messages/"
#: The key of a request's :class:`Caller` in the scope.
CALLER: Final = "bridge.caller"


def problem(
    failure: Failure, *, status: int = 0, mistakes: tuple[dict[str, str], ...] = ()
) -> Response:
    """A failure as an HTTP answer."""
    codes = failure.reason.codes
    status = status or status_of(failure)
    document: dict[str, Any] = {
        "title": codes.text,
        "status": status,
        "detail": failure.description,
        "reason": failure.reason.name,
        "code": codes.fmt,
    }
    if mistakes:
        document["mistakes"] = mistakes
    headers = dict(_HEADERS)
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="cascade-bridge"'
    return Response(orjson.dumps(document), status, headers, media_type="application/problem+json")


def application(control: Control, relay: Relay, metrics: Metrics, extra: list[Route]) -> Starlette:
    """The ASGI application; ``extra`` are routes of health and the console."""
    description = orjson.dumps(openapi())

    async def scrape(request: Request) -> Response:
        text, kind = await metrics.render(request.headers.get("accept", ""))
        return Response(text, 200, {**_HEADERS, "Content-Type": kind})

    async def describe(_: Request) -> Response:
        return Response(description, 200, _HEADERS, media_type="application/json")

    routes = [
        *extra,
        Route("/metrics", guarded(Role.VIEW, scrape), methods=["GET"]),
        Route(f"{PREFIX}/openapi.json", describe, methods=["GET"]),
        Route(f"{PREFIX}/messages", partial(_post, control, relay), methods=["POST"]),
        Route(f"{PREFIX}/alerts", partial(_alert, control, relay), methods=["POST"]),
        *(
            Route(
                PREFIX + endpoint.path,
                guarded(endpoint.role, partial(_run, control, endpoint)),
                methods=[endpoint.method],
            )
            for endpoint in ENDPOINTS
        ),
    ]
    return Starlette(
        routes=_joined(routes),
        exception_handlers={HTTPException: _http_problem, Exception: _fault},
    )


def _joined(routes: list[Route]) -> list[Route]:
    """Routes of one path with several methods as one, so that another method is a 405."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        for method in (route.methods or set()) - {"HEAD"}:
            paths.setdefault(route.path, {})[method] = route.endpoint

    def choose(methods: dict[str, Any]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            method = "GET" if request.method == "HEAD" else request.method
            response: Response = await methods[method](request)
            return response

        return answer

    return [Route(path, choose(found), methods=list(found)) for path, found in paths.items()]


def guarded(
    role: Role, answer: Callable[[Request], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    """Answers callers that have the role; every error is answered as a problem."""

    async def guard(request: Request) -> Response:
        caller: Caller = request.scope[CALLER]
        own = caller.account is not None and request.url.path.startswith(_OWN)
        if caller.role < role and not own:
            return problem(
                caller.refused or Failure(Reason.NOT_ALLOWED, "the token may only read"),
                status=0 if caller.refused else 403,
            )
        return await _safely(partial(answer, request))

    return guard


async def _safely(answer: Callable[[], Awaitable[Response]]) -> Response:
    """The answer, or the problem."""
    try:
        return await answer()
    except Failure as failure:
        return problem(failure)
    except ConfigError as error:
        mistakes = tuple(dict(one._asdict()) for one in error.mistakes)
        count = f"{len(mistakes)} mistake{'' if len(mistakes) == 1 else 's'}"
        detail = f"the configuration has {count}; nothing changed"
        return problem(Failure(Reason.BAD_PARAMETER, detail), mistakes=mistakes)
    except StoreError as error:
        return problem(Failure(Reason.OPERATION_FAILED, str(error)))


async def _post(control: Control, relay: Relay, request: Request) -> Response:
    """Submits messages: an account by its own login, an operator for ``account``."""

    async def answer() -> Response:
        account = _sending(request)
        document = _json(await request.body())
        account = account or control.account(_named(document))
        posted, many = messages.read(document)
        header = request.headers.get(messages.REPEAT_HEADER)
        key = b"" if header is None else messages.repeat_key(header)
        outcomes = await messages.post(relay, account, posted, request.scope[CALLER].name, key)
        if not many and isinstance(outcomes[0], Failure):
            raise outcomes[0]
        shown = [messages.shown(one, is_) for one, is_ in zip(posted, outcomes, strict=True)]
        return _accepted(shown if many else shown[0])

    return await _safely(answer)


async def _alert(control: Control, relay: Relay, request: Request) -> Response:
    """Sends an alert of a monitoring system to the phones and groups in its URL."""

    async def answer() -> Response:
        account = _sending(request)
        given = request.query_params
        if unknown := given.keys() - ALERT_PARAMETERS.keys():
            raise Failure(Reason.BAD_PARAMETER, f"{min(unknown)}: no such parameter")
        account = account or control.account(given.get("account", ""))
        document = _json(await request.body())
        to, sender = given.getlist("to"), given.get("sender", "")
        message = alerts.read(document, to, sender, control.max_parts(account, to))
        [outcome] = await messages.post(relay, account, [message], request.scope[CALLER].name)
        if isinstance(outcome, Failure):
            raise outcome
        return _accepted(messages.shown(message, outcome))

    return await _safely(answer)


def _sending(request: Request) -> Account | None:
    """The account that logged in; None for an operator's token. Refuses others."""
    caller: Caller = request.scope[CALLER]
    if caller.account is None and caller.role < Role.OPERATE:
        raise caller.refused or Failure(Reason.NOT_ALLOWED, "the token may only read")
    return caller.account


def _accepted(document: Any) -> Response:
    return Response(orjson.dumps(document), 202, _HEADERS, media_type="application/json")


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except JSONDecodeError:
        raise Failure(Reason.BAD_PARAMETER, "the body is not JSON") from None


def _named(document: Any) -> str:
    """The account named in an operator's messages: the same in each of them."""
    many = document if isinstance(document, list) else [document]
    names = {str(one.pop("account", "")) if isinstance(one, dict) else "" for one in many} or {""}
    if len(names) > 1 or "" in names:
        raise Failure(Reason.BAD_PARAMETER, "name one account in every message")
    return names.pop()


async def _run(control: Control, endpoint: ApiEndpoint, request: Request) -> Response:
    """Runs the verb with the request's arguments."""
    given: dict[str, Any] = {}
    if endpoint.in_body:
        given = _body(await request.body())
    else:
        for name in request.query_params:
            given[name] = request.query_params[name]
    if clash := given.keys() & request.path_params.keys():
        raise Failure(Reason.BAD_PARAMETER, f"{min(clash)} is in the path")
    given |= request.path_params
    try:
        running = endpoint.call(control, given, request.scope[CALLER].name)
    except ValidationError as error:
        raise messages.invalid(error) from None
    answer = await running
    account = request.scope[CALLER].account
    if account is not None:
        answer = [one for one in answer if one["account"] == account.name]
        if not answer:
            raise Failure(Reason.NOT_FOUND)
    return Response(
        endpoint.answer.dump_json(answer),
        endpoint.status,
        _HEADERS,
        media_type="application/json",
    )


def _body(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    found = _json(body)
    if not isinstance(found, dict):
        raise Failure(Reason.BAD_PARAMETER, "the body is not a JSON object")
    return found


async def _http_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = _HTTP_FAILURES.get(error.status_code, (Reason.BAD_PARAMETER, error.detail))
    response = problem(Failure(*known), status=error.status_code)
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


async def _fault(request: Request, error: Exception) -> Response:
    log.error("admin_request_failed", path=request.url.path, exc_info=error)
    return problem(Failure(Reason.OPERATION_FAILED), status=500)
