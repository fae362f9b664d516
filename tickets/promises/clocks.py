"""Clocks: promises are made, stand still, are kept or break, each once.

Everything works inside the caller's transaction. What a ticket's events do to its promises is
``after_event``; what a broken promise sets off is the caller's of ``look``.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from store import clock, policy_versions
from store.claims import release
from store.errors import PolicyError
from store.policy_versions import PolicyVersion
from tickets.models import ActorKind, Ticket, TicketEvent, TicketState, Urgency, What
from tickets.promises import repository
from tickets.promises.models import Promise, PromiseKind, PromiseState
from tickets.promises.policy import Action, Policies, Terms

log = logging.getLogger(__name__)

_K = PromiseKind
AT_OPENING = (_K.CONTACT, _K.NEXT_STEP, _K.CAUSE, _K.SOLUTION, _K.COURIER_CALL)
OUTLIVES = frozenset({_K.PAYOUT, _K.WORD})
"""What is still owed when a ticket is closed."""
SPEAKS = frozenset({What.PROPOSED, What.WAITING, What.CLOSED})
"""What brings the customer a person's own words, if a person does it."""
NOTHING = timedelta()


@dataclass(frozen=True, slots=True)
class About:
    """What a promise is about. ``of_class`` is the complaint's class (or intent, without a
    ticket); ``stands_still``: the ticket waits for somebody."""

    conversation_id: int
    urgency: Urgency
    of_class: str = ""
    ticket_id: int | None = None
    stands_still: bool = False

    @classmethod
    def ticket(cls, ticket: Ticket) -> About:
        return cls(
            ticket.conversation_id,
            Urgency(ticket.urgency),
            ticket.kind,
            ticket.id,
            ticket.waiting_for is not None,
        )


@dataclass(frozen=True, slots=True)
class Look:
    """What became of a promise that fell due. ``broken`` or only warned of; ``anew`` is the time
    that is promised instead; ``actions`` are what the policy wants done."""

    promise: Promise
    broken: bool
    anew: Promise | None = None
    actions: tuple[Action, ...] = ()


class Clocks:
    """Makes promises by the policy, and ends them."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies
        self.ledger = policies.ledger
        self._earlier: dict[int, Terms] = {}

    def by(self, kind: PromiseKind, of_class: str, urgency: Urgency) -> datetime | None:
        """The time a new promise would name now; None if there would be none."""
        times = self._policies.present.times(kind, of_class, urgency)
        return self._policies.present.calendar(kind).add(clock.now(), times[0]) if times else None

    def make(
        self, session: Session, kind: PromiseKind, about: About, message_id: int | None = None
    ) -> Promise | None:
        """Promise ``kind`` from now on, if the policy does. An open one of the kind stays if its
        time is not later; else the nearer time takes its place."""
        policy_id, terms = self._terms(session, about.ticket_id)
        times = terms.times(kind, about.of_class, about.urgency)
        if not times:
            return None
        by = terms.calendar(kind).add(clock.now(), times[0])
        open_ones = repository.held_open(
            session, (kind,), ticket_id=about.ticket_id, conversation_id=about.conversation_id
        )
        for promise in open_ones:
            if promise.left is None and promise.by <= by:
                return promise
        self._end(session, open_ones, PromiseState.WITHDRAWN)
        replaced = next((p.ticket_id for p in open_ones if p.ticket_id is not None), None)
        about = replace(about, ticket_id=about.ticket_id or replaced)
        promise = self._add(session, kind, about, policy_id, terms, by)
        promise.message_id = message_id
        if about.stands_still and terms.pauses(kind):
            _stop(promise, times[0])
        self._settled(session, [promise])
        return promise

    def say(
        self, session: Session, about: About, words: str, by: datetime, *,
        message_id: int | None, staff_id: int | None, waybill_no: str | None = None,
    ) -> Promise:  # fmt: skip
        """Somebody promised something in words, by a time; of a delivery, of which parcel."""
        policy_id, terms = self._terms(session, about.ticket_id)
        promise = self._add(session, _K.WORD, about, policy_id, terms, by)
        promise.words, promise.message_id, promise.staff_id = words, message_id, staff_id
        promise.waybill_no = waybill_no
        self._settled(session, [promise])
        return promise

    def join(self, session: Session, kind: PromiseKind, about: About, by: datetime) -> None:
        """What is open of this kind names this time from now on, earlier or later than before: it
        has become part of something that is promised to many."""
        open_ones = repository.held_open(session, (kind,), ticket_id=about.ticket_id)
        if not open_ones or all(promise.by == by for promise in open_ones):
            return
        self._end(session, open_ones, PromiseState.WITHDRAWN)
        policy_id, terms = self._terms(session, about.ticket_id)
        promise = self._add(session, kind, about, policy_id, terms, by)
        if about.stands_still and terms.pauses(kind):
            _stop(promise, terms.calendar(kind).between(clock.now(), by))
        self._settled(session, [promise])

    def heard(self, session: Session, about: About, message_id: int | None = None) -> None:
        """The customer said something to people. From his first unanswered words on he waits for
        the next: unless a first word is promised anyway."""
        waits = repository.held_open(
            session, (_K.CONTACT, _K.REPLY), conversation_id=about.conversation_id
        )
        if not waits:
            self.make(session, _K.REPLY, about, message_id)

    def keep(
        self, session: Session, kinds: Collection[PromiseKind], *,
        ticket_id: int | None = None, conversation_id: int | None = None,
    ) -> None:  # fmt: skip
        """What is open of these kinds was done now, of a ticket or in a conversation."""
        found = repository.held_open(
            session, kinds, ticket_id=ticket_id, conversation_id=conversation_id
        )
        self._end(session, found, PromiseState.KEPT)

    def withdraw(
        self, session: Session, kinds: Collection[PromiseKind], *,
        ticket_id: int | None = None, conversation_id: int | None = None,
    ) -> None:  # fmt: skip
        """What is open of these kinds is not owed any more."""
        found = repository.held_open(
            session, kinds, ticket_id=ticket_id, conversation_id=conversation_id
        )
        self._end(session, found, PromiseState.WITHDRAWN)

    def end(self, session: Session, promise: Promise, state: PromiseState) -> bool:
        """One promise was kept or is not owed any more; False if it is not open."""
        repository.hold(session, promise.id)
        if promise.state != PromiseState.OPEN:
            return False
        self._end(session, [promise], state)
        return True

    def hand_on(self, session: Session, kind: PromiseKind, ticket_id: int, to: int) -> None:
        """What is open of a ticket goes on with the one that took it in; the nearer time stays."""
        moved = repository.held_open(session, (kind,), ticket_id=ticket_id)
        both = [*moved, *repository.held_open(session, (kind,), ticket_id=to)]
        for promise in moved:
            promise.ticket_id = to
        self._settled(session, moved)
        repository.note_next_due(session, ticket_id)
        by_time = sorted(both, key=lambda promise: promise.by)
        self._end(session, by_time[1:], PromiseState.WITHDRAWN)

    def after_event(self, session: Session, ticket: Ticket, event: TicketEvent) -> None:
        """What an event of a ticket means for its promises."""
        about = About.ticket(ticket)
        if event.what in SPEAKS and event.actor == ActorKind.STAFF:
            self.keep(session, (_K.CONTACT, _K.REPLY), ticket_id=ticket.id)
        match What(event.what):
            case What.OPENED | What.REOPENED:
                self._make_all(session, AT_OPENING, about)
            case What.URGENCY:
                self._hurry(session, about, anew="overdue" not in event.details)
            case What.PROPOSED:
                self.keep(session, (_K.SOLUTION, _K.NEXT_STEP), ticket_id=ticket.id)
            case What.DECLINED:
                self._make_all(session, (_K.SOLUTION, _K.NEXT_STEP), about)
            case What.WAITING:
                self.keep(session, (_K.NEXT_STEP,), ticket_id=ticket.id)
                self._pause(session, ticket.id)
            case What.RESUMED:
                self._resume(session, ticket.id)
            case What.CLOSED:
                self._resume(session, ticket.id)
                self.keep(session, (_K.SOLUTION, _K.NEXT_STEP), ticket_id=ticket.id)
                self.withdraw(session, frozenset(_K) - OUTLIVES, ticket_id=ticket.id)
            case What.CANCELLED:
                self.withdraw(session, frozenset(_K) - {_K.WORD}, ticket_id=ticket.id)
            case What.MERGED if ticket.state == TicketState.CANCELLED:
                self.withdraw(session, frozenset(_K) - OUTLIVES, ticket_id=ticket.id)
            case What.MERGED:
                self._hurry(session, about, anew=False)

    def look(self, session: Session, promise_id: int) -> Look | None:
        """A promise fell due: warned of, or broken, each once. None if that is not so (any more):
        it was kept, moved or looked at by somebody else meanwhile."""
        promise = repository.hold(session, promise_id)
        at = clock.now()
        if promise.due_at is None or promise.due_at > at:
            return None
        if at < promise.by:
            promise.warned_at = at
            release(promise, retry_at=promise.by)
            return Look(promise, broken=False)
        terms = self._terms_of(session, promise.policy_id)
        actions = terms.on_burst(PromiseKind(promise.kind))
        self._end(session, [promise], PromiseState.BROKEN)
        promise.attention = Action.TELL_SUPERVISOR in actions
        return Look(promise, True, self._anew(session, promise, terms), actions)

    def apply(self, session: Session, promises: Iterable[Promise]) -> int:
        """Put open promises under the present policy: a time longer or shorter by as much as the
        policy changed. How many were moved."""
        present = policy_versions.put_in_force(session, Policies.NAME, self._policies.text)
        moved = 0
        for promise in promises:
            if promise.policy_id != present and promise.state == PromiseState.OPEN:
                self._move(session, promise, present)
                moved += 1
        return moved

    def _anew(self, session: Session, broken: Promise, terms: Terms) -> Promise | None:
        """The next time the policy has for it that is still to come."""
        kind, urgency = PromiseKind(broken.kind), Urgency(broken.urgency)
        ticket = session.get(Ticket, broken.ticket_id) if broken.ticket_id else None
        of_class = ticket.kind if ticket else ""
        times = terms.times(kind, of_class, urgency)
        for step in range(broken.step + 1, len(times)):
            by = terms.calendar(kind).add(broken.by, times[step] - times[broken.step])
            if by > clock.now():
                about = About(broken.conversation_id, urgency, of_class, broken.ticket_id)
                promise = self._add(session, kind, about, broken.policy_id, terms, by)
                promise.step = step
                self._settled(session, [promise])
                return promise
        return None

    def _make_all(self, session: Session, kinds: Iterable[PromiseKind], about: About) -> None:
        for kind in kinds:
            self.make(session, kind, about)

    def _hurry(self, session: Session, about: About, *, anew: bool) -> None:
        """More urgent now: nearer times. With ``anew`` a person's word is owed once more."""
        assert about.ticket_id is not None
        done = {
            promise.kind
            for promise in repository.of_ticket(session, about.ticket_id)
            if promise.state == PromiseState.KEPT
        }
        for kind in AT_OPENING:
            if (kind == _K.CONTACT and anew) or (kind != _K.CONTACT and kind not in done):
                self.make(session, kind, about)

    def _pause(self, session: Session, ticket_id: int) -> None:
        found = repository.held_open(session, frozenset(_K), ticket_id=ticket_id)
        for promise in found:
            terms, kind = self._terms_of(session, promise.policy_id), PromiseKind(promise.kind)
            if promise.left is None and terms.pauses(kind):
                _stop(promise, terms.calendar(kind).between(clock.now(), promise.by))
        self._settled(session, found)

    def _resume(self, session: Session, ticket_id: int) -> None:
        found = repository.held_open(session, frozenset(_K), ticket_id=ticket_id)
        for promise in found:
            if promise.left is not None:
                terms = self._terms_of(session, promise.policy_id)
                _go_on(promise, terms, promise.left)
        self._settled(session, found)

    def _move(self, session: Session, promise: Promise, policy_id: int) -> None:
        before, kind = self._terms_of(session, promise.policy_id), PromiseKind(promise.kind)
        terms, promise.policy_id = self._policies.present, policy_id
        ticket = session.get(Ticket, promise.ticket_id) if promise.ticket_id else None
        of_class, urgency = ticket.kind if ticket else "", Urgency(promise.urgency)
        old, new = before.times(kind, of_class, urgency), terms.times(kind, of_class, urgency)
        step = promise.step
        if len(old) <= step or len(new) <= step or old[step] == new[step]:
            return
        left = promise.left
        if left is None:
            left = before.calendar(kind).between(clock.now(), promise.by)
        left = max(left + new[step] - old[step], NOTHING)
        if promise.left is None:
            _go_on(promise, terms, left)
        else:
            promise.left = left
        self._settled(session, [promise])

    def _add(
        self, session: Session, kind: PromiseKind, about: About, policy_id: int | None,
        terms: Terms, by: datetime,
    ) -> Promise:  # fmt: skip
        at = clock.now()
        warn_at = terms.warn_at(kind, at, by)
        promise = Promise(
            conversation_id=about.conversation_id,
            ticket_id=about.ticket_id,
            policy_id=policy_id,
            kind=kind,
            urgency=about.urgency,
            state=PromiseState.OPEN,
            step=0,
            made_at=at,
            by=by,
            warn_at=warn_at,
            due_at=warn_at,
            attempts=0,
            attention=False,
        )
        session.add(promise)
        return promise

    def _end(self, session: Session, promises: Sequence[Promise], state: PromiseState) -> None:
        for promise in promises:
            promise.state, promise.ended_at, promise.left = state, clock.now(), None
            release(promise, retry_at=None)
        self._settled(session, promises)

    def _settled(self, session: Session, promises: Sequence[Promise]) -> None:
        """Written down, and their tickets know what is due next."""
        session.flush()
        for ticket_id in sorted({p.ticket_id for p in promises if p.ticket_id is not None}):
            repository.note_next_due(session, ticket_id)

    def _terms(self, session: Session, ticket_id: int | None) -> tuple[int, Terms]:
        """The policy that a ticket was opened under; the present one for everything else."""
        policy_id = repository.policy_of(session, ticket_id) if ticket_id is not None else None
        if policy_id is not None:
            return policy_id, self._terms_of(session, policy_id)
        present = policy_versions.id_of(session, Policies.NAME, self._policies.text)
        return present, self._policies.present

    def _terms_of(self, session: Session, policy_id: int | None) -> Terms:
        if policy_id is None:  # promised before policies had versions
            return self._policies.present
        if policy_id not in self._earlier:
            text = session.get_one(PolicyVersion, policy_id).text
            try:
                self._earlier[policy_id] = self._policies.terms(text, f"version {policy_id}")
            except PolicyError as error:
                log.error("the present policy is used instead of an earlier one: %s", error)
                self._earlier[policy_id] = self._policies.present
        return self._earlier[policy_id]


def _stop(promise: Promise, left: timedelta) -> None:
    promise.left = left
    release(promise, retry_at=None)


def _go_on(promise: Promise, terms: Terms, left: timedelta) -> None:
    """The clock runs again with ``left`` to go; what was left before its warning still is."""
    kind = PromiseKind(promise.kind)
    calendar = terms.calendar(kind)
    until_warning = left - calendar.between(promise.warn_at, promise.by)
    at = clock.now()
    promise.left, promise.by = None, calendar.add(at, left)
    promise.warn_at = calendar.add(at, until_warning)
    release(promise, retry_at=promise.by if promise.warned_at else promise.warn_at)
