"""The console's security in the browser: cookies, origins, headers of every answer."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

#: All content comes from this origin, nothing is inline, and no other page may frame it.
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not "no-referrer": then browsers send "Origin: null" with our own forms.
    "Referrer-Policy": "same-origin",
}
_COOKIE: Final = "cascade-bridge-session"


def cookie_name(request: Request) -> str:
    """The cookie's name; under TLS its prefix binds it to this host and to TLS (RFC 6265bis
    §4.1.3)."""
    return f"__Host-{_COOKIE}" if request.url.scheme == "https" else _COOKIE


def set_cookie(request: Request, response: Response, id: str) -> None:
    """Sets the cookie to a session's id, or deletes it for an empty id."""
    response.set_cookie(
        cookie_name(request),
        id,
        # A session cookie of the browser; the server decides about the end of the session.
        max_age=None if id else 0,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def is_private(request: Request) -> bool:
    """Whether the connection cannot be read by others: loopback, Unix socket, TLS."""
    if request.url.scheme == "https":
        return True
    server = request.scope.get("server")
    if not server or server[1] is None:
        return True
    try:
        return ip_address(server[0]).is_loopback
    except ValueError:
        return False


def same_origin(request: Request) -> bool:
    """Whether a page of the console sent this request.

    Browsers send Fetch Metadata over TLS and on the loopback; else the origin is compared.
    """
    if site := request.headers.get("sec-fetch-site"):
        return site == "same-origin"
    origin = urlsplit(request.headers.get("origin", ""))
    return (origin.scheme, origin.netloc) == (request.url.scheme, request.headers.get("host", ""))
