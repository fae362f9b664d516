"""Identifiers that leave the house: unguessable, safe in addresses."""

from __future__ import annotations

import hashlib
import secrets


def new_key() -> str:
    """A public identifier: 22 characters, 128 random bits."""
    return secrets.token_urlsafe(16)


def new_secret() -> str:
    """A bearer secret: 43 characters, 256 random bits. Store only its fingerprint."""
    return secrets.token_urlsafe(32)


def fingerprint(secret: str) -> str:
    """What is stored of a secret: its SHA-256, 64 hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()
