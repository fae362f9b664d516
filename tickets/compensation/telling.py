"""What a customer hears of his compensation: in his language, wherever he wrote last, each once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from conversations import service as conversations
from conversations.models import Author, Conversation
from conversations.schemas import Outbound
from conversations.texts import Texts
from parcels import orders
from parcels.change_models import DepotOrder
from store.live import Live
from tickets.compensation import reckoning
from tickets.compensation.models import Coupon, Grant, Payout
from tickets.models import Ticket
from tickets.reach import reach


class Telling:
    """In the caller's transaction, under a key of the grant and the step."""

    def __init__(self, texts: Texts, live: Live) -> None:
        self._texts = texts
        self._live = live

    def waiting(self, session: Session, ticket: Ticket, grant: Grant, by: datetime | None) -> None:
        self._grant(session, ticket, grant, "waiting", by)

    def granted(self, session: Session, ticket: Ticket, grant: Grant, by: datetime | None) -> None:
        """Money, decided by whoever was allowed to alone, or by a supervisor; and what is next."""
        decided = "approved" if grant.decided_by is not None else "granted"
        awaited = grant.needs_agreement and grant.agreed_at is None
        step = f"{decided}_agreement" if awaited else decided
        self._grant(session, ticket, grant, step, by)

    def refused(self, session: Session, ticket: Ticket, grant: Grant, by: datetime | None) -> None:
        """Why is the house's own."""
        self._grant(session, ticket, grant, "refused", by)

    def signed(self, session: Session, ticket: Ticket, grant: Grant, by: datetime | None) -> None:
        self._grant(session, ticket, grant, "signed", by)

    def paid(self, session: Session, ticket: Ticket, grant: Grant, payout: Payout) -> None:
        step = "paid" if payout.way else "paid_somehow"
        self._grant(session, ticket, grant, step, None, way=payout.way or "")

    def unpaid(
        self, session: Session, ticket: Ticket, grant: Grant, payout: Payout, by: datetime | None
    ) -> None:
        self._grant(session, ticket, grant, f"unpaid_{payout.state}", by, about=payout.public_id)

    def coupon(
        self, session: Session, ticket: Ticket, grant: Grant, coupon: Coupon, code: str
    ) -> None:
        """The only place a code ever goes."""
        self._grant(session, ticket, grant, "coupon", None, code=code, until=coupon.valid_until)

    def ordered(self, session: Session, ticket: Ticket, order: DepotOrder) -> None:
        """A remedy was ordered of the depot."""
        place = reach(session, ticket.customer_id)
        if place is not None:
            what = orders.describe(
                self._texts, place.language, order.kind, order.waybill_no, order.wish
            )
            words = self._texts.say(
                place.language, "compensation.news.ordered", number=ticket.number, what=what
            )
            self._post(session, place, f"remedy:{order.id}", words)

    def _grant(
        self,
        session: Session,
        ticket: Ticket,
        grant: Grant,
        step: str,
        by: datetime | None,
        *,
        about: str = "",
        **facts: object,
    ) -> None:
        place = reach(session, grant.customer_id)
        if place is None:
            return
        language = place.language
        lines = [line.said(self._texts, language) for line in reckoning.read(grant.lines)]
        when = "compensation.by" if by else "compensation.soon"
        words = self._texts.say(
            language,
            f"compensation.news.{step}",
            0,
            number=ticket.number,
            kind=self._texts.say(language, f"compensation.kind.{grant.kind}"),
            yuan=reckoning.shown(grant.yuan),
            how=self._texts.say(language, "compensation.join").join(lines),
            when=self._texts.say(language, when, by=by or ""),
            **facts,
        )
        self._post(session, place, f"grant:{grant.id}:{step}:{about}"[:80], words)

    def _post(self, session: Session, place: Conversation, key: str, words: str) -> None:
        conversations.post(session, place, Outbound(key, words), Author.SYSTEM)
        self._live.after_commit(session, "outbox", f"conversation:{place.id}")
