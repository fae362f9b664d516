"""Who works at the desk: accounts, sign-in, sessions, lockout."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy.orm import Session

from handoff import repository
from handoff.models import Role, Staff, StaffSession
from store import clock, ids
from store.engine import Database
from store.errors import Conflict, Forbidden, Invalid, LockedOut, NotSignedIn, WrongPassword
from tickets.events import Actor
from tickets.models import ActorKind

SESSION_LENGTH = timedelta(hours=12)
SHORTEST_PASSWORD = 10
WRONG_PASSWORDS = 5
LOCKOUT = timedelta(minutes=15)

_hasher = PasswordHasher()
_NOBODY = _hasher.hash(secrets.token_urlsafe(8))


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A staff member at a browser. ``csrf`` must come back with every change."""

    id: int
    login: str
    name: str
    role: Role
    team: str
    csrf: str

    @property
    def is_supervisor(self) -> bool:
        return self.role == Role.SUPERVISOR

    @property
    def actor(self) -> Actor:
        """As the events of a ticket name him."""
        return Actor(ActorKind.STAFF, self.id, self.name, self.is_supervisor)


def add(
    session: Session,
    *,
    login: str,
    name: str,
    role: Role,
    team: str,
    password: str,
    demo: bool = False,
) -> Staff:
    """A new account; Conflict if the login is taken."""
    if repository.staff_by_login(session, login) is not None:
        raise Conflict(f"login {login} is taken")
    staff = Staff(
        login=login,
        name=name,
        role=role,
        team=team,
        password_hash=_hasher.hash(password),
        demo=demo,
        created_at=clock.now(),
    )
    session.add(staff)
    session.flush()
    return staff


def add_or_reset(
    session: Session, *, login: str, name: str | None, role: Role, team: str, password: str
) -> Staff:
    """A new account, or a new password (and an end of lockout) for the one of this login."""
    if len(password) < SHORTEST_PASSWORD:
        raise Invalid(f"A password has at least {SHORTEST_PASSWORD} characters.")
    staff = repository.staff_by_login(session, login)
    if staff is None:
        return add(
            session, login=login, name=name or login, role=role, team=team, password=password
        )
    staff.password_hash = _hasher.hash(password)
    staff.wrong_passwords, staff.locked_until = 0, None
    return staff


def sign_in(database: Database, login: str, password: str) -> str:
    """The secret of a new session; WrongPassword (whichever was wrong), or LockedOut.

    The hash is compared outside any transaction, because it takes long on purpose and nobody may
    wait for it; unknown logins take as long. A wrong try is counted and outlives the failure.
    """
    with database.read() as session:
        staff = repository.staff_by_login(session, login)
        known = (staff.id, staff.password_hash, staff.locked_until) if staff else None
    if known and known[2] and known[2] > clock.now():
        raise LockedOut(until=known[2])
    matches = _matches(known[1] if known else _NOBODY, password)
    if known is None:
        raise WrongPassword
    with database.write() as session:
        staff = session.get_one(Staff, known[0])
        if matches and staff.password_hash == known[1]:
            staff.wrong_passwords, staff.locked_until = 0, None
            return begin_session(session, staff)
        staff.wrong_passwords += 1
        if staff.wrong_passwords >= WRONG_PASSWORDS:
            staff.wrong_passwords, staff.locked_until = 0, clock.now() + LOCKOUT
    raise WrongPassword


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (VerifyMismatchError, InvalidHashError):
        return False


def begin_session(session: Session, staff: Staff) -> str:
    """Sign in: the secret for the cookie."""
    secret = ids.new_secret()
    session.add(
        StaffSession(
            fingerprint=ids.fingerprint(secret),
            csrf=ids.new_key(),
            staff_id=staff.id,
            expires_at=clock.now() + SESSION_LENGTH,
        )
    )
    session.flush()
    return secret


def signed_in(session: Session, secret: str | None) -> SignedIn:
    """Who holds this cookie; NotSignedIn if nobody."""
    row = (
        repository.staff_session(session, ids.fingerprint(secret), clock.now()) if secret else None
    )
    if row is None:
        raise NotSignedIn
    staff = session.get_one(Staff, row.staff_id)
    return SignedIn(staff.id, staff.login, staff.name, Role(staff.role), staff.team, row.csrf)


def end_session(session: Session, secret: str | None) -> None:
    """Sign out; harmless if nobody was signed in."""
    row = (
        repository.staff_session(session, ids.fingerprint(secret), clock.now()) if secret else None
    )
    if row is not None:
        session.delete(row)


def require_supervisor(person: SignedIn) -> None:
    if not person.is_supervisor:
        raise Forbidden("supervisors only")
