"""``/desk/parcels``: find a parcel, and see everything about it. What is personal shows at a press,
which is written down."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from handoff.desk import parcel_views
from handoff.desk.edge import page
from handoff.desk.parts import Desk, changing, looking
from handoff.desk.words import Pages, language_of
from handoff.models import LookedAt
from handoff.staff import SignedIn
from parcels import lookup, orders
from parcels import repository as parcels
from parcels.change_models import DepotOrder
from parcels.lookup import canonical
from parcels.models import Shipment
from parcels.telling import why
from store.errors import Forbidden, Invalid

HERE = "/desk/parcels"
Number = Annotated[str, Path(pattern=r"^[A-Z0-9]{6,40}$")]


def _what(desk: Desk, language: str, order: DepotOrder, *, reveal: bool) -> str:
    """What was ordered; places and persons are personal."""
    told = {k: v if reveal or k in {"from", "to"} else "…" for k, v in order.wish.items()}
    return orders.describe(desk.texts, language, order.kind, order.waybill_no, told)


def add_routes(router: APIRouter, desk: Desk, pages: Pages) -> None:
    """The search, its results, one parcel, and what is personal of it."""

    def results(
        request: Request,
        person: SignedIn,
        *,
        typed: str = "",
        answer: str | None = None,
        shipments: Sequence[Shipment] = (),
        status: int = 200,
    ) -> Response:
        html = pages.render(
            "parcels.html",
            language_of(request),
            person=person,
            here=HERE,
            typed=typed,
            answer=answer,
            shipments=shipments,
            by_person=desk.parcels.may_find(person),
            days=desk.parcels.find_by_person.days,
        )
        return page(html, status)

    def shown(
        request: Request, session: Session, person: SignedIn, number: str, *, reveal: bool
    ) -> Response:
        shipment = parcels.by_waybill(session, number)
        if shipment is None:
            return results(request, person, typed=number, answer="unknown", status=404)
        if reveal:
            parcel_views.note_look(session, person, LookedAt.DETAILS, number)
        file = parcel_views.dossier(session, shipment, person, revealed=reveal)
        html = pages.render(
            "parcel.html",
            language_of(request),
            person=person,
            here=f"{HERE}/{number}",
            file=file,
            why=why(desk.texts, language_of(request), file.view.now),
            what=lambda order: _what(desk, language_of(request), order, reveal=reveal),
        )
        return page(html)

    @router.get(HERE)
    def search(request: Request, number: Annotated[str, Query(max_length=80)] = "") -> Response:
        """By a number as somebody wrote it: one parcel, or those one slip away."""
        with desk.database.read() as session:
            person = looking(session, request)
            if not canonical(number):
                return results(request, person, typed=number)
            match lookup.find(session, number):
                case lookup.Found(shipment):
                    return RedirectResponse(f"{HERE}/{shipment.waybill_no}", 303)
                case lookup.Proposals(typed=typed, shipments=near):
                    return results(request, person, typed=typed, answer="near", shipments=near)
                case lookup.Unknown(typed=typed, mistyped=mistyped):
                    answer = "mistyped" if mistyped else "unknown"
                    return results(request, person, typed=typed, answer=answer, status=404)

    @router.post(HERE + "/find")
    def find(
        request: Request,
        name: Annotated[str, Form(max_length=80)] = "",
        digits: Annotated[str, Form(max_length=8)] = "",
        csrf: Annotated[str, Form()] = "",
    ) -> Response:
        """By a person. What was typed stands in no address; that it was, and what it found, is
        written down."""
        with desk.database.write() as session:
            person = changing(session, request, csrf)
            if not desk.parcels.may_find(person):
                raise Forbidden("finding parcels by a person")
            wanted = unicodedata.normalize("NFKC", name).strip()
            four = unicodedata.normalize("NFKC", digits).strip()
            if not wanted or not re.fullmatch(r"[0-9]{4}", four):
                raise Invalid("a name and four digits")
            shipments = parcel_views.found(session, desk.parcels, wanted, four)
            for number in [each.waybill_no for each in shipments] or [""]:
                parcel_views.note_look(session, person, LookedAt.SEARCH, number)
            answer = "found" if shipments else "nobody"
            return results(request, person, answer=answer, shipments=shipments)

    @router.get(HERE + "/{number}")
    def show(request: Request, number: Number) -> Response:
        with desk.database.read() as session:
            return shown(request, session, looking(session, request), number, reveal=False)

    @router.post(HERE + "/{number}/reveal")
    def reveal(request: Request, number: Number, csrf: Annotated[str, Form()] = "") -> Response:
        with desk.database.write() as session:
            person = changing(session, request, csrf)
            return shown(request, session, person, number, reveal=True)
