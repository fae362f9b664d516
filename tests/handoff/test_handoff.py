"""Cases: one winner, one holder, nothing lost on the way to a person and back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from conversations import repository as record
from conversations.models import Audience, Conversation, Holder
from handoff.models import CaseState
from handoff.packet import Guess, Learned, Packet
from handoff.staff import SignedIn
from parcels import service as parcels
from parcels.schemas import ScanIn, ShipmentIn
from store import clock
from store.engine import Database
from store.errors import AlreadyTaken, Conflict, Invalid, NotYours
from tests import rooms
from tests.rooms import Rooms
from tickets.models import Ticket, Urgency
from tickets.promises import repository as promises
from tickets.routing import Skills, Unfit
from tickets.service import Complaint


@pytest.fixture
def house(database: Database, at: object) -> Rooms:
    return rooms.build(database)


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with database.write() as opened:
        yield opened


@pytest.fixture
def lin(session: Session) -> SignedIn:
    return rooms.person(session, "lin")


@pytest.fixture
def zhou(session: Session) -> SignedIn:
    return rooms.person(session, "zhou")


def test_a_request_silences_the_bot_and_promises_a_time(house: Rooms, session: Session) -> None:
    conversation = rooms.said(session, "转人工")
    placed = house.handoffs.request(session, conversation, rooms.request())
    assert conversation.holder == Holder.WAITING
    assert placed.ahead == 0
    assert placed.contact_by - clock.now() == timedelta(minutes=30)
    (promise,) = promises.made_to(session, [conversation.id])
    assert promise.by == placed.contact_by


def test_asking_again_joins_the_open_case(house: Rooms, session: Session) -> None:
    conversation = rooms.said(session, "转人工")
    first = house.handoffs.request(session, conversation, rooms.request())
    again = house.handoffs.request(session, conversation, rooms.request(Urgency.RED))
    assert again.already
    assert again.case.id == first.case.id
    assert again.case.urgency == Urgency.RED
    calmer = house.handoffs.request(session, conversation, rooms.request(Urgency.YELLOW))
    assert calmer.case.urgency == Urgency.RED


def test_the_queue_serves_red_before_older_yellow(house: Rooms, session: Session) -> None:
    yellow = rooms.said(session, "慢", by="a")
    red = rooms.said(session, "急", by="b")
    house.handoffs.request(session, yellow, rooms.request(Urgency.YELLOW))
    assert house.handoffs.request(session, red, rooms.request(Urgency.RED)).ahead == 0
    third = rooms.said(session, "也慢", by="c")
    assert house.handoffs.request(session, third, rooms.request(Urgency.YELLOW)).ahead == 2


def test_a_call_back_leaves_the_bot_answering(house: Rooms, session: Session) -> None:
    conversation = rooms.said(session, "破了")
    house.handoffs.request(session, conversation, rooms.request(Urgency.ORANGE), hold=False)
    assert str(conversation.holder) == Holder.BOT
    house.handoffs.request(session, conversation, rooms.request())
    assert str(conversation.holder) == Holder.WAITING


def test_two_agents_take_at_once_and_one_wins(database: Database, house: Rooms) -> None:
    with database.write() as session:
        people = [rooms.person(session, name) for name in ("lin", "zhou")]
        conversation = rooms.said(session, "转人工")
        case_id = house.handoffs.request(session, conversation, rooms.request()).case.id
    start = threading.Barrier(2)
    outcomes: dict[str, str] = {}

    def take(person: SignedIn) -> None:
        start.wait()
        try:
            with database.write() as own:
                house.handoffs.take(own, case_id, person)
            outcomes[person.name] = "won"
        except AlreadyTaken as error:
            outcomes[person.name] = str(error.facts["by"])

    threads = [threading.Thread(target=take, args=(person,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = next(name for name, outcome in outcomes.items() if outcome == "won")
    assert sorted(outcomes.values()) == sorted(["won", winner])


def test_only_the_holder_writes(
    house: Rooms, session: Session, lin: SignedIn, zhou: SignedIn
) -> None:
    conversation = rooms.said(session, "转人工")
    case = house.handoffs.request(session, conversation, rooms.request()).case
    with pytest.raises(Conflict):
        house.handoffs.reply(session, case.id, lin, "您好", "k1")
    house.handoffs.take(session, case.id, lin)
    with pytest.raises(NotYours):
        house.handoffs.reply(session, case.id, zhou, "您好", "k1")
    assert house.handoffs.reply(session, case.id, lin, "您好", "k1") is not None


def test_a_repeated_click_replies_once_and_keeps_the_promise(
    house: Rooms, session: Session, lin: SignedIn
) -> None:
    conversation = rooms.said(session, "转人工")
    case = house.handoffs.request(session, conversation, rooms.request()).case
    house.handoffs.take(session, case.id, lin)
    house.handoffs.reply(session, case.id, lin, "您好", "k1")
    assert house.handoffs.reply(session, case.id, lin, "您好", "k1") is None
    said = [m.text for m in record.messages(session, conversation.id) if m.author == "agent"]
    assert said == ["您好"]
    (promise,) = promises.made_to(session, [conversation.id])
    assert promise.kept_at is not None


def test_a_note_is_never_the_customers(house: Rooms, session: Session, lin: SignedIn) -> None:
    conversation = rooms.said(session, "转人工")
    case = house.handoffs.request(session, conversation, rooms.request()).case
    note = house.handoffs.note(session, case.id, lin, "客户在气头上")
    seen = record.messages(session, conversation.id, audience=Audience.EVERYONE)
    assert note.id not in [m.id for m in seen]
    assert record.outbox_of(session, [note.id]) == {}


@pytest.mark.parametrize("text", ["", "   ", "\x00\x00"])
def test_an_empty_reply_is_refused(
    house: Rooms, session: Session, lin: SignedIn, text: str
) -> None:
    conversation = rooms.said(session, "转人工")
    case = house.handoffs.request(session, conversation, rooms.request()).case
    house.handoffs.take(session, case.id, lin)
    with pytest.raises(Invalid):
        house.handoffs.reply(session, case.id, lin, text, "k1")


def test_resolved_gives_the_conversation_back_and_tells_the_customer(
    house: Rooms, session: Session, lin: SignedIn
) -> None:
    conversation = rooms.said(session, "转人工")
    case = house.handoffs.request(session, conversation, rooms.request()).case
    house.handoffs.take(session, case.id, lin)
    assert (conversation.holder, conversation.staff_id) == (Holder.AGENT, lin.id)
    ended = house.handoffs.resolve(session, case.id, lin, "重发一件")
    assert (ended.state, ended.outcome) == (CaseState.RESOLVED, "重发一件")
    assert (conversation.holder, conversation.staff_id) == (Holder.BOT, None)
    last = record.messages(session, conversation.id, audience=Audience.EVERYONE)[-1]
    assert last.text == house.texts.say("zh", "handoff.resolved", name="Lin")
    again = house.handoffs.request(session, conversation, rooms.request())
    assert again.case.id != case.id


def test_the_packet_holds_everything_already_known(
    house: Rooms, session: Session, at: Callable[[datetime], None]
) -> None:
    earlier = rooms.said(session, "上次也是你们", number="0")
    earlier.last_message_at -= timedelta(days=3)
    parcels.store_shipment(
        session,
        ShipmentIn(
            waybill_no="SF1234567890123",
            goods="花瓶",
            scans=[ScanIn(at=clock.now(), place="嘉兴")],
        ),
    )
    conversation = rooms.said(session, "SF1234567890123 花瓶碎了，转人工")
    assert conversation.id != earlier.id
    message = record.last_customer_message(session, conversation.id)
    assert message is not None
    placed = house.handoffs.request(
        session,
        conversation,
        rooms.request(
            Urgency.ORANGE,
            guesses=tuple(Guess(name, 0.5) for name in ("a", "b", "c", "d")),
            learned=(
                Learned("waybill_no", "SF1234567890123", "customer", message.id, clock.now()),
            ),
            waybill_no="SF1234567890123",
        ),
    )
    packet = Packet.model_validate(placed.case.packet)
    assert packet.version == 1
    assert (packet.reason, packet.rule) == ("ask_human", "customer_asked")
    assert (packet.urgency.colour, packet.urgency.rule) == ("orange", "nothing_urgent")
    assert [guess.name for guess in packet.intents] == ["a", "b", "c"]
    assert packet.slots[0].message_id == message.id
    assert packet.parcel is not None
    assert packet.parcel.last_scan is not None
    assert packet.parcel.last_scan.place == "嘉兴"
    assert [p.kind for p in packet.promises] == ["contact"]
    assert (packet.channel.name, packet.channel.reply_quota) == ("web", 5)
    assert [episode.last_words for episode in packet.earlier] == ["上次也是你们"]
    assert [entry.text for entry in packet.transcript] == ["SF1234567890123 花瓶碎了，转人工"]


def test_a_further_request_forgets_nothing_and_calms_nothing(
    house: Rooms, session: Session
) -> None:
    conversation = rooms.said(session, "花瓶碎了")
    opened = house.tickets.open(
        session,
        Complaint(
            idempotency_key="in:1",
            kind="report_damage",
            conversation_id=conversation.id,
            customer_id=conversation.customer_id,
            description="花瓶碎了",
            waybill_no="ZT5566778899001",
        ),
    )
    learned = (Learned("waybill_no", "ZT5566778899001", "customer", None, None),)
    house.handoffs.request(
        session,
        conversation,
        rooms.request(
            Urgency.ORANGE,
            ticket_id=opened.ticket.id,
            learned=learned,
            guesses=(Guess("report_damage", 0.9),),
        ),
        hold=False,
    )
    case = house.handoffs.request(session, conversation, rooms.request(reason="bot_down")).case
    packet = Packet.model_validate(case.packet)
    assert packet.reason == "bot_down"
    assert packet.urgency.colour == Urgency.ORANGE
    assert packet.ticket is not None
    assert packet.ticket.number == opened.ticket.number
    assert [slot.value for slot in packet.slots] == ["ZT5566778899001"]
    assert [guess.name for guess in packet.intents] == ["report_damage"]


def test_a_new_case_knows_the_ticket_that_is_still_open(house: Rooms, session: Session) -> None:
    conversation = rooms.said(session, "花瓶碎了")
    opened = house.tickets.open(
        session,
        Complaint(
            idempotency_key="in:1",
            kind="report_damage",
            conversation_id=conversation.id,
            customer_id=conversation.customer_id,
            description="花瓶碎了",
        ),
    )
    case = house.handoffs.request(session, conversation, rooms.request()).case
    packet = Packet.model_validate(case.packet)
    assert packet.ticket is not None
    assert packet.ticket.number == opened.ticket.number


def accepted_by(house: Rooms, session: Session, person: SignedIn) -> Ticket:
    """A ticket that this person has, its case ended."""
    conversation = rooms.said(session, "还没到")
    ticket = house.tickets.open(session, delay(conversation)).ticket
    asked = rooms.request(Urgency.YELLOW, ticket_id=ticket.id, intent="report_delay")
    case = house.handoffs.request(session, conversation, asked, hold=False).case
    house.handoffs.take(session, case.id, person)
    house.handoffs.resolve(session, case.id, person, None)
    assert ticket.staff_id == person.id
    return ticket


def differing(house: Rooms, **people: Skills) -> None:
    """Put into the policy who differs from his team."""
    routing = house.tickets.routing
    routing.policy = routing.policy.model_copy(update={"people": people})


def delay(conversation: Conversation) -> Complaint:
    return Complaint("in:1", "report_delay", conversation.id, conversation.customer_id, "还没到")


@pytest.mark.parametrize(
    ("shift", "intent", "team", "rule", "keeps"),
    [
        ("always", "report_delay", "second_line", "first_owner", True),
        ("always", "ask_human", "second_line", "first_owner", True),
        ("always", "escalate_threat", "headquarters", "threat", True),
        ("night", "report_delay", "second_line", "hard_case", False),
        ("night", "ask_human", "second_line", "hard_case", False),
    ],
)
def test_who_has_a_ticket_is_offered_what_comes_later_while_he_is_at_work(
    house: Rooms,
    session: Session,
    lin: SignedIn,
    shift: str,
    intent: str,
    team: str,
    rule: str,
    keeps: bool,
) -> None:
    ticket = accepted_by(house, session, lin)
    routing = house.tickets.routing
    routing.policy = routing.policy.model_copy(
        update={"people": {"lin": Skills.model_construct(shift=shift)}}
    )
    conversation = session.get_one(Conversation, ticket.conversation_id)
    asked = rooms.request(Urgency.YELLOW, ticket_id=ticket.id, intent=intent)
    case = house.handoffs.request(session, conversation, asked).case
    assert (case.team, case.team_rule) == (team, rule)
    assert case.owner_id == (lin.id if keeps else None)


def test_who_went_home_does_not_keep_a_customer_waiting(
    house: Rooms, session: Session, lin: SignedIn, zhou: SignedIn
) -> None:
    conversation = rooms.said(session, "还没到")
    ticket = house.tickets.open(session, delay(conversation)).ticket
    asked = rooms.request(Urgency.YELLOW, ticket_id=ticket.id, intent="report_delay")
    case = house.handoffs.request(session, conversation, asked).case
    house.handoffs.take(session, case.id, lin)
    house.handoffs.reply(session, case.id, lin, "我来查", "a")
    house.handoffs.heard(session, conversation, 1)
    assert (case.state, conversation.holder) == (CaseState.TAKEN, Holder.AGENT)
    differing(house, lin=Skills.model_construct(shift="night"))
    house.handoffs.heard(session, conversation, 1)
    assert (case.state, case.staff_id, case.owner_id) == (CaseState.WAITING, None, None)
    assert conversation.holder == Holder.WAITING
    assert case.contact_by == clock.now() + timedelta(minutes=30)
    assert ticket.staff_id == lin.id
    with pytest.raises(Conflict):
        house.handoffs.reply(session, case.id, lin, "我明天查", "b")
    house.handoffs.take(session, case.id, zhou)
    assert conversation.staff_id == zhou.id


def test_a_colleague_may_take_what_is_kept_for_another(
    house: Rooms, session: Session, lin: SignedIn, zhou: SignedIn
) -> None:
    ticket = accepted_by(house, session, lin)
    conversation = session.get_one(Conversation, ticket.conversation_id)
    case = house.handoffs.request(session, conversation, rooms.request(ticket_id=ticket.id)).case
    house.handoffs.take(session, case.id, zhou)
    assert case.staff_id == zhou.id
    assert ticket.staff_id == lin.id


def test_a_talk_without_a_ticket_is_nobodys(house: Rooms, session: Session) -> None:
    case = house.handoffs.request(session, rooms.said(session, "转人工"), rooms.request()).case
    assert (case.team, case.team_rule, case.owner_id) == ("first_line", "simple_case", None)


def test_colleagues_are_listed_with_what_they_have_and_why_not(
    house: Rooms, session: Session, lin: SignedIn, zhou: SignedIn
) -> None:
    ticket = accepted_by(house, session, zhou)
    other = rooms.said(session, "转人工", by="other")
    case = house.handoffs.request(session, other, rooms.request()).case
    house.handoffs.take(session, case.id, zhou)
    routing = house.tickets.routing
    people = {
        "lin": Skills.model_construct(shift="night"),
        "zhou": Skills.model_construct(open_cases=2),
    }
    routing.policy = routing.policy.model_copy(update={"people": people})
    found = house.handoffs.offers.candidates_of(session, ticket)
    assert [(c.person.login, c.open_cases, c.unfit) for c in found] == [
        ("zhou", 1, ()),
        ("lin", 0, (Unfit.OFF_SHIFT,)),
    ]
