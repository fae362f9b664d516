"""ask_invoice: after the proof, title, tax number and e-mail; then a request with a number."""

from __future__ import annotations

from actions.change_words import ask, end
from actions.draft import Draft
from actions.handing import hand_over, judge
from actions.turn import Reply, Turn
from parcels import invoices

WRONG = "wrong_tax_number"


def hear(turn: Turn, draft: Draft) -> Draft | None:
    """The draft with what the message tells of the invoice; None if that is nothing."""
    told = invoices.read(turn.text, draft.asked)
    details: dict[str, str] = {}
    if told.title:
        details["title"] = told.title
    if told.email:
        details["email"] = told.email
    if told.tax_number:
        right = invoices.right_tax_number(told.tax_number)
        details["tax_number" if right else WRONG] = told.tax_number
    if not details or (turn.shrugs and set(details) == {"title"}):
        return None
    return draft.without(WRONG).told(**details)


def go_on(turn: Turn, draft: Draft) -> Reply:
    """Ask for what is missing, or record the request and call a person."""
    rules, details = turn.services.invoices, draft.details
    if rules.needs_person(draft.said):
        words = hand_over(turn, "change_request", "ask_invoice", verdict=judge(turn))
        return end(turn.say("pass_on.ask_invoice"), words)
    company = (
        "tax_number" in details or WRONG in details or rules.is_company(details.get("title", ""))
    )
    if "title" not in details:
        return ask(turn, draft, "title")
    if company and "tax_number" not in details:
        wrong = turn.say("invoice.bad_tax") if WRONG in details else None
        return ask(turn, draft.without(WRONG), "tax_number", wrong)
    if "email" not in details:
        return ask(turn, draft, "email")
    assert draft.waybill_no is not None, "proved before"
    made = invoices.request(
        turn.session,
        rules,
        key=f"in:{turn.inbox_id}:invoice",
        customer_id=turn.conversation.customer_id,
        conversation_id=turn.conversation.id,
        waybill_no=draft.waybill_no,
        title=details["title"],
        tax_number=details.get("tax_number"),
        email=details["email"],
    )
    # A colleague issues it meanwhile: the bot goes on answering.
    hand_over(turn, "change_request", "ask_invoice", verdict=judge(turn), hold=False)
    tax = turn.say("invoice.tax", tax_number=made.tax_number) if made.tax_number else ""
    words = turn.say(
        "invoice.recorded",
        number=made.number,
        waybill=made.waybill_no,
        title=made.title,
        tax=tax,
        email=made.email,
        by=made.promised_by,
    )
    return end(words, waybill_no=made.waybill_no)
