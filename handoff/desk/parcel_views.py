"""One parcel as the desk sees it: its road, and everything that was said and done about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from conversations import service as conversations
from conversations.models import Conversation, Customer, Outbox
from handoff import repository
from handoff.desk import repository as desk_repository
from handoff.desk.parcel_rules import ParcelRules
from handoff.desk.parts import may_open
from handoff.models import LookedAt, ParcelLook
from handoff.staff import SignedIn
from parcels import change_repository, notice_repository, path_repository, timeline
from parcels import repository as parcels
from parcels.change_models import DepotOrder, IdentityTry
from parcels.models import Scan, Shipment
from parcels.notice_models import Notice, NoticeWish
from parcels.path_models import PathUpdate
from parcels.timeline import View
from store import clock
from store.errors import Forbidden
from tickets import repository as tickets
from tickets.models import Ticket

MOST = 40
"""Of each kind; the newest."""


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation about the parcel; ``path`` is null for who may not open it."""

    conversation: Conversation
    customer: Customer
    path: str | None


@dataclass(frozen=True, slots=True)
class Tried:
    """Somebody tried to prove that the parcel is his."""

    row: IdentityTry
    customer: Customer


@dataclass(frozen=True, slots=True)
class Told:
    """What a follower was to be told: ``what`` as a key below ``timeline.what`` (None: of an
    incident). ``sent`` is how the message left; None if there was none."""

    notice: Notice
    what: str | None
    sent: Outbox | None


@dataclass(frozen=True, slots=True)
class Follower:
    """A customer who wants to be told of the parcel, or said that he does not."""

    customer: Customer
    wish: NoticeWish
    told: Sequence[Told]


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything about one parcel, newest first but for the road's raw scans beside its nodes.

    ``revealed``: the personal data are shown, and that is in the list of looks.
    """

    shipment: Shipment
    view: View
    scans: Sequence[Scan]
    paths: dict[int, PathUpdate]
    followers: Sequence[Follower]
    tries: Sequence[Tried]
    orders: Sequence[DepotOrder]
    tickets: Sequence[Ticket]
    talks: Sequence[Talk]
    looks: Sequence[ParcelLook]
    names: dict[int, str]
    revealed: bool


def dossier(
    session: Session, shipment: Shipment, person: SignedIn, *, revealed: bool = False
) -> Dossier:
    """The parcel for one person at the desk. Its cost does not grow with the tables."""
    number = shipment.waybill_no
    tries = change_repository.tries_at(session, number, MOST)
    customers = desk_repository.customers(session, {row.customer_id for row in tries})
    about = tickets.of_waybill(session, number, MOST)
    scans = tuple(reversed(parcels.scans(session, shipment.id)))
    return Dossier(
        shipment=shipment,
        view=timeline.view(session, shipment, proven=False),
        scans=scans,
        paths=path_repository.of_shipment(session, shipment.id),
        followers=_followers(session, shipment, scans),
        tries=[Tried(row, customers[row.customer_id]) for row in tries],
        orders=change_repository.orders_about(session, number, MOST),
        tickets=about,
        talks=_talks(session, number, about, person),
        looks=desk_repository.looks(session, number, MOST) if person.is_supervisor else (),
        names=repository.staff_names(session),
        revealed=revealed,
    )


def found(session: Session, rules: ParcelRules, name: str, digits: str) -> Sequence[Shipment]:
    """Parcels from or to whoever has this name and a phone that ends so."""
    since = clock.now() - timedelta(days=rules.find_by_person.days)
    return parcels.of_person(session, name, digits, since, MOST)


def note_look(session: Session, person: SignedIn, what: LookedAt, number: str) -> None:
    """Write down that somebody saw (or searched by) what is personal. ``number`` is empty for a
    search that found nothing."""
    look = ParcelLook(staff_id=person.id, waybill_no=number, what=what, at=clock.now())
    session.add(look)
    session.flush()


def _followers(session: Session, shipment: Shipment, scans: Sequence[Scan]) -> Sequence[Follower]:
    wishes = notice_repository.followers(session, shipment.waybill_no, MOST)
    customers = {customer.id for _, customer in wishes}
    what = {scan.id: timeline.node(scan).what for scan in scans}
    told: dict[int, list[Told]] = defaultdict(list)
    if not customers:
        return ()
    for notice, sent in notice_repository.of_parcel(session, shipment.id, customers, MOST):
        scan = what.get(notice.scan_id) if notice.scan_id else None
        told[notice.customer_id].append(Told(notice, scan, sent))
    return [Follower(customer, wish, told[customer.id]) for wish, customer in wishes]


def _talks(
    session: Session, number: str, about: Sequence[Ticket], person: SignedIn
) -> Sequence[Talk]:
    """Conversations in which the number was said, or a ticket about it was opened."""
    said = conversations.find(session, number, limit=MOST)
    ids = {message.conversation_id for message in said} | {t.conversation_id for t in about}
    of = repository.conversations_by_id(session, ids)
    return [
        Talk(conversation, customer, _path(session, conversation, person))
        for conversation, customer in (of[n] for n in sorted(of, reverse=True)[:MOST])
    ]


def _path(session: Session, conversation: Conversation, person: SignedIn) -> str | None:
    if person.is_supervisor:
        return f"/desk/review/{conversation.key}"
    for case in desk_repository.cases_of(session, conversation.id):
        with suppress(Forbidden):
            may_open(person, case)
            return f"/desk/cases/{case.id}"
    return None
