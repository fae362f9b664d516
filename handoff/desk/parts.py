"""What the desk is made of, and who may do what on it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from fastapi import Request
from sqlalchemy.orm import Session

from conversations.files import Files
from conversations.texts import Texts
from handoff import staff
from handoff.desk.parcel_rules import ParcelRules
from handoff.models import Case, CaseState
from handoff.service import Handoffs
from handoff.staff import SignedIn
from store.engine import Database
from store.errors import Forbidden
from store.live import Live
from tickets.compensation.money import Money
from tickets.incidents.service import Incidents
from tickets.service import Tickets

COOKIE = "desk_session"
LANGUAGE_COOKIE = "desk_lang"
CSRF_HEADER = "x-csrf-token"


@dataclass(frozen=True, slots=True)
class Desk:
    """The rooms the desk works with. ``problems``: the classes of tickets; ``secure_cookies``:
    send cookies over HTTPS only; ``telegram``: cases are topics in groups there, too."""

    database: Database
    handoffs: Handoffs
    tickets: Tickets
    incidents: Incidents
    problems: tuple[str, ...]
    texts: Texts
    live: Live
    files: Files
    money: Money
    parcels: ParcelRules
    secure_cookies: bool
    telegram: bool = False


def secret_of(request: Request) -> str | None:
    """The session secret this browser holds."""
    return request.cookies.get(COOKIE)


def looking(session: Session, request: Request) -> SignedIn:
    """Who looks; NotSignedIn if nobody."""
    return staff.signed_in(session, secret_of(request))


def changing(session: Session, request: Request, csrf: str = "") -> SignedIn:
    """Who changes something: signed in, and the request was written by our own page.

    The token comes as a form field or in the X-CSRF-Token header; Forbidden without it.
    """
    person = looking(session, request)
    given = csrf or request.headers.get(CSRF_HEADER, "")
    if not secrets.compare_digest(given.encode(), person.csrf.encode()):
        raise Forbidden("csrf", why="csrf")
    return person


def may_open(person: SignedIn, case: Case) -> None:
    """Open cases concern everybody at the desk; ended ones their agent and supervisors."""
    is_open = case.state in (CaseState.WAITING, CaseState.TAKEN)
    if not (is_open or person.is_supervisor or case.staff_id == person.id):
        raise Forbidden(f"case {case.id} has ended")


def may_open_one(person: SignedIn, cases: Sequence[Case]) -> None:
    """What belongs to a conversation concerns who may open any of its cases."""
    for case in cases:
        with suppress(Forbidden):
            return may_open(person, case)
    raise Forbidden("no case of this conversation")


def from_elsewhere(request: Request) -> bool:
    """Whether a browser says that another site wrote this request (there is no token yet)."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("host")
