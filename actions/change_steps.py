"""The steps of a change in their order; each asks, refuses, or lets the next one begin."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from actions import invoice, notice_steps
from actions.change_words import ask, end, person, yes_no
from actions.draft import Draft
from actions.proof import owned
from actions.turn import Reply, Turn, joined
from conversations.schemas import Button
from parcels import change_repository, orders, times
from parcels.change_models import OrderKind
from parcels.change_rules import PICKUPS, Cut
from parcels.models import Shipment, Status
from parcels.times import Interval
from store import clock

PICKUP_LASTS = timedelta(days=14)
MOST_WINDOWS = 3
_SENTENCES = re.compile(r"[，。；！？;!?\n]|\. ")


def go_on(turn: Turn, draft: Draft, *, begun: bool = False) -> Reply:
    """Carry the draft as far as it goes with what is known now."""
    reply = _next(turn, draft)
    key = f"change.start.{draft.intent}"
    if not begun or not reply.words or not turn.services.texts.has(key):
        return reply
    first, *more = reply.words
    return Reply(
        (joined([turn.say(key), first], turn.language), *more), reply.buttons, reply.events
    )


def volunteered(turn: Turn, draft: Draft) -> Draft:
    """What the words that begin a change tell beside it: nothing of it is asked again."""
    rules = turn.services.changes
    kind = rules.named(draft.intent, draft.said)
    if kind is not None:
        # The place of a locker is no station's.
        draft = draft if kind == draft.kind else draft.without("place", "person")
        draft = replace(draft, kind=kind)
    if draft.intent == "ask_invoice":
        draft = invoice.hear(turn, draft) or draft
    if draft.intent in {"change_delivery_time", "request_pickup"}:
        understood = time_in(turn, draft.said)
        if understood:
            draft = timed(turn, draft, understood)
    return draft


def time_in(turn: Turn, words: str) -> Interval | None:
    """The time that words wish for: their last sentence that tells one ("今天不在家，明天送")."""
    now, zone = clock.now(), turn.services.texts.zone
    for sentence in reversed(_SENTENCES.split(words)):
        if understood := times.understand(sentence, now, zone):
            return understood
    return None


def timed(turn: Turn, draft: Draft, wish: Interval) -> Draft:
    """The draft with a wish for a time: a pickup's is a window of the policy's length.

    ``over`` is noted where it cannot be had, ``wide`` where several windows fit it.
    """
    rules = turn.services.changes
    pickup = draft.intent == "request_pickup"
    hours = rules.pickup if pickup else rules.delivery
    found = hours.within(wish)
    details = {k: v for k, v in draft.details.items() if k not in {"from", "to", "over", "wide"}}
    draft = replace(draft, details=details, tries=0)
    if found is None:
        return draft.told(over="yes")
    if not pickup:
        return draft.at(found)
    windows = hours.windows(found)
    if not windows:
        return draft.told(over="yes")
    if len(windows) == 1 or wish.end - wish.start <= timedelta(hours=1):
        return draft.at(windows[0])
    return draft.at(found).told(wide="yes")


def _next(turn: Turn, draft: Draft) -> Reply:
    if draft.intent == "manage_notifications":
        return notice_steps.wish(turn, draft)
    if draft.intent == "request_pickup":
        return _pickup(turn, draft)
    found = owned(turn, draft)
    if isinstance(found, Reply):
        return found
    draft = replace(draft, waybill_no=found.waybill_no)
    if draft.intent == "ask_pickup_code":
        return end(*_code(turn, found), waybill_no=found.waybill_no)
    if draft.intent == "ask_invoice":
        return invoice.go_on(turn, draft)
    return _delivery(turn, draft, found)


def _delivery(turn: Turn, draft: Draft, shipment: Shipment) -> Reply:
    """What is possible, what is missing, what it costs; then the order."""
    rules = turn.services.changes
    asked_for = draft.kind or rules.usual(draft.intent)
    kind = asked_for
    if draft.intent == "cancel_or_return" and (kind is None or not rules.possible(kind, shipment)):
        kind = rules.instead(draft.intent, shipment)
    cut = rules.possible(kind, shipment) if kind else None
    if kind is None or cut is None:
        return end(_impossible(turn, asked_for, shipment), buttons=person(turn))
    draft = replace(draft, kind=kind)
    missing = next(
        (
            n
            for n in rules.changes[kind].needs
            if ("from" if n == "time" else n) not in draft.details
        ),
        None,
    )
    if missing is not None:
        over = turn.say("change.time_over") if draft.details.get("over") else None
        return ask(turn, draft, missing, over)
    note = turn.say("change.instead") if asked_for not in {None, kind} else None
    return _agree(turn, draft, cut, note)


def _impossible(turn: Turn, kind: OrderKind | None, shipment: Shipment) -> str:
    status = Status(shipment.status)
    if kind and status in turn.services.changes.changes[kind].states:
        return turn.say("change.too_late")
    key = f"change.not_possible.{status}"
    return turn.say(key if turn.services.texts.has(key) else "change.not_possible.other")


def _pickup(turn: Turn, draft: Draft) -> Reply:
    """A pickup belongs to whoever booked it here; others' are a person's work."""
    kind = draft.kind or OrderKind.PICKUP_BOOK
    draft = replace(draft, kind=kind)
    rules = turn.services.changes
    cut = Cut(price=rules.pickup.price if kind == OrderKind.PICKUP_BOOK else Decimal(0))
    if kind != OrderKind.PICKUP_BOOK:
        booked = change_repository.open_pickup(
            turn.session, turn.conversation.customer_id, clock.now() - PICKUP_LASTS
        )
        if booked is None:
            return end(turn.say("change.no_pickup"), buttons=person(turn))
        details = {**draft.details, "pickup": booked.public_id, "place": booked.wish["place"]}
        draft = replace(draft, details=details)
    for need in rules.changes[kind].needs:
        if need == "time" and ("from" not in draft.details or "wide" in draft.details):
            return _ask_window(turn, draft)
        if need != "time" and need not in draft.details:
            return ask(turn, draft, need)
    return _agree(turn, draft, cut)


def _ask_window(turn: Turn, draft: Draft) -> Reply:
    """Which half hour, of those that fit what was wished for."""
    if "from" not in draft.details:
        over = turn.say("change.time_over") if draft.details.get("over") else None
        return ask(turn, draft, "time", over)
    span = Interval(*(times_of(draft, turn)))
    windows = turn.services.changes.pickup.windows(span)
    few = windows[:: max(len(windows) // MOST_WINDOWS, 1)][:MOST_WINDOWS]
    texts = turn.services.texts
    says = [texts.window(each.start, each.end, turn.language) for each in few]
    return ask(
        turn, draft, "time", turn.say("change.which_window"), [Button(say, say) for say in says]
    )


def times_of(draft: Draft, turn: Turn) -> tuple[datetime, datetime]:
    """Begin and end of the draft's time, on the company's wall."""
    begin, until = (
        datetime.fromisoformat(draft.details[name]).astimezone(turn.services.texts.zone)
        for name in ("from", "to")
    )
    return begin, until


def _code(turn: Turn, shipment: Shipment) -> tuple[str, ...]:
    if shipment.status != Status.AVAILABLE_FOR_PICKUP or not shipment.pickup_code:
        return (turn.say("change.no_code", number=shipment.waybill_no),)
    place = shipment.pickup_place or turn.say("track.somewhere")
    return (turn.say("change.code", place=place, code=shipment.pickup_code),)


def _agree(turn: Turn, draft: Draft, cut: Cut, note: str | None = None) -> Reply:
    """Sum it up with its price; once it is agreed to, order it."""
    assert draft.kind is not None
    details = {k: v for k, v in draft.details.items() if k not in {"over", "wide"}}
    number = None if draft.kind in PICKUPS else draft.waybill_no
    what = orders.describe(turn.services.texts, turn.language, draft.kind, number, details)
    if draft.asked != "confirm":
        price = turn.say("change.price", price=cut.price) if cut.price else turn.say("change.free")
        words = joined([note, turn.say("change.summary", what=what, price=price)], turn.language)
        return ask(turn, draft, "confirm", words, yes_no(turn))
    orders.place(
        turn.session,
        f"in:{turn.inbox_id}:{draft.kind}",
        turn.conversation.customer_id,
        orders.Wish(draft.kind, number, details, cut.price),
    )
    return end(turn.say("change.ordered", what=what), waybill_no=number)
