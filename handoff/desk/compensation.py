"""Compensation on the desk: the panel of a ticket, its forms, and what waits for a supervisor.

Forms are plain posts. One that is refused comes back as the panel on a page of its own, with why
and the writer's words, not saved.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from handoff import repository as people
from handoff import staff
from handoff.desk import compensation_views as views
from handoff.desk import ticket_views
from handoff.desk.edge import page, sentence
from handoff.desk.parts import Desk, changing, looking
from handoff.desk.words import Pages, language_of
from handoff.staff import SignedIn
from parcels.change_models import OrderKind
from store import ids
from store.errors import Conflict, CourierError, Invalid
from tickets.compensation import repository
from tickets.compensation.models import Kind
from tickets.compensation.service import Wish
from tickets.models import Ticket

TICKET = "/desk/tickets/{number}"
GRANT = "/desk/grants/{grant_id}"
HERE = "/desk/approvals"
GrantId = int
Words = Annotated[str, Form(max_length=4000)]
Csrf = Annotated[str, Form()]
Version = Annotated[int | None, Form(ge=1)]
Key = Annotated[str, Form(max_length=40)]
Percent = Annotated[int, Query(ge=1, le=100)]
Freight = Annotated[str, Query(max_length=12)]
Do = Callable[[Session, Ticket, SignedIn], object]
Decide = Callable[[Session, int, SignedIn, str, int | None], object]


def add_routes(router: APIRouter, desk: Desk, pages: Pages) -> None:
    """The panel, the forms of a ticket, those of a grant, and the list."""
    money = desk.money

    def whole(
        request: Request, session: Session, person: SignedIn, ticket: Ticket,
        typed: views.Typed = views.UNTYPED, fault: str = "", words: str = "", status: int = 200,
    ) -> Response:  # fmt: skip
        w = pages.words(language_of(request))
        html = pages.render(
            "compensation.html",
            w.language,
            person=person,
            here=f"/desk/tickets/{ticket.number}/compensation",
            c=views.panel(session, desk, ticket, person, w, typed),
            key=ids.new_key(),
            fault=fault,
            words=words,
        )
        return page(html, status)

    def refused(request: Request, number: str, error: CourierError, words: str) -> Response:
        with desk.database.read() as session:
            person = looking(session, request)
            ticket = ticket_views.by_number(session, number, person)
            fault = sentence(pages.words(language_of(request)), error)
            return whole(
                request, session, person, ticket, fault=fault, words=words, status=error.status
            )

    def done(request: Request, number: str, csrf: str, words: str, do: Do) -> Response:
        """One change in one transaction; if it is refused, the panel with why."""
        try:
            with desk.database.write() as session:
                person = changing(session, request, csrf)
                do(session, ticket_views.by_number(session, number, person), person)
        except (Conflict, Invalid) as error:
            return refused(request, number, error, words)
        desk.live.wake("queue")
        return RedirectResponse(f"/desk/tickets/{number}#compensation", 303)

    @router.get(TICKET + "/compensation")
    def show(
        request: Request, number: str, percent: Percent = 100, freight: Freight = ""
    ) -> Response:
        """The panel alone, reckoned for what was typed."""
        with desk.database.read() as session:
            person = looking(session, request)
            ticket = ticket_views.by_number(session, number, person)
            typed = views.Typed(percent, _yuan(freight))
            return whole(request, session, person, ticket, typed)

    @router.post(TICKET + "/liability")
    def liability(
        request: Request, number: str, why: Words = "", version: Version = None, csrf: Csrf = ""
    ) -> Response:
        def do(session: Session, ticket: Ticket, person: SignedIn) -> None:
            money.compensation.settle_liability(session, ticket, person.actor, why, version)

        return done(request, number, csrf, why, do)

    @router.post(TICKET + "/grants")
    def grant(
        request: Request,
        number: str,
        kind: Annotated[str, Form(max_length=16)] = "",
        percent: Annotated[int, Form()] = 100,
        freight: Annotated[str, Form(max_length=12)] = "",
        seen: Annotated[int | None, Form()] = None,
        why: Words = "",
        key: Key = "",
        version: Version = None,
        csrf: Csrf = "",
    ) -> Response:
        def do(session: Session, ticket: Ticket, person: SignedIn) -> None:
            if kind not in set(Kind) or not key:
                raise Invalid("no such compensation")
            money.compensation.grant(
                session, ticket, person.actor, Wish(Kind(kind), percent, _yuan(freight), seen),
                team=person.team, key=f"desk:{person.id}:{key}:{kind}", why=why, version=version,
            )  # fmt: skip

        return done(request, number, csrf, why, do)

    @router.post(TICKET + "/remedies")
    def remedy(
        request: Request,
        number: str,
        kind: Annotated[str, Form(max_length=16)] = "",
        key: Key = "",
        version: Version = None,
        csrf: Csrf = "",
    ) -> Response:
        def do(session: Session, ticket: Ticket, person: SignedIn) -> None:
            if kind not in set(OrderKind) or not key:
                raise Invalid("no such remedy")
            money.remedies.order(
                session, ticket, person.actor, OrderKind(kind), key=f"{person.id}:{key}:{kind}",
                version=version,
            )  # fmt: skip

        return done(request, number, csrf, "", do)

    @router.post(TICKET + "/courier-called")
    def courier_called(request: Request, number: str, why: Words = "", csrf: Csrf = "") -> Response:
        def do(session: Session, ticket: Ticket, person: SignedIn) -> None:
            money.remedies.courier_called(session, ticket, person.actor, why)

        return done(request, number, csrf, why, do)

    def decides(path: str, how: Decide) -> None:
        @router.post(f"{GRANT}/{path}")
        def decide(
            request: Request,
            grant_id: GrantId,
            why: Words = "",
            version: Version = None,
            back: Annotated[str, Form(max_length=10)] = "",
            csrf: Csrf = "",
        ) -> Response:
            with desk.database.read() as session:
                looking(session, request)
                number = repository.ticket_number(session, grant_id)

            def do(session: Session, _: Ticket, person: SignedIn) -> None:
                how(session, grant_id, person, why, version)

            answer = done(request, number, csrf, why, do)
            return RedirectResponse(HERE, 303) if back and answer.status_code == 303 else answer

    def approve(s: Session, grant: int, who: SignedIn, why: str, version: int | None) -> None:
        money.compensation.approve(s, grant, who.actor, why, version)

    def refuse(s: Session, grant: int, who: SignedIn, why: str, version: int | None) -> None:
        money.compensation.refuse(s, grant, who.actor, why, version)

    def agreement(s: Session, grant: int, who: SignedIn, why: str, version: int | None) -> None:
        money.compensation.agreement_signed(s, grant, who.actor, why, version)

    def again(s: Session, grant: int, who: SignedIn, _: str, __: int | None) -> None:
        money.payouts.again(s, grant, who.actor)

    def by_hand(s: Session, grant: int, who: SignedIn, why: str, _: int | None) -> None:
        money.payouts.by_hand(s, grant, who.actor, why)

    def checked(s: Session, grant: int, who: SignedIn, _: str, __: int | None) -> None:
        money.payouts.checked(s, grant, who.actor)

    decides("approve", approve)
    decides("refuse", refuse)
    decides("agreement", agreement)
    decides("again", again)
    decides("by-hand", by_hand)
    decides("checked", checked)

    @router.get(HERE)
    def approvals(
        request: Request, after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0
    ) -> Response:
        """What waits for a second pair of eyes, and what could not be paid."""
        with desk.database.read() as session:
            person = looking(session, request)
            staff.require_supervisor(person)
            w = pages.words(language_of(request))
            names = people.staff_names(session)
            waiting = repository.waiting(session, views.MOST, after)
            failed = repository.failed(session, views.MOST) if not after else []
            html = pages.render(
                "approvals.html",
                w.language,
                person=person,
                here=HERE,
                waiting=views.given(session, waiting, person, w, names),
                failed=views.given(session, failed, person, w, names),
                older=waiting[-1].grant.id if len(waiting) == views.MOST else None,
            )
            return page(html)


def _yuan(typed: str) -> Decimal | None:
    """An amount as people type it; None for nothing."""
    if not typed.strip():
        return None
    try:
        yuan = Decimal(typed.strip())
    except ArithmeticError as error:
        raise Invalid("no amount") from error
    if not yuan.is_finite() or not 0 <= yuan <= 100_000 or yuan != round(yuan, 2):
        raise Invalid("no amount")
    return yuan
