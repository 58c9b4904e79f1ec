"""Origins, cookies, and the addresses on which the console is served."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import Response

from bridge.admin.console import security


def request(scheme: str = "http", server: object = ("127.0.0.1", 8025), **headers: str) -> Request:
    named = [(n.replace("_", "-").encode(), v.encode()) for n, v in headers.items()]
    return Request(
        {
            "type": "http",
            "method": "POST",
            "path": "/console/",
            "query_string": b"",
            "scheme": scheme,
            "server": server,
            "headers": named,
        }
    )


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({"sec_fetch_site": "same-origin"}, True),
        ({"sec_fetch_site": "same-site"}, False),
        ({"sec_fetch_site": "cross-site"}, False),
        ({"sec_fetch_site": "none"}, False),
        ({"sec_fetch_site": "cross-site", "origin": "http://bridge:8025"}, False),
        ({"origin": "http://bridge:8025"}, True),
        ({"origin": "https://bridge:8025"}, False),
        ({"origin": "http://bridge:8026"}, False),
        ({"origin": "http://elsewhere:8025"}, False),
        ({"origin": "null"}, False),
        ({}, False),
    ],
)
def test_only_pages_of_the_console_may_change_something(headers: dict[str, str], own: bool) -> None:
    assert security.same_origin(request(host="bridge:8025", **headers)) is own


def test_without_a_host_no_origin_matches() -> None:
    assert not security.same_origin(request())


@pytest.mark.parametrize(
    ("scheme", "server", "private"),
    [
        ("http", ("127.0.0.1", 8025), True),
        ("http", ("::1", 8025), True),
        ("http", ("/run/admin.sock", None), True),
        ("http", ("192.0.2.1", 8025), False),
        ("https", ("192.0.2.1", 8025), True),
    ],
)
def test_private_is_the_loopback_a_socket_or_tls(
    scheme: str, server: object, private: bool
) -> None:
    assert security.is_private(request(scheme, server)) is private


def test_the_cookie_is_bound_to_the_host_under_tls() -> None:
    answer = Response()
    security.set_cookie(request("https"), answer, "x" * 43)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-cascade-bridge-session=")
    assert {"HttpOnly", "Path=/", "SameSite=strict", "Secure"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


def test_the_cookie_in_the_clear_has_no_prefix_that_a_browser_would_refuse() -> None:
    answer = Response()
    security.set_cookie(request(), answer, "x" * 43)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("cascade-bridge-session=")
    assert {"HttpOnly", "SameSite=strict"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
