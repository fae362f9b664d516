"""A case and the record as people read them in a topic. Pure but for the clock on the wall."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bot.channels.degrade import degrade, fits
from conversations.models import Author, Kind, Message
from conversations.schemas import Capabilities
from conversations.texts import Texts
from handoff.desk.words import Words
from handoff.models import Case
from store.errors import Contradicts
from tickets.promises.ledger import Said
from tickets.promises.models import Promise

LONGEST_NAME = 128
"""Characters of a topic's name, by Telegram."""
LINES = 8
"""So many of the last lines stand on a card."""
ONE = Capabilities(max_length=4096, unit="utf16")
_SHORT = Capabilities(max_length=600, unit="utf16")
_SHOWN = frozenset({"taken", "returned", "resolved"})


class TopicWords:
    """``public_url`` is where people reach the web desk."""

    def __init__(self, texts: Texts, language: str, public_url: str) -> None:
        self._texts = texts
        self._language = language
        self._public_url = public_url
        self._desk = Words(texts, language)

    def say(self, key: str, **facts: object) -> str:
        return self._texts.say(self._language, f"telegram.desk.{key}", 0, **facts)

    def contradicts(self, error: Contradicts) -> str:
        """Which promise the words that were held back put off, and how they go all the same."""
        what = error.facts["words"] or self._desk.name("promise", error.facts["kind"])
        return self.say("contradicts", what=what, by=error.facts["by"])

    def promised(self, key: str, promises: Sequence[Said | Promise]) -> str:
        """What somebody has promised in words, and by when."""
        lines = (f"{each.words} · {self._desk.when(each.by)}" for each in promises)
        return self.say(key, promises="\n".join(lines))

    def link(self, case_id: int) -> str:
        return f"{self._public_url}/desk/cases/{case_id}"

    def name(self, case: Case) -> str:
        """A topic's name."""
        packet = case.packet
        about = packet["parcel"]["waybill_no"] if packet["parcel"] else self._number(case)
        customer = self._desk.guest(packet["customer"], packet["conversation"])
        found = self.say("name", mark=self._mark(case), customer=customer, about=about)
        return found[:LONGEST_NAME]

    def card(self, case: Case) -> str:
        """The packet in one message; what does not fit stands on the web desk."""
        head = "\n".join(self._facts(case))
        foot = "\n".join([self.say("card.help"), self.say("card.link", link=self.link(case.id))])
        said: list[str] = []
        for entry in reversed(case.packet["transcript"][-LINES:]):
            line = self._cut(self._entry(entry))
            if not fits("\n".join([head, *said, line, foot, "\n" * 4]), ONE):
                break
            said.insert(0, line)
        if said:
            said.insert(0, self.say("card.said"))
        whole = "\n\n".join(filter(None, (head, "\n".join(said), foot)))
        return degrade(whole, (), ONE)[0][0]

    def lines(self, messages: list[Message], names: dict[int, str]) -> list[str]:
        """What colleagues read of new entries of the record."""
        found = (self._line(message, names) for message in messages)
        return [line for line in found if line]

    def post(self, lines: list[str], case_id: int, *, crowded: bool) -> str:
        """One message of many lines, with the way to the web desk where that is needed."""
        text = "\n".join(lines)
        ends = [self.say("continue", link=self.link(case_id))] if crowded else []
        if not fits("\n\n".join([text, *ends]), ONE):
            ends = [self.say("more", link=self.link(case_id)), *ends]
            room = ONE.max_length - len("\n\n".join(["", *ends]).encode("utf-16-le")) // 2
            text = degrade(text, (), Capabilities(max_length=room, unit="utf16"))[0][0]
        return "\n\n".join([text, *ends])

    def _facts(self, case: Case) -> Iterator[str]:
        packet, w = case.packet, self._desk
        yield self.say(
            "card.head",
            mark=self._mark(case),
            urgency=w.name("urgency", case.urgency),
            reason=w.name("reason", case.reason),
            team=w.name("team", case.team),
        )
        yield self.say("card.rule", rule=w.rule(packet["urgency"]["rule"]))
        yield self.say(
            "card.customer",
            name=w.guest(packet["customer"], packet["conversation"]),
            channel=w.name("channel", packet["channel"]["name"]),
            language=w.name("language", packet["language"]),
        )
        if parcel := packet["parcel"]:
            scan: dict[str, Any] = parcel["last_scan"] or {}
            yield self.say(
                "card.parcel",
                waybill=parcel["waybill_no"],
                status=w.name("status", parcel["status"]) if parcel["status"] else "",
                place=scan.get("place") or "",
            ).strip()
        for slot in packet["slots"]:
            value = slot["value"]
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            yield self._cut(self.say("card.slot", name=w.name("slot", slot["name"]), value=shown))
        if ticket := packet["ticket"]:
            yield self.say(
                "card.ticket",
                number=ticket["number"],
                kind=w.name("intent", ticket["kind"]),
                state=w.name("ticket_state", ticket["state"]),
            )
        for promise in packet["promises"]:
            if not promise["kept_at"]:
                kind = w.name("promise", promise["kind"])
                yield self.say("card.promise", kind=kind, at=w.when(promise["due_at"]))

    def _line(self, message: Message, names: dict[int, str]) -> str:
        name = names.get(message.staff_id or 0, "")
        if message.kind == Kind.EVENT:
            if message.text not in _SHOWN:
                return ""
            what = self._desk(f"event.{message.text}", name=name)
            return self.say("line.event", text=what)
        if message.kind == Kind.NOTE:
            return self.say("line.note", name=name, text=message.text)
        match message.author:
            case Author.CUSTOMER | Author.BOT:
                return self.say(f"line.{message.author}", text=message.text)
            case Author.AGENT:
                return self.say("line.agent", name=name, text=message.text)
        return ""  # what the house says by itself, the events above say

    def _entry(self, entry: dict[str, Any]) -> str:
        known = entry["author"] in (Author.CUSTOMER, Author.BOT)
        text = str(entry["text"])
        return self.say(f"line.{entry['author']}", text=text) if known else text

    def _cut(self, text: str) -> str:
        first = degrade(text, (), _SHORT)[0][0] if text else ""
        return first if first == text else f"{first}…"

    def _mark(self, case: Case) -> str:
        return self.say(f"mark.{case.urgency}")

    def _number(self, case: Case) -> str:
        return self.say("number", case=case.id)
