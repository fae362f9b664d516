"""Every query on notices and wishes about them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Select,
    delete,
    exists,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session, aliased

from conversations.models import Customer, Outbox
from parcels.models import Scan, Shipment
from parcels.notice_models import Notice, NoticeWish
from store import bulk, clock
from store.base import Instant, Json

Row = TypeVar("Row", Scan, Shipment)
Waiting = tuple[Notice, Scan | None, Shipment]
Affected = Callable[[Any], ColumnElement[bool]]
"""Whether an incident holds up a parcel, by the columns of its row."""


def followed(session: Session, waybill_nos: Collection[str]) -> frozenset[str]:
    """Which of these parcels somebody wants to be told of: of most nobody does."""
    found = select(NoticeWish.waybill_no).where(
        bulk.one_of(session, NoticeWish.waybill_no, waybill_nos), NoticeWish.wanted
    )
    return frozenset(session.scalars(found))


def add_of_scans(session: Session, source: str, event_ids: Collection[str]) -> None:
    """Due rows for the subscribers of these scans, oldest first: a statement, at any table size.

    A scan that reached us after a later one of its parcel gives none. Scans of one parcel come in
    one after the other: of them the smaller id was here first.
    """
    earlier = aliased(Scan)
    overtaken = exists().where(
        earlier.shipment_id == Scan.shipment_id, earlier.at > Scan.at, earlier.id < Scan.id
    )
    chosen = (
        _rows(Scan.id, null(), null())
        .join(Scan, Scan.shipment_id == Shipment.id)
        .where(
            Scan.source == source,
            bulk.one_of(session, Scan.event_id, event_ids),
            Scan.status.is_not(None),
            ~overtaken,
        )
        .order_by(Scan.at, Scan.id)
    )
    _add(session, chosen)


def add_of_incident(
    session: Session, incident_id: int, affected: Affected, facts: Mapping[str, Any]
) -> None:
    """Due rows for the subscribers of the parcels that are ``affected``, each once for an incident.

    Which parcels are followed is found out first, by itself: PostgreSQL takes a condition that it
    knows nothing of to be true of one parcel, and would read all wishes for each.
    """
    at = literal(clock.now(), Instant())
    followed = (
        select(NoticeWish.customer_id, *Shipment.__table__.columns)
        .join(Shipment, Shipment.waybill_no == NoticeWish.waybill_no)
        .where(NoticeWish.wanted)
        .cte("followed")
        .prefix_with("MATERIALIZED")
    )
    parcel = followed.c
    about = (null(), literal(incident_id), literal(dict(facts), Json))
    chosen = select(parcel.customer_id, parcel.id, at, at, literal(0), *about)
    _add(session, chosen.where(affected(parcel)).order_by(parcel.id))


def told_otherwise(session: Session, incident_id: int, customers: Select[int]) -> None:
    """These customers hear of an incident in another way: what waits for them of it is dropped."""
    session.execute(
        update(Notice)
        .where(
            Notice.customer_id.in_(customers),
            Notice.incident_id == incident_id,
            Notice.due_at.is_not(None),
        )
        .values(due_at=None),
        execution_options={"synchronize_session": False},
    )


_COLUMNS = (
    "customer_id",
    "shipment_id",
    "created_at",
    "due_at",
    "attempts",
    "scan_id",
    "incident_id",
    "facts",
)


def _rows(scan_id: Any, incident_id: ColumnElement[Any], facts: ColumnElement[Any]) -> Select[Any]:
    at = literal(clock.now(), Instant())
    return (
        select(NoticeWish.customer_id, Shipment.id, at, at, literal(0), scan_id, incident_id, facts)
        .select_from(NoticeWish)
        .join(Shipment, Shipment.waybill_no == NoticeWish.waybill_no)
        .where(NoticeWish.wanted)
    )


def _add(session: Session, chosen: Select[Any]) -> None:
    adding = bulk.insert(session, Notice).from_select(_COLUMNS, chosen)
    session.execute(adding.on_conflict_do_nothing())


def due_customers(session: Session, most: int) -> Sequence[Customer]:
    """Whoever is to be told of something now, who has waited longest first: told by nobody else
    until the transaction ends. Customers whom another worker is telling are left to it."""
    rows = session.scalars(
        select(Customer)
        .join(Notice, Notice.customer_id == Customer.id)
        .where(Notice.due_at <= clock.now())
        .order_by(Notice.due_at)
        .limit(most)
        .with_for_update(of=Customer, key_share=True, skip_locked=True)
    )
    return list(dict.fromkeys(rows))


def waiting(session: Session, customer_ids: Collection[int]) -> Sequence[Waiting]:
    """All that these customers are still to be told of, in the order of the road."""
    mine = (Notice.customer_id.in_(customer_ids), Notice.due_at.is_not(None))
    rows = session.scalars(select(Notice).where(*mine)).all()
    shipments = _by_id(session, Shipment, (row.shipment_id for row in rows))
    scans = _by_id(session, Scan, (row.scan_id for row in rows))
    found = [(row, scans.get(row.scan_id), shipments[row.shipment_id]) for row in rows]
    return sorted(
        found, key=lambda each: (each[1].at if each[1] else each[0].created_at, each[0].id)
    )


def _by_id(session: Session, table: type[Row], ids: Iterable[int | None]) -> dict[int | None, Row]:
    """Rows by their ids, looked up one by one in the index however large the table is: joined to
    what waits, a planner without statistics reads all of it."""
    wanted = {number for number in ids if number is not None}
    if not wanted:
        return {}
    found = session.scalars(select(table).where(table.id.in_(wanted)))
    return {row.id: row for row in found}


def due(session: Session, customer_id: int) -> Sequence[Notice]:
    """What this customer is to be told of now."""
    mine = (Notice.customer_id == customer_id, Notice.due_at <= clock.now())
    return session.scalars(select(Notice).where(*mine)).all()


def last_told(
    session: Session, customer_ids: Collection[int], shipment_ids: Collection[int]
) -> Mapping[tuple[int, int], Scan | None]:
    """By customer and parcel what he was told of it last, if he was told anything."""
    rows = session.execute(
        select(Notice.customer_id, Notice.shipment_id, Notice.scan_id)
        .where(
            Notice.customer_id.in_(customer_ids),
            Notice.shipment_id.in_(shipment_ids),
            Notice.message_id.is_not(None),
        )
        .order_by(Notice.message_id)
    ).all()
    last = {(row.customer_id, row.shipment_id): row.scan_id for row in rows}
    scans = _by_id(session, Scan, last.values())
    return {whose: scans.get(scan_id) for whose, scan_id in last.items()}


def told_before(session: Session, customer_ids: Collection[int]) -> frozenset[int]:
    """Which of these customers were ever told of anything."""
    told = exists().where(Notice.customer_id == Customer.id, Notice.message_id.is_not(None))
    return frozenset(
        session.scalars(select(Customer.id).where(Customer.id.in_(customer_ids), told))
    )


def last_message(session: Session, customer_id: int, before: int) -> int | None:
    """The last message before the message ``before`` that told this customer of something."""
    return session.scalar(
        select(Notice.message_id)
        .where(Notice.customer_id == customer_id, Notice.message_id < before)
        .order_by(Notice.message_id.desc())
        .limit(1)
    )


def numbers_in(session: Session, customer_id: int, message_id: int) -> Sequence[str]:
    """The parcels that a message told of."""
    return session.scalars(
        select(Shipment.waybill_no)
        .join(Notice, Notice.shipment_id == Shipment.id)
        .where(Notice.customer_id == customer_id, Notice.message_id == message_id)
        .order_by(Notice.id)
    ).all()


def followers(
    session: Session, waybill_no: str, limit: int
) -> Sequence[tuple[NoticeWish, Customer]]:
    """Who has said, or by proving it has shown, whether he wants to be told of a parcel."""
    rows = session.execute(
        select(NoticeWish, Customer)
        .join(Customer, Customer.id == NoticeWish.customer_id)
        .where(NoticeWish.waybill_no == waybill_no)
        .order_by(NoticeWish.id.desc())
        .limit(limit)
    )
    return [(wish, customer) for wish, customer in rows]


def of_parcel(
    session: Session, shipment_id: int, customer_ids: Collection[int], limit: int
) -> Sequence[tuple[Notice, Outbox | None]]:
    """What these customers were to be told of a parcel, newest first, and how it left."""
    rows = session.execute(
        select(Notice, Outbox)
        .outerjoin(Outbox, Outbox.message_id == Notice.message_id)
        .where(Notice.customer_id.in_(customer_ids), Notice.shipment_id == shipment_id)
        .order_by(Notice.id.desc())
        .limit(limit)
    )
    return [(notice, sent) for notice, sent in rows]


def wish(session: Session, customer_id: int, waybill_no: str) -> NoticeWish | None:
    return session.scalar(
        select(NoticeWish).where(
            NoticeWish.customer_id == customer_id, NoticeWish.waybill_no == waybill_no
        )
    )


def has_wish(session: Session, customer_id: int) -> bool:
    """Whether this customer follows parcels, or has said anything about it."""
    found = select(NoticeWish.id).where(NoticeWish.customer_id == customer_id).limit(1)
    return session.scalar(found) is not None


def wishes(
    session: Session, customer_ids: Collection[int], waybill_nos: Collection[str]
) -> Mapping[tuple[int, str], NoticeWish]:
    """What these customers said of these parcels, by customer and number."""
    found = session.scalars(
        select(NoticeWish).where(
            NoticeWish.customer_id.in_(customer_ids), NoticeWish.waybill_no.in_(waybill_nos)
        )
    )
    return {(wish.customer_id, wish.waybill_no): wish for wish in found}


def add_wish(session: Session, row: Mapping[str, Any]) -> None:
    """One that is there already stays as it is."""
    session.execute(bulk.insert(session, NoticeWish).on_conflict_do_nothing(), row)


def change_wishes(session: Session, customer_id: int, values: Mapping[str, Any]) -> None:
    """All of a customer's wishes at once."""
    session.execute(
        update(NoticeWish).where(NoticeWish.customer_id == customer_id).values(**values)
    )


def drop_doubles(session: Session, from_customer: int, to_customer: int) -> None:
    """Two customers turned out to be one: what both have stays as the latter has it."""
    wish, notice = aliased(NoticeWish), aliased(Notice)
    same_thing = or_(notice.scan_id == Notice.scan_id, notice.incident_id == Notice.incident_id)
    for statement in (
        delete(NoticeWish).where(
            NoticeWish.customer_id == from_customer,
            exists().where(
                wish.customer_id == to_customer, wish.waybill_no == NoticeWish.waybill_no
            ),
        ),
        delete(Notice).where(
            Notice.customer_id == from_customer,
            exists().where(
                notice.customer_id == to_customer,
                notice.shipment_id == Notice.shipment_id,
                same_thing,
            ),
        ),
    ):
        session.execute(statement, execution_options={"synchronize_session": False})
