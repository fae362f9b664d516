"""Dialogues as data: what a customer says, and what is expected of the answer and the record.

Each ``dialogues/<language>*.yml`` lists ``{name, parcels?, turns: [{says, then}]}``. Parcels are
stored before the dialogue under numbers of their own: ``{a}`` stands for the number of parcel
``a``, ``{a:slip}`` for one with a slip of the finger, ``{a:spaced}`` for the same number written
otherwise. ``{ticket}`` is the number of the newest ticket. What may stand under ``then`` is told
by ``Then``.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from bot.channels.console.client import Line
from conversations.texts import Texts
from parcels.models import Status
from parcels.schemas import ScanIn, ShipmentIn
from store import clock
from tests.e2e.house import House, Known, eventually
from tests.rooms import POLICIES, SHANGHAI

HERE = Path(__file__).parent / "dialogues"
TEXTS = Texts(POLICIES / "texts", SHANGHAI)
FACTS = ("waybill_no", "goods", "amount", "detail")
_numbers = random.Random(20261121)


@dataclass(frozen=True, slots=True)
class Then:
    """What must hold after a message. Everything left out is not looked at."""

    holder: str | None = None
    has: tuple[str, ...] = ()  # words in the answer
    lacks: tuple[str, ...] = ()  # words that are not
    texts: tuple[str, ...] = ()  # policy texts (whatever their facts) in the answer
    later: tuple[str, ...] = ()  # policy texts that come some time after the answer
    never: tuple[str, ...] = ()  # policy texts that are not
    asks: str | None = None  # the one fact the form asks for; "nothing" if it asks for none
    tickets: tuple[str, ...] | None = None  # the classes of all this conversation's tickets
    contacts: int | None = None  # how often the customer came about the newest ticket
    urgency: str | None = None  # of the newest ticket, else of the case
    waybill: str | None = None  # of the newest ticket; "none" if it has none
    reason: str | None = None  # why the open case was handed over
    rule: str | None = None  # the rule that did it
    promised: bool = False  # number (if there is a ticket) and time of contact stand in the answer
    buttons: tuple[str, ...] = ()  # what pressing a button would say
    packet: Mapping[str, Any] = field(default_factory=dict)  # slots the agent receives


@dataclass(frozen=True, slots=True)
class Turn:
    says: str
    then: Then


@dataclass(frozen=True, slots=True)
class Dialogue:
    name: str
    language: str
    parcels: Mapping[str, Mapping[str, str]]
    turns: tuple[Turn, ...]

    def __str__(self) -> str:
        return f"{self.language}: {self.name}"


def read(language: str) -> list[Dialogue]:
    """The dialogues of one language. A word that ``Then`` does not know is an error."""
    found = [
        entry
        for path in sorted(HERE.glob(f"{language}*.yml"))
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]
    return [
        Dialogue(
            name=entry["name"],
            language=language,
            parcels=entry.get("parcels", {}),
            turns=tuple(Turn(turn["says"], _then(turn["then"])) for turn in entry["turns"]),
        )
        for entry in found
    ]


def _then(given: Mapping[str, Any]) -> Then:
    lists = {f.name for f in fields(Then) if "tuple" in str(f.type)}
    expected: dict[str, Any] = {k: tuple(v) if k in lists else v for k, v in given.items()}
    return Then(**expected)


def shipment(given: Mapping[str, str]) -> ShipmentIn:
    """A parcel in the state ``late`` (24 h over its time), ``moving``, ``delivered``, ``booked``,
    ``out`` (comes within hours) or ``ready`` (lies in a locker with the code 8-2-6677)."""
    now = clock.now()
    number = f"YT{_numbers.randrange(10**12, 10**13)}"
    plan: dict[str, tuple[timedelta, Status, timedelta | None]] = {
        "late": (timedelta(hours=-30), Status.IN_TRANSIT, timedelta(hours=-24)),
        "moving": (timedelta(hours=-2), Status.IN_TRANSIT, timedelta(hours=20)),
        "delivered": (timedelta(hours=-5), Status.DELIVERED, None),
        "booked": (timedelta(hours=-1), Status.INFO_RECEIVED, None),
        "out": (timedelta(hours=-1), Status.OUT_FOR_DELIVERY, timedelta(hours=4)),
        "ready": (timedelta(hours=-1), Status.AVAILABLE_FOR_PICKUP, None),
    }
    since, status, due = plan[given.get("state", "moving")]
    return ShipmentIn.model_validate(
        {
            "waybill_no": number,
            "origin": "广州",
            "destination": "北京",
            "goods": given.get("goods"),
            "goods_class": given.get("class", "general"),
            "recipient_phone": "13800001111",
            "eta_to": now + due if due else None,
            "pickup_place": "丰巢3号柜" if status == Status.AVAILABLE_FOR_PICKUP else None,
            "pickup_code": "8-2-6677" if status == Status.AVAILABLE_FOR_PICKUP else None,
            "scans": [
                ScanIn(
                    at=now + since, status=status, place="武汉转运中心", next_place="郑州转运中心"
                )
                if status == Status.IN_TRANSIT
                else ScanIn(at=now + since, status=status, place="北京朝阳网点")
            ],
        }
    )


def play(house: House, dialogue: Dialogue, numbers: Mapping[str, str]) -> None:
    """Say all of it through the console as one customer; AssertionError tells the whole talk."""
    name = f"{dialogue} {_numbers.randrange(10**6)}".replace(":", "")[:60].strip()
    line = house.line(name, dialogue.language)
    heard: list[str] = []
    cursor: int | None = None
    known: Known | None = None
    try:
        for turn in dialogue.turns:
            says = _filled(turn.says, numbers, known)
            heard.append(f"> {says}")
            cursor, answers = turn_of(line, says, cursor)
            heard += [f"  {a['text']} {[b['say'] for b in a['buttons']] or ''}" for a in answers]
            known = house.known(name)
            for key in turn.then.later:
                cursor = eventually(partial(_later, house, name, key), f"{key} after {says}")
            fault = _Check(turn.then, answers, known, numbers, dialogue.language).fault()
            assert fault is None, "\n".join([fault, _record(known), *heard])
    finally:
        line.close()


def _later(house: House, name: str, key: str) -> int | None:
    """The newest entry of a conversation once it says ``key``."""
    known = house.known(name)
    newest = known.entries[-1]
    return newest.id if said(newest.text, known.language, key) else None


def turn_of(line: Line, says: str, cursor: int | None) -> tuple[int, list[dict[str, Any]]]:
    """Say something; the cursor for the next turn, and the answers to this one."""
    answers: list[dict[str, Any]] = []
    for item in line.turn(says, cursor):
        if isinstance(item, int):
            cursor = item
        else:
            answers.append(item)
    assert cursor is not None
    return cursor, answers


def _filled(text: str, numbers: Mapping[str, str], known: Known | None) -> str:
    def put(match: re.Match[str]) -> str:
        name, _, form = match[1].partition(":")
        if name == "ticket":
            assert known is not None
            assert known.tickets, "no ticket to name"
            return known.tickets[-1].number
        number = numbers[name]
        if form == "slip":
            return number[:-1] + str((int(number[-1]) + 1) % 10)
        if form == "spaced":
            return f"{number[:2].lower()} {number[2:7]}-{number[7:]}"
        return number

    return re.sub(r"\{([a-z_]+(?::[a-z]+)?)\}", put, text)


def said(answer: str, language: str, key: str) -> bool:
    """Whether one of a policy text's variants is in the answer, with whatever facts."""
    for turn in range(8):
        variant = TEXTS._texts[language][key][turn % len(TEXTS._texts[language][key])]
        pattern = re.sub(r"\\\{\w+\\\}", ".+?", re.escape(variant.strip()))
        if re.search(pattern, answer, re.DOTALL):
            return True
    return False


def clock_of(at: object) -> str:
    """The time of day on the company's wall."""
    assert isinstance(at, datetime)
    return at.astimezone(SHANGHAI).strftime("%H:%M")


def _record(known: Known) -> str:
    tickets = [f"{t.number} {t.kind} {t.urgency} {t.waybill_no}" for t in known.tickets]
    case = known.case and f"{known.case.state} {known.case.reason}/{known.case.rule}"
    return f"holder {known.holder}, tickets {tickets}, case {case}"


@dataclass(frozen=True, slots=True)
class _Check:
    then: Then
    answers: list[dict[str, Any]]
    known: Known
    numbers: Mapping[str, str]
    language: str

    def fault(self) -> str | None:
        """The first expectation that does not hold, in words."""
        checks = (self._words(), self._asked(), self._ticket(), self._case(), self._promise())
        return next((fault for fault in checks if fault), None)

    @property
    def _answer(self) -> str:
        return "\n".join(answer["text"] for answer in self.answers)

    def _words(self) -> str | None:
        for words in self.then.has:
            if _filled(words, self.numbers, self.known) not in self._answer:
                return f"the answer lacks {words!r}"
        for words in self.then.lacks:
            if _filled(words, self.numbers, self.known) in self._answer:
                return f"the answer has {words!r}"
        for key in self.then.texts:
            if not said(self._answer, self.known.language, key):
                return f"the answer does not say {key}"
        for key in self.then.never:
            if said(self._answer, self.known.language, key):
                return f"the answer says {key}"
        offered = [button["say"] for answer in self.answers for button in answer["buttons"]]
        for words in self.then.buttons:
            if _filled(words, self.numbers, self.known) not in offered:
                return f"no button says {words!r}, only {offered}"
        return None

    def _asked(self) -> str | None:
        if self.then.asks is None:
            return None
        asked = [f for f in FACTS if said(self._answer, self.known.language, f"report.ask.{f}")]
        wanted = [] if self.then.asks == "nothing" else [self.then.asks]
        return None if asked == wanted else f"asked for {asked}, expected {wanted}"

    def _ticket(self) -> str | None:
        kinds = tuple(ticket.kind for ticket in self.known.tickets)
        if self.then.tickets is not None and kinds != self.then.tickets:
            return f"tickets {kinds}, expected {self.then.tickets}"
        newest = self.known.tickets[-1] if self.known.tickets else None
        if self.then.contacts is not None and (
            newest is None or newest.contacts != self.then.contacts
        ):
            return f"contacts {newest and newest.contacts}, expected {self.then.contacts}"
        if self.then.waybill is not None:
            wanted = _filled(self.then.waybill, self.numbers, self.known)
            number = (newest.waybill_no if newest else None) or "none"
            if number != wanted:
                return f"ticket's waybill {number}, expected {wanted}"
        return None

    def _case(self) -> str | None:
        case = self.known.case
        colour = self.known.tickets[-1].urgency if self.known.tickets else case and case.urgency
        facts = {
            "holder": (self.known.holder, self.then.holder),
            "urgency": (colour, self.then.urgency),
            "reason": (case and case.reason, self.then.reason),
            "rule": (case and case.rule, self.then.rule),
        }
        for name, (is_, wanted) in facts.items():
            if wanted is not None and is_ != wanted:
                return f"{name} {is_}, expected {wanted}"
        if self.then.packet:
            slots = {s["name"]: s["value"] for s in (case.packet["slots"] if case else [])}  # type: ignore[attr-defined]
            for name, value in self.then.packet.items():
                wanted = _filled(str(value), self.numbers, self.known)
                if str(slots.get(name)) != wanted:
                    return f"the packet says {name} is {slots.get(name)!r}, expected {wanted!r}"
        return None

    def _promise(self) -> str | None:
        if not self.then.promised:
            return None
        newest = self.known.tickets[-1] if self.known.tickets else None
        if newest and newest.number not in self._answer:
            return f"the answer lacks the ticket's number {newest.number}"
        times = {clock_of(at) for at in self.known.contact_by}
        if not any(time in self._answer for time in times):
            return f"the answer tells none of the promised times {times}"
        return None
