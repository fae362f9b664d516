"""A courier's parcels and what is scanned of them, made up, and the same every time."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from parcels.ingest import MOST
from parcels.models import SubStatus

NODES = (
    (SubStatus.PICKED_UP, "嘉兴市南湖区营业部", "嘉兴转运中心"),
    (SubStatus.ARRIVED, "嘉兴转运中心", "杭州转运中心"),
    (SubStatus.DEPARTED, "嘉兴转运中心", "杭州转运中心"),
    (SubStatus.CONTACTED, "杭州市西湖区营业部", None),
    (SubStatus.SIGNED, "杭州市西湖区文一路", None),
)
"""Every parcel passes all of these, nine hours apart."""
LEG = timedelta(hours=9)
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Road:
    """``count`` parcels, the first of which was picked up at ``began``."""

    count: int
    began: datetime

    @property
    def scan_count(self) -> int:
        return self.count * len(NODES)

    def number(self, parcel: int) -> str:
        return f"SF{10**12 + parcel}"

    def parcels(self) -> Iterator[list[Row]]:
        """What the courier's systems tell of each parcel, in batches."""
        for begin in range(0, self.count, MOST):
            yield [
                {
                    "waybill_no": self.number(parcel),
                    "origin": "嘉兴",
                    "destination": "杭州",
                    "recipient_name": "王小明",
                    "recipient_phone": f"138{parcel:08d}",
                    "recipient_address": f"杭州市西湖区文一路 {parcel % 999} 号",
                    "goods_class": "general",
                }
                for parcel in range(begin, min(begin + MOST, self.count))
            ]

    def scans(self) -> Iterator[list[Row]]:
        """All scans in batches, as hubs send them: node by node. Their ids are without order."""
        chance = random.Random(self.count)
        for node, (sub_status, place, next_place) in enumerate(NODES):
            for begin in range(0, self.count, MOST):
                yield [
                    {
                        "waybill_no": self.number(parcel),
                        "event_id": chance.randbytes(12).hex(),
                        "at": self._at(node, parcel).isoformat(),
                        "sub_status": sub_status,
                        "code": f"N{node}",
                        "place": place,
                        "words": f"快件已到达 {place}",
                        "next_place": next_place,
                    }
                    for parcel in range(begin, min(begin + MOST, self.count))
                ]

    def _at(self, node: int, parcel: int) -> datetime:
        return self.began + node * LEG + timedelta(seconds=parcel % 3600)


def written(batches: Iterator[list[Row]], folder: Path) -> list[Path]:
    """The batches as bodies to be sent, made before anything is measured."""
    folder.mkdir()
    paths = []
    for number, rows in enumerate(batches):
        path = folder / f"{number:04d}.json"
        path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
        paths.append(path)
    return paths
