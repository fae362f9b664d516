"""What is done by the clock runs while the service does."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bot import app, settings, ticks
from conversations import files
from store import clock
from tests import samples
from tests.channels.house import until


@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
async def test_uploads_that_were_never_sent_are_swept_at_a_start_and_each_hour(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticks, "FILES", timedelta(seconds=0.1))
    service = app.create(
        settings.load({"COURIER_HOME": str(tmp_path), "COURIER_DATABASE": address})
    )
    store = service.state.service.files
    old, later = (store.keep(samples.picture(width)) for width in (1, 2))
    with clock.frozen(clock.now() + files.UNNAMED + timedelta(minutes=1)) as move:
        store.keep(samples.picture(2))  # once more
        async with service.router.lifespan_context(service):
            await until(lambda: not store.path(old.sha256).exists())
            assert store.path(later.sha256).exists()
            move(clock.now() + files.UNNAMED + timedelta(minutes=1))
            await until(lambda: not store.path(later.sha256).exists())
