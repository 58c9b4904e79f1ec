"""The API's table: method, path and role of each verb of :mod:`bridge.admin.control`.

Arguments and answers are read from a verb's signature, to check requests and to describe the API
(OpenAPI 3.1). An argument is in the path if the path names it, else in the query (GET, DELETE) or
in the JSON body.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import cached_property
from typing import Any, Final, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, create_model

from bridge import __version__
from bridge.admin.alerts import PanelAlert, PostedAlerts
from bridge.admin.control import Control
from bridge.admin.messages import LONGEST_KEY, REPEAT_HEADER, PostedMessage, PostedOutcome
from bridge.admin.stored_verbs import StoredVerbs
from bridge.admin.tokens import Role
from bridge.model.failure import AlreadyThere, Failure, Reason

PREFIX: Final = "/api/v1"
#: The argument for the caller's name, which is not in the request.
_BY: Final = "by"

#: The HTTP status of a failure; its code and text are in the body.
STATUSES: Final = {
    **dict.fromkeys(Reason, 400),
    Reason.WRONG_LOGIN: 401,
    Reason.LOGIN_REQUIRED: 401,
    Reason.NOT_ALLOWED: 403,
    Reason.SENDER_NOT_ALLOWED: 403,
    Reason.PROHIBITED: 403,
    Reason.NOT_FOUND: 404,
    Reason.DUPLICATE: 409,
    Reason.REFUSED: 422,
    Reason.ADDRESS_BLOCKED: 429,
    Reason.TOO_FAST: 429,
    Reason.OPERATION_FAILED: 503,
    Reason.BRIDGE_FULL: 503,
    Reason.TOO_MANY_SESSIONS: 503,
}


def status_of(failure: Failure) -> int:
    """The HTTP status of a failure."""
    return 409 if isinstance(failure, AlreadyThere) else STATUSES[failure.reason]


#: All statuses of errors: failures, malformed requests, invalid settings, internal errors.
_PROBLEMS: Final = sorted({*STATUSES.values(), 405, 413, 500})


class Problem(BaseModel):
    """A problem (RFC 9457). ``reason`` and ``code`` are the failure's name and fmt code,
    ``mistakes`` those of the configuration."""

    title: str
    status: int
    detail: str
    reason: str
    code: int
    mistakes: list[dict[str, str]] = []


class ApiEndpoint:
    """One row: ``verb`` is the method of :class:`Control`, with its first line as summary."""

    def __init__(
        self, method: str, path: str, verb: Callable[..., Any], role: Role, status: int = 200
    ) -> None:
        self.method = method
        self.path = path
        self.verb = verb
        self.role = role
        self.status = status
        self.in_path = re.findall(r"\{(\w+)(?::\w+)?\}", path)

    @property
    def in_body(self) -> bool:
        return self.method not in ("GET", "DELETE")

    @cached_property
    def takes_by(self) -> bool:
        return _BY in inspect.signature(self.verb).parameters

    @cached_property
    def filters(self) -> dict[str, type[Any]]:
        """Arguments that are filters: in a request their fields stand beside the other
        arguments."""
        hints = get_type_hints(self.verb)
        return {
            name: hint
            for name, hint in hints.items()
            if name != "return" and isinstance(hint, type) and is_dataclass(hint)
        }

    @cached_property
    def arguments(self) -> type[BaseModel]:
        """The model of a request's arguments."""
        hints = get_type_hints(self.verb, include_extras=True)
        given: dict[str, Any] = {}
        for name, one in inspect.signature(self.verb).parameters.items():
            if name in ("self", _BY):
                continue
            if (kind := self.filters.get(name)) is not None:
                inner = get_type_hints(kind, include_extras=True)
                given |= {field.name: (inner[field.name], field.default) for field in fields(kind)}
            else:
                given[name] = (hints[name], ... if one.default is one.empty else one.default)
        return create_model(self.verb.__name__, __config__=ConfigDict(extra="forbid"), **given)

    def call(self, control: StoredVerbs, given: dict[str, Any], by: str) -> Awaitable[Any]:
        """Runs the verb with a request's arguments; raises ValidationError for invalid ones."""
        model = self.arguments.model_validate(given)
        values = {name: getattr(model, name) for name in type(model).model_fields}
        for name, kind in self.filters.items():
            values[name] = kind(**{field.name: values.pop(field.name) for field in fields(kind)})
        if self.takes_by:
            values[_BY] = by
        running: Awaitable[Any] = self.verb(control, **values)
        return running

    @cached_property
    def answer(self) -> TypeAdapter[Any]:
        """The type of the verb's answer."""
        return TypeAdapter(get_type_hints(self.verb, include_extras=True)["return"])


_VIEW, _OPERATE = Role.VIEW, Role.OPERATE

ENDPOINTS: Final = (
    ApiEndpoint("DELETE", "/phones/{phone}", Control.erase, _OPERATE),
    ApiEndpoint("GET", "/overview", Control.show_overview, _VIEW),
    ApiEndpoint("GET", "/history", Control.show_history, _VIEW),
    ApiEndpoint("GET", "/nodes", Control.list_nodes, _VIEW),
    ApiEndpoint("GET", "/upstreams", Control.list_upstreams, _VIEW),
    ApiEndpoint("GET", "/sessions", Control.list_sessions, _VIEW),
    ApiEndpoint("DELETE", "/sessions", Control.close_sessions, _OPERATE),
    ApiEndpoint("GET", "/blocked", Control.list_blocked, _VIEW),
    ApiEndpoint("DELETE", "/blocked", Control.lift_block, _OPERATE),
    ApiEndpoint("GET", "/accounts", Control.list_accounts, _VIEW),
    ApiEndpoint("GET", "/accounts/{name}", Control.show_account, _VIEW),
    ApiEndpoint("POST", "/accounts/{name}/test", Control.test_login, _OPERATE),
    ApiEndpoint("GET", "/accounts/{account}/contacts", Control.list_contacts, _VIEW),
    ApiEndpoint("POST", "/accounts/{account}/contacts", Control.add_contact, _OPERATE),
    ApiEndpoint("POST", "/accounts/{account}/contacts/change", Control.change_contact, _OPERATE),
    ApiEndpoint("POST", "/accounts/{account}/contacts/delete", Control.delete_contacts, _OPERATE),
    ApiEndpoint("POST", "/accounts/{account}/contacts/move", Control.move_contacts, _OPERATE),
    ApiEndpoint("GET", "/accounts/{account}/groups", Control.list_groups, _VIEW),
    ApiEndpoint("POST", "/accounts/{account}/groups", Control.add_group, _OPERATE),
    ApiEndpoint("PATCH", "/accounts/{account}/groups/{group}", Control.change_group, _OPERATE),
    ApiEndpoint("DELETE", "/accounts/{account}/groups/{group}", Control.delete_group, _OPERATE),
    ApiEndpoint("GET", "/accounts/{account}/blacklist", Control.list_black_list, _VIEW),
    ApiEndpoint("POST", "/accounts/{account}/blacklist", Control.add_to_black_list, _OPERATE),
    ApiEndpoint(
        "POST", "/accounts/{account}/blacklist/delete", Control.delete_from_black_list, _OPERATE
    ),
    ApiEndpoint("POST", "/accounts/{account}/variables", Control.upload_variables, _OPERATE),
    ApiEndpoint("GET", "/accounts/{account}/templates", Control.list_templates, _VIEW),
    ApiEndpoint("POST", "/accounts/{account}/templates", Control.add_template, _OPERATE),
    ApiEndpoint("GET", "/accounts/{account}/templates/{template}", Control.show_template, _VIEW),
    ApiEndpoint(
        "PATCH", "/accounts/{account}/templates/{template}", Control.change_template, _OPERATE
    ),
    ApiEndpoint(
        "DELETE", "/accounts/{account}/templates/{template}", Control.delete_template, _OPERATE
    ),
    ApiEndpoint("POST", "/accounts/{account}/imports", Control.import_file, _OPERATE),
    ApiEndpoint("GET", "/accounts/{account}/imports/{id}", Control.show_import, _VIEW),
    ApiEndpoint("GET", "/holds", Control.list_holds, _VIEW),
    ApiEndpoint("PUT", "/holds/{scope}/{name}", Control.hold, _OPERATE),
    ApiEndpoint("DELETE", "/holds/{scope}/{name}", Control.release, _OPERATE),
    ApiEndpoint("GET", "/messages", Control.find_messages, _VIEW),
    ApiEndpoint("GET", "/messages/{id}", Control.show_message, _VIEW),
    ApiEndpoint("GET", "/texts/{id}", Control.show_text, _VIEW),
    ApiEndpoint("GET", "/phones/{phone}", Control.show_phone, _VIEW),
    ApiEndpoint("GET", "/failures", Control.list_failures, _VIEW),
    ApiEndpoint("GET", "/hooks", Control.list_hooks, _VIEW),
    ApiEndpoint("GET", "/audits", Control.list_audits, _VIEW),
    ApiEndpoint("GET", "/refusals", Control.list_refusals, _VIEW),
    ApiEndpoint("GET", "/report", Control.report, _VIEW),
    ApiEndpoint("GET", "/queue", Control.list_queue, _VIEW),
    ApiEndpoint("GET", "/queue/messages", Control.show_queue, _VIEW),
    ApiEndpoint("POST", "/queue/hold", Control.hold_messages, _OPERATE),
    ApiEndpoint("POST", "/queue/release", Control.release_messages, _OPERATE),
    ApiEndpoint("POST", "/queue/retry", Control.retry_messages, _OPERATE),
    ApiEndpoint("POST", "/queue/cancel", Control.cancel_messages, _OPERATE),
    ApiEndpoint("POST", "/reload", Control.reload, _OPERATE),
    ApiEndpoint("POST", "/drain", Control.drain, _OPERATE),
    ApiEndpoint("GET", "/log-level", Control.show_log_level, _VIEW),
    ApiEndpoint("PUT", "/log-level", Control.set_log_level, _OPERATE),
)


# --- the description -----------------------------------------------------------------------------

_REFERENCE: Final = "#/components/schemas/{model}"


def openapi() -> dict[str, Any]:
    """The API's own description, OpenAPI 3.1."""
    schemas: dict[str, Any] = {"Problem": Problem.model_json_schema(ref_template=_REFERENCE)}
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(PREFIX + endpoint.path, {})[endpoint.method.lower()] = _operation(
            endpoint, schemas
        )
    paths[f"{PREFIX}/messages"]["post"] = _posting(schemas)
    paths[f"{PREFIX}/alerts"] = {"post": _alerting(schemas)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "cascade-bridge", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "account": {"type": "http", "scheme": "basic"},
            },
        },
        "security": [{"token": []}],
    }


def _posting(schemas: dict[str, Any]) -> dict[str, Any]:
    """The endpoint that submits: :mod:`bridge.admin.messages`."""
    one = PostedMessage.model_json_schema(ref_template=_REFERENCE)
    one["properties"]["account"] = {
        "type": "string",
        "description": "The account, for callers with the operate token.",
    }
    schemas["PostedMessage"] = one
    outcome = TypeAdapter(PostedOutcome).json_schema(ref_template=_REFERENCE)
    schemas.update(outcome.pop("$defs", {}))
    schemas["PostedOutcome"] = outcome

    def one_or_many(name: str) -> dict[str, Any]:
        ref = {"$ref": _REFERENCE.format(model=name)}
        return _json({"oneOf": [ref, {"type": "array", "items": ref}]})

    return {
        "operationId": "post_messages",
        "summary": "Sends messages: an object, or an array of them.",
        "description": "By an account's own login (Basic), or by a token that may operate with "
        '"account" in each message. One object that is refused is a problem; of an array each '
        "element has its outcome.",
        "security": [{"account": []}, {"token": []}],
        "parameters": [
            {
                "name": REPEAT_HEADER,
                "in": "header",
                "description": "The same in each repetition of a request whose answer was lost: "
                "within an hour a message with the same key, place in the array, phone and text "
                "gets the first answer and is not sent again.",
                "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
            }
        ],
        "requestBody": {"required": True, "content": one_or_many("PostedMessage")},
        "responses": {
            "202": {"description": "accepted", "content": one_or_many("PostedOutcome")},
            **_problems(),
        },
    }


#: The parameters of the URL for alerts, and whether they are required.
ALERT_PARAMETERS: Final = {
    "to": "A phone or a group; repeated for several.",
    "sender": "One of the account's senders.",
    "account": "The account, for callers with the operate token.",
}


def _alerting(schemas: dict[str, Any]) -> dict[str, Any]:
    """The endpoint for alerts: :mod:`bridge.admin.alerts`."""
    for model in (PostedAlerts, PanelAlert):
        alerts = model.model_json_schema(ref_template=_REFERENCE)
        schemas.update(alerts.pop("$defs", {}))
        schemas[model.__name__] = alerts
    either = [{"$ref": _REFERENCE.format(model=name)} for name in ("PostedAlerts", "PanelAlert")]
    many = {"type": "array", "items": {"type": "string"}, "minItems": 1}
    return {
        "operationId": "post_alerts",
        "summary": "Sends alerts, as webhooks of Alertmanager and Grafana bring them.",
        "description": "By an account's own login (Basic), or by a token that may operate. A line "
        "for each of the first five alerts, cut to fit in the max_parts of account and groups.",
        "security": [{"account": []}, {"token": []}],
        "parameters": [
            {
                "name": name,
                "in": "query",
                "required": name == "to",
                "description": says,
                "schema": many if name == "to" else {"type": "string"},
            }
            for name, says in ALERT_PARAMETERS.items()
        ],
        "requestBody": {"required": True, "content": _json({"anyOf": either})},
        "responses": {
            "202": {"description": "accepted", "content": _json_of("PostedOutcome")},
            **_problems(),
        },
    }


def _json_of(model: str) -> dict[str, Any]:
    return _json({"$ref": _REFERENCE.format(model=model)})


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _problems() -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(model="Problem")}
    content = {"application/problem+json": {"schema": schema}}
    return {str(status): {"description": "refused", "content": content} for status in _PROBLEMS}


def _operation(endpoint: ApiEndpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    asked = endpoint.arguments.model_json_schema(ref_template=_REFERENCE)
    schemas.update(asked.pop("$defs", {}))
    answer = endpoint.answer.json_schema(ref_template=_REFERENCE, mode="serialization")
    schemas.update(answer.pop("$defs", {}))
    text = inspect.getdoc(endpoint.verb) or ""
    operation: dict[str, Any] = {
        "operationId": endpoint.verb.__name__,
        "summary": text.partition("\n")[0],
        "description": f"Needs the role {endpoint.role.name.lower()}.",
        "responses": {
            str(endpoint.status): {
                "description": "done",
                "content": {"application/json": {"schema": answer}},
            },
            **_problems(),
        },
    }
    if parameters := list(_parameters(endpoint, asked)):
        operation["parameters"] = parameters
    in_body = {
        name: schema
        for name, schema in asked.get("properties", {}).items()
        if name not in endpoint.in_path
    }
    if endpoint.in_body and in_body:
        required = [name for name in asked.get("required", ()) if name in in_body]
        body = {"type": "object", "properties": in_body, "additionalProperties": False}
        if required:
            body["required"] = required
        operation["requestBody"] = {
            "required": bool(required),
            "content": {"application/json": {"schema": body}},
        }
    return operation


def _parameters(endpoint: ApiEndpoint, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, schema in asked.get("properties", {}).items():
        in_path = name in endpoint.in_path
        if in_path or not endpoint.in_body:
            yield {
                "name": name,
                "in": "path" if in_path else "query",
                "required": in_path or name in asked.get("required", ()),
                "schema": schema,
            }
