"""How much, and why: pure arithmetic in Decimal that explains itself line by line.

A line is a text (``compensation.line.<key>``) with the values that went in and what came out, the
same for customers and colleagues. Sums are rounded to the fen, half up, at each line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from conversations.texts import Texts
from store.errors import Invalid
from tickets.compensation.models import Kind
from tickets.compensation.policy import CompensationPolicy

FEN = Decimal("0.01")
TIMES = frozenset({"promised", "arrived"})
"""Facts of lines that are instants (ISO 8601)."""


class NothingDue(Invalid):
    """By the rule there is nothing to give: ``facts['why']`` names the text that says so."""

    code = "nothing_due"


@dataclass(frozen=True, slots=True)
class Known:
    """What a reckoning starts from. Yuan; ``value`` is declared, and by that insured. ``percent``
    is how much of it is damaged. ``typed``: a colleague typed the freight, the record has none."""

    freight: Decimal | None = None
    value: Decimal | None = None
    percent: int = 100
    promised: datetime | None = None
    arrived: datetime | None = None
    """None: it has not arrived at ``now``."""
    now: datetime | None = None
    typed: bool = False

    @property
    def late(self) -> timedelta | None:
        """How late it is or was; None in time, or if nobody knows."""
        at = self.arrived or self.now
        if self.promised is None or at is None or at <= self.promised:
            return None
        return at - self.promised


@dataclass(frozen=True, slots=True)
class Line:
    key: str
    facts: Mapping[str, str]

    def said(self, texts: Texts, language: str) -> str:
        shown = {
            name: datetime.fromisoformat(value) if name in TIMES else value
            for name, value in self.facts.items()
        }
        return texts.say(language, f"compensation.line.{self.key}", 0, **shown)


@dataclass(frozen=True, slots=True)
class Reckoning:
    """``fen`` is the sum; ``lines`` say how it came about, in order. ``doubtful``: it rests on what
    somebody typed, and is for a supervisor whatever its sum."""

    kind: Kind
    fen: int
    lines: tuple[Line, ...]
    doubtful: bool = False

    @property
    def yuan(self) -> Decimal:
        return Decimal(self.fen) / 100


def stored(lines: Iterable[Line]) -> list[Any]:
    return [{"key": line.key, "facts": dict(line.facts)} for line in lines]


def read(lines: Iterable[Any]) -> list[Line]:
    """The lines of a grant, from the record."""
    return [Line(line["key"], line["facts"]) for line in lines]


def shown(yuan: Decimal) -> str:
    """Yuan as people write them: ``12`` or ``12.50``."""
    return f"{yuan:.0f}" if yuan == yuan.to_integral_value() else f"{yuan:.2f}"


def reckon(policy: CompensationPolicy, kind: Kind, known: Known) -> Reckoning:
    """What the policy gives. NothingDue for nothing."""
    match kind:
        case Kind.DELAY_COUPON:
            lines, yuan = _delay_coupon(policy, known)
        case Kind.GIFT_COUPON:
            yuan = policy.gift.yuan
            lines = [Line("gift", {"yuan": shown(yuan)})]
        case Kind.FREIGHT_REFUND:
            lines, yuan = _refund(policy, known)
        case Kind.DAMAGE | Kind.LOSS:
            lines, yuan = _claim(policy, kind, known)
    fen = int(yuan * 100)
    if fen <= 0:
        raise NothingDue("the sum is nothing", why="nothing")
    doubtful = known.typed and kind not in {Kind.DELAY_COUPON, Kind.GIFT_COUPON}
    return Reckoning(kind, fen, tuple(lines), doubtful)


def _lateness(known: Known) -> tuple[Line, timedelta]:
    if known.promised is None:
        raise NothingDue("no promised time", why="no_promise")
    late = known.late
    if late is None:
        raise NothingDue("in time", why="in_time")
    hours = -(-late // timedelta(hours=1))
    facts = {"promised": known.promised.isoformat(), "hours": str(hours)}
    if known.arrived is None:
        return Line("late_so_far", facts), late
    return Line("late", facts | {"arrived": known.arrived.isoformat()}), late


def _delay_coupon(policy: CompensationPolicy, known: Known) -> tuple[list[Line], Decimal]:
    line, late = _lateness(known)
    tiers = policy.delay.coupons
    tier = next(tier for tier in tiers if tier.fits(late))
    facts = {"yuan": shown(tier.yuan)}
    if tier.up_to_hours is not None:
        return [line, Line("tier", facts | {"hours": str(tier.up_to_hours)})], tier.yuan
    beyond = tiers[-2].up_to_hours if len(tiers) > 1 else 0
    return [line, Line("tier_beyond", facts | {"hours": str(beyond)})], tier.yuan


def _refund(policy: CompensationPolicy, known: Known) -> tuple[list[Line], Decimal]:
    line, late = _lateness(known)
    rule = policy.delay.refund
    if late < timedelta(hours=rule.late_hours):
        raise NothingDue("not late enough", why="not_late_enough")
    freight = _freight(known)
    yuan = _rounded(freight * rule.percent / 100)
    facts = {"freight": shown(freight), "percent": str(rule.percent), "yuan": shown(yuan)}
    return [line, *_typed(known), Line("refund", facts)], yuan


def _claim(policy: CompensationPolicy, kind: Kind, known: Known) -> tuple[list[Line], Decimal]:
    # What is lost is lost as a whole: no percentage to tell.
    percent, loss = (100, "_loss") if kind == Kind.LOSS else (known.percent, "")
    if not 1 <= percent <= 100:
        raise Invalid("a damage of 1 to 100 percent")
    facts = {"percent": str(percent)}
    if known.value:
        most = policy.claim.insured.most
        yuan = _rounded(known.value * percent / 100)
        lines = [Line("insured" + loss, facts | {"value": shown(known.value), "yuan": shown(yuan)})]
    else:
        rule, freight = policy.claim.uninsured, _freight(known)
        most = rule.most
        yuan = _rounded(freight * rule.times_freight * percent / 100)
        facts |= {"freight": shown(freight), "times": shown(rule.times_freight)}
        lines = [*_typed(known), Line("uninsured" + loss, facts | {"yuan": shown(yuan)})]
    if yuan > most:
        return [*lines, Line("most", {"most": shown(most)})], most
    return lines, yuan


def _freight(known: Known) -> Decimal:
    if known.freight is None:
        raise NothingDue("no freight is known", why="no_freight")
    if known.freight < 0:
        raise Invalid("a freight below nothing")
    return known.freight


def _typed(known: Known) -> list[Line]:
    return [Line("typed", {})] if known.typed else []


def _rounded(yuan: Decimal) -> Decimal:
    return yuan.quantize(FEN, ROUND_HALF_UP)
