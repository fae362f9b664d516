"""Sends the orders of one table until they are answered, each under the same id."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from datetime import timedelta
from typing import Generic, TypeVar

from pydantic import BaseModel
from sqlalchemy.orm import Session

from bot.loops import Loop
from store import clock
from store.claims import backoff, claim, release
from store.engine import Database
from store.live import Live
from store.orders import NoAnswer, OrderState, Outlet, Receipt, Result, SentOrder, given_up

log = logging.getLogger(__name__)
Order = TypeVar("Order", bound=SentOrder)

SIDE_BY_SIDE = 16
LEASE = timedelta(seconds=60)
FIRST_RETRY, LAST_RETRY = timedelta(seconds=2), timedelta(minutes=10)


class OrderLoop(ABC, Generic[Order]):
    """Claims due orders and asks the other side. ``outlet`` None: there is none, and every order is
    a person's at once. ``in_order_of``: a column whose orders leave one after another."""

    topic: str
    table: type[Order]
    in_order_of: str = ""

    def __init__(self, database: Database, live: Live, outlet: Outlet | None) -> None:
        self._database = database
        self._live = live
        self._outlet = outlet
        self._loop = Loop(live, self.topic, self._work)

    @property
    @abstractmethod
    def patience(self) -> timedelta:
        """So long an order is sent again without an answer."""

    @abstractmethod
    def body(self, session: Session, order: Order) -> BaseModel:
        """The order as it is sent: the same at every attempt."""

    @abstractmethod
    def heard(self, session: Session, order: Order, receipt: Receipt) -> None:
        """A final answer came; the order is held."""

    @abstractmethod
    def unanswered(self, session: Session, order: Order, reason: str) -> None:
        """It was given up: a person takes over; the order is held."""

    def too_soon(self, session: Session, order: Order) -> bool:
        """Whether a claimed order was given back to be sent a little later."""
        return False

    def start(self) -> None:
        self._loop.start()

    async def stop(self) -> None:
        """A lease brings back what was under way; the other side knows its id."""
        await self._loop.stop()
        if self._outlet is not None:
            await self._outlet.close()

    async def _work(self) -> bool:
        due = await asyncio.to_thread(self.claimed)
        await asyncio.gather(*(self._send(*one) for one in due))
        return bool(due)

    def claimed(self) -> list[tuple[int, str, BaseModel]]:
        """What is to be sent now: the row's id, the order's, and its body."""
        with self._database.write() as session:
            due = claim(session, self.table, SIDE_BY_SIDE, LEASE, in_order_of=self.in_order_of)
            return [
                (order.id, order.public_id, self.body(session, order))
                for order in due
                if not self.too_soon(session, order)
            ]

    async def _send(self, row_id: int, order_id: str, body: BaseModel) -> None:
        if self._outlet is None:
            await asyncio.to_thread(self._without, row_id, "nowhere to send it", False)
            return
        try:
            receipt = await self._outlet.ask(order_id, body)
        except NoAnswer as error:
            await asyncio.to_thread(self._without, row_id, str(error), True)
        else:
            await asyncio.to_thread(self._heard, row_id, receipt)

    def _held(self, session: Session, row_id: int) -> Order:
        return session.get_one(self.table, row_id, with_for_update=True)

    def _heard(self, row_id: int, receipt: Receipt) -> None:
        if receipt.result is Result.PENDING:
            self._without(row_id, "pending", True)
            return
        with self._database.write() as session:
            order = self._held(session, row_id)
            if order.state == OrderState.PLACED:  # else it was told by other ways meanwhile
                self.heard(session, order, receipt)

    def _without(self, row_id: int, reason: str, again: bool) -> None:
        """Asked again later; after the policy's patience a person takes over."""
        with self._database.write() as session:
            order = self._held(session, row_id)
            if order.state != OrderState.PLACED:
                return
            if again and clock.now() - order.placed_at < self.patience:
                wait = backoff(order.attempts, first=FIRST_RETRY, most=LAST_RETRY)
                release(order, retry_at=clock.now() + wait, error=reason)
                return
            log.warning("%s order %s given up: %s", self.topic, row_id, reason)
            given_up(order, reason)
            self.unanswered(session, order, reason)
