"""Power cuts at the worst moments: nothing is lost, nothing is said or opened twice.

The moments are made certain: a paused Rasa holds a turn open, a trigger in the database keeps one
write from happening, as a dying process would.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Browser
from sqlalchemy import text, update

from conversations.models import Author, Conversation, Delivery, Holder, Inbox, Outbox
from parcels import service as parcels
from store import clock
from tests.e2e import dialogues
from tests.e2e.browser import PHONE, Chat, visit
from tests.e2e.house import House, Known, eventually

LEFT = (Delivery.SENT, Delivery.DELIVERED, Delivery.READ)
"""A message that left the house, however far it got."""


@pytest.fixture
def late(house: House) -> str:
    """The number of a parcel that is late."""
    given = dialogues.shipment({"goods": "连衣裙", "state": "late"})
    with house.database.write() as session:
        parcels.store_shipment(session, given)
    return given.waybill_no


@contextmanager
def forbidden(house: House, table: str, moment: str, when: str) -> Iterator[None]:
    """A write that fails for the time of the block: ``BEFORE moment ON table WHEN when``."""
    name = f"forbidden_{uuid4().hex}"
    with house.database.write() as session:
        session.execute(
            text(
                f"CREATE TRIGGER {name} BEFORE {moment} ON {table} WHEN {when} "
                "BEGIN SELECT RAISE(ABORT, 'held back by a test'); END"
            )
        )
    try:
        yield
    finally:
        with house.database.write() as session:
            session.execute(text(f"DROP TRIGGER {name}"))


def leases_run_out(house: House) -> None:
    """What a dead worker held falls due: its half minute is over."""
    assert not house.service.alive
    with house.database.write() as session:
        for table in (Inbox, Outbox):
            session.execute(
                update(table)
                .where(table.leased_until.is_not(None))
                .values(leased_until=clock.now())
            )


def said_once(house: House, words: str) -> Known:
    """The conversation, handled to its end: each message left the house once and only once."""

    def handled() -> Known | None:
        known = house.conversation_of(words)
        left = all(e.delivery in (None, *LEFT) for e in known.entries)
        return known if left and not known.unhandled and known.said() else None

    known = eventually(handled, "an answer", seconds=40)
    spoken = [e.text for e in known.entries if e.author == Author.CUSTOMER] + known.said()
    assert sorted(spoken) == sorted(set(spoken)), "something was said twice"
    with house.database.read() as session:
        keys = session.query(Outbox.key).filter(Outbox.conversation_id == known.id).all()
    assert len(keys) == len(known.said())
    return known


def same_on_the_page(chat: Chat, house: House, words: str) -> None:
    """The page shows the record: all of it, in order, each once."""
    eventually(
        lambda: (
            chat.lines()
            == [
                e.text
                for e in house.conversation_of(words).entries
                if e.kind not in ("note", "event")
            ]
        ),
        "the page agreeing with the record",
        seconds=30,
    )


def test_the_service_dies_between_acceptance_and_answer(
    house: House, chromium: Browser, late: str
) -> None:
    words = f"{late} 好几天没动了，帮我催一下"
    with visit(chromium, house, "zh", PHONE) as at_home:
        chat = Chat(at_home)
        with house.paused(house.rasa):
            chat.say(words)
            known = eventually(lambda: house.conversation_of(words), "the message in the record")
            eventually(lambda: _claimed(house, known), "the service asking Rasa")
            house.kill(house.service)
            leases_run_out(house)
            assert house.conversation_of(words).unhandled == 1
            assert house.conversation_of(words).said() == []
            house.start_service()
        known = said_once(house, words)
        assert [t.kind for t in known.tickets] == ["report_delay"]
        assert known.tickets[0].contacts == 1
        assert sum(known.tickets[0].number in line for line in known.said()) == 1
        same_on_the_page(chat, house, words)


def test_the_service_dies_with_rasas_answer_in_its_hands(house: House, late: str) -> None:
    words = f"{late} 一直不更新，帮我催催"
    line = house.line(f"hands {late}")
    with forbidden(house, "outbox", "INSERT", "NEW.key LIKE 'in:%'"):
        line.say(words)
        eventually(lambda: house.conversation_of(words).tickets, "the ticket of Rasa's turn")
        eventually(lambda: _attempts(house, words) > 1, "a second attempt")
        house.kill(house.service)
        assert house.conversation_of(words).said() == []
    leases_run_out(house)
    house.start(house.service)
    known = said_once(house, words)
    line.close()
    assert [(t.kind, t.contacts) for t in known.tickets] == [("report_delay", 1)]
    assert any(known.tickets[0].number in said for said in known.said())
    assert len(known.contact_by) == 1


def test_the_service_dies_between_an_agents_reply_and_its_delivery(
    house: House, chromium: Browser
) -> None:
    first, second = f"转人工 {time.monotonic_ns()}", f"转人工 {time.monotonic_ns()}"
    with (
        visit(chromium, house, "zh", PHONE) as one_home,
        visit(chromium, house, "zh", PHONE) as other_home,
    ):
        chats = {first: Chat(one_home), second: Chat(other_home)}
        lin = house.staff("lin")
        cases = {}
        for words, chat in chats.items():
            chat.say(words)
            case = eventually(lambda words=words: house.conversation_of(words).case, "a case")  # type: ignore[misc]
            said_once(house, words)
            lin.do(case.id, "take")
            said_once(house, words)
            cases[words] = case.id
        # One reply was sent and not noted; the other was stored and never looked at.
        sent = "NEW.state = 'sent' AND NEW.key LIKE 'agent:%'"
        with forbidden(house, "outbox", "UPDATE", sent):
            lin.do(cases[first], "reply", text="马上为您查", key="k1")
            eventually(
                lambda: _outbox(house, first, "马上为您查").attempts, "the first reply on its way"
            )
            with forbidden(house, "outbox", "UPDATE", "NEW.leased_until IS NOT NULL"):
                lin.do(cases[second], "reply", text="请稍等", key="k2")
                house.kill(house.service)
                leases_over = _outbox(house, second, "请稍等")
                assert (leases_over.state, leases_over.attempts) == (Delivery.QUEUED, 0)
                assert _outbox(house, first, "马上为您查").state == Delivery.QUEUED
        leases_run_out(house)
        house.start(house.service)
        for words, reply in ((first, "马上为您查"), (second, "请稍等")):
            chats[words].hears(reply, "agent")
            known = said_once(house, words)
            assert known.said(Author.AGENT) == [reply]
            same_on_the_page(chats[words], house, words)
        # A click repeated because nobody answered it changes nothing.
        assert lin.do(cases[first], "reply", text="马上为您查", key="k1")["repeated"] is True
        for case_id in cases.values():
            lin.do(case_id, "resolve")
        lin.close()


def test_rasa_dies_in_mid_turn(house: House, late: str) -> None:
    words = f"{late} 一直没送到，我要去邮政局12305投诉你们"
    line = house.line(f"mid {late}")
    with house.paused(house.rasa):
        line.say(words)
        known = eventually(lambda: house.conversation_of(words), "the message in the record")
        eventually(lambda: _claimed(house, known), "the service asking Rasa")
        spent = _spent(house)
        # The skill waits for this test's own transaction, and Rasa waits for the skill.
        holding = house.database.engine.connect()
        holding.execution_options(courier_write=True).exec_driver_sql("SELECT 1")
    with closing(holding):
        eventually(lambda: _rasa_waits(house, spent), "Rasa waiting for the skill")
        house.kill(house.rasa)
    known = said_once(house, words)
    assert known.holder == Holder.WAITING
    assert known.case is not None
    assert len(known.said()) == 1
    assert dialogues.said(known.said()[0], "zh", "handoff.bot_down")
    # What the skill had done by then stands, once, and the agent is told of it.
    (ticket,) = eventually(lambda: house.conversation_of(words).tickets, "the skill's ticket")
    assert (ticket.urgency, ticket.contacts, ticket.waybill_no) == ("red", 1, late)
    case = eventually(lambda: house.conversation_of(words).case, "the case")
    assert (case.id, case.urgency) == (known.case.id, "red")
    assert ticket.number in str(case.packet["ticket"])
    assert late in str(case.packet["parcel"])
    house.start(house.rasa)
    assert house.conversation_of(words).said() == known.said()
    lin = house.staff("lin")
    lin.do(known.case.id, "take")
    lin.do(known.case.id, "hand-back")
    lin.close()
    inbox_id, after = line.say(f"{late} 现在到哪了")
    found = eventually(
        lambda: [a for a in line.answers(inbox_id, after)["answers"] if a["author"] == "bot"],
        "the bot answering again",
        seconds=40,
    )
    assert late in found[0]["text"]
    assert [t.number for t in house.conversation_of(words).tickets] == [ticket.number]
    line.close()


def _spent(house: House) -> float:
    """Seconds of processor time that Rasa's loop has used: finer than a tick, for it needs less."""
    used, *_ = Path(f"/proc/{house.rasa.pid}/schedstat").read_text().split()
    return int(used) / 1e9


def _rasa_waits(house: House, since: float) -> bool:
    """Whether Rasa, after some work, has nothing to do for half a second: it awaits a skill."""
    before = _spent(house)
    time.sleep(0.5)
    return before - since > 0.001 and _spent(house) - before < 0.005


def _claimed(house: House, known: Known) -> bool:
    with house.database.read() as session:
        return (
            session.query(Inbox)
            .filter(Inbox.conversation_id == known.id, Inbox.leased_until.is_not(None))
            .count()
            > 0
        )


def _attempts(house: House, words: str) -> int:
    known = house.conversation_of(words)
    with house.database.read() as session:
        return session.query(Inbox).filter(Inbox.conversation_id == known.id).one().attempts


def _outbox(house: House, words: str, reply: str) -> Outbox:
    known = house.conversation_of(words)
    entry = next(e for e in known.entries if e.text == reply)
    with house.database.read() as session:
        assert session.get(Conversation, known.id) is not None
        return session.query(Outbox).filter(Outbox.message_id == entry.id).one()
