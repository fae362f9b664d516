"""How both sides sign: Standard Webhooks (https://www.standardwebhooks.com), version 1.

HMAC-SHA256 over ``id.timestamp.body``; the id is the idempotency key, the timestamp is in seconds.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import timedelta

from store import clock
from store.errors import BadSignature

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
WINDOW = timedelta(minutes=5)
"""How far the other side's clock may be from ours."""
_NAME = re.compile(r"[A-Za-z0-9_:-]{1,128}")
"""No dot: where the id ends and the time begins is beyond doubt."""
_SECONDS = re.compile(r"[0-9]{1,12}")


def signed(key: bytes, name: str, body: bytes) -> dict[str, str]:
    """The headers that go with ``body``."""
    seconds = str(int(clock.now().timestamp()))
    return {ID: name, TIMESTAMP: seconds, SIGNATURE: _signature(key, name, seconds, body)}


def checked(key: bytes, headers: Mapping[str, str], body: bytes) -> str:
    """The id of a genuine request. BadSignature for any other, and for one out of its time."""
    name, seconds = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    if not _NAME.fullmatch(name) or not _SECONDS.fullmatch(seconds):
        raise BadSignature(f"{ID} or {TIMESTAMP} is missing or has another form")
    if abs(clock.now().timestamp() - int(seconds)) > WINDOW.total_seconds():
        raise BadSignature(f"{TIMESTAMP} is too far from now")
    right = _signature(key, name, seconds, body).encode()
    # Several may be given while the other side changes its key.
    given = headers.get(SIGNATURE, "").encode("utf-8", "replace").split(b" ")
    if not any(hmac.compare_digest(right, one) for one in given[:10]):
        raise BadSignature(f"{SIGNATURE} does not fit")
    return name


def _signature(key: bytes, name: str, seconds: str, body: bytes) -> str:
    digest = hmac.new(key, f"{name}.{seconds}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
