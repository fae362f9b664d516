"""The desk's pages, its stream and its API as one router."""

from __future__ import annotations

from fastapi import APIRouter

from handoff.desk import (
    api,
    compensation,
    incidents,
    overdue,
    pages,
    parcels,
    proposals,
    scores,
    sign_in,
    stream,
    telegram,
    tickets,
    undelivered,
)
from handoff.desk.edge import api_route_class, route_class
from handoff.desk.parts import Desk
from handoff.desk.replies import TAKES_FILES
from handoff.desk.words import STATIC, Pages
from handoff.review import routes as review

__all__ = ["STATIC", "TAKES_FILES", "Desk", "router"]


def router(desk: Desk) -> APIRouter:
    """Everything staff can reach.

    Pages turn the product's errors into words themselves; below ``/api`` CourierError is raised
    for the application to turn into JSON. Static files: ``STATIC`` under ``/static/desk/``, and
    django_htmx's ``htmx-2.min.js`` and ``ext/hx-sse-2.min.js`` under ``/static/vendor/``.
    """
    templates = Pages(desk.texts, telegram=desk.telegram)
    shown = APIRouter(route_class=route_class(templates), include_in_schema=False)
    sign_in.add_routes(shown, desk, templates)
    pages.add_routes(shown, desk, templates)
    stream.add_routes(shown, desk, templates)
    review.add_routes(shown, desk, templates)
    telegram.add_routes(shown, desk, templates)
    overdue.add_routes(shown, desk, templates)
    scores.add_routes(shown, desk, templates)
    undelivered.add_routes(shown, desk, templates)
    tickets.add_routes(shown, desk, templates)
    compensation.add_routes(shown, desk, templates)
    parcels.add_routes(shown, desk, templates)
    incidents.add_routes(shown, desk, templates)
    proposals.add_routes(shown, desk, templates)
    programs = APIRouter(route_class=api_route_class(templates))
    api.add_routes(programs, desk)
    whole = APIRouter()
    whole.include_router(shown)
    whole.include_router(programs)
    return whole
