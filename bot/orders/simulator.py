"""The other side of orders for demo and tests: real HTTP and real signatures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import Generic, TypeVar

from fastapi import APIRouter, Request
from pydantic import BaseModel

from store.errors import Invalid
from store.orders import Receipt, Result
from store.signing import checked

Wanted = TypeVar("Wanted", bound=BaseModel)
_REMEMBERED = 10_000


class OrderSimulator(ABC, Generic[Wanted]):
    """Answers each order once and the same again. It keeps nothing over a restart."""

    path: str
    shape: type[Wanted]

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._seen: OrderedDict[str, Receipt] = OrderedDict()

    @abstractmethod
    def decide(self, order: Wanted, *, first: bool) -> Receipt:
        """``first``: it never saw this order before."""

    def router(self) -> APIRouter:
        routes = APIRouter()

        @routes.post(self.path, include_in_schema=False)
        async def order(request: Request) -> Receipt:
            body = await request.body()
            message_id = checked(self._key, request.headers, body)
            try:
                wanted = self.shape.model_validate_json(body)
            except ValueError as error:
                raise Invalid("no order") from error
            return self.answer(message_id, wanted)

        return routes

    def answer(self, message_id: str, order: Wanted) -> Receipt:
        known = self._seen.get(message_id)
        if known is None or known.result is Result.PENDING:
            known = self.decide(order, first=known is None)
            self._seen[message_id] = known
            while len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
        return known
