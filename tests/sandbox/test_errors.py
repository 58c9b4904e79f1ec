"""The error answers of the API: the documented bodies, and a proxy's page."""

from __future__ import annotations

import json
from http import HTTPStatus

import pytest

from bridge.sandbox.errors import HTML, JSON, STATUSES, ApiError, Form


def test_a_mistake_in_a_field_names_it() -> None:
    error = ApiError(400, "1003", "Invalid phone", "toPhone")
    assert json.loads(error.body()) == {
        "error": {"code": "1003", "message": "Invalid phone", "field": "toPhone"}
    }
    assert json.loads(ApiError(422).body())["error"]["code"] == "1001"


def test_a_failure_of_the_account_or_the_server_has_a_status_and_a_code() -> None:
    assert json.loads(ApiError(401).body()) == {
        "status": 401,
        "error": "Unauthorized",
        "message": "Invalid API key",
        "code": "UNAUTHORIZED",
    }
    assert json.loads(ApiError(503, "DOWN", "Back at six").body()) == {
        "status": 503,
        "error": "Service Unavailable",
        "message": "Back at six",
        "code": "DOWN",
    }
    assert json.loads(ApiError(500).body())["code"] == "INTERNAL_SERVER_ERROR"


def test_a_limit_has_the_short_form() -> None:
    assert json.loads(ApiError(429).body()) == {
        "error": "Too Many Requests",
        "message": "Rate limit exceeded",
        "status": 429,
    }


def test_a_proxy_answers_with_a_page() -> None:
    error = ApiError(502)
    assert error.content_type == HTML
    assert b"<h1>502 Bad Gateway</h1>" in error.body()


def test_any_status_may_be_answered_in_any_form() -> None:
    error = ApiError(503, form=Form.HTML, headers=((b"retry-after", b"5"),))
    assert error.content_type == HTML
    assert error.headers == ((b"retry-after", b"5"),)
    assert ApiError(502, form=Form.SHORT).content_type == JSON


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_has_its_name_of_http(status: int) -> None:
    names = {413: "Payload Too Large", 422: "Unprocessable Entity"}  # as they were called before
    assert STATUSES[status].error == names.get(status, HTTPStatus(status).phrase)
