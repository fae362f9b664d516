"""``/desk/tickets``: the list, one ticket, and a form for each change of it.

Forms are plain posts: they work without scripts, and an answer that is no redirect is a page. A
form that was written on top of somebody else's change comes back as a page with status 409: the
ticket as it is now, what was changed meanwhile, and the writer's own words, not saved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from handoff import repository
from handoff.desk import compensation_views, ticket_views
from handoff.desk.edge import page, sentence
from handoff.desk.parts import Desk, changing, looking
from handoff.desk.words import Pages, language_of
from handoff.models import Staff
from handoff.staff import SignedIn
from parcels.lookup import canonical
from store import ids
from store.errors import Conflict, CourierError, Invalid, NotFound
from tickets import listing, relations
from tickets import repository as tickets
from tickets.events import Actor
from tickets.lifecycle import Change
from tickets.models import FINISHED, ActorKind, Ticket, TicketState, Urgency, WaitingFor
from tickets.service import canonical_number

PAGE = 40
HERE = "/desk/tickets"
Number = str
Do = Callable[[Session, Ticket, SignedIn], object]
Words = Annotated[str, Form(max_length=4000)]
Version = Annotated[int | None, Form(ge=1)]


@dataclass(frozen=True, slots=True)
class Kept:
    """What a person wrote that was not saved: which form, its words, and why not."""

    form: str
    words: str
    fault: str


def add_routes(router: APIRouter, desk: Desk, pages: Pages) -> None:
    """The list, the page of one ticket, and its forms."""

    @router.get(HERE)
    def show_list(
        request: Request,
        state: Annotated[TicketState | None, Query()] = None,
        urgency: Annotated[Urgency | None, Query()] = None,
        team: Annotated[str, Query(max_length=40)] = "",
        mine: bool = False,
        overdue: bool = False,
        incident: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
        q: Annotated[str, Query(max_length=60)] = "",
        after: Annotated[str, Query(max_length=20)] = "",
    ) -> Response:
        with desk.database.read() as session:
            person = looking(session, request)
            typed = canonical_number(q)
            if typed and tickets.by_number(session, typed):
                return RedirectResponse(f"{HERE}/{typed}", 303)
            only_own = state in FINISHED and not person.is_supervisor
            wanted = listing.Wanted(
                state=state,
                urgency=urgency,
                team=team or None,
                staff_id=person.id if mine or only_own else None,
                waybill_no=canonical(q)[:40] if q.strip() else None,
                overdue=overdue,
                incident_id=incident,
            )
            last = tickets.by_number(session, after) if after else None
            found = [
                ticket
                for ticket in listing.listed(session, wanted, after=last, limit=PAGE)
                if person.is_supervisor or ticket.staff_id == person.id
                or ticket.state not in FINISHED
            ]  # fmt: skip
            chosen = {
                "state": state, "urgency": urgency, "team": team, "q": q.strip(),
                "mine": "true" if mine else "", "overdue": "true" if overdue else "",
                "incident": incident,
            }  # fmt: skip
            kept = {name: str(value) for name, value in chosen.items() if value}
            html = pages.render(
                "tickets.html",
                language_of(request),
                person=person,
                here=f"{HERE}?{urlencode(kept)}" if kept else HERE,
                rows=ticket_views.rows(session, found),
                chosen=chosen,
                filtered=bool(kept),
                states=list(TicketState),
                urgencies=list(Urgency),
                teams=list(desk.tickets.routing.policy.teams),
                older=f"{HERE}?{urlencode(kept | {'after': found[-1].number})}"
                if len(found) == PAGE
                else None,
            )
            return page(html)

    def whole(
        request: Request,
        session: Session,
        person: SignedIn,
        ticket: Ticket,
        *,
        kept: Kept | None = None,
        status: int = 200,
    ) -> Response:
        w = pages.words(language_of(request))
        html = pages.render(
            "ticket.html",
            w.language,
            person=person,
            here=f"{HERE}/{ticket.number}",
            t=ticket_views.opened(session, ticket, person, desk.tickets),
            c=compensation_views.panel(session, desk, ticket, person, w),
            kept=kept,
            key=ids.new_key(),
            teams=list(desk.tickets.routing.policy.teams),
            kinds=desk.problems,
            staff=desk.handoffs.offers.candidates_of(session, ticket),
        )
        return page(html, status)

    @router.get(HERE + "/{number}")
    def show(request: Request, number: Number) -> Response:
        with desk.database.read() as session:
            person = looking(session, request)
            ticket = ticket_views.by_number(session, number, person)
            return whole(request, session, person, ticket)

    def done(request: Request, number: str, csrf: str, form: str, words: str, do: Do) -> Response:
        """One change in one transaction; if it is refused, the page with the words kept."""
        try:
            with desk.database.write() as session:
                person = changing(session, request, csrf)
                do(session, ticket_views.by_number(session, number, person), person)
        except (Conflict, Invalid) as error:
            return refused(request, number, form, words, error)
        desk.live.wake("queue")
        return RedirectResponse(f"{HERE}/{number}", 303)

    def refused(
        request: Request, number: str, form: str, words: str, error: CourierError
    ) -> Response:
        with desk.database.read() as session:
            person = looking(session, request)
            ticket = ticket_views.by_number(session, number, person)
            fault = sentence(pages.words(language_of(request)), error)
            kept = Kept(form, words.strip(), fault)
            return whole(request, session, person, ticket, kept=kept, status=error.status)

    @router.post(HERE + "/{number}/change")
    def change(
        request: Request,
        number: Number,
        change: Annotated[str, Form()] = "",
        why: Words = "",
        version: Version = None,
        csrf: Annotated[str, Form()] = "",
    ) -> Response:
        def do(session: Session, ticket: Ticket, person: SignedIn) -> None:
            if change not in set(Change) - {Change.ASSIGN, Change.WAIT}:
                raise Invalid("no such change")
            desk.tickets.lifecycle.change(
                session, ticket, Change(change), person.actor, why, version=version
            )

        return done(request, number, csrf, change, why, do)

    @router.post(HERE + "/{number}/assign")
    def assign(
        request: Request,
        number: Number,
        team: Annotated[str, Form(max_length=40)] = "",
        to: Annotated[str, Form(max_length=10)] = "",
        why: Words = "",
        version: Version = None,
        csrf: Annotated[str, Form()] = "",
    ) -> Response:
        def do(session: Session, ticket: Ticket, person: SignedIn) -> None:
            if team not in desk.tickets.routing.policy.teams:
                raise Invalid(f"no team {team}")
            desk.tickets.lifecycle.assign(
                session, ticket, person.actor, team=team, to=_person(session, to), why=why,
                version=version,
            )  # fmt: skip

        return done(request, number, csrf, Change.ASSIGN, why, do)

    @router.post(HERE + "/{number}/wait")
    def wait(
        request: Request,
        number: Number,
        waiting_for: Annotated[str, Form()] = "",
        until: Annotated[str, Form(max_length=16)] = "",
        why: Words = "",
        version: Version = None,
        csrf: Annotated[str, Form()] = "",
    ) -> Response:
        def do(session: Session, ticket: Ticket, person: SignedIn) -> None:
            if waiting_for not in set(WaitingFor):
                raise Invalid("waiting for nobody")
            desk.tickets.lifecycle.wait(
                session, ticket, person.actor, WaitingFor(waiting_for), _local(desk, until), why,
                version=version,
            )  # fmt: skip

        return done(request, number, csrf, Change.WAIT, why, do)

    @router.post(HERE + "/{number}/comment")
    def comment(
        request: Request,
        number: Number,
        text: Words = "",
        key: Annotated[str, Form(max_length=40)] = "",
        csrf: Annotated[str, Form()] = "",
    ) -> Response:
        def do(session: Session, ticket: Ticket, person: SignedIn) -> None:
            desk.tickets.lifecycle.comment(
                session, ticket, person.actor, text, key=f"desk:{person.id}:{key}" if key else None
            )

        return done(request, number, csrf, "comment", text, do)

    def with_other(path: str, how: Callable[..., object]) -> None:
        @router.post(HERE + "/{number}/" + path)
        def relate(
            request: Request,
            number: Number,
            other: Annotated[str, Form(max_length=20)] = "",
            version: Version = None,
            csrf: Annotated[str, Form()] = "",
        ) -> Response:
            def do(session: Session, ticket: Ticket, person: SignedIn) -> None:
                found = tickets.by_number(session, canonical_number(other) or "")
                if found is None:
                    raise Invalid(f"no ticket {other[:20]}")
                ticket_views.may_open_ticket(person, found)
                how(session, ticket, found, person.actor, version)

            return done(request, number, csrf, path, other, do)

    def merge(session: Session, one: Ticket, into: Ticket, actor: Actor, version: int) -> None:
        relations.merge(session, desk.tickets.lifecycle, one, into, actor, version=version)
        repository.move_cases(session, one.id, into.id)

    def link(session: Session, one: Ticket, other: Ticket, actor: Actor, _: int) -> None:
        relations.link(session, desk.tickets.lifecycle, one, other, actor)

    with_other("merge", merge)
    with_other("link", link)

    @router.post(HERE + "/{number}/split")
    def split(
        request: Request,
        number: Number,
        kind: Annotated[str, Form(max_length=32)] = "",
        text: Words = "",
        key: Annotated[str, Form(max_length=40)] = "",
        csrf: Annotated[str, Form()] = "",
    ) -> Response:
        def do(session: Session, ticket: Ticket, person: SignedIn) -> None:
            if kind not in desk.problems or not text.strip():
                raise Invalid("no class, or no words")
            desk.tickets.split(
                session, ticket, person.actor, kind=kind, description=text.strip(), key=key
            )

        return done(request, number, csrf, "split", text, do)


def _person(session: Session, typed: str) -> Actor | None:
    """A colleague by his id; None for whoever of the team is first."""
    if not typed:
        return None
    found = session.get(Staff, int(typed)) if typed.isdecimal() else None
    if found is None:
        raise NotFound(f"staff {typed}")
    return Actor(ActorKind.STAFF, found.id, found.name)


def _local(desk: Desk, typed: str) -> datetime:
    """A time on the company's wall, as ``datetime-local`` writes it."""
    try:
        return datetime.fromisoformat(typed).replace(tzinfo=desk.texts.zone)
    except ValueError as error:
        raise Invalid("no time") from error
