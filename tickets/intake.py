"""What each class of complaint must know before its ticket opens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import PositiveInt, ValidationInfo, field_validator
from sqlalchemy.orm import Session

from conversations.models import FileKind
from parcels.repository import by_waybill
from store.policies import Policy, Word, load, one_of
from tickets import repository
from tickets.models import Ticket

Fact = Literal["waybill_no", "goods", "amount", "detail"]


Optional = Literal["goods", "amount", "time", "place", "claim", "courier_name", "phone"]


class ClassIntake(Policy):
    """``evidence`` counts files of a kind."""

    ask: tuple[Fact, ...]
    optional: tuple[Optional, ...] = ()
    evidence: dict[FileKind, PositiveInt] = {}  # noqa: RUF012 - pydantic copies it


@dataclass(frozen=True, slots=True)
class Missing:
    """What a ticket still lacks: facts that must be known, that would help, files by kind."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    evidence: dict[FileKind, int]


class Intake(Policy):
    """``policies/intake.yml``."""

    classes: dict[str, ClassIntake]
    prefill: tuple[Optional, ...] = ()
    person_words: tuple[Word, ...]
    tries: PositiveInt

    @field_validator("classes")
    @classmethod
    def _all(cls, given: dict[str, ClassIntake], info: ValidationInfo) -> dict[str, ClassIntake]:
        for name in given:
            one_of(name, "problems", "a class", info)
        missing = sorted(set((info.context or {})["problems"]) - given.keys())
        if missing:
            raise ValueError(f"nothing is said of {', '.join(missing)}")
        return given

    def asks_person(self, text: str) -> bool:
        """Whether a message asks for a person, whatever else it says."""
        folded = text.lower()
        return any(word in folded for word in self.person_words)

    def missing(self, kind: str, known: frozenset[str]) -> Fact | None:
        """The next fact to ask for, or None when all is known."""
        return next((fact for fact in self.classes[kind].ask if fact not in known), None)

    def lacks(self, ticket: Ticket, files: Iterable[str]) -> Missing:
        """What is not known of a ticket yet; ``files`` are the kinds of its evidence."""
        wanted = self.classes.get(ticket.kind, ClassIntake(ask=()))
        given = Counter(files)
        known = {name for name, value in ticket.facts.items() if value} | {"detail"}
        known |= {name for name in ("waybill_no", "goods") if getattr(ticket, name)}
        return Missing(
            tuple(fact for fact in wanted.ask if fact not in known),
            tuple(fact for fact in wanted.optional if fact not in known),
            {
                kind: count - given[kind]
                for kind, count in wanted.evidence.items()
                if count > given[kind]
            },
        )

    def prefilled(self, session: Session, ticket: Ticket) -> dict[str, str]:
        """Facts the customer need not tell again, with where each is from; put into the ticket.

        The goods and their class are the shipment's; the rest stands in his earlier tickets about
        the same parcel.
        """
        sources: dict[str, str] = {}
        shipment = by_waybill(session, ticket.waybill_no) if ticket.waybill_no else None
        if shipment is not None and shipment.goods and not ticket.goods:
            ticket.goods, ticket.goods_class = shipment.goods, shipment.goods_class
            sources["goods"] = "shipment"
        for earlier in repository.of_customer(session, ticket.customer_id):
            if earlier.id == ticket.id or earlier.waybill_no != ticket.waybill_no:
                continue
            for fact in self.prefill:
                if earlier.facts.get(fact) and not ticket.facts.get(fact):
                    ticket.facts = ticket.facts | {fact: earlier.facts[fact]}
                    sources[fact] = earlier.number
        return sources


def from_file(path: Path, problems: Collection[str]) -> Intake:
    """``problems`` are the classes that exist, and each is there. PolicyError names file, line and
    what is allowed."""
    return load(path, Intake, problems=problems)
