"""The other side: Kuaidi100 asks us where one of our parcels is.

Source: Kuaidi100's own description of how a carrier joins (快递公司如何接入快递100). A form with
``key``, ``num`` and ``sign`` = MD5(key + num + secret) in capitals; key and secret are given by the
carrier. The answer is the road, newest first, Beijing's time. It holds places and states and never
a scan's own words, which may name a courier and his phone.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from sqlalchemy.orm import Session

from parcels import repository
from parcels.models import Scan, Status
from parcels.sources.kuaidi100 import BEIJING, signed
from parcels.sources.statuses import Statuses
from parcels.waybills import canonical


@dataclass(frozen=True, slots=True)
class Asker:
    """Whom we answer."""

    key: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Desk:
    """Answers Kuaidi100's questions. ``named`` gives a state's Chinese name."""

    asker: Asker
    statuses: Statuses
    named: Callable[[Status], str]

    def answer(self, session: Session, body: bytes) -> dict[str, Any]:
        """What Kuaidi100 reads: a wrong signature and an unknown number are answers too."""
        form = parse_qs(body.decode("utf-8", "replace"))
        key, num, sign = (form.get(name, [""])[0] for name in ("key", "num", "sign"))
        same = hmac.compare_digest(key.encode("utf-8", "replace"), self.asker.key.encode())
        if not signed(sign, self.asker.key, num, self.asker.secret) or not same:
            return {"result": False, "message": "验签失败", "data": []}
        parcel = repository.by_waybill(session, canonical(num)[:40])
        if parcel is None:
            return {"result": True, "message": "运单号不存在", "data": []}
        road = reversed(repository.scans(session, parcel.id))
        return {
            "result": True,
            "message": "SUCCESS",
            "state": self.statuses.to_kuaidi100[parcel.status],
            "data": [self._node(scan) for scan in road],
        }

    def _node(self, scan: Scan) -> dict[str, str]:
        named = self.named(scan.status) if scan.status else ""
        return {
            "context": f"【{scan.place}】{named}" if scan.place else named,
            "location": scan.place or "",
            "time": scan.at.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S"),
        }
