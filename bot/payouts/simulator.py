"""A paymaster for demo and tests. It pays; what it does not, its sum says: one that ends with
``.44`` is refused, one with ``.66`` it thinks about once (``pending``)."""

from __future__ import annotations

from bot.orders.simulator import OrderSimulator
from bot.payouts.loop import PayoutOut
from store.orders import Receipt, Result


class PayoutSimulator(OrderSimulator[PayoutOut]):
    path = "/simulator/payouts"
    shape = PayoutOut

    def decide(self, order: PayoutOut, *, first: bool) -> Receipt:
        if order.amount.endswith(".44"):
            return Receipt(result=Result.REFUSED, reason="account_closed")
        if order.amount.endswith(".66") and first:
            return Receipt(result=Result.PENDING)
        way = "微信零钱 ****0326" if order.customer.channel != "telegram" else "****0326"
        return Receipt(result=Result.ACCEPTED, receipt=f"SIM-{order.id[:8]}", way=way)
