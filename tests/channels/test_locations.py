"""A location shared in WeChat or WeCom keeps its coordinates beside its words."""

from __future__ import annotations

from math import hypot

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.tencent import gcj02
from bot.channels.tencent.xml import Push
from bot.channels.wechat import convert as wechat
from bot.channels.wecom import convert as wecom
from tests.e2e.dialogues import TEXTS


@pytest.mark.parametrize(
    ("latitude", "point"), [("23.134521", (23.1370575, 113.3533231)), ("here", None), ("91", None)]
)
def test_wechat(latitude: str, point: tuple[float, float] | None) -> None:
    push: Push = {
        "FromUserName": "oA", "CreateTime": "1351776360", "MsgType": "location", "MsgId": "1",
        "Location_X": latitude, "Location_Y": "113.358803", "Label": "天河",
    }  # fmt: skip
    inbound = wechat.to_inbound(push, "gh", TEXTS.room("zh", "wechat"))
    assert inbound is not None
    assert "天河" in inbound.text
    assert inbound.point == (pytest.approx(point, abs=1e-6) if point else None)


def test_wecom() -> None:
    entry = {
        "msgid": "m", "open_kfid": "wk", "external_userid": "wm", "send_time": 1615478585,
        "origin": 3, "msgtype": "location",
        "location": {"latitude": 23.106021881103501, "longitude": 113.320503234863,
                     "name": "广州国际媒体港", "address": "海珠区"},
    }  # fmt: skip
    found = wecom.read(entry, "wk", TEXTS.room("zh", "wecom"))
    assert isinstance(found, wecom.Said)
    assert found.inbound.point == pytest.approx((23.1086, 113.3151), abs=1e-3)


PAIRS = [  # of the project eviltransform: the same place in WGS-84 and in GCJ-02
    ((31.1774276, 121.5272106), (31.17530398364597, 121.531541859215)),
    ((22.543847, 113.912316), (22.540796131694766, 113.9171764808363)),
    ((39.911954, 116.377817), (39.91334545536069, 116.38404722455657)),
]


@pytest.mark.parametrize(("true", "shown"), PAIRS)
def test_what_maps_of_china_shift_is_put_back(
    true: tuple[float, float], shown: tuple[float, float]
) -> None:
    assert gcj02.from_wgs84(true) == pytest.approx(shown, abs=1e-9)
    assert gcj02.to_wgs84(shown) == pytest.approx(true, abs=2e-7)


@pytest.mark.parametrize(
    "place",
    [
        (25.0330, 121.5654),  # Taipei
        (22.2819, 114.1589),  # Hong Kong
        (22.1987, 113.5439),  # Macau
        (35.6812, 139.7671),  # Tokyo
        (1.2897, 103.8501),  # Singapore
        (48.8566, 2.3522),  # Paris
        (-33.8688, 151.2093),  # Sydney
    ],
)
def test_outside_the_mainland_nothing_is_shifted(place: tuple[float, float]) -> None:
    assert gcj02.to_wgs84(place) == place


@given(st.floats(30, 40), st.floats(85, 119))
def test_there_and_back_is_the_same_place(latitude: float, longitude: float) -> None:
    shown = gcj02.from_wgs84((latitude, longitude))
    assert gcj02.to_wgs84(shown) == pytest.approx((latitude, longitude), abs=2e-7)
    assert 0 < hypot(shown[0] - latitude, shown[1] - longitude) < 0.01
