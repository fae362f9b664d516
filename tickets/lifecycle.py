"""A ticket's life: one table says which change is allowed in which state, and every change is an
event. Methods work inside the caller's transaction and hold the ticket until its end.

Each takes the ``version`` the caller saw (None: whatever it is now) and raises ``Outdated`` if the
ticket was changed since, ``NotAllowed`` for a change that its state or the actor does not admit.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from sqlalchemy.orm import Session

from store import clock
from store.errors import Conflict, Invalid, NotYours
from tickets.events import SYSTEM, Actor, Events
from tickets.models import (
    FINISHED,
    ActorKind,
    Ticket,
    TicketEvent,
    TicketState,
    WaitingFor,
    What,
)

_S = TicketState
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


_HELD = {Change.WAIT: None, Change.RESUME: None}
"""None: the state stays."""
ALLOWED: Mapping[TicketState, Mapping[Change, TicketState | None]] = MappingProxyType(
    {
        _S.RECEIVED: {
            Change.ASSIGN: _S.ASSIGNED,
            Change.ACCEPT: _S.ACCEPTED,
            Change.CANCEL: _S.CANCELLED,
            **_HELD,
        },
        _S.ASSIGNED: {
            Change.ASSIGN: _S.ASSIGNED,
            Change.ACCEPT: _S.ACCEPTED,
            Change.CANCEL: _S.CANCELLED,
            **_HELD,
        },
        _S.ACCEPTED: {
            Change.ASSIGN: _S.ASSIGNED,
            Change.PROPOSE: _S.PROPOSED,
            Change.CANCEL: _S.CANCELLED,
            **_HELD,
        },
        _S.PROPOSED: {
            Change.ASSIGN: _S.ASSIGNED,
            Change.PROPOSE: _S.PROPOSED,
            Change.AGREE: _S.AGREED,
            Change.DECLINE: _S.ACCEPTED,
            Change.CANCEL: _S.CANCELLED,
            **_HELD,
        },
        _S.AGREED: {
            Change.ASSIGN: None,
            Change.PROPOSE: _S.PROPOSED,
            Change.CLOSE: _S.CLOSED,
            Change.CANCEL: _S.CANCELLED,
            **_HELD,
        },
        _S.CLOSED: {Change.FOLLOW_UP: _S.FOLLOWED_UP, Change.REOPEN: _S.ASSIGNED},
        _S.FOLLOWED_UP: {Change.REOPEN: _S.ASSIGNED},
        _S.CANCELLED: {},
    }
)
"""The one table of a ticket's life."""
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
            {Change.AGREE, Change.DECLINE, Change.CANCEL, Change.REOPEN, Change.RESUME}
        ),
        ActorKind.STAFF: frozenset(Change),
        ActorKind.SYSTEM: frozenset(Change),
        ActorKind.API: frozenset(),
    }
)
"""Who may do what at all. Of the staff only its owner and supervisors change a ticket."""


class Lifecycle:
    """Changes tickets. ``events`` writes what happened and calls whoever hangs on it."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def change(
        self,
        session: Session,
        ticket: Ticket,
        change: Change,
        actor: Actor,
        why: str | None = None,
        *,
        version: int | None = None,
        key: str | None = None,
    ) -> TicketEvent:
        """Accept, propose, agree, decline, close, follow up, cancel, reopen or resume."""
        raise NotImplementedError

    def assign(
        self,
        session: Session,
        ticket: Ticket,
        actor: Actor,
        *,
        team: str,
        staff_id: int | None = None,
        why: str | None = None,
        version: int | None = None,
    ) -> TicketEvent:
        """Give it to a team, and to one of its people; None: whoever of the team is first."""
        raise NotImplementedError

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
        """Nothing can be done before somebody else has; Invalid unless ``until`` is to come."""
        raise NotImplementedError

    def comment(
        self,
        session: Session,
        ticket: Ticket,
        actor: Actor,
        text: str,
        *,
        key: str | None = None,
    ) -> TicketEvent:
        """Words among colleagues and programs; a repeated ``key`` changes nothing."""
        raise NotImplementedError
