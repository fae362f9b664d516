"""docs/http-channel.md tells the truth: its app and its curl are run against the channel."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bot.channels.http.account import App, from_file, open_account
from bot.channels.http.channel import HttpChannel
from bot.channels.http.links import Links
from bot.settings import ROOT
from store.engine import Database
from tests.channels.house import TEXTS, House, serving
from tests.channels.http_app import SECRET

DOCS = (ROOT / "docs" / "http-channel.md").read_text()
pytestmark = pytest.mark.parametrize("address", ["sqlite"], indirect=True)


def example(language: str) -> str:
    return str(re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)[-1])


def house_of(database: Database, port: int) -> House:
    house = House(database)
    house.channels.add(
        HttpChannel(
            open_account("shop_app", App(callback=f"http://127.0.0.1:{port}/courier"), SECRET),
            database,
            house.live,
            house.inbox.accept,
            house.outbox.resume,
            TEXTS,
            house.files,
            Links("http://desk.test", "secret"),
        )
    )
    return house


def test_the_app_of_the_docs_talks_with_us(database: Database, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(example("python"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serving(house_of(database, port)) as desk:
        app = subprocess.Popen(
            [sys.executable, "app.py", str(port)],
            cwd=tmp_path,
            env={**os.environ, "DESK": desk, "SECRET": SECRET, "PYTHONIOENCODING": "utf-8"},
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        assert app.stdout is not None
        hangs = threading.Timer(30, app.kill)
        hangs.start()
        try:
            assert app.stdout.readline() == "{'message': 1, 'new': True}\n"
            assert app.stdout.readline() == "u-1001 answer to 你好\n"
        finally:
            hangs.cancel()
            app.kill()
            app.wait()
            app.stdout.close()


def test_the_curl_of_the_docs_is_understood(database: Database) -> None:
    house = house_of(database, 9)
    with serving(house) as desk:
        sent = subprocess.run(
            ["sh", "-e", "-c", example("sh")],
            env={**os.environ, "DESK": desk, "SECRET": SECRET, "NO_PROXY": "127.0.0.1"},
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert (sent.returncode, sent.stderr) == (0, "")
    assert json.loads(sent.stdout) == {"message": 1, "new": True}
    assert house.record()[0] == ("customer", "我的快递到哪了")


def test_the_policy_of_the_docs_is_one(address: str, tmp_path: Path) -> None:
    (written,) = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
    path = tmp_path / "http.yml"
    path.write_text(re.sub(r"(?m)^   ", "", written))
    (account,) = from_file(path, {"SHOP_APP": SECRET})
    assert account.callback.host == "app.example.com"
