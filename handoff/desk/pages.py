"""The queue, the open case, and what an agent does with it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from conversations import download
from conversations import repository as record
from conversations.models import Message
from handoff.desk import replies, views
from handoff.desk import repository as desk_repository
from handoff.desk.edge import CaseId, is_htmx, page, sentence, told
from handoff.desk.parts import Desk, changing, looking, may_open, may_open_one
from handoff.desk.words import Pages, language_of
from handoff.staff import SignedIn
from store import ids
from store.errors import Contradicts, NotFound
from tickets import repository as tickets
from tickets.after import repository as asks
from tickets.models import FINISHED
from tickets.promises import repository as promises
from tickets.promises.models import PromiseState

OUTCOMES = (
    "solved", "explained", "redelivery", "compensated", "ticket_continues", "no_response",
)  # fmt: skip


def outcome_of(kind: str, detail: str) -> str | None:
    """What is stored of a resolved case: the outcome's name, and after a colon more words."""
    name = kind if kind in OUTCOMES else ""
    words = detail.strip()[:500]
    return ": ".join(filter(None, (name, words))) or None


def queue_facts(rows: list[views.Row], me: int | None) -> dict[str, object]:
    """What ``_queue.html`` needs; ``me`` is null in the fragment all browsers share."""
    holders: dict[int, list[views.Row]] = {}
    for row in rows:
        if row.staff_id is not None:
            holders.setdefault(row.staff_id, []).append(row)
    groups = sorted(holders.items(), key=lambda group: (group[0] != me, group[1][0].staff_name))
    return {"waiting": [row for row in rows if row.staff_id is None], "groups": groups, "me": me}


def add_routes(router: APIRouter, desk: Desk, pages: Pages) -> None:
    """``/desk`` and everything below ``/desk/cases``."""

    def whole(
        request: Request, session: Session, person: SignedIn, case_id: int | None, **headers: str
    ) -> Response:
        """The desk with (or without) a case opened."""
        opened = None
        if case_id is not None:
            case = desk.handoffs.case(session, case_id)
            may_open(person, case)
            opened = views.opened(session, case, person, desk.handoffs)
        html = pages.render(
            "desk.html",
            language_of(request),
            person=person,
            here=str(request.url.path) if case_id is None else f"/desk/cases/{case_id}",
            case=opened,
            key=ids.new_key(),
            outcomes=OUTCOMES,
            most=desk.files.most,
            overdue=promises.count_for_attention(session) if person.is_supervisor else 0,
            rises=desk_repository.incidents_for_attention(session).split()[0],
            low=asks.count_low(session) if person.is_supervisor else 0,
            **queue_facts(views.queue(session), person.id),
        )
        return page(html, 200, **headers)

    def thread(session: Session, person: SignedIn, case_id: int) -> views.Opened:
        case = desk.handoffs.case(session, case_id)
        may_open(person, case)
        return views.opened(session, case, person, desk.handoffs)

    def thread_page(
        request: Request,
        opened: views.Opened,
        *,
        sent: bool,
        person: SignedIn | None = None,
        message: Message | None = None,
        **headers: str,
    ) -> Response:
        html = pages.render(
            "_thread.html",
            language_of(request),
            case=opened,
            key=ids.new_key() if sent else None,
            fresh=True,
            person=person,
            message=message.id if message else None,
            offered=desk.handoffs.promising.in_words(message) if message else (),
        )
        return page(html, 200, **headers)

    def name_of(request: Request, opened: views.Opened) -> str:
        w = pages.words(language_of(request))
        return w.guest(opened.row.customer, opened.row.conversation)

    @router.get("/desk")
    def show(request: Request) -> Response:
        with desk.database.read() as session:
            return whole(request, session, looking(session, request), None)

    @router.get("/desk/cases/{case_id}")
    def show_case(request: Request, case_id: CaseId) -> Response:
        with desk.database.read() as session:
            return whole(request, session, looking(session, request), case_id)

    @router.get("/desk/cases/{case_id}/thread")
    def show_thread(
        request: Request, case_id: CaseId, seen: str = "", standing: str = ""
    ) -> Response:
        """The thread's content; nothing if unchanged, or if the page must be fetched as a whole."""
        with desk.database.read() as session:
            opened = thread(session, looking(session, request), case_id)
        if standing and standing != opened.standing:
            return Response(status_code=204, headers={"HX-Trigger": "desk:stale"})
        if seen == opened.version:
            return Response(status_code=204)
        return thread_page(request, opened, sent=False)

    @router.post("/desk/cases/{case_id}/take")
    def take(request: Request, case_id: CaseId, csrf: Annotated[str, Form()] = "") -> Response:
        with desk.database.write() as session:
            person = changing(session, request, csrf)
            desk.handoffs.take(session, case_id, person)
            name = name_of(request, thread(session, person, case_id))
            return _after(request, session, person, case_id, "case.taken_toast", name=name)

    @router.post("/desk/cases/{case_id}/reply")
    async def reply(request: Request, case_id: CaseId) -> Response:
        """Words, and perhaps a file."""
        given = await replies.read(desk, request)
        return await run_in_threadpool(send, request, case_id, given)

    def send(request: Request, case_id: int, given: replies.Read) -> Response:
        try:
            person, message = replies.send(desk, request, case_id, given)
        except Contradicts as error:
            if not is_htmx(request):
                raise
            return ask(request, error)
        with desk.database.read() as session:
            opened = thread(session, person, case_id)
        if not is_htmx(request):
            return RedirectResponse(f"/desk/cases/{case_id}", 303)
        return thread_page(request, opened, sent=True, person=person, message=message)

    def ask(request: Request, error: Contradicts) -> Response:
        """Above the words, which stay: sent once more, they are meant."""
        w = pages.words(language_of(request))
        asked = {"text": sentence(w, error), "confirm": error.facts["confirm"]}
        html = pages.render("_promised.html", language_of(request), asked=asked)
        return page(html, error.status, HX_Retarget="#promised", HX_Reswap="outerHTML")

    @router.post("/desk/cases/{case_id}/promises")
    def promise(
        request: Request,
        case_id: CaseId,
        message_id: Annotated[int, Form(ge=1, le=2**31 - 1)],
        csrf: Annotated[str, Form()] = "",
    ) -> Response:
        with desk.database.write() as session:
            person = changing(session, request, csrf)
            desk.handoffs.promise(session, case_id, person, message_id)
            return _after(request, session, person, case_id, "promised.recorded")

    @router.post("/desk/cases/{case_id}/promises/{promise_id}/end")
    def end_promise(
        request: Request,
        case_id: CaseId,
        promise_id: CaseId,
        state: Annotated[Literal["kept", "withdrawn"], Form()],
        csrf: Annotated[str, Form()] = "",
    ) -> Response:
        with desk.database.write() as session:
            person = changing(session, request, csrf)
            desk.handoffs.end_promise(session, case_id, person, promise_id, PromiseState(state))
            return _after(request, session, person, case_id, f"promised.{state}_toast")

    @router.get("/desk/files/{file_id}")
    def show_file(request: Request, file_id: CaseId) -> Response:
        """A file, for those who may open a case of its conversation."""
        with desk.database.read() as session:
            person = looking(session, request)
            found = record.attachment(session, file_id)
            if found is None:
                raise NotFound(f"file {file_id}")
            row, message, _ = found
            ticket = tickets.of_file(session, file_id)
            if ticket is not None and ticket.state not in FINISHED:
                return download.answer(desk.files, row)  # evidence: open to everybody at the desk
            if not person.is_supervisor:
                cases = desk_repository.cases_of(session, message.conversation_id)
                may_open_one(person, cases)
        return download.answer(desk.files, row)

    @router.post("/desk/cases/{case_id}/note")
    def note(
        request: Request,
        case_id: CaseId,
        text: Annotated[str, Form()] = "",
        csrf: Annotated[str, Form()] = "",
    ) -> Response:
        with desk.database.write() as session:
            person = changing(session, request, csrf)
            may_open(person, desk.handoffs.case(session, case_id))
            desk.handoffs.note(session, case_id, person, text)
            opened = thread(session, person, case_id)
        if not is_htmx(request):
            return RedirectResponse(f"/desk/cases/{case_id}", 303)
        toast = told(pages.words(language_of(request))("case.note_toast"))
        return thread_page(request, opened, sent=False, HX_Trigger=toast)

    @router.post("/desk/cases/{case_id}/hand-back")
    def hand_back(request: Request, case_id: CaseId, csrf: Annotated[str, Form()] = "") -> Response:
        with desk.database.write() as session:
            person = changing(session, request, csrf)
            desk.handoffs.hand_back(session, case_id, person)
            return _after(request, session, person, None, "case.returned_toast")

    @router.post("/desk/cases/{case_id}/resolve")
    def resolve(
        request: Request,
        case_id: CaseId,
        outcome: Annotated[str, Form()] = "",
        detail: Annotated[str, Form()] = "",
        csrf: Annotated[str, Form()] = "",
    ) -> Response:
        with desk.database.write() as session:
            person = changing(session, request, csrf)
            desk.handoffs.resolve(session, case_id, person, outcome_of(outcome, detail))
            return _after(request, session, person, None, "case.resolved_toast")

    def _after(
        request: Request,
        session: Session,
        person: SignedIn,
        case_id: int | None,
        toast: str,
        **facts: object,
    ) -> Response:
        """The desk as it is after a change, with a word about it."""
        to = f"/desk/cases/{case_id}" if case_id else "/desk"
        if not is_htmx(request):
            return RedirectResponse(to, 303)
        text = pages.words(language_of(request))(toast, **facts)
        return whole(request, session, person, case_id, HX_Trigger=told(text), HX_Push_Url=to)
