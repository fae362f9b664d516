"""A whole installation with a clock that is set: the service in this process, Rasa beside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from rich.console import Console

from bot import app, processes, up
from bot.settings import Settings
from store import clock
from tests.e2e import house as houses
from tests.e2e.house import Seen


class Clocked(Seen):
    """What falls due when the clock is set is done by the real loops. Times only go on."""

    def __init__(self, settings: Settings, move: Callable[[datetime], None]) -> None:
        super().__init__(settings)
        self._move = move

    def tomorrow(self, hour: int, minute: int = 0) -> datetime:
        """Set the clock to this hour of the next day on the company's wall: each test its own."""
        today = clock.now().astimezone(self.settings.zone)
        then = (today + timedelta(days=1)).replace(hour=hour, minute=minute, second=0)
        self._move(then)
        return then

    def later(self, **more: float) -> datetime:
        """So much later, as ``timedelta`` counts it."""
        then = clock.now() + timedelta(**more)
        self._move(then)
        return then


@contextmanager
def built(home: Path, begins: datetime) -> Iterator[Clocked]:
    """An installation in ``home`` whose day begins at ``begins``."""
    settings = houses.lent(houses.settings_in(home))
    with clock.frozen(begins.replace(tzinfo=settings.zone)) as move:
        model = up.prepare(settings, Console(quiet=True))
        settings = up.with_simulators(settings)
        rasa = processes.rasa(settings, model)
        rasa.start()
        try:
            with _serving(app.create(settings), settings):
                processes.wait_until(lambda: processes.answers(settings), [rasa], 60)
                house = Clocked(settings, move)
                yield house
                house.close()
        finally:
            processes.stop([rasa])


@contextmanager
def _serving(service: FastAPI, settings: Settings) -> Iterator[None]:
    config = uvicorn.Config(
        service,
        host="127.0.0.1",
        port=settings.port,
        log_level="warning",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.02)
        yield
    finally:
        server.should_exit = True
        thread.join(10)
