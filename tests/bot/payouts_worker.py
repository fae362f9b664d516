"""A process that pays until nothing is due: for tests to kill."""

from __future__ import annotations

import asyncio
import sys

import httpx

from bot.payouts.loop import PayoutLoop
from store.engine import Database
from store.orders import Outlet
from tests.tickets.money import House


async def main(address: str, paymaster: str, key: str) -> None:
    house = House(Database(address))
    loop = PayoutLoop(
        house.database,
        house.live,
        Outlet(paymaster, bytes.fromhex(key), httpx.AsyncClient(trust_env=False)),
        house.compensation.policies.present.payment,
        house.payouts,
    )
    while await loop._work():
        pass


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
