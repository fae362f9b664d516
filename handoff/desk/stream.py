"""``/desk/live``: one stream of events a browser. It carries what must be seen without reload.

Events: ``queue`` (the fragment), ``overdue`` (for supervisors: how many), ``incidents`` (how many
are to be decided or seen), ``case`` (the opened case may have changed: fetch its thread),
``signed_out``. A new stream first sends everything, so a
restart of the service loses nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter, Query, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from conversations.language import LANGUAGES
from handoff.desk import repository as desk_repository
from handoff.desk import views
from handoff.desk.feed import QueueFeed, first_of
from handoff.desk.pages import queue_facts
from handoff.desk.parts import Desk, looking, may_open
from handoff.desk.words import Pages, language_of
from store.errors import NotSignedIn
from tickets.promises import repository as promises

OVERDUE = "overdue"
"""The feed's fragment for supervisors: how many promises broke and were not seen."""
INCIDENTS = "incidents"
"""The fragment that changes with what is proposed as an incident; its first word is how many."""
CHECK_SIGN_IN = 30.0
"""Seconds after which a silent stream makes sure that its session still stands."""


def add_routes(router: APIRouter, desk: Desk, pages: Pages) -> None:
    """``/desk/live``, with ``?case=`` of the case that is open."""

    def render() -> dict[str, str]:
        with desk.database.read() as session:
            facts = queue_facts(views.queue(session), None)
            overdue = promises.count_for_attention(session)
            rises = desk_repository.incidents_for_attention(session)
        shown = {language: pages.render("_queue.html", language, **facts) for language in LANGUAGES}
        return shown | {OVERDUE: str(overdue), INCIDENTS: rises}

    feed = QueueFeed(desk.live, render)

    def topics(request: Request, case_id: int | None) -> tuple[list[str], bool]:
        """What this stream listens to, and whether for a supervisor; raises for somebody who may
        not."""
        with desk.database.read() as session:
            person = looking(session, request)
            if case_id is None:
                return [], person.is_supervisor
            case = desk.handoffs.case(session, case_id)
            may_open(person, case)
            return [f"conversation:{case.conversation_id}"], person.is_supervisor

    def stands(request: Request) -> bool:
        with desk.database.read() as session:
            try:
                looking(session, request)
            except NotSignedIn:
                return False
        return True

    @router.get("/desk/live")
    async def live(
        request: Request, case: int | None = Query(None, ge=1, le=2**31 - 1)
    ) -> Response:
        listened, supervises = await run_in_threadpool(topics, request, case)
        return EventSourceResponse(
            _events(request, listened, supervises), ping=15, headers={"Cache-Control": "no-store"}
        )

    async def _events(
        request: Request, listened: list[str], supervises: bool
    ) -> AsyncIterator[ServerSentEvent]:
        language = language_of(request)
        shown = overdue = rises = ""
        async with feed.watching() as queue:
            with desk.live.listen(*listened) as thread:
                queue.set()
                thread.set()
                while True:
                    if thread.is_set() and listened:
                        yield ServerSentEvent(event="case", data="changed")
                    thread.clear()
                    queue.clear()
                    fragment = feed.fragments.get(language, "")
                    if fragment and fragment != shown:
                        shown = fragment
                        yield ServerSentEvent(event="queue", data=fragment)
                    count = feed.fragments.get(OVERDUE, "")
                    if supervises and count and count != overdue:
                        overdue = count
                        yield ServerSentEvent(event=OVERDUE, data=count)
                    proposed = feed.fragments.get(INCIDENTS, "")
                    if proposed and proposed != rises:
                        rises = proposed
                        yield ServerSentEvent(event=INCIDENTS, data=proposed.split()[0])
                    await first_of(queue, thread, within=CHECK_SIGN_IN)
                    if not (queue.is_set() or thread.is_set()) and not await run_in_threadpool(
                        stands, request
                    ):
                        yield ServerSentEvent(event="signed_out", data="")
                        return
