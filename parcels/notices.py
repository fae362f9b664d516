"""Told before asking: who hears of a scan or an incident, and what of it is still worth telling.

``after_scans`` and ``tell_of_incident`` write due rows in the caller's transaction, knowing nothing
of hours and words. ``bot/notices`` takes them up later, by what holds then (``worth_telling``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from conversations.models import Conversation, Customer, Message
from parcels import notice_repository as repository
from parcels import road_repository
from parcels.models import Scan, Shipment, Status
from parcels.notice_models import Node, Notice, NoticeWish
from parcels.notice_rules import NoticeRules
from store import clock

PLACES = frozenset({Node.HUB_IN, Node.HUB_OUT, Node.HUB, Node.EXCEPTION})
"""Nodes that come again soon at other places."""
AGAIN = timedelta(hours=2)
"""Within so long the same node is the same thing: two sources tell it, and depots scan twice."""
ENDED = frozenset({Status.DELIVERED, Status.RETURNED})


@dataclass(frozen=True, slots=True)
class Incident:
    """What holds up many parcels, those that are ``affected``. ``reason`` is one of the texts
    ``notices.reason.…``; ``words`` by language take its place where there are any."""

    id: int
    affected: repository.Affected
    reason: str
    place: str
    until: datetime | None = None
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class News:
    """One thing to tell of one parcel. No ``scan``: it is of an incident."""

    notice: Notice
    node: Node
    shipment: Shipment
    scan: Scan | None


@dataclass(frozen=True, slots=True)
class Due:
    """What waits for one customer, and of it what is to be told, by parcel, oldest first."""

    waiting: list[Notice]
    news: dict[int, News]


def after_scans(session: Session, source: str, waybill_nos: Mapping[str, str]) -> None:
    """These scans (numbers by event id) were stored just now: whoever wants to be told of them will
    be. Idempotent."""
    followed = repository.followed(session, set(waybill_nos.values())) if waybill_nos else ()
    event_ids = [event_id for event_id, number in waybill_nos.items() if number in followed]
    if event_ids:
        repository.add_of_scans(session, source, event_ids)


def tell_of_incident(session: Session, incident: Incident) -> None:
    """Whoever wants to be told of one of the parcels hears of it once. Idempotent."""
    until = incident.until.isoformat() if incident.until else None
    facts = {
        "reason": incident.reason,
        "place": incident.place,
        "until": until,
        "words": dict(incident.words),
    }
    repository.add_of_incident(session, incident.id, incident.affected, facts)


def worth_telling(
    session: Session, rules: NoticeRules, customers: Collection[Customer]
) -> dict[int, Due]:
    """By customer all that waits for him, and of it the newest thing of each parcel, if it is
    wanted, was not told already, and is still true."""
    ids = {customer.id for customer in customers}
    waiting = repository.waiting(session, ids)
    wishes = repository.wishes(session, ids, {shipment.waybill_no for _, _, shipment in waiting})
    told = repository.last_told(session, ids, {shipment.id for _, _, shipment in waiting})
    usual = {customer.id: rules.usual(customer.channel) for customer in customers}
    incidents = {notice.incident_id for notice, _, _ in waiting if notice.incident_id is not None}
    over = road_repository.ended_of(session, incidents)
    found: dict[int, Due] = defaultdict(lambda: Due([], {}))
    for notice, scan, shipment in waiting:
        whose, node = notice.customer_id, rules.node(scan)
        due = found[whose]
        due.waiting.append(notice)
        if (
            node is not None
            and notice.incident_id not in over
            and _wanted(wishes.get((whose, shipment.waybill_no)), node, usual[whose])
            and _still_true(rules, notice, scan, shipment)
            and not _same(rules, told.get((whose, shipment.id)), scan)
        ):
            due.news.pop(shipment.id, None)
            due.news[shipment.id] = News(notice, node, shipment, scan)
    return found


def _wanted(wish: NoticeWish | None, node: Node, usual: Collection[Node]) -> bool:
    if wish is None or not wish.wanted:
        return False
    return node in (usual if wish.nodes is None else wish.nodes)


def _still_true(rules: NoticeRules, notice: Notice, scan: Scan | None, shipment: Shipment) -> bool:
    """Not when the parcel is in another state by now, nor when it was old when we heard of it."""
    if scan is None:
        return shipment.status not in ENDED
    return scan.status == shipment.status and not rules.late(scan.at, notice.created_at)


def _same(rules: NoticeRules, told: Scan | None, scan: Scan | None) -> bool:
    """Whether a scan tells a customer what he was told last."""
    if told is None or scan is None or scan.at - told.at > AGAIN:
        return False
    node = rules.node(scan)
    if node != rules.node(told):
        return False
    return node not in PLACES or (told.place, told.sub_status) == (scan.place, scan.sub_status)


def follow(session: Session, customer_id: int, waybill_no: str) -> None:
    """This customer has proved the parcel his: he is told of it, unless he has said otherwise."""
    general = repository.wish(session, customer_id, "")
    repository.add_wish(
        session,
        {
            "customer_id": customer_id,
            "waybill_no": waybill_no,
            "wanted": general is None or general.wanted,
            "nodes": general.nodes if general else None,
            "at": clock.now(),
        },
    )


def wish(
    session: Session,
    customer_id: int,
    waybill_no: str | None,
    *,
    wanted: bool,
    nodes: Iterable[Node] | None = None,
) -> None:
    """Keep whether a customer wants to be told of a parcel, or (None) of all of his, those to come
    too; and at which nodes (None: the usual ones)."""
    listed = None if nodes is None else sorted(nodes)
    values = {"wanted": wanted, "nodes": listed, "at": clock.now()}
    key = {"customer_id": customer_id, "waybill_no": waybill_no or ""}
    repository.add_wish(session, key | values)
    if waybill_no is None:
        repository.change_wishes(session, customer_id, values)
    else:
        kept = repository.wish(session, customer_id, waybill_no)
        assert kept is not None
        kept.wanted, kept.nodes, kept.at = wanted, listed, clock.now()
        session.flush()


def told_in(session: Session, conversation: Conversation, before: int) -> tuple[int, Sequence[str]]:
    """The last message of this conversation before the message ``before`` that told of parcels, and
    their numbers: what an answer such as "reschedule" is about. (0, ()) if there is none."""
    customer_id = conversation.customer_id
    found = repository.last_message(session, customer_id, before)
    if found is None or session.get_one(Message, found).conversation_id != conversation.id:
        return 0, ()
    return found, repository.numbers_in(session, customer_id, found)


def nodes_of(
    session: Session, rules: NoticeRules, channel: str, customer_id: int, waybill_no: str | None
) -> Iterator[Node]:
    """At which nodes a customer is told of a parcel, or (None) of those he proves from now on."""
    kept = repository.wish(session, customer_id, waybill_no or "")
    yield from map(Node, kept.nodes if kept and kept.nodes is not None else rules.usual(channel))


@dataclass(frozen=True, slots=True)
class Told:
    """An incident as a notice tells it."""

    reason: str
    place: str
    until: datetime | None
    words: Mapping[str, str]


def incident_of(notice: Notice) -> Told:
    facts: Mapping[str, Any] = notice.facts or {}
    until = facts.get("until")
    return Told(
        facts.get("reason") or "other",
        facts.get("place") or "",
        datetime.fromisoformat(until) if until else None,
        facts.get("words") or {},
    )
