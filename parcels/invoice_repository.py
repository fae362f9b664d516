"""Every query on requests for an invoice."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from parcels.invoice_models import InvoiceRequest


def by_key(session: Session, key: str) -> InvoiceRequest | None:
    return session.scalar(select(InvoiceRequest).where(InvoiceRequest.key == key))
