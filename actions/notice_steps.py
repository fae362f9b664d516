"""Notices are wanted, stopped, or wanted at some nodes only, by saying so."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import time

from babel.lists import format_list

from actions.change_words import end, person
from actions.draft import Draft
from actions.proof import owned, which
from actions.turn import Reply, Turn
from conversations import repository as record
from parcels import notice_repository, notices
from parcels.lookup import canonical
from parcels.notice_models import Node


def wish(turn: Turn, draft: Draft) -> Reply:
    """Stopping needs no proof, nor does wishing for less: it tells nothing, and everybody may say
    what comes to him. To begin with a parcel's notices does."""
    rules = turn.services.notices
    said = rules.said(draft.said)
    quiet = rules.of_hours(draft.said)
    if quiet is not None:
        return end(turn.say("notices.at_night", begin=_clock(quiet.begin), end=_clock(quiet.end)))
    if said is None:
        return end(turn.say("notices.unclear"), buttons=person(turn))
    of_one = rules.of_one(draft.said) or turn.given_now("waybill_no") is not None
    if not said.wanted:
        typed = which(turn, draft) if of_one else None
        return typed if isinstance(typed, Reply) else _less(turn, typed, said.nodes)
    customer_id = turn.conversation.customer_id
    if said.nodes and not of_one and notice_repository.has_wish(turn.session, customer_id):
        notices.wish(turn.session, customer_id, None, wanted=True, nodes=said.nodes)
        return end(turn.say("notices.only", nodes=_names(turn, said.nodes)))
    found = owned(turn, draft)
    if isinstance(found, Reply):
        return found
    number, nodes = found.waybill_no, said.nodes or None
    notices.wish(turn.session, customer_id, number, wanted=True, nodes=nodes)
    if said.nodes:
        return end(turn.say("notices.only", nodes=_names(turn, said.nodes)), waybill_no=number)
    return end(turn.say("notices.wanted", number=number), waybill_no=number)


def _less(turn: Turn, typed: str | None, without: tuple[Node, ...]) -> Reply:
    """No more notices of one parcel or of all, or none at some nodes."""
    session, customer_id = turn.session, turn.conversation.customer_id
    number = canonical(typed)[:40] if typed else None
    if without:
        channel = record.customer_of(session, turn.conversation).channel
        now = notices.nodes_of(session, turn.services.notices, channel, customer_id, number)
        left = set(now) - set(without)
        notices.wish(session, customer_id, number, wanted=True, nodes=left)
        return end(turn.say("notices.less", nodes=_names(turn, without)))
    notices.wish(session, customer_id, number, wanted=False)
    if number:
        return end(turn.say("notices.stopped_one", number=number))
    return end(turn.say("notices.stopped"))


def _clock(at: time) -> str:
    return at.strftime("%H:%M")


def _names(turn: Turn, nodes: Iterable[Node]) -> str:
    names = [turn.say(f"notices.name.{node}") for node in nodes]
    return format_list(names, locale=turn.language)
