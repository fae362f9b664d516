"""A location shared in WeChat or WeCom keeps its coordinates beside its words."""

from __future__ import annotations

import pytest

from bot.channels.tencent.xml import Push
from bot.channels.wechat import convert as wechat
from bot.channels.wecom import convert as wecom
from tests.e2e.dialogues import TEXTS


@pytest.mark.parametrize(
    ("latitude", "point"), [("23.134521", (23.134521, 113.358803)), ("here", None), ("91", None)]
)
def test_wechat(latitude: str, point: tuple[float, float] | None) -> None:
    push: Push = {
        "FromUserName": "oA", "CreateTime": "1351776360", "MsgType": "location", "MsgId": "1",
        "Location_X": latitude, "Location_Y": "113.358803", "Label": "天河",
    }  # fmt: skip
    inbound = wechat.to_inbound(push, "gh", TEXTS.room("zh", "wechat"))
    assert inbound is not None
    assert (inbound.point, "天河" in inbound.text) == (point, True)


def test_wecom() -> None:
    entry = {
        "msgid": "m", "open_kfid": "wk", "external_userid": "wm", "send_time": 1615478585,
        "origin": 3, "msgtype": "location",
        "location": {"latitude": 23.106021881103501, "longitude": 113.320503234863,
                     "name": "广州国际媒体港", "address": "海珠区"},
    }  # fmt: skip
    found = wecom.read(entry, "wk", TEXTS.room("zh", "wecom"))
    assert isinstance(found, wecom.Said)
    assert found.inbound.point == pytest.approx((23.106021881, 113.320503235))
