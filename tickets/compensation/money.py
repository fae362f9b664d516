"""The parts of compensation, put together."""

from __future__ import annotations

from dataclasses import dataclass

from conversations.texts import Texts
from parcels.change_rules import ChangeRules
from store.live import Live
from tickets.compensation.by_rule import ByRule
from tickets.compensation.merging import Merging
from tickets.compensation.payouts import Payouts
from tickets.compensation.policy import CompensationPolicies
from tickets.compensation.remedies import Remedies
from tickets.compensation.service import Compensation
from tickets.service import Tickets


@dataclass(frozen=True, slots=True)
class Money:
    """Sums, their payment, and what is done instead."""

    compensation: Compensation
    payouts: Payouts
    remedies: Remedies

    @classmethod
    def of(
        cls,
        policies: CompensationPolicies,
        tickets: Tickets,
        texts: Texts,
        live: Live,
        changes: ChangeRules,
        *,
        depot: bool,
    ) -> Money:
        """Hung on the events of ``tickets``. ``depot``: whether orders go out to one."""
        compensation = Compensation(policies, tickets, texts, live)
        events = tickets.lifecycle.events
        events.after_event(ByRule(compensation).after_event)
        events.after_event(Merging(compensation, events, tickets.clocks).after_event)
        remedies = Remedies(compensation, tickets, changes, texts, live, depot=depot)
        return cls(compensation, Payouts(compensation, live), remedies)
