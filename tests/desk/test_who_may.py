"""Who may do what: every route, seen by nobody, the holder, a colleague and a supervisor."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi.routing import APIRoute

from conversations.models import Conversation
from handoff import repository as people
from handoff.desk.routes import router
from tests.desk.world import Browser, World
from tickets import repository as tickets
from tickets.compensation.models import Kind
from tickets.compensation.service import Wish
from tickets.events import Actor
from tickets.models import ActorKind
from tickets.service import Complaint

PEOPLE = ("lili", "wangwei", "chen")  # the holder, a colleague, a supervisor
# What is looked at here does not depend on the engine.
pytestmark = pytest.mark.parametrize("address", ["sqlite"], indirect=True)
NUMBERS = itertools.count()
promising: dict[str, int] = {}
"""The message that a way to the ledger is tried with."""


@dataclass(frozen=True)
class Way:
    """A route with what it answers to the holder, a colleague and a supervisor."""

    method: str
    path: str
    case: str
    answers: tuple[int, int, int]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path} [{self.case}]"


GRANT = "/desk/grants/{grant_id}"


def ways() -> list[Way]:
    page, api = "/desk/cases/{case_id}", "/api/cases/{case_id}"
    found = [
        Way("GET", "/desk", "", (200, 200, 200)),
        Way("GET", "/desk/review", "", (403, 403, 200)),
        Way("GET", "/desk/review/{key}", "taken", (403, 403, 200)),
        Way("GET", "/desk/undelivered", "", (403, 403, 200)),
        Way("GET", "/desk/overdue", "", (403, 403, 200)),
        Way("POST", "/desk/overdue/{promise_id}/seen", "taken", (403, 403, 303)),
        Way("GET", "/desk/scores", "", (403, 403, 200)),
        Way("POST", "/desk/scores/{ask_id}/seen", "", (403, 403, 303)),
        Way("GET", "/desk/tickets", "", (200, 200, 200)),
        Way("GET", "/desk/incidents", "", (200, 200, 200)),
        Way("POST", "/desk/incidents", "", (403, 403, 303)),
        Way("POST", "/desk/incidents/{incident_id}/until", "", (403, 403, 303)),
        Way("POST", "/desk/incidents/{incident_id}/end", "", (403, 403, 303)),
        Way("POST", "/desk/incidents/{incident_id}/seen", "", (403, 403, 303)),
        Way("GET", "/desk/incidents/proposals/{proposal_id}", "", (200, 200, 200)),
        Way("POST", "/desk/incidents/proposals/{proposal_id}/confirm", "", (403, 403, 303)),
        Way("POST", "/desk/incidents/proposals/{proposal_id}/dismiss", "", (403, 403, 303)),
        Way("GET", "/desk/parcels", "", (200, 200, 200)),
        Way("GET", "/desk/parcels/{number}", "", (200, 200, 200)),
        Way("POST", "/desk/parcels/{number}/reveal", "", (200, 200, 200)),
        Way("POST", "/desk/parcels/find", "", (422, 422, 422)),
        Way("GET", "/api/session", "", (200, 200, 200)),
        Way("GET", "/api/cases", "", (200, 200, 200)),
        Way("GET", "/desk/telegram", "", (200, 200, 200)),
        Way("POST", "/desk/telegram", "", (200, 200, 200)),
        Way("GET", "/desk/live", "ended", (0, 403, 0)),
        Way("POST", "/desk/logout", "", (303, 303, 303)),
    ]
    ticket = "/desk/tickets/{number}"
    found += [
        Way("GET", ticket, "accepted", (200, 200, 200)),
        Way("GET", ticket, "cancelled", (200, 403, 200)),
        Way("POST", ticket + "/comment", "accepted", (303, 303, 303)),
        Way("POST", ticket + "/comment", "cancelled", (303, 403, 303)),
        Way("POST", ticket + "/change", "accepted", (303, 409, 303)),
        Way("POST", ticket + "/change", "cancelled", (409, 403, 409)),
        Way("GET", ticket + "/compensation", "accepted", (200, 200, 200)),
        Way("GET", ticket + "/compensation", "cancelled", (200, 403, 200)),
        Way("POST", ticket + "/liability", "accepted", (303, 409, 303)),
        Way("POST", ticket + "/liability", "cancelled", (409, 403, 409)),
        Way("POST", ticket + "/courier-called", "accepted", (409, 409, 409)),
        Way("POST", ticket + "/courier-called", "cancelled", (409, 403, 409)),
        Way("GET", "/desk/approvals", "", (403, 403, 200)),
        Way("POST", GRANT + "/approve", "accepted", (403, 403, 303)),
        Way("POST", GRANT + "/refuse", "accepted", (403, 403, 303)),
        Way("POST", GRANT + "/agreement", "accepted", (303, 409, 303)),
        Way("POST", GRANT + "/again", "accepted", (403, 403, 404)),
        Way("POST", GRANT + "/by-hand", "accepted", (403, 403, 404)),
        Way("POST", GRANT + "/checked", "accepted", (403, 403, 404)),
    ]
    for path in ("/assign", "/wait", "/split", "/merge", "/link", "/grants", "/remedies"):
        # Without its own fields each is refused, but only to those who may come so far.
        found.append(Way("POST", ticket + path, "accepted", (422, 422, 422)))
        found.append(Way("POST", ticket + path, "cancelled", (422, 403, 422)))
    for path in (page, page + "/thread", api, api + "/packet"):
        found += [Way("GET", path, case, (200, 200, 200)) for case in ("waiting", "taken")]
        found.append(Way("GET", path, "ended", (200, 403, 200)))
    found += [
        Way("POST", f"/desk/undelivered/{path}", "taken", (403, 403, 303))
        for path in (
            "messages/{letter_id}/resend",
            "messages/{letter_id}/drop",
            "answers/{letter_id}/again",
            "answers/{letter_id}/drop",
        )
    ]
    found += [
        Way("POST", api + "/typing", "taken", (200, 409, 409)),
        Way("POST", api + "/typing", "waiting", (409, 409, 409)),
        Way("POST", api + "/typing", "ended", (409, 409, 409)),
    ]
    found += [
        Way("GET", "/desk/files/{file_id}", case, (200,) * 3) for case in ("waiting", "taken")
    ]
    found.append(Way("GET", "/desk/files/{file_id}", "ended", (200, 403, 200)))
    end = page + "/promises/{promise_id}/end"
    found += [
        Way("POST", end, "taken", (303, 409, 409)),
        Way("POST", end, "waiting", (409, 409, 409)),
        Way("POST", end, "ended", (409, 409, 409)),
    ]
    for root, done in ((page, 303), (api, 200)):
        found += [
            Way("POST", root + "/take", "waiting", (done, done, done)),
            Way("POST", root + "/take", "taken", (done, 409, 409)),
            Way("POST", root + "/take", "ended", (409, 409, 409)),
            Way("POST", root + "/promises", "taken", (done, 409, 409)),
            Way("POST", root + "/promises", "waiting", (409, 409, 409)),
            Way("POST", root + "/promises", "ended", (409, 409, 409)),
            Way("POST", root + "/note", "taken", (done, done, done)),
            Way("POST", root + "/note", "ended", (done, 403, done)),
        ]
        for change in ("/reply", "/hand-back", "/resolve"):
            found += [
                Way("POST", root + change, "taken", (done, 409, 409)),
                Way("POST", root + change, "waiting", (409, 409, 409)),
                Way("POST", root + change, "ended", (409, 409, 409)),
            ]
    return found


WAYS = ways()
FOG = {
    "key": "one-incident", "kind": "weather", "scope": "hub", "place": "济南转运中心",
    "since": "2026-03-02T08:00", "until": "2026-03-02T20:00", "text": "",
}  # fmt: skip
OPEN_TO_ALL = {
    ("GET", "/desk/login"),
    ("POST", "/desk/login"),
    ("GET", "/desk/language/{language}"),
    ("POST", "/api/session"),
}


def case_in(world: World, state: str) -> int:
    """A case that waits, that lili holds, or that lili has ended."""
    case_id = world.waiting(f"customer-{next(NUMBERS)}")
    lili = world.signed_in("lili")
    if state != "waiting":
        assert lili.call(f"/api/cases/{case_id}/take").status_code == 200
    if state == "ended":
        assert lili.call(f"/api/cases/{case_id}/resolve").status_code == 200
    return case_id


def ticket_in(world: World, state: str) -> str:
    """A ticket that lili has accepted, and perhaps cancelled."""
    talk = world.say(f"customer-{next(NUMBERS)}", "花瓶碎了")
    with world.database.write() as session:
        customer = session.get_one(Conversation, talk).customer_id
        complaint = Complaint(f"t:{talk}", "report_damage", talk, customer, "花瓶碎了")
        number = world.tickets.open(session, complaint).ticket.number
    lili = world.signed_in("lili")
    for change in ("accept", "cancel") if state == "cancelled" else ("accept",):
        done = lili.press(f"/desk/tickets/{number}/change", change=change, why="重复")
        assert done.status_code == 303
    return number


def grant_in(world: World, state: str) -> int:
    """A large sum that lili asked a supervisor for."""
    waybill = world.parcel(f"SF{next(NUMBERS):013d}", declared_value="5000")
    number, compensation = ticket_in(world, state), world.desk.money.compensation
    with world.database.write() as session:
        ticket = tickets.by_number(session, number)
        lili = people.staff_by_login(session, "lili")
        assert ticket is not None
        assert lili is not None
        ticket.waybill_no = waybill
        session.flush()
        actor = Actor(ActorKind.STAFF, lili.id, lili.name)
        compensation.settle_liability(session, ticket, actor, "干线压坏")
        wish = Wish(Kind.DAMAGE)
        return compensation.grant(
            session, ticket, actor, wish, team=lili.team, key=f"k:{number}"
        ).id


def address(world: World, way: Way) -> str:
    if "{grant_id}" in way.path:
        return way.path.replace("{grant_id}", str(grant_in(world, way.case)))
    if "{incident_id}" in way.path:
        assert world.signed_in("chen").press("/desk/incidents", False, **FOG).status_code == 303
        return way.path.replace("{incident_id}", "1")
    if "{proposal_id}" in way.path:
        return way.path.replace("{proposal_id}", str(world.rise()))
    if "{ask_id}" in way.path:
        return way.path.replace("{ask_id}", "1")
    if "{number}" in way.path:
        number = ticket_in(world, way.case) if "tickets" in way.path else world.parcel()
        return way.path.replace("{number}", number)
    if not way.case:
        return way.path
    case_id = case_in(world, way.case)
    path = way.path.replace("{case_id}", str(case_id))
    if "{file_id}" in path:
        path = path.replace("{file_id}", str(world.photo_beside(case_id)))
    if "{letter_id}" in path:
        letter = world.unanswered(case_id) if "answers" in path else world.undelivered(case_id)
        path = path.replace("{letter_id}", str(letter))
    if "{promise_id}" in path:
        path = path.replace("{promise_id}", str(world.promise_to(case_id)))
    if path.endswith("/promises"):
        promising["id"] = world.agent_says(case_id, "明天下午送到您家。")
    if "{key}" in path:
        path = path.replace("{key}", world.key_of(case_id))
    return f"{path}?case={case_id}" if path == "/desk/live" else path


def use(browser: Browser, way: Way, path: str, csrf: str | None) -> Any:
    if way.method == "GET":
        return browser.get(path)
    words = {"text": "您好", "change": "cancel", "why": "重复"}
    if path.endswith("/promises"):
        words = {"message_id": str(promising["id"])}
    if path.endswith("/end"):
        words = {"state": "kept"}
    if path.startswith("/api"):
        headers = {} if csrf is None else {"X-CSRF-Token": csrf}
        return browser.client.post(path, json=words, headers=headers)
    if "proposals" in path:
        words = {"kind": "road", "until": "2199-01-01T00:00"}
    form = (FOG if "incidents" in path and "proposals" not in path else words) | (
        {} if csrf is None else {"csrf": csrf}
    )
    return browser.client.post(path, data=form)


def test_every_route_of_the_desk_is_in_the_table(world: World) -> None:
    listed = {(way.method, way.path) for way in WAYS} | OPEN_TO_ALL
    found: set[tuple[str, str]] = set()
    waiting = [router(world.desk)]
    while waiting:
        for route in waiting.pop().routes:
            nested = getattr(route, "original_router", None)
            if nested is not None:
                waiting.append(nested)
            elif isinstance(route, APIRoute):
                found |= {(method, route.path) for method in route.methods or ()}
    assert found == listed


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_each_person_gets_what_is_theirs(world: World, way: Way) -> None:
    for login, expected in zip(PEOPLE, way.answers, strict=True):
        if not expected:  # a stream that does not end: test_live looks at it
            continue
        path = address(world, way)
        browser = world.signed_in(login)
        assert use(browser, way, path, browser.csrf).status_code == expected, login


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_nobody_gets_in_without_signing_in(world: World, way: Way) -> None:
    path = address(world, way)
    answer = use(Browser(world.client(), ""), way, path, "a-guess")
    if path.startswith("/api"):
        assert answer.status_code == 401
    else:
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk/login")


CHANGES = [way for way in WAYS if way.method == "POST" and way.answers[2] in (200, 303)]


@pytest.mark.parametrize("way", CHANGES, ids=lambda way: way.name)
def test_a_change_without_the_pages_token_changes_nothing(world: World, way: Way) -> None:
    path = address(world, way)
    browser = world.signed_in("lili")
    of_another_session = world.signed_in("lili").csrf
    guesses = [None, "", "wrong", of_another_session]
    if path.startswith("/desk"):
        guesses.append("wröng")  # a header carries no such letter
    before = browser.get("/api/cases").json()
    for csrf in guesses:
        assert use(browser, way, path, csrf).status_code == 403
    assert browser.get("/api/cases").json() == before


def test_a_page_tells_a_signed_out_browser_where_to_go_inside_htmx_too(world: World) -> None:
    answer = world.client().get("/desk", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (204, "/desk/login")
