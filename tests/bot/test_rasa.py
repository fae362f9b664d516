"""A Rasa that hangs makes one customer wait, not all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from bot.rasa import Rasa
from store.errors import BotUnavailable


class Server:
    """Rasa's two addresses, which do not answer while ``hangs``; ``asked`` tells which were."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.awake = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path.rpartition("/")[2])
        await self.awake.wait()
        said = [{"text": "here"}]
        return web.json_response(said if request.method == "POST" else {"model_file": "m"})


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
async def rasa(server: Server) -> AsyncIterator[Rasa]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    client = Rasa(site.name.replace(":0", f":{runner.addresses[0][1]}"), timeout=0.3)
    yield client
    server.awake.set()
    await client.close()
    await runner.cleanup()


async def test_after_one_that_hung_it_must_say_that_it_is_ready(server: Server, rasa: Rasa) -> None:
    for _ in range(2):
        with pytest.raises(BotUnavailable):
            await rasa.ask("key", "你好", {})
    assert server.asked == ["webhook", "status"]
    server.awake.set()
    for _ in range(2):
        assert [answer.text for answer in await rasa.ask("key", "你好", {})] == ["here"]
    assert server.asked[2:] == ["status", "webhook", "webhook"]
