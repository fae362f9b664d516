"""A ticket's life: one table says which change is allowed in which state; every change is an event.

Methods work inside the caller's transaction and hold the ticket until its end. Each takes the
``version`` the caller saw (None: whatever it is now) and changes nothing when it raises: Outdated
if the ticket was changed since, OutOfOrder for what its state does not allow, Forbidden or NotYours
for what this actor may not do, Invalid for words or times that are missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from store import clock
from store.errors import Forbidden, Invalid, NotYours, Outdated, OutOfOrder, TooLong
from tickets import repository
from tickets.events import Actor, Events
from tickets.models import (
    BY_HAND,
    FINISHED,
    ActorKind,
    Ticket,
    TicketEvent,
    TicketState,
    WaitingFor,
    What,
)

MOST_WORDS = 2000


class Change(StrEnum):
    """What can be done to a ticket."""

    ASSIGN = "assign"
    ACCEPT = "accept"
    PROPOSE = "propose"
    AGREE = "agree"
    DECLINE = "decline"
    CLOSE = "close"
    FOLLOW_UP = "follow_up"
    CANCEL = "cancel"
    REOPEN = "reopen"
    WAIT = "wait"
    RESUME = "resume"


def _table() -> Mapping[TicketState, Mapping[Change, TicketState]]:
    s, c = TicketState, Change
    table: dict[TicketState, dict[Change, TicketState]] = {
        s.RECEIVED: {c.ASSIGN: s.ASSIGNED, c.ACCEPT: s.ACCEPTED},
        s.ASSIGNED: {c.ASSIGN: s.ASSIGNED, c.ACCEPT: s.ACCEPTED},
        s.ACCEPTED: {c.PROPOSE: s.PROPOSED, c.ASSIGN: s.ASSIGNED},
        s.PROPOSED: {
            c.AGREE: s.AGREED,
            c.PROPOSE: s.PROPOSED,
            c.DECLINE: s.ACCEPTED,
            c.CLOSE: s.CLOSED,  # the customer is silent: ``why`` says so
            c.ASSIGN: s.PROPOSED,
        },
        s.AGREED: {c.CLOSE: s.CLOSED, c.PROPOSE: s.PROPOSED, c.ASSIGN: s.AGREED},
        s.CLOSED: {c.FOLLOW_UP: s.FOLLOWED_UP, c.REOPEN: s.ASSIGNED},
        s.FOLLOWED_UP: {c.REOPEN: s.ASSIGNED},
        s.CANCELLED: {},
    }
    for state in TicketState:
        if state not in FINISHED:
            table[state] |= {c.WAIT: state, c.RESUME: state, c.CANCEL: s.CANCELLED}
    return MappingProxyType({state: MappingProxyType(row) for state, row in table.items()})


ALLOWED = _table()
"""The one table: the state a change leads to, by the state it is made in."""
TELLS: Mapping[Change, What] = MappingProxyType(
    {
        Change.ASSIGN: What.ASSIGNED,
        Change.ACCEPT: What.ACCEPTED,
        Change.PROPOSE: What.PROPOSED,
        Change.AGREE: What.AGREED,
        Change.DECLINE: What.DECLINED,
        Change.CLOSE: What.CLOSED,
        Change.FOLLOW_UP: What.FOLLOWED_UP,
        Change.CANCEL: What.CANCELLED,
        Change.REOPEN: What.REOPENED,
        Change.WAIT: What.WAITING,
        Change.RESUME: What.RESUMED,
    }
)
NEEDS_WHY = frozenset(
    {Change.PROPOSE, Change.DECLINE, Change.CLOSE, Change.CANCEL, Change.REOPEN, Change.WAIT}
)
MAY: Mapping[ActorKind, frozenset[Change]] = MappingProxyType(
    {
        ActorKind.CUSTOMER: frozenset(
            {
                Change.AGREE,
                Change.DECLINE,
                Change.FOLLOW_UP,
                Change.CANCEL,
                Change.REOPEN,
                Change.RESUME,
            }
        ),
        ActorKind.STAFF: frozenset(Change),
        ActorKind.SYSTEM: frozenset(Change),
        ActorKind.API: frozenset(),
    }
)
"""Who may do what. Of the staff only its owner and supervisors change a ticket that has one."""
_KEEP_WAITING = frozenset({Change.ASSIGN, Change.WAIT})


class Lifecycle:
    """Changes tickets. ``events`` writes what happened and calls whoever hangs on it."""

    def __init__(self, events: Events) -> None:
        self.events = events

    def change(
        self,
        session: Session,
        ticket: Ticket,
        change: Change,
        actor: Actor,
        why: str | None = None,
        *,
        version: int | None = None,
        told: bool = False,
    ) -> TicketEvent:
        """Every change without facts of its own; ``why`` of a proposal are the customer's words.

        Who accepts a ticket is its owner from then on, also when it is reopened. What moves a
        ticket on ends its waiting. ``told``: the customer hears of it in another way.
        """
        if change in _KEEP_WAITING:
            raise ValueError(f"{change} has a method of its own")
        to = self.admit(session, ticket, change, actor, version)
        words = words_of(why, needed=change in NEEDS_WHY)
        if change == Change.RESUME and ticket.waiting_for is None:
            raise OutOfOrder(f"{ticket.number} does not wait", number=ticket.number)
        if ticket.waiting_for is not None and change != Change.RESUME:
            self._resume(session, ticket, actor)
        ticket.waiting_for = ticket.waiting_until = ticket.waiting_why = None
        if change == Change.ACCEPT and actor.kind == ActorKind.STAFF:
            ticket.staff_id = actor.id
        if change == Change.REOPEN and ticket.staff_id is None:
            to = TicketState.RECEIVED
        details: dict[str, object] = {"told": True} if told else {}
        return self._log(session, ticket, change, to, actor, words, details)

    def assign(
        self,
        session: Session,
        ticket: Ticket,
        actor: Actor,
        *,
        team: str,
        to: Actor | None = None,
        why: str | None = None,
        version: int | None = None,
        told: bool = False,
    ) -> TicketEvent:
        """Give it to a team, and to one of its people; None: whoever of the team accepts it. Where
        the system does, ``why`` names the rule.

        That the team and the person exist is the caller's to know. With ``told`` the customer
        hears of it from the caller.
        """
        state = self.admit(session, ticket, Change.ASSIGN, actor, version)
        words = words_of(why)
        rule = words if words and actor.kind == ActorKind.SYSTEM else BY_HAND
        ticket.team, ticket.team_rule, ticket.staff_id = team, rule, to.id if to else None
        details: dict[str, object] = {"team": team, "rule": rule}
        if told:
            details["told"] = True
        if to:
            details |= {"staff": to.id, "name": to.name}
        return self._log(session, ticket, Change.ASSIGN, state, actor, words, details)

    def wait(
        self,
        session: Session,
        ticket: Ticket,
        actor: Actor,
        waiting_for: WaitingFor,
        until: datetime,
        why: str,
        *,
        version: int | None = None,
    ) -> TicketEvent:
        """Nothing can be done before somebody else has done something. Invalid if ``until`` is not
        to come. A ticket that waits already waits for this from now on."""
        state = self.admit(session, ticket, Change.WAIT, actor, version)
        words = words_of(why, needed=True)
        if until <= clock.now():
            raise Invalid("waiting ends in the past")
        ticket.waiting_for, ticket.waiting_until, ticket.waiting_why = waiting_for, until, words
        details: dict[str, object] = {"for": waiting_for, "until": until.isoformat()}
        return self._log(session, ticket, Change.WAIT, state, actor, words, details)

    def comment(
        self, session: Session, ticket: Ticket, actor: Actor, text: str, *, key: str | None = None
    ) -> TicketEvent:
        """Words among colleagues and programs; the same ``key`` gives the same comment again."""
        repository.hold(session, ticket)
        known = repository.event_by_key(session, key) if key else None
        if known is not None:
            return known
        words = words_of(text, needed=True)
        return self.events.log(session, ticket, What.COMMENT, actor, words, key=key)

    def heard(self, session: Session, ticket: Ticket, actor: Actor) -> None:
        """The customer said something: a ticket that waited for him waits no longer."""
        if ticket.waiting_for == WaitingFor.CUSTOMER:
            self._resume(session, ticket, actor)

    def admit(
        self, session: Session, ticket: Ticket, change: Change, actor: Actor, version: int | None
    ) -> TicketState:
        """The state a change leads to, with the ticket held as it is now; else see the module."""
        repository.hold(session, ticket)
        if version is not None and version != ticket.version:
            raise Outdated(f"{ticket.number} was changed since", number=ticket.number)
        if change not in MAY[actor.kind]:
            raise Forbidden(f"{actor.kind} may not {change}")
        to = ALLOWED[TicketState(ticket.state)].get(change)
        if to is None:
            raise OutOfOrder(
                f"{change} of {ticket.number}, which is {ticket.state}", number=ticket.number
            )
        if actor.kind == ActorKind.STAFF and not _mine(ticket, actor):
            raise NotYours(f"ticket {ticket.number}")
        return to

    def allowed(self, ticket: Ticket, actor: Actor) -> tuple[Change, ...]:
        """What this actor may do with it now, in the order of ``Change``."""
        if actor.kind == ActorKind.STAFF and not _mine(ticket, actor):
            return ()
        return tuple(
            change
            for change in Change
            if change in ALLOWED[TicketState(ticket.state)]
            and change in MAY[actor.kind]
            and (change != Change.RESUME or ticket.waiting_for is not None)
        )

    def require_mine(self, ticket: Ticket, actor: Actor) -> None:
        """NotYours for a colleague's ticket, whatever its state."""
        if not _mine(ticket, actor):
            raise NotYours(f"ticket {ticket.number}")

    def _resume(self, session: Session, ticket: Ticket, actor: Actor) -> None:
        ticket.waiting_for = ticket.waiting_until = ticket.waiting_why = None
        self.events.log(session, ticket, What.RESUMED, actor)

    def _log(
        self,
        session: Session,
        ticket: Ticket,
        change: Change,
        to: TicketState,
        actor: Actor,
        why: str | None,
        details: dict[str, object],
    ) -> TicketEvent:
        if to != ticket.state:
            details = {"from": ticket.state, "to": to} | details
        ticket.state = to
        flag_modified(ticket, "state")  # a second proposal is a change too: its version goes up
        ticket.closed_at = (ticket.closed_at or clock.now()) if to in FINISHED else None
        return self.events.log(session, ticket, TELLS[change], actor, why, details=details)


def _mine(ticket: Ticket, actor: Actor) -> bool:
    """Whether a member of staff may change it: its owner, a supervisor, anyone if it has none."""
    return actor.supervisor or ticket.staff_id is None or ticket.staff_id == actor.id


def words_of(why: str | None, *, needed: bool = False) -> str | None:
    """What a person wrote, trimmed; Invalid if it is needed and missing, TooLong."""
    words = (why or "").strip()
    if needed and not words:
        raise Invalid("words are needed")
    if len(words) > MOST_WORDS:
        raise TooLong("too many words", limit=MOST_WORDS)
    return words or None
