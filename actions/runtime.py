"""What skills work with, put here at start: rasa-sdk builds every action without arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from conversations.texts import Texts
from handoff.service import Handoffs
from parcels.change_rules import ChangeRules
from parcels.goods import Goods
from parcels.invoices import InvoicePolicy
from parcels.notice_rules import NoticeRules
from parcels.points import PointsPolicy
from parcels.sending import Sending
from parcels.tariffs import Tariffs
from parcels.timeline import Timeline
from store.engine import Database
from store.live import Live
from tickets.anger import Anger
from tickets.intake import Intake
from tickets.service import Tickets


@dataclass(frozen=True, slots=True)
class Services:
    """The rooms below, put together by the service."""

    database: Database
    live: Live
    texts: Texts
    tickets: Tickets
    handoffs: Handoffs
    anger: Anger
    intake: Intake
    upload: Callable[[str], str]
    """The link by which the customer of a ticket sends files, by its number."""
    goods: Goods
    changes: ChangeRules
    timeline: Timeline
    tariffs: Tariffs
    sending: Sending
    points: PointsPolicy
    invoices: InvoicePolicy
    notices: NoticeRules
    orders_go_out: bool
    """Whether there is a depot to send orders to; without one, people make every change."""
    problems: tuple[str, ...]
    """Intents that open a ticket, in the order of precedence of the contract."""


_services: Services | None = None


def install(services: Services) -> None:
    """Make the services known; called once by the process that runs actions."""
    global _services
    _services = services


def services() -> Services:
    """The installed services; a skill that runs before ``install`` is a bug."""
    if _services is None:
        raise RuntimeError("actions.runtime.install was not called")
    return _services
