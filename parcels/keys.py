"""Keys of programs that call the API: made once, shown once, checked in constant time.

A key reads ``ck.<name of the row>.<secret>``. The row is found by its public part, and the secret
is compared by fingerprint; an unknown or revoked key costs the same comparison as a wrong one.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection

from sqlalchemy.orm import Session

from parcels import repository
from parcels.models import ApiKey, Scope
from store import clock, ids
from store.errors import Invalid, NoKey, ScopeMissing

_NOBODY = ids.fingerprint("")
MOST_CHARACTERS = 120


def add(session: Session, name: str, scopes: Collection[Scope]) -> str:
    """A new key by this name; what is returned is nowhere stored. Invalid if the name is taken."""
    if not 0 < len(name) <= 60 or not scopes:
        raise Invalid("a key needs a name of up to 60 characters and at least one scope")
    if any(key.name == name for key in repository.api_keys(session)):
        raise Invalid(f"there is a key by the name {name}; revoked ones keep theirs")
    public, secret = ids.new_key(), ids.new_secret()
    session.add(
        ApiKey(
            key=public,
            name=name,
            fingerprint=ids.fingerprint(secret),
            scopes=sorted(scopes),
            created_at=clock.now(),
        )
    )
    session.flush()
    return f"ck.{public}.{secret}"


def revoke(session: Session, name: str) -> None:
    """The key opens nothing any more, from the next request on. Invalid if there is none."""
    for key in repository.api_keys(session):
        if key.name == name:
            key.revoked_at = key.revoked_at or clock.now()
            return
    raise Invalid(f"there is no key by the name {name}; ./courier key list shows them")


def check(session: Session, presented: str, scope: Scope) -> ApiKey:
    """The key; NoKey unless ``presented`` is one in force, ScopeMissing unless it has the scope."""
    _, public, secret = [*presented[:MOST_CHARACTERS].split(".", 2), "", ""][:3]
    found = repository.api_key(session, public)
    in_force = found is not None and found.revoked_at is None
    expected = found.fingerprint if found is not None and in_force else _NOBODY
    genuine = hmac.compare_digest(expected, ids.fingerprint(secret))
    if found is None or not in_force or not genuine:
        raise NoKey("no key, an unknown one, or a revoked one")
    if scope not in found.scopes:
        raise ScopeMissing(f"key {found.name} lacks {scope}")
    return found
