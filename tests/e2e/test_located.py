"""A shared location needs no understanding: real Rasa answers it with the nearest branch."""

from __future__ import annotations

from uuid import uuid4

from conversations import service as conversations
from conversations.models import Author
from conversations.schemas import Inbound
from tests.e2e.house import House, eventually


def test_a_shared_location_is_answered_with_the_nearest_branch(house: House) -> None:
    name, words = f"located {uuid4().hex}", "[位置] 39.996000, 116.481000"
    with house.database.write() as session:
        conversations.receive(
            session,
            Inbound(
                channel="console",
                account="terminal",
                address=name,
                outside_id=name,
                text=words,
                language="zh",
                label=words,
                point=(39.996, 116.481),
            ),
        )

    def told() -> list[str]:
        return house.known(name).said(Author.BOT)

    (answer,) = eventually(told, "an answer to the location", seconds=30)
    assert answer.startswith("离您最近的是")
    assert "望京网点（演示数据）" in answer.splitlines()[1]
    assert "约 40 米" in answer.splitlines()[1]
