"""The error answers of the API: one table of statuses and the three documented bodies.

:mod:`bridge.sandbox.rules` finds the mistakes of a request; here they become answers. The provider
documents three JSON bodies for errors, and proxies in front of it answer in HTML. All four occur
here, so that a client meets each of them.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import orjson

JSON = b"application/json"
HTML = b"text/html"


class Form(Enum):
    """The form of an error's body."""

    FIELD = "field"  # {"error": {"code", "message", "field"}}
    STATUS = "status"  # {"status", "error", "message", "code"}
    SHORT = "short"  # {"error", "message", "status"}
    HTML = "html"  # a proxy's page


class Wording(NamedTuple):
    """The default texts of a status."""

    form: Form
    error: str
    message: str


STATUSES: dict[int, Wording] = {
    400: Wording(Form.FIELD, "Bad Request", "Invalid parameters"),
    401: Wording(Form.STATUS, "Unauthorized", "Invalid API key"),
    402: Wording(Form.STATUS, "Payment Required", "The balance is used up"),
    403: Wording(Form.STATUS, "Forbidden", "Access denied"),
    404: Wording(Form.STATUS, "Not Found", "Nothing is here"),
    405: Wording(Form.STATUS, "Method Not Allowed", "This method is not allowed here"),
    408: Wording(Form.HTML, "Request Timeout", "No request came in time"),
    409: Wording(Form.HTML, "Conflict", "The request could not be completed"),
    413: Wording(Form.STATUS, "Payload Too Large", "Too many messages or bytes in one request"),
    415: Wording(Form.STATUS, "Unsupported Media Type", "Content-Type must be application/json"),
    421: Wording(Form.HTML, "Misdirected Request", "This is not the server for this request"),
    422: Wording(Form.FIELD, "Unprocessable Entity", "The message cannot be processed"),
    425: Wording(Form.HTML, "Too Early", "Send the request again"),
    429: Wording(Form.SHORT, "Too Many Requests", "Rate limit exceeded"),
    500: Wording(Form.STATUS, "Internal Server Error", "Server error"),
    502: Wording(Form.HTML, "Bad Gateway", "The upstream server did not answer"),
    503: Wording(Form.STATUS, "Service Unavailable", "Try again later"),
    504: Wording(Form.HTML, "Gateway Timeout", "The upstream server did not answer in time"),
}


class ApiError(Exception):
    """A refused request: the status and texts of its answer.

    ``code`` and ``field`` are the API's own; without a ``message`` the status's text is used.
    """

    def __init__(
        self,
        status: int,
        code: str = "",
        message: str = "",
        field: str = "",
        *,
        form: Form | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(status, code, message, field)
        self.status = status
        self.code = code
        self.message = message or STATUSES[status].message
        self.field = field
        self.form = form or STATUSES[status].form
        self.headers = headers

    @property
    def content_type(self) -> bytes:
        return HTML if self.form is Form.HTML else JSON

    def body(self) -> bytes:
        error = STATUSES[self.status].error
        if self.form is Form.FIELD:
            told = {"code": self.code or "1001", "message": self.message, "field": self.field}
            return orjson.dumps({"error": told})
        if self.form is Form.HTML:
            title = f"{self.status} {error}"
            page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
            return page.encode()
        if self.form is Form.SHORT:
            return orjson.dumps({"error": error, "message": self.message, "status": self.status})
        return orjson.dumps(
            {
                "status": self.status,
                "error": error,
                "message": self.message,
                "code": self.code or error.upper().replace(" ", "_"),
            }
        )
