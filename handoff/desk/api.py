"""The staff API: the desk for programs. JSON, the desk's session cookie, X-CSRF-Token on changes.

``POST /api/session`` signs in and gives the token; errors are the product's JSON errors.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from conversations.models import Conversation
from handoff import staff
from handoff.desk import replies, views
from handoff.desk.edge import CaseId
from handoff.desk.parts import Desk, changing, from_elsewhere, looking, may_open
from handoff.desk.sign_in import keep_session
from handoff.packet import promised_to
from handoff.staff import SignedIn
from store.errors import Forbidden


class Credentials(BaseModel):
    login: str
    password: str


class NoteIn(BaseModel):
    text: str


class PromiseIn(BaseModel):
    message_id: Annotated[int, Field(ge=1, le=2**31 - 1)]


class ResolveIn(BaseModel):
    outcome: Annotated[str | None, Field(max_length=600)] = None


def add_routes(router: APIRouter, desk: Desk) -> None:
    """Everything below ``/api/session`` and ``/api/cases``."""

    @router.post("/api/session")
    def enter(request: Request, response: Response, given: Credentials) -> dict[str, Any]:
        if from_elsewhere(request):
            raise Forbidden("sign-in from another site", why="csrf")
        secret = staff.sign_in(desk.database, given.login, given.password)
        keep_session(desk, response, secret)
        with desk.database.read() as session:
            return _person(staff.signed_in(session, secret))

    @router.get("/api/session")
    def who(request: Request) -> dict[str, Any]:
        with desk.database.read() as session:
            return _person(looking(session, request))

    @router.get("/api/cases")
    def cases(request: Request) -> dict[str, Any]:
        with desk.database.read() as session:
            looking(session, request)
            return {"cases": [asdict(row) for row in views.queue(session)]}

    @router.get("/api/cases/{case_id}")
    def case(request: Request, case_id: CaseId) -> dict[str, Any]:
        with desk.database.read() as session:
            person = looking(session, request)
            may_open(person, desk.handoffs.case(session, case_id))
            return _case(desk, session, person, case_id)

    @router.get("/api/cases/{case_id}/packet")
    def packet(request: Request, case_id: CaseId) -> dict[str, Any]:
        with desk.database.read() as session:
            person = looking(session, request)
            found = desk.handoffs.case(session, case_id)
            may_open(person, found)
            conversation = session.get_one(Conversation, found.conversation_id)
            owed = promised_to(session, conversation.customer_id)
            return found.packet | {"promises": [each.model_dump(mode="json") for each in owed]}

    @router.post("/api/cases/{case_id}/take")
    def take(request: Request, case_id: CaseId) -> dict[str, Any]:
        with desk.database.write() as session:
            person = changing(session, request)
            desk.handoffs.take(session, case_id, person)
            return _case(desk, session, person, case_id)

    @router.post("/api/cases/{case_id}/reply")
    async def reply(request: Request, case_id: CaseId) -> dict[str, Any]:
        """JSON, or a form where a ``file`` goes along: ``text`` and ``key``. Words that put off a
        promise are answered with 409 and sent with its ``confirm`` as ``confirmed``."""
        given = await replies.read(desk, request)
        _, message = await run_in_threadpool(replies.send, desk, request, case_id, given)
        promises = desk.handoffs.promising.in_words(message) if message else ()
        return {
            "message_id": message.id if message else None,
            "repeated": message is None,
            "promises": [asdict(said) for said in promises],
        }

    @router.post("/api/cases/{case_id}/promises")
    def promise(request: Request, case_id: CaseId, given: PromiseIn) -> dict[str, Any]:
        """Keep what a message of ours promises."""
        with desk.database.write() as session:
            person = changing(session, request)
            made = desk.handoffs.promise(session, case_id, person, given.message_id)
            return {"promises": [promise.id for promise in made]}

    @router.post("/api/cases/{case_id}/typing")
    def typing(request: Request, case_id: CaseId) -> dict[str, Any]:
        with desk.database.write() as session:
            desk.handoffs.typing(session, case_id, changing(session, request))
            return {}

    @router.post("/api/cases/{case_id}/note")
    def note(request: Request, case_id: CaseId, given: NoteIn) -> dict[str, Any]:
        with desk.database.write() as session:
            person = changing(session, request)
            may_open(person, desk.handoffs.case(session, case_id))
            message = desk.handoffs.note(session, case_id, person, given.text)
            return {"message_id": message.id}

    @router.post("/api/cases/{case_id}/hand-back")
    def hand_back(request: Request, case_id: CaseId) -> dict[str, Any]:
        with desk.database.write() as session:
            person = changing(session, request)
            desk.handoffs.hand_back(session, case_id, person)
            return _case(desk, session, person, case_id)

    @router.post("/api/cases/{case_id}/resolve")
    def resolve(
        request: Request, case_id: CaseId, given: ResolveIn | None = None
    ) -> dict[str, Any]:
        with desk.database.write() as session:
            person = changing(session, request)
            outcome = given.outcome if given else None
            desk.handoffs.resolve(session, case_id, person, outcome)
            return _case(desk, session, person, case_id)


def _person(person: SignedIn) -> dict[str, Any]:
    return {
        "login": person.login,
        "name": person.name,
        "role": person.role,
        "team": person.team,
        "csrf": person.csrf,
    }


def _case(desk: Desk, session: Any, person: SignedIn, case_id: int) -> dict[str, Any]:
    opened = views.opened(session, desk.handoffs.case(session, case_id), person, desk.handoffs)
    return asdict(opened.row) | {
        "mine": opened.mine,
        "outcome": opened.outcome,
        "ended_at": opened.ended_at,
        "replies_left": opened.meter.left if opened.meter else None,
        "replies_until": opened.meter.until if opened.meter else None,
        "thread": [asdict(line) for line in opened.thread],
    }
