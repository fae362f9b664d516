"""Requests for an invoice."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from store.base import Base


class InvoiceRequest(Base):
    """What somebody needs on the invoice of a waybill that he has proved his. ``key`` makes asking
    for it twice one request; ``tax_number`` is None for a person."""

    __tablename__ = "invoice_requests"
    __table_args__ = (Index("ix_invoice_requests_customer_id_id", "customer_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(64), unique=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    waybill_no: Mapped[str] = mapped_column(String(40))
    title: Mapped[str] = mapped_column(String(120))
    tax_number: Mapped[str | None] = mapped_column(String(20))
    email: Mapped[str] = mapped_column(String(254))
    requested_at: Mapped[datetime]
    promised_by: Mapped[datetime]

    @property
    def number(self) -> str:
        """The number that the customer is told."""
        return f"FP{self.requested_at:%y%m%d}-{self.id:04d}"
