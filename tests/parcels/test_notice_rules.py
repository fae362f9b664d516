"""The policy of notices: checked at start, what a message wishes, which node a scan is."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from conversations.texts import Texts
from parcels import notice_rules
from parcels.models import Scan, Status, SubStatus
from parcels.notice_models import Node
from parcels.notice_rules import NoticeRules, Said
from store.errors import PolicyError
from tests.rooms import POLICIES, SHANGHAI

FILE = POLICIES / "notices.yml"


@pytest.fixture(scope="module")
def rules() -> NoticeRules:
    return notice_rules.from_file(FILE)


HUBS = (Node.HUB_IN, Node.HUB_OUT, Node.HUB)


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("别再发消息了", Said(False)),
        ("please stop texting me", Said(False)),
        ("stop these messages", Said(False)),
        ("有进展提醒我", Said(True)),
        ("要提醒", Said(True)),
        ("subscribe me", Said(True)),
        ("keep me posted", Said(True)),
        ("TD", Said(False)),
        ("不用一直提醒我，我自己会看", Said(False)),
        ("怎么取消订阅啊，找不到按钮", Said(False)),
        ("能不能只通知派送和签收，中间的不用", Said(True, (Node.OUT_FOR_DELIVERY, Node.DELIVERED))),
        ("短信提醒换成邮件提醒", None),
        ("消息的事", None),
        ("只要签收的时候告诉我", Said(True, (Node.DELIVERED,))),
        ("只在派送和签收时通知我，其他别发", Said(True, (Node.OUT_FOR_DELIVERY, Node.DELIVERED))),
        ("Only tell me when it is delivered", Said(True, (Node.DELIVERED,))),
        ("just when it's out for delivery please", Said(True, (Node.OUT_FOR_DELIVERY,))),
        ("中转的消息别发了", Said(False, HUBS)),
        ("stop the hub updates", Said(False, HUBS)),
    ],
)
def test_what_a_message_wishes(rules: NoticeRules, text: str, wish: Said | None) -> None:
    assert rules.said(text) == wish


@pytest.mark.parametrize(("text", "one"), [("这个包裹别发了", True), ("stop sending", False)])
def test_whether_it_is_about_one_parcel(rules: NoticeRules, text: str, one: bool) -> None:
    assert rules.of_one(text) is one


@pytest.mark.parametrize(
    ("status", "sub_status", "node"),
    [
        (Status.IN_TRANSIT, SubStatus.ARRIVED, Node.HUB_IN),
        (Status.IN_TRANSIT, SubStatus.DEPARTED, Node.HUB_OUT),
        (Status.IN_TRANSIT, SubStatus.IN_CUSTOMS, Node.HUB),
        (Status.IN_TRANSIT, None, Node.HUB),
        (Status.EXCEPTION, SubStatus.RETURNING, Node.RETURNING),
        (Status.EXCEPTION, SubStatus.DAMAGED, Node.EXCEPTION),
        (Status.INFO_RECEIVED, SubStatus.ORDERED, None),
        (Status.NOT_FOUND, None, None),
    ],
)
def test_which_node_a_scan_is(
    rules: NoticeRules, status: Status, sub_status: SubStatus | None, node: Node | None
) -> None:
    assert rules.node(Scan(status=status, sub_status=sub_status)) is node


def test_every_node_has_its_words() -> None:
    texts = Texts(POLICIES / "texts", SHANGHAI)
    for node in Node:
        assert texts.has(f"notices.{node}")
        assert texts.has(f"notices.name.{node}")


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"nodes": {"delivered": None}}, "nodes lack delivered"),
        ({"nodes": {"lost": {"words": []}}}, "'picked_up', 'hub_in'"),
        ({"nodes": {"returned": {"states": ["Delivered"], "words": []}}}, "two nodes have Deliv"),
        ({"nodes": {"hub": {"words": []}}}, "hub: every node but the incident has states"),
        ({"nodes": {"hub": {"states": ["Lost"], "words": []}}}, "nodes.hub.states"),
        ({"channels": {"default": None}}, "channels lack 'default'"),
        ({"channels": {"default": ["lost"]}}, "channels.default.0"),
        ({"quiet": {"from": "22:00", "to": "22:00"}}, "leave 'quiet' out"),
        ({"quiet": {"from": "25:00", "to": "8:00"}}, "line"),
        ({"merge_minutes": -1}, "merge_minutes"),
        ({"reserve": {"at_once": 0, "other": 3}}, "reserve.at_once"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_mistake_in_the_policy_is_named(
    tmp_path: Path, broken: dict[str, object], words: str
) -> None:
    document = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    for name, value in broken.items():
        if isinstance(value, dict) and isinstance(document.get(name), dict):
            changed = {**document[name], **value}
            document[name] = {key: given for key, given in changed.items() if given is not None}
        else:
            document[name] = value
    path = tmp_path / "notices.yml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    with pytest.raises(PolicyError, match=words) as refused:
        notice_rules.from_file(path)
    assert str(path) in str(refused.value)


def test_a_channel_that_there_is_not_is_refused_with_its_line(tmp_path: Path) -> None:
    text = FILE.read_text(encoding="utf-8")
    path = tmp_path / "notices.yml"
    path.write_text(text.replace("\n  wechat:", "\n  wetchat:"), encoding="utf-8")
    line = 1 + text.partition("\nchannels:")[0].count("\n") + 1
    with pytest.raises(PolicyError) as refused:
        notice_rules.from_file(path, {"web", "wechat", "shop"})
    assert f"{path}: line {line}, channels: " in str(refused.value)
    assert "'wetchat' is no channel: default, shop, web, wechat" in str(refused.value)
