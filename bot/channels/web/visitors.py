"""Who a browser is: a visitor with a secret. Our own page keeps it in a cookie; in a foreign site's
frame browsers keep no cookies, and the widget sends a bearer token instead.

Only the secret's fingerprint is stored, as the customer's address; who reads the database cannot
pose as a visitor.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import Request, Response

from store import ids
from store.errors import Forbidden

PAGE = "page"
"""The account of our own page; a site's widget has the site's key."""

COOKIE = "courier_visitor"
LANGUAGE_COOKIE = "courier_lang"
_YEAR = 365 * 24 * 3600
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Visitor:
    """``address`` is 64 hexadecimal digits; ``name`` is the site's own id of whom it identified."""

    account: str
    address: str
    name: str | None = None

    @property
    def prefix(self) -> str:
        """Ids made by a page are its visitor's own: nobody can use up or ask for another's."""
        return f"{self.address}:"


def bearer(request: Request) -> str | None:
    """The token of a widget; ``None`` on our own page."""
    given = request.headers.get("authorization")
    return None if given is None else given.removeprefix("Bearer ")


def of_cookie(request: Request) -> Visitor | None:
    """The visitor of our own page; ``None`` without a usable cookie."""
    address = fingerprint(request.cookies.get(COOKIE, ""))
    return Visitor(PAGE, address) if address else None


def fingerprint(secret: str) -> str | None:
    """The address that belongs to a secret; ``None`` for what is none."""
    return ids.fingerprint(secret) if _SECRET.fullmatch(secret) else None


def label(address: str) -> str:
    """What a page may know of its visitor: it keeps unsent words under this name, so that they
    never leave under another's."""
    return address[:12]


def new() -> tuple[str, str]:
    """Somebody new: the secret for his browser, and the address we store."""
    secret = ids.new_secret()
    return secret, ids.fingerprint(secret)


def known_or_new(request: Request) -> tuple[Visitor, str | None]:
    """Who this browser is; a new one gets the secret that it is to keep."""
    known = of_cookie(request)
    if known is not None:
        return known, None
    secret, address = new()
    return Visitor(PAGE, address), secret


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
