"""Another hand's client of our stream: npm's ``eventsource``, where there are Node and npm."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from store.engine import Database
from tests.channels.house import House, serving
from tests.channels.test_widget import SITES, bearing

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("npm"), reason="no Node here")]

# Reads until it has as many messages as it is asked for; tells what it was asked to resume after.
CLIENT = """
import { EventSource } from "eventsource";
const [url, token, wanted] = process.argv.slice(2);
const seen = [], resumed = [];
const source = new EventSource(url, {
  fetch: (input, init) => {
    resumed.push(new Headers(init.headers).get("Last-Event-ID"));
    return fetch(input, {
      ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` },
    });
  },
});
source.addEventListener("message", ({ data, lastEventId }) => {
  const { text, id } = JSON.parse(data);
  seen.push([text, id === Number(lastEventId)]);
  console.log(JSON.stringify({ seen, resumed }));
  if (seen.length === Number(wanted)) process.exit(0);
});
setTimeout(() => process.exit(1), 60000);
"""


@pytest.fixture(params=["sqlite"])
def address(tmp_path: Path, sqlite_template: Path) -> str:
    """One engine is enough here."""
    path = tmp_path / "courier.db"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("node")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    (folder / "client.js").write_text(CLIENT)
    done = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "eventsource@4.1.1"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        pytest.skip("npm cannot install eventsource here")
    return folder / "client.js"


def say(url: str, token: str, number: int) -> None:
    body = {"id": f"m-00000{number}", "text": f"no {number}"}
    assert httpx.post(f"{url}/chat/messages", json=body, headers=bearing(token)).is_success


def test_a_foreign_client_resumes_after_a_restart_of_the_service(
    database: Database, client: Path
) -> None:
    with serving(House(database, sites=SITES)) as url:
        token = httpx.post(f"{url}/widget/shop/session", json={}).json()["token"]
        say(url, token, 1)
        node = subprocess.Popen(
            ["node", str(client), f"{url}/chat/events", token, "4"],
            cwd=client.parent,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert node.stdout is not None
        node.stdout.readline()
        before = json.loads(node.stdout.readline())
    try:
        with serving(House(database, sites=SITES), port=int(url.rpartition(":")[2])):
            say(url, token, 2)
            node.stdout.readline()
            after = json.loads(node.stdout.readline())
            assert node.wait(30) == 0
    finally:
        node.kill()
    assert [text for text, _ in before["seen"]] == ["no 1", "answer to no 1"]
    assert [text for text, _ in after["seen"][2:]] == ["no 2", "answer to no 2"]
    assert all(id_fits for _, id_fits in after["seen"])
    assert before["resumed"] == [None]
    assert set(after["resumed"][1:]) == {"2"}  # the newest message it had
