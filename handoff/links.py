"""Who at the desk is who on Telegram: linked once, by a code that only the person at the desk sees.

In the caller's transaction.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from handoff.models import Role, Staff, StaffLink
from handoff.staff import SignedIn
from store import clock, ids
from store.errors import NotFound

LIFETIME = timedelta(minutes=15)
_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
LENGTH = 10
"""Of 31 letters: nobody guesses one of 50 bits in 15 minutes."""


def new_code(session: Session, staff_id: int) -> str:
    """A code for this person, good for 15 minutes and once; the one before it is void."""
    code = "".join(secrets.choice(_LETTERS) for _ in range(LENGTH))
    link = session.get(StaffLink, staff_id) or StaffLink(staff_id=staff_id)
    link.code, link.code_until = ids.fingerprint(code), clock.now() + LIFETIME
    session.add(link)
    session.flush()
    return code


def redeem(session: Session, code: str, user_id: int) -> Staff:
    """The person is this Telegram user from now on, and nobody else is. NotFound for a code that
    was never given, was used, or is too old."""
    given = ids.fingerprint(code.strip().upper())
    link = session.scalar(
        select(StaffLink).where(StaffLink.code == given, StaffLink.code_until > clock.now())
    )
    if link is None:
        raise NotFound("no such code")
    before = _link_of(session, user_id)
    if before is not None:
        before.user_id = None
        session.flush()
    link.user_id, link.code, link.code_until = user_id, None, None
    return session.get_one(Staff, link.staff_id)


def person(session: Session, user_id: int) -> SignedIn | None:
    """Who this Telegram user is at the desk; ``None`` for anybody else."""
    link = _link_of(session, user_id)
    if link is None:
        return None
    staff = session.get_one(Staff, link.staff_id)
    return SignedIn(staff.id, staff.login, staff.name, Role(staff.role), staff.team, csrf="")


def is_linked(session: Session, staff_id: int) -> bool:
    """Whether this person may write in topics."""
    link = session.get(StaffLink, staff_id)
    return link is not None and link.user_id is not None


def _link_of(session: Session, user_id: int) -> StaffLink | None:
    return session.scalar(select(StaffLink).where(StaffLink.user_id == user_id))
