"""Links to files that an app fetches from us: signed, and good for a while only."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta

from store import clock
from store.errors import NotFound

LIFETIME = timedelta(hours=1)


class Links:
    """``base`` is the service's address as readers see it, ``secret`` the installation's own."""

    def __init__(self, base: str, secret: str, lifetime: timedelta = LIFETIME) -> None:
        self._lifetime = lifetime
        self._base = base
        self._secret = secret.encode()

    def to(self, path: str) -> str:
        """The address of ``path`` for as long as links live."""
        until = str(int((clock.now() + self._lifetime).timestamp()))
        return f"{self._base}{path}?until={until}&signature={self._sign(path, until)}"

    def check(self, path: str, until: str, signature: str) -> None:
        """NotFound unless ``path`` was given away with this signature, and is so still."""
        right = self._sign(path, until)
        if not hmac.compare_digest(right.encode(), signature.encode("utf-8", "replace")):
            raise NotFound("a link that was never given")
        if clock.now().timestamp() > int(until):
            raise NotFound("a link that has ended")

    def _sign(self, path: str, until: str) -> str:
        return hmac.new(self._secret, f"{until}.{path}".encode(), hashlib.sha256).hexdigest()
