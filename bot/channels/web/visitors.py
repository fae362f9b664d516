"""Who a browser is: an anonymous visitor with a secret in a cookie, and nothing else.

Only the secret's fingerprint is stored, as the customer's address; who reads the database cannot
pose as a visitor.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from fastapi import Request, Response

from store import ids
from store.errors import Forbidden, NotSignedIn

COOKIE = "courier_visitor"
LANGUAGE_COOKIE = "courier_lang"
_YEAR = 365 * 24 * 3600
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


def address_of(request: Request) -> str | None:
    """The visitor's address: 64 hexadecimal digits; ``None`` without a usable cookie."""
    secret = request.cookies.get(COOKIE, "")
    return ids.fingerprint(secret) if _SECRET.fullmatch(secret) else None


def require(request: Request) -> str:
    """The visitor's address; NotSignedIn if the browser has no session yet."""
    address = address_of(request)
    if address is None:
        raise NotSignedIn("no visitor cookie")
    return address


def new() -> tuple[str, str]:
    """Somebody new: the secret for his browser, and the address we store."""
    secret = ids.new_secret()
    return secret, ids.fingerprint(secret)


def remember(response: Response, name: str, value: str, *, secure: bool) -> None:
    response.set_cookie(
        name, value, max_age=_YEAR, path="/", httponly=True, samesite="lax", secure=secure
    )


def same_origin(request: Request) -> None:
    """Forbidden if another site's page sent this. A browser always says where a POST comes from;
    a program that says nothing carries nobody's cookies by accident."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise Forbidden("cross-site request")
    origin = request.headers.get("origin")
    if origin is not None:
        # The scheme may be changed by a proxy in front of us, the host may not.
        try:
            host = urlsplit(origin).netloc
        except ValueError:
            host = ""
        if host != request.headers.get("host"):
            raise Forbidden("cross-site request")


def network_address(request: Request) -> str:
    """Where a request comes from, for limits."""
    return request.client.host if request.client else "unknown"
