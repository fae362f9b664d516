"""Who may use the console: a program on this machine that can read this installation's secret."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress

from fastapi import Request

from store.errors import Forbidden, NotSignedIn


def token(secret: str) -> str:
    """The bearer token that belongs to an installation's secret: 64 hexadecimal digits."""
    return hmac.new(secret.encode(), b"courier console", hashlib.sha256).hexdigest()


def check(request: Request, expected: str) -> None:
    """Forbidden from another machine, NotSignedIn without the token."""
    host = request.client.host if request.client else ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise Forbidden("the console answers on this machine only")
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {expected}".encode()):
        raise NotSignedIn("console token")
