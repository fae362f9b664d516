"""Complaints: the report form asks only what is missing, then a ticket opens and people are called.

The form's validator also asks the next question itself: each further action would cost a round trip
between Rasa and the service.
"""

from __future__ import annotations

from rasa_sdk.events import EventType

from actions.base import Skill
from actions.change_steps import volunteered
from actions.draft import Draft
from actions.handing import hand_over, offers_person, too_angry
from actions.matters import CHANGES, change_beside
from actions.parcel import propose
from actions.telling import describe
from actions.turn import Reply, Turn, joined, remember
from conversations import attachments
from conversations import repository as record
from conversations.schemas import Button
from parcels import lookup
from parcels import repository as parcels
from parcels.service import whereabouts
from tickets import evidence
from tickets import repository as tickets
from tickets.intake import Fact
from tickets.models import Ticket, Urgency
from tickets.promises.models import PromiseKind
from tickets.service import Complaint, Opened
from tickets.urgency import Circumstances, Verdict

THREAT = "escalate_threat"
TELLS_WHERE = frozenset({"report_delay", "report_perishable", "report_loss"})
LEAVES_FORM = frozenset({"ask_human", THREAT}) | CHANGES
"""Nothing more is asked: the ticket opens with what is known, and what was said comes next."""
ENDS_CHAT = frozenset({"thank", "goodbye"})
"""Said in the form: the customer has told what he wanted to tell."""
NO_ANSWER = frozenset({"deny", "nlu_fallback", "out_of_scope"})
INTERRUPTIONS = frozenset(
    {
        "track_parcel",
        "ask_price",
        "ask_transit_time",
        "ask_service_point",
        "ask_sending_rules",
        "check_ticket",
        "bot_challenge",
        "greet",
    }
)
"""Questions inside the form: rejected by it, so that their own rule answers."""


class ValidateReportForm(Skill):
    """Decides after each message in the form what is known and what is asked next."""

    skill = "validate_report_form"

    def handle(self, turn: Turn) -> Reply:
        if turn.requested and turn.intent in INTERRUPTIONS and not turn.given_now("waybill_no"):
            return Reply()
        vents = _vents_about(turn)
        kind = vents.kind if vents else report_kind(turn)
        number, question = (vents.waybill_no, None) if vents else self._waybill(turn)
        if question is not None:
            return Reply(
                question.words,
                question.buttons,
                (*question.events, *remember(report_kind=kind, requested_slot="waybill_no")),
            )
        facts = remember(
            report_kind=kind,
            report_text=_story(turn),
            also=_asked_beside(turn) or turn.slot("also"),
            waybill_no=number,
            proposals=None,
            tries=self._tries(turn),
            not_known=self._not_known(turn),
            detail=turn.text if turn.requested == "detail" else turn.slot("detail"),
            **({} if turn.intent in LEAVES_FORM else turn.plain_answer),
        )
        missing = None if vents else self._missing(turn, kind, number)
        if missing is None:
            return Reply(events=(*facts, *remember(requested_slot=None)))
        return Reply(
            (self._question(turn, kind, missing),),
            offers_person(turn) or _unknown_button(turn, missing),
            (*facts, *remember(requested_slot=missing)),
        )

    def _waybill(self, turn: Turn) -> tuple[str | None, Reply | None]:
        """The number as the record writes it, or the question a mistyped one leads to."""
        typed = turn.number
        proposals = turn.tracker.get_slot("proposals") or []
        if typed is None and turn.intent == "affirm" and len(proposals) == 1:
            typed = proposals[0]
        if typed is None and turn.requested == "waybill_no" and any(map(str.isdigit, turn.text)):
            typed = turn.text
        if typed is None:
            return None, None
        match lookup.find(turn.session, typed):
            case lookup.Found(shipment):
                return shipment.waybill_no, None
            case lookup.Proposals(typed=number, shipments=near) if not proposals:
                return None, propose(turn, number, [s.waybill_no for s in near], None)
            case _:
                # Not in the record: kept as it was written, for the person who looks into it.
                return lookup.canonical(typed)[:40] or None, None

    def _not_known(self, turn: Turn) -> list[str]:
        """Facts the customer has said he cannot give: none of them is asked again."""
        before: list[str] = turn.tracker.get_slot("not_known") or []
        return [*before, str(turn.requested)] if self._refuses(turn) else before

    def _refuses(self, turn: Turn) -> bool:
        return bool(turn.requested) and (turn.intent in NO_ANSWER or turn.shrugs)

    def _tries(self, turn: Turn) -> float:
        """Answers so far that filled nothing of what was asked."""
        before = float(turn.tracker.get_slot("tries") or 0)
        asked = turn.requested
        if not asked or turn.given_now(asked) or turn.plain_answer or self._refuses(turn):
            return 0
        return before + 1

    def _missing(self, turn: Turn, kind: str, number: str | None) -> Fact | None:
        if turn.intent in LEAVES_FORM or too_angry(turn) or _asks_person(turn):
            return None
        if turn.requested and turn.intent in ENDS_CHAT:
            return None
        if _verdict(turn, kind, number).colour is Urgency.RED:
            return None
        intake = turn.services.intake
        if self._tries(turn) >= intake.tries:
            return None
        shipment = parcels.by_waybill(turn.session, number) if number else None
        known = {
            "waybill_no": number,
            "goods": turn.slot("goods") or (shipment.goods if shipment else None),
            "amount": turn.slot("amount"),
            "detail": turn.requested == "detail" or turn.slot("detail") or len(turn.text) > 60,
            **turn.plain_answer,
        }
        given: set[str] = {name for name, value in known.items() if value}
        return intake.missing(kind, frozenset(given | set(self._not_known(turn))))

    def _question(self, turn: Turn, kind: str, missing: Fact) -> str:
        ask = turn.say(f"report.ask.{missing}")
        if turn.requested == missing:
            return joined([turn.say("report.again"), ask], turn.language)
        if turn.requested:
            return ask
        return joined([turn.say(f"report.feel.{kind}"), ask], turn.language)


class OpenTicket(Skill):
    """After the form: the ticket, its number, the promise, and a person where one is needed."""

    skill = "action_open_ticket"

    def handle(self, turn: Turn) -> Reply:
        kind = turn.slot("report_kind") or report_kind(turn)
        reply = open_ticket(turn, kind, threat=turn.intent == THREAT)
        return Reply(reply.words, reply.buttons, (*reply.events, *forget()))


class Escalate(Skill):
    """escalate_threat: a ticket of the problem below the threat, red, to headquarters at once."""

    skill = "action_escalate"

    def handle(self, turn: Turn) -> Reply:
        return open_ticket(turn, report_kind(turn), threat=True)


def open_ticket(turn: Turn, kind: str, *, threat: bool = False) -> Reply:
    """Open (or join) the ticket, say number and promise, call people."""
    number = turn.number
    shipment = turn.shipment
    opened = turn.services.tickets.open(
        turn.session,
        Complaint(
            idempotency_key=f"in:{turn.inbox_id}:{kind}",
            kind=kind,
            conversation_id=turn.conversation.id,
            customer_id=turn.conversation.customer_id,
            description=turn.slot("report_text") or turn.text,
            waybill_no=lookup.canonical(number)[:40] if number else None,
            goods=turn.slot("goods") or (shipment.goods if shipment else None),
            goods_class=shipment.goods_class if shipment else _goods_class(turn),
            anger=turn.conversation.anger,
            threat=threat,
            facts={fact.slot: fact.value for fact in turn.learned()},
        ),
    )
    evidence.gather(turn.session, turn.services.tickets.lifecycle, turn.conversation.id)
    words = [_sorry(turn, opened, threat)]
    if shipment is not None and kind in TELLS_WHERE and turn.intent != "complain":
        where = describe(turn, whereabouts(turn.session, shipment))
        if not _just_said(turn, where):
            words.append(where)
        if whereabouts(turn.session, shipment).reason:
            turn.services.tickets.clocks.keep(
                turn.session, (PromiseKind.CAUSE,), ticket_id=opened.ticket.id
            )
    words = [joined(words, turn.language), _receipt(turn, opened), _wants_files(turn, opened)]
    words = [text for text in words if text]
    reason, rule, hold = _why_a_person(turn, opened, threat)
    waiting = hand_over(
        turn,
        reason,
        rule,
        verdict=Verdict(Urgency(opened.ticket.urgency), opened.ticket.urgency_rule),
        ticket_id=opened.ticket.id,
        hold=hold,
    )
    if hold:
        words.append(waiting)
        if number is None and turn.slot("waybill_no") is None:
            words.append(turn.say("report.number_later"))
        return Reply(tuple(words), (), remember(pending=None))
    also = turn.slot("also") or _asked_beside(turn)
    if also is None:
        return Reply(tuple(words), offers_person(turn), remember(pending=None))
    words.append(turn.say("report.also", matter=turn.say(f"words.matter.{also}")))
    yes = turn.say("report.also_yes")
    offered = Draft(also, turn.slot("report_text") or turn.text, waybill_no=number)
    offered = volunteered(turn, offered)
    return Reply(
        tuple(words), (Button(yes, yes),), remember(pending=also, change=offered.to_slot())
    )


def report_kind(turn: Turn) -> str:
    """The class of the problem: this message's, the form's, or the likeliest below a threat."""
    problems = turn.services.problems
    before = turn.slot("report_kind") if turn.in_form else None
    if turn.intent in problems:
        if before is None:
            return turn.intent
        return min(before, turn.intent, key=problems.index)
    if before:
        return before
    for ticket in reversed(tickets.of_conversation(turn.session, turn.conversation.id)):
        return ticket.kind
    below = next((g.intent for g in turn.guesses if g.intent != THREAT), None)
    return below if below in problems else "complain"


def _vents_about(turn: Turn) -> Ticket | None:
    """The open ticket that a complaint without a subject is about: nothing is asked twice."""
    if turn.intent != "complain" or turn.requested:
        return None
    ticket = tickets.open_about(turn.session, turn.conversation.id)
    given = turn.given_now("waybill_no")
    if ticket is None or (given and lookup.canonical(given) != ticket.waybill_no):
        return None
    return ticket


def _asked_beside(turn: Turn) -> str | None:
    """The change asked for in the same message, or instead of the fact the form wanted."""
    return turn.intent if turn.intent in CHANGES else change_beside(turn)


def forget() -> tuple[EventType, ...]:
    """The form's own memory is wiped; the waybill stays for whatever comes next."""
    return remember(
        report_kind=None, report_text=None, tries=0, not_known=None, proposals=None, detail=None
    )


def _why_a_person(turn: Turn, opened: Opened, threat: bool) -> tuple[str, str, bool]:
    """Reason, rule, and whether the bot falls silent."""
    if threat:
        return "threat", "threat_of_regulator_media_lawyer", True
    if turn.intent == "ask_human" or _asks_person(turn):
        return "ask_human", "customer_asked", True
    if opened.ticket.urgency == Urgency.RED:
        return "red_urgency", opened.ticket.urgency_rule, True
    if too_angry(turn):
        return "strong_anger", "strong_anger", True
    return "ticket", opened.ticket.urgency_rule, False


def _sorry(turn: Turn, opened: Opened, threat: bool) -> str:
    """Feelings first, unless the form's first question has said it already."""
    if "\n" in (turn.slot("report_text") or ""):
        return ""
    vents = opened.joined and turn.intent == "complain"
    return turn.say(
        f"report.feel.{'threat' if threat else 'complain' if vents else opened.ticket.kind}"
    )


def _just_said(turn: Turn, words: str) -> bool:
    """Whether our answer to his message before this one said the same: once is enough."""
    heard = record.last_heard(turn.session, turn.conversation.id, 2)
    before = heard[1].id if len(heard) == 2 else 0
    answers = record.messages(turn.session, turn.conversation.id, after=before)
    return any(words in answer.text for answer in answers)


def _receipt(turn: Turn, opened: Opened) -> str:
    """Number, colour and promise."""
    ticket = opened.ticket
    own = ticket.customer_id == turn.conversation.customer_id
    joined_to = "report.joined" if own else "report.joined_to"  # another's number is his own
    return turn.say(
        joined_to if opened.joined else "report.opened",
        number=ticket.number,
        colour=turn.say(f"words.urgency.{ticket.urgency}"),
        by=opened.contact_by,
    )


def _wants_files(turn: Turn, opened: Opened) -> str:
    """The photos still missing, and a link where his channel carries none; once a ticket."""
    ticket, services = opened.ticket, turn.services
    files = attachments.by_id(turn.session, tickets.file_ids(turn.session, ticket.id))
    if opened.joined or not services.intake.lacks(ticket, (f.kind for f in files)).evidence:
        return ""
    if services.handoffs.capabilities(turn.session, turn.conversation).takes_files:
        return turn.say("report.photos")
    return turn.say("report.photos_by_link", link=services.upload(ticket.number))


def _verdict(turn: Turn, kind: str, number: str | None) -> Verdict:
    shipment = parcels.by_waybill(turn.session, number) if number else None
    return turn.services.tickets.urgency.decide(
        Circumstances(
            intent=kind,
            text=turn.text,
            goods_class=shipment.goods_class if shipment else _goods_class(turn),
            anger=turn.conversation.anger,
        )
    )


def _goods_class(turn: Turn) -> str:
    """The class of the goods the customer names, or at least speaks of."""
    named, goods = turn.slot("goods"), turn.services.goods
    return goods.classify(named) if named else goods.mentioned(turn.text)


def _story(turn: Turn) -> str:
    """What the customer has told in the form so far, in his own words."""
    told = turn.slot("report_text")
    return f"{told}\n{turn.text}" if told else turn.text


def _asks_person(turn: Turn) -> bool:
    """A problem told together with the wish for a person: both are heard."""
    return turn.services.intake.asks_person(turn.text)


def _unknown_button(turn: Turn, missing: Fact) -> tuple[Button, ...]:
    key = f"report.without.{missing}"
    if not turn.services.texts.has(key):
        return ()
    return (Button(turn.say(key), turn.say(key)),)
